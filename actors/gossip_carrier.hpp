#pragma once

#include <vector>

#include "actors/carrier.hpp"
#include "actors/machine.hpp"
#include "actors/quic_endpoint.hpp"
#include "actors/report.hpp"
#include "actors/session_link.hpp"
#include "base/limits.hpp"
#include "moq/types.hpp"

namespace ec::actors {

/// Which streams exist, for people and other programs: docs/formats/gossip.md.
moq::full_track_name catalog_track();

struct gossip_carrier_config {
  running_endpoint endpoint;      ///< from which peers are dialled, and which offers the tracks if it listens
  bool offer = true;              ///< publishes the two tracks on it
  std::vector<session_peer> peers; ///< that are dialled, and whose announcements are taken
  size_t guests_max = base::limits::gossip_guests_max; ///< that dial this node, and are heard too
  machine on;
};

/// Passes announcements on between nodes: what counts here is published on the node's own endpoint, what peers publish is taken. What comes back
/// is known already, and ends there.
carrier_spec gossip_carrier(gossip_carrier_config config, observer_actor observer);

} // namespace ec::actors
