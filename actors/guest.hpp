#pragma once

#include <memory>
#include <string>

#include "actors/moq_link.hpp"
#include "actors/session_events.hpp"

namespace ec::actors {

/// A session that a peer opened, as whoever hears it finds it. Touched on the loop's thread only.
struct guest_place {
  moq_link& link;
  moq::upper_layer*& hears; ///< set while the actor lives; reset by it. Its on_closed() is the last call, and `link` may go after it
  std::string peer;         ///< "192.0.2.7:50123"
  std::shared_ptr<const void> lives; ///< held while the actor lives: the loop may not stop before
};

/// Makes what a peer offers in a session that it opened known to `sink`, under `source`, as a session that this node dialled would be.
/// Called on `loop`, where it lives. Ends with the session; a stop ends the hearing only.
session_actor spawn_guest(caf::actor_system& sys, net_loop& loop, guest_place place, uint32_t source, session_sink_actor sink);

} // namespace ec::actors
