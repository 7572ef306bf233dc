#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

/// The few fields of a TS packet that a source or the simulator must see or rewrite. The reader of the node (room ts) is
/// not used here on purpose: the simulator is what that reader is tested with, and must not share its faults.
namespace ec::tuner::internal {

inline constexpr size_t packet_bytes = 188;
inline constexpr uint16_t null_pid = 0x1fff;
inline constexpr uint64_t pcr_hz = 27'000'000;
inline constexpr uint64_t pts_wrap = uint64_t{1} << 33;
inline constexpr uint64_t pcr_wrap = pts_wrap * 300;

/// All take a packet of 188 bytes that begins with 0x47 [13818-1 2.4.3.2].
inline uint16_t pid_of(std::span<const uint8_t> p) { return static_cast<uint16_t>((p[1] & 0x1f) << 8 | p[2]); }
inline bool transport_error(std::span<const uint8_t> p) { return (p[1] & 0x80) != 0; }
inline bool unit_start(std::span<const uint8_t> p) { return (p[1] & 0x40) != 0; }
inline bool has_adaptation(std::span<const uint8_t> p) { return (p[3] & 0x20) != 0; }
inline bool has_payload(std::span<const uint8_t> p) { return (p[3] & 0x10) != 0; }
inline bool scrambled(std::span<const uint8_t> p) { return (p[3] & 0xc0) != 0; }
inline uint8_t counter_of(std::span<const uint8_t> p) { return p[3] & 0x0f; }

/// Where the payload begins; 188 if there is none or the adaptation field is broken.
inline size_t payload_at(std::span<const uint8_t> p) {
  if (!has_payload(p)) return packet_bytes;
  const size_t at = has_adaptation(p) ? 5u + p[4] : 4u;
  return at < packet_bytes ? at : packet_bytes;
}

/// Flags of the adaptation field, 0 if there is none [13818-1 2.4.3.5].
inline uint8_t adaptation_flags(std::span<const uint8_t> p) {
  return has_adaptation(p) && p[4] > 0 && p[4] <= 183 ? p[5] : uint8_t{0};
}
inline bool random_access_flag(std::span<const uint8_t> p) { return (adaptation_flags(p) & 0x40) != 0; }
inline bool discontinuity_flag(std::span<const uint8_t> p) { return (adaptation_flags(p) & 0x80) != 0; }

/// A PCR or OPCR field of six bytes, in 27 MHz ticks below pcr_wrap.
inline uint64_t read_pcr(const uint8_t* at) {
  const uint64_t base = uint64_t{at[0]} << 25 | uint64_t{at[1]} << 17 | uint64_t{at[2]} << 9 | uint64_t{at[3]} << 1 | at[4] >> 7;
  return base * 300 + ((at[4] & 1u) << 8 | at[5]);
}
inline void write_pcr(uint8_t* at, uint64_t pcr) {
  const uint64_t base = pcr / 300 % pts_wrap;
  const uint64_t rest = pcr % 300;
  at[0] = static_cast<uint8_t>(base >> 25);
  at[1] = static_cast<uint8_t>(base >> 17);
  at[2] = static_cast<uint8_t>(base >> 9);
  at[3] = static_cast<uint8_t>(base >> 1);
  at[4] = static_cast<uint8_t>((base & 1) << 7 | 0x7e | rest >> 8);
  at[5] = static_cast<uint8_t>(rest);
}

/// Place of the PCR (or OPCR) in the packet; 0 if it has none.
inline size_t pcr_at(std::span<const uint8_t> p) { return (adaptation_flags(p) & 0x10) != 0 && p[4] >= 7 ? 6 : 0; }
inline size_t opcr_at(std::span<const uint8_t> p) {
  if ((adaptation_flags(p) & 0x08) == 0) return 0;
  const size_t at = (p[5] & 0x10) != 0 ? 12 : 6;
  return at + 6 <= 5u + p[4] ? at : 0;
}
inline std::optional<uint64_t> pcr_of(std::span<const uint8_t> p) {
  const auto at = pcr_at(p);
  if (at == 0 || transport_error(p)) return std::nullopt;
  return read_pcr(p.data() + at);
}

/// A time stamp field of five bytes in 90 kHz ticks [13818-1 2.4.3.7]; writing keeps its four prefix bits.
inline uint64_t read_pts(const uint8_t* at) {
  return uint64_t{(at[0] >> 1) & 7u} << 30 | uint64_t{at[1]} << 22 | uint64_t{at[2] & 0xfeu} << 14 | uint64_t{at[3]} << 7 | at[4] >> 1u;
}
inline void write_pts(uint8_t* at, uint64_t pts) {
  at[0] = static_cast<uint8_t>((at[0] & 0xf0) | (pts >> 30 & 7) << 1 | 1);
  at[1] = static_cast<uint8_t>(pts >> 22);
  at[2] = static_cast<uint8_t>((pts >> 15 & 0x7f) << 1 | 1);
  at[3] = static_cast<uint8_t>(pts >> 7);
  at[4] = static_cast<uint8_t>((pts & 0x7f) << 1 | 1);
}

/// Where a packet's PES header keeps its time stamps; 0: not there, or not within this packet.
struct pes_stamps {
  bool begins_pes = false;
  size_t pts_at = 0;
  size_t dts_at = 0;
};
inline pes_stamps find_stamps(std::span<const uint8_t> p) {
  pes_stamps out;
  const size_t at = payload_at(p);
  if (!unit_start(p) || scrambled(p) || at + 9 > packet_bytes || p[at] != 0 || p[at + 1] != 0 || p[at + 2] != 1) return out;
  out.begins_pes = true;
  const uint8_t id = p[at + 3];
  // Stream ids whose PES packets have no optional header [13818-1 table 2-21].
  if (id == 0xbc || id == 0xbe || id == 0xbf || id == 0xf0 || id == 0xf1 || id == 0xf2 || id == 0xf8 || id == 0xff) return out;
  if ((p[at + 6] & 0xc0) != 0x80) return out;
  const uint8_t flags = p[at + 7] >> 6;
  const uint8_t length = p[at + 8];
  if ((flags & 2) != 0 && length >= 5 && at + 14 <= packet_bytes) out.pts_at = at + 9;
  if (flags == 3 && length >= 10 && at + 19 <= packet_bytes) out.dts_at = at + 14;
  return out;
}

/// CRC-32 of sections [13818-1 annex A]; over a whole section, CRC included, it is 0.
inline uint32_t section_crc(std::span<const uint8_t> section) {
  uint32_t crc = 0xffffffff;
  for (const uint8_t byte : section) {
    crc ^= uint32_t{byte} << 24;
    for (int i = 0; i < 8; ++i) crc = (crc & 0x80000000u) != 0 ? crc << 1 ^ 0x04c11db7u : crc << 1;
  }
  return crc;
}

} // namespace ec::tuner::internal
