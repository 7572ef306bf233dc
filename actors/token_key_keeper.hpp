#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "access/token.hpp"
#include "actors/placement.hpp"
#include "actors/quic_endpoint.hpp"
#include "actors/report.hpp"

namespace ec::actors {

/// Looks at the files of a relay's token keys, and tells its endpoint when they change. A file that is gone takes its key along; one that
/// cannot be read leaves it, and is reported.
using token_key_keeper_actor = caf::typed_actor<
  // Looks now (sent to itself).
  caf::reacts_to<tick_atom>,
  caf::reacts_to<stop_atom>>;

struct token_key_keeper_config {
  std::vector<std::string> files;
  access::token_keys keys; ///< as they were read, file by file
  std::chrono::milliseconds every{5'000};
};

/// Rather on a thread of its own: it reads files.
token_key_keeper_actor spawn_token_key_keeper(caf::actor_system& sys, token_key_keeper_config config, quic_endpoint_actor endpoint, observer_actor observer,
  placement where = placement::own_thread);

} // namespace ec::actors
