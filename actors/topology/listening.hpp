#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "actors/certificate_keeper.hpp"
#include "actors/machine.hpp"
#include "actors/quic_endpoint.hpp"
#include "actors/relaying.hpp"
#include "actors/topology/topology.hpp"
#include "base/result.hpp"
#include "quic/address.hpp"

/// The endpoint at which a node is reached.
namespace ec::actors {

struct listen_wishes {
  std::string listen;              ///< UDP address; port 0: any free port
  std::filesystem::path state;     ///< the node's own certificate is kept here
  std::filesystem::path tls_cert;  ///< PEM; empty: the node's own, self-signed
  std::filesystem::path tls_key;
  std::chrono::milliseconds linger{2000}; ///< at the end: how long to wait for peers to take the rest
  std::optional<relay_choice> relays{}; ///< what peers offer is passed on to others
  std::string client_ca_pem{};          ///< peers with a certificate of these are known by it
  std::shared_ptr<const crypto::certificate_pair> client_identity{}; ///< shown to peers that are dialled, if they ask
  std::vector<std::string> protocols{}; ///< versions of MoQ, the best first; empty: all
  bool early_data = true; ///< clients that come back may send with their first packet
};

struct started_endpoint {
  running_endpoint running;
  quic::endpoint_address where; ///< with its pin
  std::optional<certificate_keeper_actor> keeper; ///< of the node's own certificate
};

/// Errors: config, with the setting's name; those of start_quic_endpoint.
base::result<started_endpoint> start_endpoint(caf::actor_system& sys, const listen_wishes& wishes, const machine& on);

/// Completes a topology that is reached at this endpoint: its address, which is also written to `address_out` unless that is empty, and the
/// endpoint as its last stage. Errors: those of writing the file; the topology has ended then.
base::result<running_topology> behind_endpoint(caf::actor_system& sys, running_topology t, const started_endpoint& endpoint,
  const std::filesystem::path& address_out);

} // namespace ec::actors
