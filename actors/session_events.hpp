#pragma once

#include <optional>
#include <string>

#include "actors/found_place.hpp"
#include "actors/messages.hpp"
#include "moq/session.hpp"

/// What an actor asks of a MoQ session, and what it is told of it.
namespace ec::actors {

/// Asks a session for a track. The answer is the request id; what becomes of it comes as session events.
struct subscribe_request {
  moq::full_track_name track;
  moq::subscribe_options options;
  std::optional<uint64_t> joining; ///< also fetch from this many groups before the newest one on
};

/// What a subscribe request was given.
struct subscribe_ids {
  moq::request_id subscription = moq::no_request;
  moq::request_id joining = moq::no_request;
};

/// Asks a session for objects that exist already.
struct fetch_request {
  moq::full_track_name track;
  moq::location first;
  moq::location end;  ///< the object behind the last one; object 0: to the end of that group [MOQT 10.12.1]
};

/// What the fetch would still have given is not wanted any more; nothing more is told of it.
struct fetch_cancel {
  moq::request_id request = moq::no_request;
};

/// Closes a session whose peer cannot be believed.
struct session_bar {
  std::chrono::milliseconds hold{0}; ///< the session ends, to be dialled again, not before this has passed
  std::string reason;                ///< told to the peer, and to the supervisor
};

/// One MoQ session that this node opened: requests go in, events go to its sink. Ends with the reason when the peer is gone, so that
/// its supervisor dials again.
using session_actor = caf::typed_actor<
  caf::replies_to<subscribe_request>::with<subscribe_ids>,
  // The answer is the request id.
  caf::replies_to<fetch_request>::with<uint64_t>,
  caf::reacts_to<fetch_cancel>,
  // Closes the session with PROTOCOL_VIOLATION; ends with the reason after the hold.
  caf::reacts_to<session_bar>,
  // The connection is gone (sent to itself).
  caf::reacts_to<tick_atom>,
  // Looks how far it is on its way to where its peer sent it (sent to itself).
  caf::reacts_to<move_atom>,
  // Where that is.
  caf::reacts_to<found_place>,
  // Time to offer again what the peer did not want (sent to itself).
  caf::reacts_to<retry_atom>,
  // Closes the session with NO_ERROR.
  caf::reacts_to<stop_atom>>;

/// What happens on a session.
struct session_event {
  enum class kind {
    up,           ///< requests may be made; `session` is the handle, `text` the peer's host:port
    object,       ///< `object` of `request`
    group_end,    ///< a stream of `group` ended; `code` is set if it was reset
    refused,      ///< `request` is over: `code` and `text` say why
    done,         ///< the publisher ended the subscription `request`
    fetch_end,    ///< the fetch `request` is over; `code` is set if it failed
    down,         ///< the last event: the session is over
  };
  uint32_t source = 0; ///< as given in session_config
  kind what = kind::up;
  session_actor session;
  moq::request_id request = moq::no_request;
  moq::object object;
  uint64_t group = 0;
  std::optional<uint64_t> code;
  std::string text;
  std::string node; ///< up: who the peer is, whatever its address: its pin, in hexadecimal; empty if it was known otherwise
};

/// Takes the events of sessions; the answer is the credit for the next object.
using session_sink_actor = caf::typed_actor<caf::replies_to<session_event>::with<edge_credit>>;

/// Wishes for the sessions that peers open: who publishes the namespace `wanted` there is made known to `sink`, as if this node had dialled.
struct guest_wish {
  moq::track_namespace wanted;
  session_sink_actor sink;
  uint32_t first_source = 0; ///< the guests' `source` in events: rising from here, none twice
  size_t guests_max = 0;     ///< at a time; others are told that there is no room
};

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::subscribe_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::subscribe_ids)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::fetch_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::session_bar)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::session_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::fetch_cancel)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::guest_wish)
