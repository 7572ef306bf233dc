#pragma once

#include "actors/messages.hpp"
#include "actors/placement.hpp"
#include "actors/report.hpp"
#include "hls/manifest_log.hpp"
#include "hls/segment_writer.hpp"

namespace ec::actors {

/// Writes chunks as HLS segments and keeps the playlist.
using hls_writer_actor = caf::typed_actor<
  // One chunk in playlist order; the answer is the credit for the next, given when the segment is on disk.
  caf::replies_to<verified_chunk>::with<edge_credit>>;

/// Rather on a thread of its own: it writes to disk.
hls_writer_actor spawn_hls_writer(caf::actor_system& sys, hls::writer_config config, observer_actor observer,
  placement where = placement::own_thread);

} // namespace ec::actors
