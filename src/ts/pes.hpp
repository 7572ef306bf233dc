#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace ec::ts {

/// What the head of a PES packet says [13818-1 2.4.3.6].
struct pes_header {
  uint8_t stream_id = 0;
  uint16_t length = 0;          ///< PES_packet_length: bytes after that field; 0 is unbounded (video only)
  size_t header_bytes = 0;      ///< from the start code to the first payload byte
  std::optional<uint64_t> pts;  ///< 90 kHz, 33 bits
  std::optional<uint64_t> dts;  ///< absent if equal to the PTS
  /// The DTS, which is the PTS where none is coded.
  std::optional<uint64_t> decode_time() const { return dts ? dts : pts; }
};

enum class pes_parse { ok, need_more, malformed };

/// Reads a PES header off the front of `in`, the payload of packets from a payload_unit_start on. Never reads past `in`.
pes_parse parse_pes_header(std::span<const uint8_t> in, pes_header& out);

} // namespace ec::ts
