#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "actors/found_place.hpp"
#include "actors/machine.hpp"
#include "actors/session_link.hpp"
#include "moq/crossing.hpp"
#include "quic/endpoint.hpp"

/// Where the sessions that a node dials go on when their servers ask them to leave.
namespace ec::actors {

/// What the operator said of his peers, which no server's word changes.
struct move_rules {
  std::vector<session_peer> known;         ///< those that he named: dialled as he said, tokens and all, wherever they come from
  quic::client_verification unpinned;      ///< how any other is known
};

/// The peer that the server of `current` names in GOAWAY; `current` if `uri` is empty. One that the operator did not name is shown no token, and known
/// by `rules.unpinned`; by the pin in the URI only where `current` was known by its own pin, or is not verified at all. Errors: those of
/// quic::follow_redirect.
[[nodiscard]] base::result<session_peer> moved_peer(const session_peer& current, std::string_view uri, const move_rules& rules);

/// Where a session goes on whose server asks it to leave.
struct next_place {
  session_peer peer;      ///< the same if the server names no other, or one that is not followed
  bool elsewhere = false; ///< it is another
  std::string refused;    ///< why the server is not followed; empty: it is, or it named no other place
};
/// By what the operator allows `current` (session_peer::moves), and not too often.
[[nodiscard]] next_place place_after(const session_peer& current, std::string_view uri, moq::move_budget& budget, base::mono_time now);

/// Lets `peers` be moved, each known to all others.
void let_move(std::vector<session_peer>& peers, const quic::client_verification& unpinned);

/// Where a session is dialled next: where it was up last, and when it fails there the other place that is known, the operator's or the one that the
/// session was moved to. Any thread.
class dial_places {
public:
  explicit dial_places(session_peer configured) : places_{std::move(configured)} {}
  session_peer next();
  /// The session is up there.
  void up(const session_peer& at);

private:
  std::mutex mutex_;
  std::vector<session_peer> places_; ///< the operator's is the last
  size_t at_ = 0;
};

using place_hearer = caf::typed_actor<caf::reacts_to<found_place>>;

/// Looks `peer` up where that may block, and tells `to`.
void look_up_for(caf::actor_system& sys, const session_peer& peer, const machine& on, place_hearer to);

/// As logs show it: without what its path keeps secret.
std::string shown(const session_peer& peer);

} // namespace ec::actors
