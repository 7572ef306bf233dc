#pragma once

#include "actors/messages.hpp"
#include "actors/quic_endpoint.hpp"
#include "actors/report.hpp"

namespace ec::actors {

/// Offers the objects of one stream on tracks `chunks` and `damaged` of an endpoint.
using chunk_publisher_actor = caf::typed_actor<
  // One step of a group; the answer is the credit for the next.
  caf::replies_to<chunk_item>::with<edge_credit>>;

chunk_publisher_actor spawn_chunk_publisher(caf::actor_system& sys, moq::track_namespace stream, edge_config edge,
  quic_endpoint_actor endpoint, observer_actor observer);

} // namespace ec::actors
