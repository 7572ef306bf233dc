#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "moq/message.hpp"

namespace ec::moq {

/// What a session needs below it: a QUIC connection or a WebTransport session, implemented by the session actor.
/// None of these calls back into the session before it returns.
struct lower_layer {
  virtual ~lower_layer() = default;
  /// A new stream's id; nothing if the peer's limit leaves none now: `session::on_streams_available` follows later.
  virtual std::optional<uint64_t> open_uni() = 0;
  virtual std::optional<uint64_t> open_bidi() = 0;
  /// Keeps a reference to `data` until it is acknowledged or the stream is reset; never copies it.
  virtual void write(uint64_t stream, base::bytes data, bool fin) = 0;
  /// Lower goes first. Control is 0, requests are 1, data streams follow (`session.hpp`, urgency).
  virtual void set_priority(uint64_t stream, uint64_t urgency) = 0;
  virtual void reset(uint64_t stream, uint64_t code) = 0;
  virtual void stop_sending(uint64_t stream, uint64_t code) = 0;
  /// Bytes queued on the stream and not yet sent for the first time; 0 for one that is gone.
  virtual size_t unsent(uint64_t stream) const = 0;
  virtual void close(uint64_t code, std::string_view reason) = 0;
  /// The transport's handshake is not complete: what goes or came may come once more, from somebody else (0-RTT). Ends with
  /// `session::on_handshake_done`.
  virtual bool early() const { return false; }
  /// Largest datagram that the peer and the path take now; 0: none.
  virtual size_t datagram_bytes_max() const { return 0; }
  /// False: it was dropped at once, for want of room.
  virtual bool send_datagram(base::bytes /*data*/) { return false; }
  /// The session was called, from wherever: `session::deadline` may answer another time than before. To be asked for it later, not from here.
  virtual void deadline_moved() {}
};

/// How a track that the peer publishes is taken: what PUBLISH_OK says.
struct publish_accept {
  subscription_filter filter; ///< kind::none: everything
  uint8_t priority = 128;     ///< subscriber priority, lower first
  std::optional<group_order> order; ///< unset: the publisher's
  bool forward = true;        ///< false: nothing comes until `session::update` asks for it
  std::optional<uint64_t> object_delivery_timeout_ms;
  std::optional<uint64_t> subgroup_delivery_timeout_ms;
  std::optional<uint64_t> new_group_request; ///< said only if the track has dynamic groups
};
/// Taken, or the error to answer.
using publish_answer = std::variant<publish_accept, request_error>;

/// What the peer said in SETUP.
struct peer_setup {
  std::string path;           ///< empty if absent
  std::string authority;      ///< empty if absent
  std::string implementation; ///< empty if absent
  std::vector<auth_token> tokens;
};

/// What the peer asks for, before it is done [MOQT 10.2.2].
struct authorization {
  request_kind kind = request_kind::subscribe;
  full_track_name track; ///< requests for namespaces: the namespace or prefix, no name
  bool update = false;   ///< REQUEST_UPDATE that brings tokens or moves the prefix of what was authorized before
  std::vector<auth_token> tokens; ///< of this message, by value; those of SETUP came with `peer_setup`
};

/// What a session tells above it. All calls come from inside a call into the session; these may call the session
/// (subscribe, close, ...) and stores, but must not destroy the session.
struct upper_layer {
  virtual ~upper_layer() = default;

  /// The peer's SETUP; a server that refuses path or authority calls `session::close` with invalid_path, invalid_authority
  /// or unauthorized from here.
  virtual void on_setup(const peer_setup&) {}
  /// The session is over, whoever ended it; the last call that comes.
  virtual void on_closed(uint64_t /*code*/, std::string_view /*reason*/) {}
  /// The peer wants this session to end: move to `uri` (empty: the same) within `timeout_ms` (0: soon).
  virtual void on_goaway(std::string_view /*uri*/, uint64_t /*timeout_ms*/) {}
  /// The peer wants one request moved.
  virtual void on_request_goaway(request_id, std::string_view /*uri*/, uint64_t /*timeout_ms*/) {}

  /// May the peer do this? Nothing: yes; otherwise the error that refuses it (unauthorized, expired_auth_token,
  /// malformed_auth_token). Asked for every request of the peer, before anything else above hears of it. A decision and nothing
  /// else: it calls no session and no store.
  virtual std::optional<request_error> on_authorize(request_id, const authorization&) { return std::nullopt; }
  /// A subscriber asks that a group begin: of a track of the store with dynamic_groups, which is at a lower group. `group`: the
  /// largest that it knows plus 1, 0 if it knows none.
  virtual void on_new_group_request(const full_track_name& /*track*/, uint64_t /*group*/) {}

  // As a subscriber.
  virtual void on_subscribe_ok(request_id, const subscribe_ok&) {}
  /// The request is over. Also for requests that never left: going_away after a GOAWAY, excessive_load over a limit,
  /// internal_error when the session closes first, malformed_track and unsupported_extension found by us.
  virtual void on_request_error(request_id, const request_error&) {}
  /// Accepted: PUBLISH, PUBLISH_NAMESPACE, SUBSCRIBE_NAMESPACE, SUBSCRIBE_TRACKS, or an update of any request. The answer to
  /// TRACK_STATUS, with LARGEST_OBJECT and the track's properties, which ends it.
  virtual void on_request_ok(request_id, const request_ok&) {}
  /// A subgroup stream of a subscription is about to tell its first object. `from_start`: it is the subgroup's first; `ends_group`:
  /// the group ends where the stream does.
  virtual void on_subgroup_begin(request_id, uint64_t /*group*/, uint64_t /*subgroup*/, bool /*from_start*/, bool /*ends_group*/) {}
  /// One whole object of a subscription or a fetch; `datagram` tells whether it was published as one. Each (group, id) comes at
  /// most once for each request.
  virtual void on_object(request_id, const object&) {}
  /// More came of a large object of a subscription, if `session_config::tells_parts`: each time all that has come of it. on_object
  /// follows when it is whole; if its subgroup or the subscription ends before, the rest never comes. Not of fetches.
  virtual void on_object_part(request_id, const object_part&) {}
  /// A subgroup stream ended: `reset` unset: all its objects came; otherwise the peer's code. `end_of_group`: no further
  /// objects exist in the group.
  virtual void on_subgroup_end(request_id, uint64_t /*group*/, uint64_t /*subgroup*/, std::optional<uint64_t> /*reset*/,
                               bool /*end_of_group*/) {}
  /// The peer publishes a track: its answer. Taken, it is a subscription of ours from then on, under the peer's request id:
  /// objects, its end, `update`, `unsubscribe` and joining fetches as for one that `subscribe` began. `m.params.largest`: the
  /// joining location. Not called unless `session_config::takes_publish`; a track that is subscribed to already is refused
  /// before, and a SUBSCRIBE of ours that has no answer yet fails with duplicate_subscription when its track is taken here.
  virtual publish_answer on_publish(request_id, const publish& /*m*/) {
    return request_error{.code = request_code::uninterested, .retry_after_ms = {}, .reason = "not wanted", .to = {}};
  }
  /// The subscription is over, after its last stream. `stream_count` as sent: do not rely on it.
  virtual void on_publish_done(request_id, uint64_t /*status*/, std::string_view /*reason*/, uint64_t /*stream_count*/) {}
  virtual void on_fetch_ok(request_id, const fetch_ok&) {}
  /// The objects of a fetch between the last one and `last` (inclusive) do not exist, or are unknown at this peer.
  virtual void on_fetch_gap(request_id, location /*last*/, bool /*unknown*/) {}
  /// The fetch is over: `reset` unset: everything that exists came.
  virtual void on_fetch_end(request_id, std::optional<uint64_t> /*reset*/) {}
  /// A namespace under a prefix that we subscribed to came or went.
  virtual void on_namespace(request_id, const track_namespace& /*suffix*/, bool /*active*/) {}
  /// The peer has a track under the prefix of a SUBSCRIBE_TRACKS of ours, and no stream to publish it on: `subscribe` gets it.
  virtual void on_publish_blocked(request_id, const full_track_name& /*suffix*/) {}
  /// A request of ours that was accepted is over: of a namespace, withdrawn by the peer; a track that we published, which ended
  /// or which the peer wants no more (told at the next tick, if the track ended).
  virtual void on_request_closed(request_id) {}

  // As a publisher.
  /// The peer offers tracks under `ns`: nothing to accept, or the error to answer.
  virtual std::optional<request_error> on_publish_namespace(request_id, const track_namespace& /*ns*/) {
    return request_error{.code = request_code::uninterested, .retry_after_ms = {}, .reason = "not wanted", .to = {}};
  }
  virtual void on_publish_namespace_done(request_id, const track_namespace& /*ns*/) {}
};

} // namespace ec::moq
