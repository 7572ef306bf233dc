#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "actors/carrier.hpp"
#include "actors/machine.hpp"
#include "actors/quic_endpoint.hpp"
#include "actors/report.hpp"
#include "actors/session.hpp"
#include "discovery/dht.hpp"

namespace ec::actors {

struct dht_carrier_config {
  running_endpoint endpoint;        ///< from which peers are dialled
  discovery::dht_config network;
  std::filesystem::path state_file; ///< the routing table is kept here; empty: it is not
  machine on;
  std::function<base::result<std::unique_ptr<discovery::dht_network>>(const discovery::dht_config&)> join = discovery::join_dht;
  /// Dials a peer once; who ends is dialled again by the rules of discovery::peer_book, and not by a supervisor. Unset: from the endpoint.
  std::function<caf::actor(caf::actor_system&, session_dial, session_sink_actor)> dial;
};

/// Tells the DHT where this node's own streams are, finds there who has those that are wanted, and asks each of them over QUIC for its
/// announcements of these streams. The network gives addresses and no more: whose they are, the announcement's signature says.
carrier_spec dht_carrier(dht_carrier_config config, observer_actor observer);

} // namespace ec::actors
