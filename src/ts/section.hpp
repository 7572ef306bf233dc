#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "ts/packet.hpp"

namespace ec::ts {

/// CRC-32 as PSI uses it [13818-1 annex A]: over a whole section with its CRC the result is 0.
uint32_t crc32_mpeg(std::span<const uint8_t> in);
/// Ends a section with its CRC.
void append_crc(std::vector<uint8_t>& section);

/// Puts sections together from the packets of one PID [13818-1 2.4.4]. Holds at most one section (4,098 bytes).
class section_assembler {
public:
  /// Sees each whole section, from table_id to CRC; borrowed for the call. Sections that carry a CRC and fail it are
  /// counted and not shown.
  using sink = std::function<void(std::span<const uint8_t> section)>;

  /// One packet of the PID, without transport_error. A gap in the counter drops the section under way.
  void push(packet_view packet, const sink& out);
  void reset();

  uint64_t crc_errors() const { return crc_errors_; }
  /// Times that packets were missed, by the counter or by reset().
  uint64_t gaps() const { return gaps_; }

private:
  void take(std::span<const uint8_t> bytes, const sink& out);
  void complete(const sink& out);

  std::vector<uint8_t> buffer_;
  size_t want_ = 0;       ///< size of the section under way; 0 while fewer than three bytes of it are known
  bool collecting_ = false;
  uint8_t counter_ = 0xff; ///< of the last packet; 0xff before any
  uint64_t crc_errors_ = 0;
  uint64_t gaps_ = 0;
};

} // namespace ec::ts
