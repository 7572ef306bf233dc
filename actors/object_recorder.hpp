#pragma once

#include "actors/messages.hpp"
#include "actors/report.hpp"
#include "object/cipher.hpp"

namespace ec::actors {

/// Keeps a file of objects: every accepted group as it came, behind the manifests that vouch for it.
using object_recorder_actor = caf::typed_actor<
  // One group; the answer is the credit for the next, given when the group is on the disk or given up.
  caf::replies_to<accepted_group>::with<edge_credit>>;

struct object_recorder_config {
  std::string path;
  std::string profile; ///< of the stream; stands in every head
};

/// Runs on a thread of its own: it seals, and it writes to disk. A disk that refuses is one warning and a count; the next group
/// is tried again, and nothing else waits for it.
object_recorder_actor spawn_object_recorder(caf::actor_system& sys, object_recorder_config config, object::stream_cipher cipher,
  observer_actor observer);

} // namespace ec::actors
