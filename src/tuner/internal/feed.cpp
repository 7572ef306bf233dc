#include "tuner/internal/feed.hpp"

#include <algorithm>

#include "base/clock.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "tuner/faulted_broadcast.hpp"

namespace ec::tuner::internal {

using base::errc;
using base::fail;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

feed::feed(simulated_channel channel, double speed, fault_plan faults) : channel_(std::move(channel)), speed_(speed), faults_(std::move(faults)) {
  if (!faults_.empty()) channel_.broadcast = faulted_broadcast::as_broadcast(std::move(channel_.broadcast), faults_, 1);
}

void feed::start(std::function<bool(bool down)> reboot) {
  reboot_ = std::move(reboot);
  thread_ = std::thread([this] { run(); });
}

void feed::stop() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void feed::end_streams() {
  {
    const std::lock_guard lock(mutex_);
    ++cut_;
  }
  changed_.notify_all();
}

void feed::set_silent(bool silent) {
  {
    const std::lock_guard lock(mutex_);
    silent_ = silent;
    if (!silent) live_from_ = first_ + bursts_.size();
  }
  changed_.notify_all();
}

fault_plan::answer feed::answers() const {
  const std::lock_guard lock(mutex_);
  return faults_.answers(at_);
}

std::string feed::broken() const {
  const std::lock_guard lock(mutex_);
  return broken_;
}

uint64_t feed::bit_rate() const {
  const std::lock_guard lock(mutex_);
  const auto ms = static_cast<uint64_t>(std::chrono::duration_cast<milliseconds>(at_).count());
  return ms == 0 ? 0 : bytes_all_ * 8 / ms * 1000;
}

feed::place feed::tune_in() const {
  const std::lock_guard lock(mutex_);
  return {first_ + bursts_.size(), cut_, torn_};
}

base::result<feed::taken> feed::take(place& at, milliseconds wait) {
  std::unique_lock lock(mutex_);
  const auto ready = [&] {
    return over_ || cut_ != at.cut || torn_ != at.torn || (!silent_ && !stalled_ && std::max(at.next, live_from_) < first_ + bursts_.size());
  };
  if (!changed_.wait_for(lock, wait, ready)) return taken{};
  if (over_ || cut_ != at.cut) return fail(errc::closed, "the channel is off the air");
  if (torn_ != at.torn) return fail(errc::io, "the connection breaks off");
  taken out;
  if (const auto oldest = std::max(first_, live_from_); at.next < oldest) {
    // Too slow by the whole queue, or the device was silent: what a device does then is to lose packets.
    out.lost = oldest - at.next;
    at.next = oldest;
  }
  out.burst = bursts_[static_cast<size_t>(at.next - first_)];
  ++at.next;
  return out;
}

void feed::run() {
  auto zero = base::mono_now();
  while (true) {
    auto burst = channel_.broadcast();
    std::unique_lock lock(mutex_);
    if (!burst || burst.value().packets.empty()) {
      broken_ = burst ? "the broadcast gave no packets" : burst.error().message();
      over_ = true;
      lock.unlock();
      changed_.notify_all();
      base::log::warn("simulator", "broadcast-ended", {{"channel", channel_.number}, {"why", broken_}});
      return;
    }
    const auto after = nanoseconds(static_cast<int64_t>(static_cast<double>(burst.value().until.count()) / speed_));
    auto due = zero + after;
    const auto now = base::mono_now();
    if (now - due > std::chrono::seconds(2)) {
      // The machine slept or is too slow: the broadcast goes on from now rather than in one rush.
      base::log::warn("simulator", "fell-behind", {{"channel", channel_.number},
        {"ms", std::chrono::duration_cast<milliseconds>(now - due).count()}});
      zero += now - due;
      due = now;
    }
    changed_.wait_until(lock, due, [&] { return over_; });
    if (over_) return;
    play_faults(burst.value().until);
    at_ = burst.value().until;
    bytes_ += burst.value().packets.size();
    bytes_all_ += burst.value().packets.size();
    bursts_.push_back(std::move(burst).value());
    while (bytes_ > base::limits::simulator_feed_bytes_max && bursts_.size() > 1) {
      bytes_ -= bursts_.front().packets.size();
      bursts_.pop_front();
      ++first_;
    }
    const bool down = reboot_ && faults_.rebooting(at_);
    lock.unlock();
    changed_.notify_all();
    if (down && !down_) down_ = reboot_(true);
    else if (!down && down_) down_ = !reboot_(false);
  }
}

/// The plan's faults of the connection, as they are when a burst has been on the air until `at`. Locked.
void feed::play_faults(nanoseconds at) {
  if (faults_.empty()) return;
  const auto ends = faults_.ends(at) - faults_.resets(at);
  const auto before = faults_.ends(at_) - faults_.resets(at_);
  cut_ += ends - before;
  torn_ += faults_.resets(at) - faults_.resets(at_);
  const bool stalled = faults_.silent(at);
  if (stalled_ && !stalled) live_from_ = first_ + bursts_.size();
  stalled_ = stalled;
  for (const auto& f : faults_.faults())
    if ((f.at > at_ || bursts_.empty()) && f.at <= at) base::log::info("simulator", "fault", {{"channel", channel_.number}, {"fault", print_fault(f)}});
}

std::optional<size_t> tuner_bank::take_any(const std::string& channel) {
  const std::lock_guard lock(mutex_);
  for (size_t i = tuners_.size(); i > 0; --i) // devices give the last tuner first
    if (tuners_[i - 1].channel.empty()) {
      tuners_[i - 1] = {channel, false};
      return i - 1;
    }
  return std::nullopt;
}

bool tuner_bank::take(size_t which, const std::string& channel) {
  const std::lock_guard lock(mutex_);
  if (!tuners_[which].channel.empty()) return false;
  tuners_[which] = {channel, false};
  return true;
}

void tuner_bank::give_back(size_t which) {
  const std::lock_guard lock(mutex_);
  tuners_[which] = {};
}

bool tuner_bank::hold(size_t which, const std::string& channel) {
  const std::lock_guard lock(mutex_);
  auto& t = tuners_[which];
  if (!t.channel.empty() && !t.by_control) return false;
  t = {channel, true};
  return true;
}

void tuner_bank::let_go(size_t which) {
  const std::lock_guard lock(mutex_);
  if (tuners_[which].by_control) tuners_[which] = {};
}

bool tuner_bank::taken_by_http(size_t which) const {
  const std::lock_guard lock(mutex_);
  return !tuners_[which].channel.empty() && !tuners_[which].by_control;
}

std::vector<std::string> tuner_bank::channels() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& t : tuners_) out.push_back(t.channel);
  return out;
}

unsigned tuner_bank::in_use() const {
  const auto all = channels();
  return static_cast<unsigned>(all.size() - static_cast<size_t>(std::count(all.begin(), all.end(), std::string())));
}

} // namespace ec::tuner::internal
