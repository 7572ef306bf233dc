#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "access/admission.hpp"
#include "actors/report.hpp"
#include "base/clock.hpp"
#include "quic/address.hpp"

namespace ec::actors {

/// Who comes in at an endpoint that relays, who is refused and why, told to the operator: some lines a minute, of the rest the number. Touched
/// on the loop's thread only.
class relay_door {
public:
  relay_door(access::access_rules rules, std::function<base::wall_time()> wall, observer_actor observer) : keeper_(std::move(rules), std::move(wall)), observer_(std::move(observer)) {}

  /// Whose the limits of addresses count: of an IPv6 address its network, as its owner has the rest to choose from.
  static std::string account_of(const quic::socket_address& peer) { return std::string(peer.host_bytes().substr(0, peer.v6() ? 8 : 4)); }

  access::gatekeeper& keeper() { return keeper_; }
  const access::access_counters& counters() const { return keeper_.counters(); }
  uint64_t untold() const { return untold_; }

  /// `what`: "session", "request", "certificate", "expired", "revoked" or "rate". `who`: as the admission says. Never a token.
  void tell(base::mono_time now, const std::string& peer, const char* what, const std::string& who, const std::string& reason);

  /// The admission is looked at again when something of it ends, and in ten seconds at the latest, as a wall clock may be set, and to forget
  /// requests that are over.
  void note(const access::admission& a, base::mono_time now);
  /// When all admissions must be checked; nothing: never.
  std::optional<base::mono_time> look_at() const { return look_at_; }
  void looked() { look_at_.reset(); }
  /// When the sessions' rates must be looked at; nothing: no rate is limited.
  std::optional<base::mono_time> pace_at() const { return keeper_.rules().limits.paces() ? std::optional(pace_at_) : std::nullopt; }
  void paced(base::mono_time now) { pace_at_ = now + std::chrono::milliseconds(100); }

private:
  access::gatekeeper keeper_;
  observer_actor observer_;
  std::optional<base::mono_time> look_at_;
  base::mono_time pace_at_{};
  base::mono_time minute_{};
  uint32_t told_ = 0; ///< in this minute
  uint64_t untold_ = 0;
};

} // namespace ec::actors
