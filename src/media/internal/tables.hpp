#pragma once

#include <cstdint>
#include <vector>

#include "media/test_broadcast.hpp"

/// The sections of the test broadcast, whole and with their CRC [13818-1 2.4.4, A/65 6].
namespace ec::media::internal {

inline constexpr uint16_t psip_pid = 0x1ffb;
inline constexpr uint16_t pmt_pid = 0x30;
inline constexpr uint16_t video_pid = 0x31; ///< carries PCR
inline constexpr uint16_t audio_pid = 0x34;

using section = std::vector<uint8_t>;

section make_pat(const test_broadcast_config& c);
section make_pmt(const test_broadcast_config& c);
/// Terrestrial virtual channel table with one channel.
section make_tvct(const test_broadcast_config& c);
/// Master guide table that lists a TVCT of `tvct_bytes`.
section make_mgt(size_t tvct_bytes);
/// System time table; `unix_s` is the time of day in seconds since the Unix epoch.
section make_stt(int64_t unix_s);

/// Leap seconds between GPS time and UTC since 2017.
inline constexpr uint8_t gps_utc_offset = 18;

} // namespace ec::media::internal
