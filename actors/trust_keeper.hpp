#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "actors/messages.hpp"
#include "actors/placement.hpp"
#include "actors/report.hpp"
#include "manifest/subscriber_state.hpp"

namespace ec::actors {

/// What a subscriber must not forget, as it is now.
struct kept_trust {
  std::shared_ptr<const manifest::subscriber_state> state; ///< never null
};

/// Keeps a subscriber's state in its file. What cannot be written is reported, and tried again.
using trust_keeper_actor = caf::typed_actor<
  // Replaces what is kept; the answer comes when it is on the disk, or the disk refused it.
  caf::replies_to<kept_trust>::with<edge_credit>,
  // Tries again what could not be written (sent to itself).
  caf::reacts_to<tick_atom>,
  // Ends it, behind what was sent before.
  caf::reacts_to<stop_atom>>;

struct trust_keeper_config {
  std::string file;
  base::disk* disk = &base::system_disk(); ///< of the file
  std::chrono::milliseconds retry_after{30'000};
};

/// Rather on a thread of its own: it writes to disk.
trust_keeper_actor spawn_trust_keeper(caf::actor_system& sys, trust_keeper_config config, observer_actor observer,
  placement where = placement::own_thread);

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::kept_trust)
