#pragma once

#include "actors/machine.hpp"
#include "actors/moving.hpp"
#include "actors/report.hpp"
#include "actors/session_link.hpp"
#include "moq/types.hpp"

namespace ec::actors {

/// The session of a node with a relay that it dialled. When the relay asks it to leave it goes over to the next one without a gap (moq/crossing.hpp).
/// Ends with the reason when the peer is gone, so that its supervisor dials again.
using relay_uplink_actor = caf::typed_actor<
  // The connection is gone (sent to itself).
  caf::reacts_to<tick_atom>,
  // Looks how far it is on its way to the next relay (sent to itself).
  caf::reacts_to<move_atom>,
  // Where the next relay is.
  caf::reacts_to<found_place>,
  // Time to offer again what the relay did not want (sent to itself).
  caf::reacts_to<retry_atom>,
  // Lets the relay take what is on its way, for a while, and closes the session with NO_ERROR.
  caf::reacts_to<stop_atom>>;

/// Joins the relay of `endpoint` to `peer`, dialled again whenever the session ends, there or where it was moved to: a supervisor.
caf::actor spawn_relay_uplink(caf::actor_system& sys, const session_peer& peer, const machine& on, const running_endpoint& endpoint, observer_actor observer);

/// Offers what `endpoint` publishes under `offered` to the relay `peer`, which takes from there what it is asked for; dialled again
/// whenever the session ends: a supervisor. At the end the relay may take what is on its way for `linger`.
caf::actor spawn_publisher_uplink(caf::actor_system& sys, const session_peer& peer, const machine& on, const running_endpoint& endpoint,
                                  const moq::track_namespace& offered, std::chrono::milliseconds linger, observer_actor observer);

} // namespace ec::actors
