#include "ts/broadcast_clock.hpp"

#include <cstdint>
#include <cstdlib>
#include <utility>

namespace ec::ts {
namespace {

constexpr int64_t ticks(int64_t unix_ms) {
  return unix_ms * (pts_hz / 1000);
}

/// The n for which pts + n * quantum is nearest to `t`.
constexpr int64_t nearest_lift(int64_t t, uint64_t pts) {
  return floor_div(t - static_cast<int64_t>(pts) + broadcast_clock::quantum / 2, broadcast_clock::quantum);
}

} // namespace

broadcast_clock::event broadcast_clock::on_pts(uint64_t pts, bool gap) {
  if (!have_pts_) {
    have_pts_ = heard_ = true;
    last_pts_ = pts;
    last_t_ = static_cast<int64_t>(pts);
    return event::none;
  }
  const int64_t step = pts_step(last_pts_, pts);
  const int64_t before = last_t_;
  last_pts_ = pts;
  // Others may be ahead of this node's input: what was adopted before its first PTS is no jump back.
  const bool jump = step < -(std::exchange(heard_, true) ? backward_max : lead_max) || (!gap && step >= quantum);
  if (!jump) {
    last_t_ += step;
    return event::none;
  }
  if (!locked_) {
    last_t_ = static_cast<int64_t>(pts);
    reading_.reset();
    return event::none;
  }
  // Every node that saw the jump takes the smallest lift that keeps T rising.
  set_lift(floor_div(before - static_cast<int64_t>(pts), quantum) + 1);
  offset_.reset();
  reading_.reset();
  ++era_;
  return event::jumped;
}

broadcast_clock::event broadcast_clock::on_broadcast_time(int64_t unix_ms, uint64_t pts) {
  if (!have_pts_) {
    have_pts_ = heard_ = true;
    last_pts_ = pts;
    last_t_ = static_cast<int64_t>(pts);
  }
  // A jump that on_pts() has not been told of yet: this reading belongs to the time behind it.
  const int64_t step = pts_step(last_pts_, pts);
  if (step < -backward_max || step >= quantum) return event::none;
  const bool set = reading_ && std::llabs(unix_ms - reading_->unix_ms - pts_step(reading_->pts, pts) / (pts_hz / 1000)) > station_step_ms;
  const auto kept = set ? event::station_set : event::none;
  reading_ = {unix_ms, pts};
  const int64_t t = ticks(unix_ms);
  const int64_t here = lift(pts);
  if (!synced_) {
    const bool was_locked = locked_;
    last_t_ += static_cast<int64_t>(pts) + nearest_lift(t, pts) * quantum - here;
    offset_ = t - lift(pts);
    locked_ = synced_ = true;
    if (was_locked) ++era_;
    return was_locked ? event::jumped : event::locked;
  }
  if (!offset_) offset_ = t - here;
  const int64_t moved = t - here - *offset_;
  if (std::llabs(moved) <= drift_max) {
    // Follow a slow drift between the encoder and the station's clock: only a step is a sign of something missed.
    *offset_ += moved / 64;
    return kept;
  }
  // The station's clock was set, or PTS jumped while this node did not look. Only the second is ours, and then the lift
  // that broadcast time gives differs from the one kept. Ids never run backwards.
  const int64_t there = static_cast<int64_t>(pts) + nearest_lift(t, pts) * quantum;
  if (there <= here) {
    offset_ = t - here;
    return kept;
  }
  last_t_ += there - here;
  offset_ = t - there;
  ++era_;
  return event::jumped;
}

std::optional<int64_t> broadcast_clock::lift_of(uint64_t index, uint64_t pts, int64_t duration_ticks) {
  // Nobody's count is so great: it comes from another node, and is bounded before it is multiplied.
  if (duration_ticks <= 0 || pts >= static_cast<uint64_t>(pts_wrap) || index > static_cast<uint64_t>(INT64_MAX / 4 / duration_ticks)) return std::nullopt;
  // T of that chunk's first PTS lies in [index, index + 1) * duration.
  const int64_t low = static_cast<int64_t>(index) * duration_ticks;
  const int64_t n = floor_div(low - static_cast<int64_t>(pts) + quantum - 1, quantum);
  const int64_t t = static_cast<int64_t>(pts) + n * quantum;
  return t - low >= duration_ticks ? std::nullopt : std::optional(t);
}

broadcast_clock::event broadcast_clock::adopt(uint64_t index, uint64_t pts, int64_t duration_ticks) {
  const auto lifted = lift_of(index, pts, duration_ticks);
  if (!lifted) return event::none; // not a chunk of this clock
  const int64_t t = *lifted;
  if (!have_pts_) {
    have_pts_ = true;
    last_pts_ = pts;
  }
  const int64_t here = t + pts_step(pts, last_pts_);
  const bool was_locked = locked_;
  const bool same = was_locked && here == last_t_;
  if (synced_ && here < last_t_) return event::none; // they are behind, and go up when they hear of this
  last_t_ = here;
  locked_ = synced_ = true;
  offset_.reset();
  if (same) return event::none;
  if (was_locked) ++era_;
  return was_locked ? event::jumped : event::locked;
}

void broadcast_clock::lock_unsynced() {
  locked_ = true;
}

std::optional<int64_t> broadcast_clock::unix_ms_at(uint64_t pts) const {
  if (!reading_) return std::nullopt;
  return reading_->unix_ms + pts_step(reading_->pts, pts) / (pts_hz / 1000);
}

} // namespace ec::ts
