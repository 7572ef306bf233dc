#include "ts/internal/pcr_check.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "ts/time.hpp"

namespace ec::ts::internal {
namespace {

/// A step of more, or backwards, is another clock.
constexpr int64_t step_max = pcr_hz;
/// Packets that a point may lie off the line of its neighbours while the rate is learned, and later.
constexpr int64_t jitter_learning = 2, jitter = 4;
/// From here on the 16 packets that a counter hides may be missing; jitter at both ends taken off.
constexpr int64_t hidden_min = 16 - jitter;
/// A burst may reach over so many PCRs of a PID that it spares.
constexpr unsigned off_line_max = 2;
/// With fewer packets from PCR to PCR even an uneven stream looks even.
constexpr int64_t packets_per_step_min = 48;
constexpr int64_t steps_lost_max = 8;

} // namespace

void pcr_check::lost() {
  last_.reset();
  line_.clear();
  off_line_ = 0;
  gap_ = false;
}

bool pcr_check::push(uint64_t pcr, uint64_t number, uint64_t position, bool with_payload) {
  const int64_t step = last_ ? pcr_step(*last_, pcr) : 0;
  if (last_ && (step <= 0 || step > step_max)) restart();
  const bool first = !last_;
  last_ = pcr;
  if (first) {
    line_.assign(1, {pcr, number});
    gap_ = false;
    proven_ = position;
    return true;
  }
  const auto rate = judge_rate({pcr, number});
  const bool in_time = judge_cadence(step, with_payload);
  if (rate == verdict::lost || !in_time) return false; // proven() stays where it was for the caller; the next PCR moves it
  if (rate == verdict::fine) proven_ = position;
  return true;
}

int64_t pcr_check::missing(point from, point to) const {
  return pcr_step(from.pcr, to.pcr) * rate_packets_ - static_cast<int64_t>(to.number - from.number) * rate_ticks_;
}

pcr_check::verdict pcr_check::judge_rate(point now) {
  if (rate_packets_ > 0) {
    const int64_t off = missing(line_.back(), now);
    if (off >= hidden_min * rate_ticks_ && !rate_doubted_) {
      line_.assign(1, now);
      off_line_ = 0;
      rate_doubted_ = true;
      return verdict::lost;
    }
    if (std::llabs(off) > jitter * rate_ticks_) {
      if (off > 0 && ++off_line_ <= off_line_max) return verdict::open;
      rate_ticks_ = rate_packets_ = 0;
      line_.clear();
    }
    off_line_ = 0;
    rate_doubted_ = false;
  }
  learn_rate(now);
  return verdict::fine;
}

void pcr_check::learn_rate(point now) {
  line_.push_back(now);
  if (line_.size() <= steps_to_arm) return;
  if (line_.size() > steps_to_arm + 1) line_.erase(line_.begin());
  const point first = line_.front();
  rate_ticks_ = pcr_step(first.pcr, now.pcr);
  rate_packets_ = static_cast<int64_t>(now.number - first.number);
  const bool straight = rate_packets_ >= packets_per_step_min * static_cast<int64_t>(steps_to_arm) && rate_ticks_ > 0 &&
                        std::all_of(line_.begin(), line_.end(), [&](point p) { return std::llabs(missing(first, p)) <= jitter_learning * rate_ticks_; });
  if (!straight) rate_ticks_ = rate_packets_ = 0;
}

bool pcr_check::judge_cadence(int64_t step, bool with_payload) {
  if (gap_) { // the PCR of that packet may be the one that is missing
    gap_ = false;
    return true;
  }
  if (!with_payload) { // a packet that leaves no trace when it is lost
    steps_ = 0;
    return true;
  }
  if (steps_ >= equal_steps_to_arm) {
    const int64_t slack = shortest_ / 8;
    const bool doubted = std::exchange(cadence_doubted_, false);
    if (step >= shortest_ - slack && step <= longest_ + slack) return true;
    for (int64_t n = 2; n <= steps_lost_max && !doubted; ++n)
      if (step >= n * shortest_ - slack && step <= n * longest_ + slack) {
        cadence_doubted_ = true;
        return false;
      }
    steps_ = 0;
  }
  if (steps_ == 0) shortest_ = longest_ = step;
  shortest_ = std::min(shortest_, step);
  longest_ = std::max(longest_, step);
  ++steps_;
  if (longest_ - shortest_ > shortest_ / 10) { // no cadence
    steps_ = 1;
    shortest_ = longest_ = step;
  }
  return true;
}

} // namespace ec::ts::internal
