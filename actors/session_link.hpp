#pragma once

#include "actors/machine.hpp"
#include "actors/report.hpp"
#include "actors/session.hpp"
#include "quic/address.hpp"
#include "quic/endpoint.hpp"

namespace ec::actors {

/// A place in the network, by name or address.
struct dial_place {
  std::string host;
  uint16_t port = 0;
};

struct move_rules;

/// Whom to dial, and how it is known.
struct session_peer {
  quic::endpoint_address address;
  quic::client_verification verification;
  std::optional<moq::track_namespace> offer{}; ///< of the endpoint's tracks: the peer may ask for them too
  std::optional<base::mono_duration> keep_alive{}; ///< unset: as the endpoint's other connections
  std::optional<dial_place> at{}; ///< where it is reached; unset: at `address`, whose name its certificate is checked for in any case
  std::shared_ptr<const move_rules> moves{}; ///< when it asks to leave, the session goes on elsewhere (actors/moving.hpp); null: it is dialled again
  uint32_t cost = 0; ///< of a relay that a relay uses: those that cost less are asked first
};

/// The first address of a peer. Blocks. Errors: those of resolve.
[[nodiscard]] base::result<quic::socket_address> look_up(const session_peer& peer, const machine& on);

/// A session that is dialled again whenever it ends, its peer's name looked up anew: a supervisor. Its events go to `sink` under `source`.
caf::actor spawn_session_link(caf::actor_system& sys, uint32_t source, const session_peer& peer, const machine& on, const running_endpoint& endpoint,
                              session_sink_actor sink, observer_actor observer);

} // namespace ec::actors
