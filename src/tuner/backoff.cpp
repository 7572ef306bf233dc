#include "tuner/backoff.hpp"

#include <algorithm>
#include <cmath>

namespace ec::tuner {

using std::chrono::milliseconds;

backoff::backoff(backoff_config config, uint64_t seed) : config_(config), state_(seed) {}

base::mono_time backoff::next(base::mono_time now) {
  if (up_ && now - up_since_ >= config_.settled) failures_ = 0;
  up_ = false;
  const double cap = static_cast<double>(config_.cap.count());
  double wait = std::min(cap, static_cast<double>(config_.first.count()) * std::pow(std::max(1.0, config_.factor), failures_));
  const double unit = static_cast<double>(random() >> 11) / static_cast<double>(uint64_t{1} << 53); // 0..1
  wait *= 1.0 + std::clamp(config_.jitter, 0.0, 1.0) * (2.0 * unit - 1.0);
  if (failures_ < 1000) ++failures_; // beyond that the cap holds anyway
  return now + milliseconds(std::llround(std::min(wait, cap)));
}

void backoff::succeeded(base::mono_time now) {
  if (up_) return;
  up_ = true;
  up_since_ = now;
}

void backoff::reset() {
  failures_ = 0;
  up_ = false;
}

/// splitmix64: enough to keep nodes apart.
uint64_t backoff::random() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

} // namespace ec::tuner
