#pragma once

#include <functional>
#include <memory>

#include "actors/carrier.hpp"
#include "actors/machine.hpp"
#include "actors/quic_endpoint.hpp"
#include "actors/report.hpp"
#include "actors/session_link.hpp"
#include "discovery/mdns.hpp"

namespace ec::actors {

struct mdns_carrier_config {
  running_endpoint endpoint;      ///< from which neighbours are dialled
  discovery::mdns_config network; ///< with a port if the endpoint offers the tracks of gossip
  machine on;
  std::function<base::result<std::unique_ptr<discovery::mdns_network>>(const discovery::mdns_config&)> join = discovery::join_mdns;
  /// Dials a neighbour for as long as it is there. Unset: from the endpoint.
  std::function<caf::actor(caf::actor_system&, uint32_t source, const session_peer&, session_sink_actor)> link;
};

/// Finds the nodes of the local network, and listens to the gossip of each: to whoever is there, as it is known by the pin that it says. What
/// this node says itself is published by its gossip carrier.
carrier_spec mdns_carrier(mdns_carrier_config config, observer_actor observer);

} // namespace ec::actors
