#pragma once

#include "actors/quic_endpoint.hpp"
#include "actors/report.hpp"

namespace ec::actors {

/// The end of a relay: before the rest of it ends, its peers are asked to leave and given time for it. A stage of the topology.
using relay_leaver_actor = caf::typed_actor<
  // Asks them; ends when all have left, or the time is over.
  caf::reacts_to<stop_atom>>;

relay_leaver_actor spawn_relay_leaver(caf::actor_system& sys, quic_endpoint_actor endpoint, leave_wish wish, observer_actor observer);

} // namespace ec::actors
