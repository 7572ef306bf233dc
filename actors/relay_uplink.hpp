#pragma once

#include "actors/machine.hpp"
#include "actors/report.hpp"
#include "actors/session_link.hpp"

namespace ec::actors {

/// The session of a relay with one that it uses. Ends with the reason when the peer is gone, so that its supervisor dials again.
using relay_uplink_actor = caf::typed_actor<
  // The connection is gone (sent to itself).
  caf::reacts_to<tick_atom>,
  // Closes the session with NO_ERROR.
  caf::reacts_to<stop_atom>>;

/// Joins the relay of `endpoint` to `peer`, dialled again whenever the session ends: a supervisor.
caf::actor spawn_relay_uplink(caf::actor_system& sys, const session_peer& peer, const machine& on, const running_endpoint& endpoint, observer_actor observer);

} // namespace ec::actors
