#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "access/claims.hpp"
#include "access/ledger.hpp"
#include "access/token.hpp"
#include "base/clock.hpp"

namespace ec::access {

/// Whom a relay lets in.
struct access_rules {
  token_keys keys;
  std::vector<moq::track_namespace> public_publish;   ///< open to who shows no token
  std::vector<moq::track_namespace> public_subscribe;
  std::vector<moq::track_namespace> peer_publish;    ///< what who shows a certificate may publish
  std::vector<moq::track_namespace> peer_subscribe;
  access_limits limits{};
  bool everybody = false; ///< tokens are not looked at, only the limits hold
};

/// Everything that is counted at the door, since its start. Only grows.
struct access_counters {
  uint64_t sessions_admitted = 0;  ///< that showed a token which counts
  uint64_t sessions_certified = 0; ///< that showed a certificate which counts
  uint64_t sessions_anonymous = 0; ///< let in without one
  uint64_t sessions_refused = 0;
  uint64_t sessions_expired = 0;   ///< ended, as their token did
  uint64_t sessions_revoked = 0;   ///< ended, as the key of their token counts no more
  uint64_t requests_refused = 0;
  uint64_t requests_expired = 0;   ///< subscriptions that ended with the token of their own
  uint64_t sessions_over_limit = 0; ///< refused, as their address or token has as many as it may; among sessions_refused
  uint64_t requests_over_limit = 0; ///< the same of requests
  uint64_t publishers_held = 0;     ///< times that a session was made to wait, as its address or token published too fast
  uint64_t tokens_malformed = 0;
  uint64_t tokens_unknown = 0;     ///< no key of ours signed them
  uint64_t tokens_expired = 0;     ///< when they were shown; those that do not count yet too
};

/// A token that was believed.
struct grant {
  token_claims claims;
  std::string key; ///< thumbprint of what signed it; of a certificate empty: its connection proved it

  /// Whose it is, for logs: its subject, and its id in brackets; "a token" if it says neither. Never the token.
  std::string who() const;
  /// By which its sessions and requests are counted: the same for each showing of the same token.
  std::string account() const;
};
using grants = std::vector<std::shared_ptr<const grant>>;

/// Why somebody may not, in the codes of a session and of a request.
struct denial {
  uint64_t session_code = 0;
  uint64_t request_code = 0;
  std::string reason; ///< for the peer and for logs; holds nothing of a token but whose it is
};

/// What all sessions of one relay share: the keys, and the counters. One thread.
class gatekeeper {
public:
  /// `wall` tells the time.
  gatekeeper(access_rules rules, std::function<base::wall_time()> wall);

  /// Whether a token counts now.
  std::variant<std::shared_ptr<const grant>, denial> judge(std::string_view token);
  /// False once the key of the grant was taken away.
  bool knows_key_of(const grant& g) const;
  /// From now on these keys and no others; admission::check() finds who lived by another.
  void use_keys(token_keys keys);

  base::wall_time now() const { return wall_(); }
  const access_rules& rules() const { return rules_; }
  ledger& book() { return book_; }
  access_counters& counters() { return counters_; }
  const access_counters& counters() const { return counters_; }

private:
  access_rules rules_;
  std::vector<std::string> key_names_; ///< thumbprints of its keys, which are asked for with each request
  std::function<base::wall_time()> wall_;
  access_counters counters_;
  ledger book_;
};

} // namespace ec::access
