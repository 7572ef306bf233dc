#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "actors/discovery.hpp"
#include "actors/report.hpp"
#include "discovery/resolve.hpp"
#include "quic/address.hpp"

namespace ec::actors {

struct source_finder_config {
  std::string stream_id;
  discovery::policy policy = discovery::policy::direct_first;
  uint32_t first = 0;  ///< the subscriber's source ids from here on are for what is found,
  uint32_t places = 8; ///< and so many
  /// Starts a link to `address` as source `id`: a supervisor, which dials until it is asked to stop.
  std::function<caf::actor(caf::actor_system&, uint32_t id, const quic::endpoint_address& address)> link;
  std::chrono::milliseconds settle{20'000}; ///< a link that is not up for so long gives its place to another source, if there is one
  std::chrono::milliseconds turn{0};        ///< one that is up does so after this; 0: never
  discovery::acquaintances except = {};     ///< are not dialled
};

/// Nothing that this source gives is of use.
struct source_useless {
  uint32_t id = 0;
};

/// Gives a subscriber, or a publisher, the sources that discovery finds for its stream, and takes away those that are gone. Whoever is found
/// is dialled, and nothing else: what counts of what they send is for others to judge.
using source_finder_actor = caf::typed_actor<
  // All sources of the stream, as they stand now.
  caf::reacts_to<found_sources>,
  // It gives its place to another, if there is one.
  caf::reacts_to<source_useless>,
  // Looks for links that do not come up (sent to itself).
  caf::reacts_to<tick_atom>,
  // Ends its links, and itself.
  caf::reacts_to<stop_atom>>;

/// Watches `discovery`. Its links end with it, however it ends.
source_finder_actor spawn_source_finder(caf::actor_system& sys, source_finder_config config, const discovery_actor& discovery, observer_actor observer);

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::source_useless)
