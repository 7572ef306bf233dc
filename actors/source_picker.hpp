#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "actors/discovery.hpp"
#include "discovery/resolve.hpp"

namespace ec::actors {

/// What a source picker came to.
struct picked_source {
  std::optional<discovery::way> best; ///< nothing: nobody has the stream, or not by the policy
  size_t sources = 0;                 ///< that have it, by any way
};

struct source_picker_config {
  std::string stream_id;
  discovery::policy policy = discovery::policy::direct_first;
  std::chrono::milliseconds wait{5000};
  std::function<void(const picked_source&)> picked; ///< called once, on the actor's thread, unless it is stopped before
};

/// Takes the best way to a stream as soon as discovery knows one, or nothing after a while; then it ends.
using source_picker_actor = caf::typed_actor<
  // All sources of the stream, as they stand now.
  caf::reacts_to<found_sources>,
  // Time is up (sent to itself).
  caf::reacts_to<tick_atom>,
  caf::reacts_to<stop_atom>>;

/// Watches `discovery`.
source_picker_actor spawn_source_picker(caf::actor_system& sys, source_picker_config config, const discovery_actor& discovery);

} // namespace ec::actors
