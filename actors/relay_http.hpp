#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "actors/http_exchange.hpp"
#include "actors/placement.hpp"
#include "actors/quic_endpoint.hpp"
#include "actors/shown_identity.hpp"
#include "base/result.hpp"

namespace ec::actors {

/// The HTTP side of a relay, for people with curl and for pages that look for its certificate (docs/formats/relay-http.md).
using relay_http_actor = caf::typed_actor<
  // Ends all connections, and itself.
  caf::reacts_to<stop_atom>>;

struct relay_http_config {
  std::string listen;      ///< TCP address; port 0: any free port
  uint16_t quic_port = 0;  ///< where HTTP/3 is, for Alt-Svc
  std::shared_ptr<const shown_identity> identity;
  std::shared_ptr<http_counters> counters;
  std::vector<std::string> origins{}; ///< of pages that may read more than the certificate's digest; empty: any
};

struct running_relay_http {
  relay_http_actor actor;
  std::string address; ///< "host:port" as bound
};

/// Listens and starts. Errors: malformed (address), io (the address is taken).
[[nodiscard]] base::result<running_relay_http> start_relay_http(caf::actor_system& sys, const relay_http_config& config, quic_endpoint_actor endpoint,
  placement where = placement::own_thread);

} // namespace ec::actors
