#pragma once

#include <cstdint>

/// Media time: PTS and DTS count 90 kHz in 33 bits, PCR 27 MHz. Wrap is handled here and nowhere else.
namespace ec::ts {

inline constexpr int64_t pts_hz = 90'000;
inline constexpr int64_t pcr_hz = 27'000'000;
/// PTS and DTS wrap after this many ticks: 95,443.7 s.
inline constexpr int64_t pts_wrap = int64_t{1} << 33;
inline constexpr int64_t pcr_wrap = pts_wrap * 300;

/// The shortest way from `from` to `to` around the 33 bit circle, in [-2^32, 2^32).
constexpr int64_t pts_step(uint64_t from, uint64_t to) {
  const int64_t d = static_cast<int64_t>((to - from) & (pts_wrap - 1));
  return d >= pts_wrap / 2 ? d - pts_wrap : d;
}

/// The shortest way from one PCR to the next around its circle, 27 MHz ticks.
constexpr int64_t pcr_step(uint64_t from, uint64_t to) {
  int64_t d = (static_cast<int64_t>(to) - static_cast<int64_t>(from)) % pcr_wrap;
  if (d < 0) d += pcr_wrap;
  return d >= pcr_wrap / 2 ? d - pcr_wrap : d;
}

/// Floor division for a positive divisor.
constexpr int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

} // namespace ec::ts
