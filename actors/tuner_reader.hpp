#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "actors/chunker.hpp"
#include "actors/placement.hpp"
#include "actors/report.hpp"
#include "tuner/source.hpp"

namespace ec::actors {

/// Reads one source (a tuner, an HTTP stream, a file) and hands its bytes on in bursts. Ends with the source's fault as its reason,
/// so that its supervisor opens the source again, with what to do about it (retry_advice) as a hint; each start begins with a gap. Reports
/// `input-fault` and `input-restored`.
using tuner_reader_actor = caf::typed_actor<
  // Reads the next burst (sent to itself).
  caf::reacts_to<read_atom>,
  // Ends in order: what was read goes on, then the end mark.
  caf::reacts_to<stop_atom>>;

/// What one input's readers saw of it, one after the other: each is started anew after a fault.
struct input_history {
  std::map<std::string, uint64_t, std::less<>> faults; ///< by tuner::fault_kind's name
  uint64_t all = 0;
  bool down = false; ///< since the last fault nothing came
};

struct tuner_reader_config {
  std::string input; ///< what `--input` takes
  tuner::source_options source;
  std::chrono::milliseconds startup_delay{0};
  std::chrono::milliseconds duration{0}; ///< end after this long; 0: never
  edge_config edge;
  /// Opens `input`. What it gives may wait in `read`; one that cannot is asked again after `idle`.
  std::function<base::result<std::unique_ptr<tuner::source>>(std::string_view, const tuner::source_options&)> open = tuner::open_source;
  std::chrono::milliseconds idle{0};
  std::shared_ptr<input_history> history = std::make_shared<input_history>(); ///< of this input; never used by two readers at once
};

/// Rather on a thread of its own: devices block.
tuner_reader_actor spawn_tuner_reader(caf::actor_system& sys, tuner_reader_config config, chunker_actor next, observer_actor observer,
  placement where = placement::own_thread);

} // namespace ec::actors
