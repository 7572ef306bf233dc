#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "actors/chunker.hpp"
#include "actors/placement.hpp"
#include "actors/report.hpp"
#include "tuner/source.hpp"

namespace ec::actors {

/// Reads one source (a tuner, an HTTP stream, a file) and hands its bytes on in bursts. Ends with the source's fault as its reason,
/// so that its supervisor opens the source again; each start begins with a gap.
using tuner_reader_actor = caf::typed_actor<
  // Reads the next burst (sent to itself).
  caf::reacts_to<read_atom>,
  // Ends in order: what was read goes on, then the end mark.
  caf::reacts_to<stop_atom>>;

struct tuner_reader_config {
  std::string input; ///< what `--input` takes
  tuner::source_options source;
  std::chrono::milliseconds startup_delay{0};
  std::chrono::milliseconds duration{0}; ///< end after this long; 0: never
  edge_config edge;
  /// Opens `input`. What it gives may wait in `read`; one that cannot is asked again after `idle`.
  std::function<base::result<std::unique_ptr<tuner::source>>(std::string_view, const tuner::source_options&)> open = tuner::open_source;
  std::chrono::milliseconds idle{0};
};

/// Rather on a thread of its own: devices block.
tuner_reader_actor spawn_tuner_reader(caf::actor_system& sys, tuner_reader_config config, chunker_actor next, observer_actor observer,
  placement where = placement::own_thread);

} // namespace ec::actors
