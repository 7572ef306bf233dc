#pragma once

#include <chrono>
#include <cstdint>

namespace ec::base {

/// Machine time that only moves forward: deadlines, pacing, measurements. Never compared between hosts.
using mono_time = std::chrono::steady_clock::time_point;
using mono_duration = std::chrono::nanoseconds;

/// Wall time in milliseconds since the Unix epoch: what a person or another host reads.
using wall_time = std::chrono::sys_time<std::chrono::milliseconds>;

/// The only places that read a clock; everything in src/ is handed `now`.
mono_time mono_now();
wall_time wall_now();

/// Milliseconds since the Unix epoch.
inline int64_t unix_ms(wall_time t) {
  return t.time_since_epoch().count();
}

/// The wall clock's reading for a moment of the machine's clock, microseconds since the Unix epoch: lets an operator compare
/// moments of two processes. Reads both clocks; as exact as the wall clock was not set in between.
int64_t unix_us_of(mono_time moment);

} // namespace ec::base
