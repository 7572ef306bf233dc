#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/placement.hpp"
#include "actors/quic_endpoint.hpp"
#include "base/clock.hpp"
#include "crypto/certificate.hpp"

namespace ec::actors {

/// Has the node's own certificate made anew before it ends and gives it to the endpoint. The key stays, so pins stay valid. Where that
/// fails the endpoint goes on with the old one, and it is tried again.
using certificate_keeper_actor = caf::typed_actor<
  // Looks whether it is time (sent to itself).
  caf::reacts_to<tick_atom>,
  caf::reacts_to<stop_atom>>;

struct certificate_keeper_config {
  std::filesystem::path dir;                                  ///< as given to crypto::certificate_pair::load_or_make
  std::vector<std::string> names;                             ///< likewise
  std::shared_ptr<const crypto::certificate_pair> current;    ///< what the endpoint has
  std::chrono::milliseconds check_every{3'600'000};           ///< against three days in which renewal is due
  std::chrono::milliseconds retry_after{300'000};             ///< after a failure
  std::function<base::wall_time()> wall = base::wall_now;     ///< certificates live by the wall clock
};

/// Rather on a thread of its own: it writes to disk.
certificate_keeper_actor spawn_certificate_keeper(caf::actor_system& sys, certificate_keeper_config config, quic_endpoint_actor endpoint,
  placement where = placement::own_thread);

} // namespace ec::actors
