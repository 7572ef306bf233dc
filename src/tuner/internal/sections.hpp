#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ec::tuner::internal {

/// Where some bytes of a section stand: in which packet, from where, how many.
struct section_piece {
  uint64_t packet = 0;
  uint8_t at = 0;
  uint8_t size = 0;
};

/// A whole section and where it was found.
struct found_section {
  std::vector<uint8_t> bytes;
  std::vector<section_piece> pieces;
};

/// Collects the sections of one PID [13818-1 2.4.4]; does not look at their CRC.
class section_finder {
public:
  /// The sections that end in this packet.
  std::vector<found_section> push(uint64_t index, std::span<const uint8_t> packet);
  /// The packet in which the section under way began; nothing between sections.
  std::optional<uint64_t> begun_in() const {
    return active_ && !open_.pieces.empty() ? std::optional(open_.pieces.front().packet) : std::nullopt;
  }

private:
  size_t append(uint64_t index, std::span<const uint8_t> packet, size_t at, std::vector<found_section>& out);

  found_section open_;
  bool active_ = false;
};

/// The time that a section carries moved on by `seconds`: STT of ATSC, TDT and TOT of DVB, with a new CRC where there is
/// one. Nothing if it is none of these, or its CRC was wrong before.
std::optional<std::vector<uint8_t>> advance_time(std::span<const uint8_t> section, int64_t seconds);

} // namespace ec::tuner::internal
