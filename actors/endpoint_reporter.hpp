#pragma once

#include <chrono>

#include "actors/quic_endpoint.hpp"
#include "actors/report.hpp"

namespace ec::actors {

using endpoint_reporter_actor = caf::typed_actor<
  // Time to report (sent to itself).
  caf::reacts_to<tick_atom>,
  // Reports what there was in all, and ends.
  caf::reacts_to<stop_atom>>;

/// Tells what an endpoint counts (docs/formats/events.md): at its stop, as events that end in "-totals", which is to come before that of the
/// endpoint; and of a relay each `every` as "relay-status", unless that is 0.
endpoint_reporter_actor spawn_endpoint_reporter(caf::actor_system& sys, quic_endpoint_actor endpoint, std::chrono::milliseconds every, observer_actor observer);

} // namespace ec::actors
