#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "actors/http_exchange.hpp"
#include "actors/machine.hpp"
#include "actors/messages.hpp"
#include "actors/net_loop.hpp"
#include "actors/relaying.hpp"
#include "actors/session_events.hpp"
#include "moq/session.hpp"
#include "quic/endpoint.hpp"

namespace ec::actors {

/// What became of the sessions that a node dialled to one relay, since its start.
struct uplink_status {
  bool up = false;
  uint64_t dials = 0;
  uint64_t sessions = 0; ///< that were set up
  uint64_t offered = 0;  ///< offers that the relay took
  uint64_t refused = 0;  ///< offers that it refused
  uint64_t moves = 0;    ///< times that it asked to leave, and the session went on elsewhere first
  uint64_t moves_refused = 0; ///< times that it named a place where the session must not go
  std::string fault;     ///< the last; empty once a session is up
};

/// What a relay did since its start, and what it holds now.
struct relay_status {
  moq::relay_counters counters;
  size_t tracks = 0;
  size_t publishers = 0;
  size_t subscribers = 0;
  size_t cached_bytes = 0;
  uint64_t objects_cut_off = 0;
  std::optional<access::access_counters> access; ///< if it does not let everybody in
  uint64_t access_untold = 0; ///< refusals that were not told one by one
  uint64_t web_refused = 0;  ///< sessions by WebTransport: for their origin, or what they offer
  std::shared_ptr<const http_counters> http; ///< of its HTTP side; zeros without one
};

/// What an endpoint did since its start.
struct endpoint_status {
  quic::endpoint_counters quic;
  moq::session_counters moq; ///< of all sessions that peers opened
  size_t sessions = 0; ///< that peers opened
  std::map<std::string, uplink_status> uplinks; ///< by the relay's host:port
  std::optional<relay_status> relay; ///< if it relays
};

/// From now on new handshakes use this certificate.
struct identity_change {
  std::shared_ptr<const crypto::certificate_pair> identity;
};

/// From now on tokens of these keys count at a relay, and of no others.
struct token_key_change {
  access::token_keys keys;
};

/// The sessions that peers opened are to end: each is asked to leave.
struct leave_wish {
  std::string uri; ///< where its peers can go on; empty: where they came from
  std::chrono::milliseconds timeout{0}; ///< for how long they are served all the same
};

/// What became of that.
struct leave_outcome {
  size_t sessions = 0; ///< that were asked
  size_t ended = 0;    ///< of those, that had not left when the time was over
  uint64_t turned_away = 0; ///< connections that came meanwhile
};

/// One UDP socket with its QUIC connections, on an epoll loop of its own. It serves the tracks that publishers add, to every MoQ
/// session that peers open, and dials out for subscribers (actors/session.hpp).
using quic_endpoint_actor = caf::typed_actor<
  // One change of what is published; the answer is the credit for the next.
  caf::replies_to<publish_op>::with<edge_credit>,
  caf::replies_to<status_atom>::with<endpoint_status>,
  // A renewed certificate.
  caf::reacts_to<identity_change>,
  // Other token keys.
  caf::reacts_to<token_key_change>,
  // An HTTP client asks something, takes on, or leaves.
  caf::reacts_to<http_request_note>,
  // What peers offer in sessions that they open is wanted from now on.
  caf::reacts_to<guest_wish>,
  // Takes no new sessions, asks all that there are to leave (GOAWAY), and answers when they have.
  caf::replies_to<leave_wish>::with<leave_outcome>,
  // Looks who is left (sent to itself).
  caf::reacts_to<move_atom>,
  // Looks whether everything is sent (sent to itself while it stops).
  caf::reacts_to<tick_atom>,
  // Sends what is queued, closes all sessions with NO_ERROR, and ends.
  caf::reacts_to<stop_atom>>;

/// The state that the endpoint actor and the session actors of one loop share; touched on the loop's thread only.
class endpoint_core;

struct quic_endpoint_config {
  quic::endpoint_config quic;
  std::string implementation; ///< told to peers in SETUP
  std::chrono::milliseconds linger{2000}; ///< at the end: how long peers may take what is queued
  std::optional<relay_choice> relays{}; ///< what peers offer is passed on to others
  bool early_data = true; ///< clients that come back get tickets, and send with their first packet
};

/// A started loop with its endpoint actor. Whoever holds a copy may start actors there.
struct running_endpoint {
  quic_endpoint_actor actor;
  std::shared_ptr<endpoint_core> core; ///< a lease: the loop is in use as long as it is held
  std::shared_ptr<running_loop> loop;  ///< for running_topology::loops
  quic::socket_address local;
};

/// Opens the socket and starts the loop. Errors: io (the address is taken), config.
base::result<running_endpoint> start_quic_endpoint(caf::actor_system& sys, quic_endpoint_config config, const machine& on = {});

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::endpoint_status)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::identity_change)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::token_key_change)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::leave_wish)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::leave_outcome)
