#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ec::tuner {

/// What a simulated tuner or its station can do wrong.
enum class played_fault : uint8_t {
  // The connection
  stall,           ///< streams stay open and silent; the broadcast goes on meanwhile
  reset,           ///< every stream breaks off in the middle of a packet
  http_503,        ///< streams end, new requests are answered 503 and nothing more
  content_type,    ///< streams end, new requests are answered 200 with a page for a browser
  busy,            ///< streams end, new requests are answered 805: all tuners in use
  no_signal,       ///< streams end, new requests are answered 807: no video data
  content_protected, ///< streams end, new requests are answered 811
  unknown_channel, ///< streams end, new requests are answered 801, as while a device scans
  reboot,          ///< every stream breaks off, and nobody listens on the device's ports
  // The signal
  garbage,         ///< random bytes in place of packets, and not a whole number of them
  fade,            ///< more and more packets are lost or damaged
  // The station
  pmt_version,     ///< the PMT gets a new version number and says the same
  pids,            ///< the program's streams move to other PIDs
  pts_wrap,        ///< the 33 bit clock comes round at that moment (it is shifted from the start on)
  encoder_restart, ///< the clock jumps back
  stt_wrong,       ///< broadcast time (STT, TDT, TOT) is ahead from then on
};
inline constexpr size_t played_fault_count = 16;

/// As written: "stall", "http-503".
std::string_view name(played_fault kind);

/// One fault, on the clock of the broadcast: 0 at the first packet of the simulator.
struct planned_fault {
  played_fault kind = played_fault::stall;
  std::chrono::milliseconds at{0};
  /// Of the connection (but reset), garbage, fade: how long. encoder-restart: how far back. stt-wrong: how far ahead. Others: 0.
  std::chrono::milliseconds amount{0};
  friend bool operator==(const planned_fault&, const planned_fault&) = default;
};

/// Reads `NAME@START` or `NAME@START:AMOUNT`; times are a whole number and ms, s, m or h, at most 168 h. Faults that last take an
/// amount and have a usual one. Errors: malformed.
[[nodiscard]] base::result<planned_fault> parse_fault(std::string_view text);
/// What parse_fault() reads as the same.
std::string print_fault(const planned_fault& fault);

/// The faults of one device, in any order, and what they say of a moment of the broadcast. Pure.
class fault_plan {
public:
  fault_plan() = default;
  explicit fault_plan(std::vector<planned_fault> faults) : faults_(std::move(faults)) {}

  /// What a request for a stream is answered.
  enum class answer : uint8_t { stream, status_503, page, busy, no_signal, content_protected, unknown_channel };

  bool empty() const { return faults_.empty(); }
  std::span<const planned_fault> faults() const { return faults_; }
  bool rebooting(std::chrono::nanoseconds at) const { return under_way(played_fault::reboot, at).has_value(); }
  bool silent(std::chrono::nanoseconds at) const { return under_way(played_fault::stall, at).has_value(); }
  answer answers(std::chrono::nanoseconds at) const;
  /// How often all streams were ended up to that moment, and how many of these times in the middle of a packet.
  uint64_t ends(std::chrono::nanoseconds at) const;
  uint64_t resets(std::chrono::nanoseconds at) const;
  /// The share of a fault of this kind that is over at that moment, 0 to 1; nothing if none is under way.
  std::optional<double> under_way(played_fault kind, std::chrono::nanoseconds at) const;
  /// Faults of this kind that have begun, and their amounts added up.
  uint64_t begun(played_fault kind, std::chrono::nanoseconds at) const;
  std::chrono::milliseconds amount(played_fault kind, std::chrono::nanoseconds at) const;

private:
  std::vector<planned_fault> faults_;
};

} // namespace ec::tuner
