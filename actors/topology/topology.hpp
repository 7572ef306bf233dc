#pragma once

#include <functional>
#include <string>
#include <vector>

#include "actors/atoms.hpp"
#include "actors/machine.hpp"
#include "actors/quic_endpoint.hpp"
#include "actors/report.hpp"
#include "actors/topology/config.hpp"
#include "base/result.hpp"

/// Wiring: who feeds whom, nothing else. Each function reads from the sink back to the source, spawns, and returns handles.
namespace ec::actors {

/// How the stream of a publisher was named, for whoever started it.
struct naming_report {
  std::string rule;   ///< "explicit", "broadcast", "source"; empty of a subscriber, which is told
  std::string reason; ///< for a person
  std::vector<std::string> aliases; ///< other ids of the same broadcast
};

/// A running topology. Its stages end in order: when all actors of one have ended, the next is asked to stop; that is how what was
/// read still reaches the peers.
struct running_topology {
  std::vector<std::vector<caf::actor>> stages;
  std::vector<std::shared_ptr<running_loop>> loops; ///< stopped when every stage has ended and nobody uses them
  std::string stream_id;
  naming_report naming;
  std::string signer;   ///< "ed25519:<hex>" if it signs
  std::string address;  ///< in full, "moqt://127.0.0.1:4443#spki=..."; empty if it does not listen
  std::string http_address; ///< "http://127.0.0.1:4443/" of a relay's HTTP side
};

/// Reads a broadcast, signs manifests, and publishes them and, if wanted, the chunks. Errors (config, io) before anything runs.
base::result<running_topology> leader(caf::actor_system& sys, const publish_config& config, observer_actor observer, const machine& on = {});

/// Publishes the chunks of a broadcast from its own reading; signs nothing.
base::result<running_topology> relay(caf::actor_system& sys, const publish_config& config, observer_actor observer, const machine& on = {});

/// Passes on what peers offer, unverified: a MoQ relay.
base::result<running_topology> moq_relay(caf::actor_system& sys, const relay_node_config& config, observer_actor observer, const machine& on = {});

/// Takes manifests and objects from peers, verifies, and writes HLS.
base::result<running_topology> subscriber(caf::actor_system& sys, const subscribe_config& config, observer_actor observer, const machine& on = {});

/// A leader with chunks, and a subscriber of it, in one process.
base::result<running_topology> all_in_one(caf::actor_system& sys, publish_config publish, subscribe_config subscribe,
  observer_actor observer);

/// Ends a topology stage by stage; stops the loops, and ends itself, when the last stage has ended and nobody uses them any more. Lives until then, whether or
/// not somebody holds it.
using conductor_actor = caf::typed_actor<
  // Asks the first stage that still runs to stop.
  caf::reacts_to<stop_atom>>;

conductor_actor spawn_conductor(caf::actor_system& sys, running_topology topology);

/// Ends, in order, what was started before something else failed. A loop must not go while an actor on it may still be sent to.
void end_topology(caf::actor_system& sys, running_topology topology);

} // namespace ec::actors
