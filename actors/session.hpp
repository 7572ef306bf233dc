#pragma once

#include <optional>

#include "actors/machine.hpp"
#include "actors/quic_endpoint.hpp"
#include "actors/session_events.hpp"
#include "quic/address.hpp"

namespace ec::actors {

struct move_rules;
class dial_places;

struct session_dial {
  uint32_t source = 0; ///< the sink's name for the peer
  quic::endpoint_address address;
  quic::socket_address peer; ///< `address`, looked up
  quic::client_verification verification;
  std::optional<moq::track_namespace> offer{}; ///< told to the peer, which may then ask for what the endpoint publishes; unset: it may not
  std::optional<base::mono_duration> keep_alive{}; ///< quic::connection::set_keep_alive; unset: as the endpoint's other connections
  std::shared_ptr<const move_rules> moves{}; ///< when the peer asks to leave, the session goes on elsewhere; unset: it goes on until the peer ends it
  std::shared_ptr<dial_places> places{}; ///< told where it is up
  std::optional<machine> on{}; ///< by which the next place is looked up; needed with `moves`
  observer_actor observer{};
  edge_config edge{.window = 64, .waiting = 256, .policy = edge_policy::lossless};
};

/// Dials from `endpoint`. The actor lives on the endpoint's loop.
session_actor spawn_session(caf::actor_system& sys, const running_endpoint& endpoint, session_dial dial, session_sink_actor sink);

} // namespace ec::actors
