#pragma once

#include "actors/messages.hpp"
#include "actors/quic_endpoint.hpp"
#include "actors/report.hpp"

namespace ec::actors {

/// Offers the signed manifests of one stream on track `manifests` of an endpoint: one group per epoch.
using manifest_publisher_actor = caf::typed_actor<
  // One manifest object; the answer is the credit for the next.
  caf::replies_to<manifest_item>::with<edge_credit>>;

manifest_publisher_actor spawn_manifest_publisher(caf::actor_system& sys, moq::track_namespace stream, edge_config edge,
  quic_endpoint_actor endpoint, observer_actor observer);

} // namespace ec::actors
