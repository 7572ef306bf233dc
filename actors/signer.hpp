#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "actors/manifest_publisher.hpp"
#include "actors/messages.hpp"
#include "actors/placement.hpp"
#include "actors/report.hpp"
#include "crypto/keys.hpp"
#include "manifest/signer.hpp"

namespace ec::actors {

/// Collects whole epochs, has each signed once, and hands the signed manifest on. The state that keeps it from signing two
/// contents for one epoch is on disk before a signature leaves.
using signer_actor = caf::typed_actor<
  // What was learned of one chunk; the answer is the credit for the next.
  caf::replies_to<chunk_summary>::with<edge_credit>>;

struct signer_config {
  std::string stream_id;
  std::string profile_id;
  uint32_t chunk_duration_ms = 2000;
  uint32_t epoch_chunks = 1;
  bool sign_damaged = true;
  std::filesystem::path key_file;
  std::vector<manifest::key_statement> statements; ///< every manifest carries them
  std::filesystem::path state_dir; ///< one file per key and stream in it
  edge_config edge;
  base::disk* disk = &base::system_disk();                ///< of state_dir
  std::function<base::wall_time()> wall = base::wall_now; ///< what attestations are dated with
};

/// Rather on a thread of its own: it writes its state to disk.
signer_actor spawn_signer(caf::actor_system& sys, signer_config config, manifest_publisher_actor publisher, observer_actor observer,
  placement where = placement::own_thread);

} // namespace ec::actors
