#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace ec::tuner::internal {

/// What an RTP packet carries.
struct rtp_packet {
  uint16_t sequence = 0;
  uint32_t source = 0; ///< SSRC
  uint8_t payload_type = 0;
  std::span<const uint8_t> payload; ///< borrowed
};
/// Errors: malformed (not version 2, or its lengths do not fit) [RFC 3550 5.1].
[[nodiscard]] base::result<rtp_packet> parse_rtp(std::span<const uint8_t> datagram);

/// Puts RTP packets back in order. A missing one is waited for until `patience` is over or limits::rtp_reorder_packets_max others wait; then it
/// is lost, and what comes next is marked. A sender that starts anew (another SSRC, or a sequence far from the last) does so here too, with
/// a mark. Pure.
class rtp_window {
public:
  explicit rtp_window(std::chrono::milliseconds patience) : patience_(patience) {}

  struct piece {
    base::bytes payload;
    bool gap = false; ///< something is missing right before it
  };

  /// Takes a packet and gives what is in order now. Duplicates and what comes too late are dropped and counted.
  std::vector<piece> push(const rtp_packet& packet, base::mono_time now);
  /// What nobody need wait for any longer at `now`.
  std::vector<piece> expire(base::mono_time now);
  /// When expire() has something to give; nothing: not before the next packet.
  std::optional<base::mono_time> due() const;

  uint64_t lost() const { return lost_; }
  uint64_t late() const { return late_; }       ///< duplicates among them

private:
  struct waiting {
    base::bytes payload;
    base::mono_time since;
  };
  void take_ready(std::vector<piece>& out);
  void skip_hole(std::vector<piece>& out);

  const std::chrono::milliseconds patience_;
  std::optional<uint64_t> next_; ///< unwrapped sequence
  uint32_t source_ = 0;
  bool gap_ = false;
  std::map<uint64_t, waiting> waiting_;
  uint64_t lost_ = 0, late_ = 0;
};

} // namespace ec::tuner::internal
