#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "tuner/internal/sections.hpp"

namespace ec::tuner::internal {

/// Which packets of a multiplex a tuner's stream carries: PIDs by number, or those of one program as its tables name them.
class pid_filter {
public:
  /// All packets.
  pid_filter();
  /// "0x0000-0x1fff", "0x0000 0x0030-0x0033": hexadecimal numbers and ranges, at most 64. Errors: malformed.
  [[nodiscard]] static base::result<pid_filter> parse(std::string_view text);
  /// PAT, PMT, PCR and streams of this program; nothing but the PAT before they are known. It follows the tables.
  static pid_filter of_program(uint16_t number);

  /// True if this packet (188 bytes) passes.
  bool pass(std::span<const uint8_t> packet);
  /// What parse() reads as the same PIDs, as far as they are known.
  std::string text() const;

private:
  void learn_programs(std::span<const uint8_t> pat);
  void learn_streams(std::span<const uint8_t> pmt);

  std::bitset<0x2000> pids_;
  std::optional<uint16_t> program_;
  std::optional<uint16_t> pmt_pid_;
  section_finder pat_, pmt_;
};

} // namespace ec::tuner::internal
