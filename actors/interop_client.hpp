#pragma once

#include <string>

#include "actors/moq_link.hpp"
#include "actors/quic_endpoint.hpp"
#include "moq/interop_case.hpp"
#include "quic/address.hpp"

namespace ec::actors {

/// The relay that is judged.
struct interop_dial {
  quic::endpoint_address address;
  quic::socket_address peer; ///< `address`, looked up
  quic::client_verification verification;
  std::string protocol = moq_protocol; ///< the version of MoQ that is offered
};

/// Plays one case of the interop runner against a relay (moq/interop_case.hpp), in sessions of its own.
using interop_client_actor = caf::typed_actor<
  // Plays it; the answer is how it ended. Once.
  caf::replies_to<start_atom>::with<moq::interop_outcome>,
  // A wait of the case may be over (sent to itself).
  caf::reacts_to<tick_atom>>;

/// `id` is one of moq::interop_case::ids(). The actor lives on the endpoint's loop, and ends when it has answered.
interop_client_actor spawn_interop_client(caf::actor_system& sys, const running_endpoint& endpoint, interop_dial dial, const std::string& id);

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::moq::interop_outcome)
