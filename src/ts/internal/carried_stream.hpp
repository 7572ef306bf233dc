#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ts/internal/checks.hpp"
#include "ts/packet.hpp"
#include "ts/pes.hpp"
#include "ts/program.hpp"

namespace ec::ts::internal {

inline constexpr uint8_t no_counter = 0xff;

/// One PID of the program: puts its PES packets together and has them checked. Where chunks begin and end is not known here.
class carried_stream {
public:
  explicit carried_stream(const program_stream& s) : facts(s), is_video(ts::is_video(s.kind)), video_(s.kind), audio_(s.kind) {}

  // Facts, kept by the cutter.
  program_stream facts;
  bool is_video = false;
  bool reference = false;
  uint8_t counter = no_counter;
  uint64_t safe = 0;     ///< before this position nothing of the PID is in doubt
  uint64_t packets = 0;
  int64_t last_time = 0; ///< reference time at its last packet
  bool scrambled_noted = false;

  /// True if the packet that was taken last comes again.
  bool repeats(packet_view p) const { return is_repeat(p, packet_view(last_.data())); }
  /// Remembers a packet for repeats().
  void remember(packet_view p) { std::memcpy(last_.data(), p.data(), packet_bytes); }

  struct seen {
    check_outcome found;
    std::optional<pes_header> begun; ///< of the PES packet whose header ended in this packet
    bool at_start = false;           ///< that header lies whole in its first packet
    bool malformed = false;          ///< the header is none
  };
  /// Takes a packet with payload, in the clear, that follows the one before.
  seen take(packet_view p);
  /// PTS of the PES packet under way.
  const std::optional<uint64_t>& pts() const { return pts_; }
  /// Packets were lost: what is under way is worthless.
  void lost();

private:
  void begin_pes(const pes_header& head, check_outcome& found);
  void end_pes(check_outcome& found);

  video_check video_;
  audio_check audio_;
  std::array<uint8_t, packet_bytes> last_{}; ///< to tell a repeat from a loss of 15
  // The PES packet under way
  bool in_pes_ = false;         ///< its header was read
  bool header_pending_ = false;
  std::vector<uint8_t> header_;
  std::optional<uint64_t> pts_;
  bool random_access_ = false;  ///< the indicator of its first packet
  uint64_t pes_want_ = 0, pes_got_ = 0;
  unsigned pes_good_ = 0;
};

} // namespace ec::ts::internal
