#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "actors/evidence_keeper.hpp"
#include "actors/hls_writer.hpp"
#include "actors/object_recorder.hpp"
#include "actors/report.hpp"
#include "actors/session.hpp"
#include "actors/trust_keeper.hpp"
#include "manifest/verifier.hpp"
#include "object/receiver.hpp"

namespace ec::actors {

/// Counters of a subscriber since its start, and what it holds.
struct subscriber_status {
  object::receiver_counters counters;
  object::receiver_status held;
};

/// Takes manifests from one peer and objects from others, and hands on what may be shown. All decisions are object::receiver's.
using subscriber_verifier_actor = caf::typed_actor<
  // What happened on a session; the answer is the credit for the next object.
  caf::replies_to<session_event>::with<edge_credit>,
  // Time passed (sent to itself).
  caf::reacts_to<tick_atom>,
  // Asks again for tracks that a source did not have yet (sent to itself).
  caf::reacts_to<retry_atom, uint32_t>,
  caf::replies_to<status_atom>::with<subscriber_status>,
  // Ends in order: what is ready goes on, then the end mark.
  caf::reacts_to<stop_atom>>;

/// What one peer is asked for.
struct subscriber_source {
  bool manifests = false;
  bool objects = true;
  std::string address; ///< for reports
};

struct subscriber_config {
  moq::track_namespace stream;
  object::stream_cipher cipher;
  manifest::verifier verifier;
  object::receiver_config receiver;
  std::vector<subscriber_source> sources; ///< by source id
  std::chrono::milliseconds drain{0}; ///< when asked to end: how long the sources may take to end their tracks first
  edge_config edge;        ///< to the HLS writer
  edge_config record_edge; ///< to the object recorder
  std::function<base::wall_time()> wall = base::wall_now; ///< for the freshness of manifests
};

/// Where what was accepted goes. All absent: chunks are verified and reported only.
struct subscriber_outputs {
  std::optional<hls_writer_actor> hls;
  std::optional<object_recorder_actor> objects;
  std::optional<evidence_keeper_actor> evidence = {}; ///< likewise
  std::optional<trust_keeper_actor> trust = {}; ///< is told to stop at the end
};

subscriber_verifier_actor spawn_subscriber_verifier(caf::actor_system& sys, subscriber_config config, subscriber_outputs outputs,
  observer_actor observer);

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::subscriber_status)
