#pragma once

#include <memory>
#include <string>

#include "actors/messages.hpp"
#include "actors/placement.hpp"
#include "actors/report.hpp"
#include "base/disk.hpp"
#include "manifest/evidence.hpp"

namespace ec::actors {

/// Two statements of one signer that belong in a file.
struct found_evidence {
  std::shared_ptr<const manifest::evidence> what; ///< never null
};

/// Writes evidence against signers into a folder, each case once, and no more once evidence_files_max files are in it.
using evidence_keeper_actor = caf::typed_actor<
  // One case; the answer says whether it is on the disk.
  caf::replies_to<found_evidence>::with<bool>,
  // Ends it, behind what was sent before.
  caf::reacts_to<stop_atom>>;

struct evidence_keeper_config {
  std::string dir; ///< that is there
  base::disk* disk = &base::system_disk(); ///< of the folder
};

/// Rather on a thread of its own: it writes to disk.
evidence_keeper_actor spawn_evidence_keeper(caf::actor_system& sys, evidence_keeper_config config, observer_actor observer,
  placement where = placement::own_thread);

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::found_evidence)
