#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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
};

/// What the peer said in SETUP.
struct peer_setup {
  std::string path;           ///< empty if absent
  std::string authority;      ///< empty if absent
  std::string implementation; ///< empty if absent
  std::vector<auth_token> tokens;
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

  // As a subscriber.
  virtual void on_subscribe_ok(request_id, const subscribe_ok&) {}
  /// The request is over. Also for requests that never left: going_away after a GOAWAY, excessive_load over a limit,
  /// internal_error when the session closes first, malformed_track and unsupported_extension found by us.
  virtual void on_request_error(request_id, const request_error&) {}
  /// Accepted: PUBLISH_NAMESPACE, SUBSCRIBE_NAMESPACE, or an update of any request.
  virtual void on_request_ok(request_id, const request_ok&) {}
  /// One whole object of a subscription or a fetch. Each (group, id) comes at most once for each request.
  virtual void on_object(request_id, const object&) {}
  /// A subgroup stream ended: `reset` unset: all its objects came; otherwise the peer's code. `end_of_group`: no further
  /// objects exist in the group.
  virtual void on_subgroup_end(request_id, uint64_t /*group*/, uint64_t /*subgroup*/, std::optional<uint64_t> /*reset*/,
                               bool /*end_of_group*/) {}
  /// The subscription is over, after its last stream. `stream_count` as sent: do not rely on it.
  virtual void on_publish_done(request_id, uint64_t /*status*/, std::string_view /*reason*/, uint64_t /*stream_count*/) {}
  virtual void on_fetch_ok(request_id, const fetch_ok&) {}
  /// The objects of a fetch between the last one and `last` (inclusive) do not exist, or are unknown at this peer.
  virtual void on_fetch_gap(request_id, location /*last*/, bool /*unknown*/) {}
  /// The fetch is over: `reset` unset: everything that exists came.
  virtual void on_fetch_end(request_id, std::optional<uint64_t> /*reset*/) {}
  /// A namespace under a prefix that we subscribed to came or went.
  virtual void on_namespace(request_id, const track_namespace& /*suffix*/, bool /*active*/) {}
  /// A namespace request of ours that was accepted is over: withdrawn by the peer.
  virtual void on_request_closed(request_id) {}

  // As a publisher.
  /// The peer offers tracks under `ns`: nothing to accept, or the error to answer.
  virtual std::optional<request_error> on_publish_namespace(request_id, const track_namespace& /*ns*/) {
    return request_error{.code = request_code::uninterested, .retry_after_ms = {}, .reason = "not wanted", .to = {}};
  }
  virtual void on_publish_namespace_done(request_id, const track_namespace& /*ns*/) {}
};

} // namespace ec::moq
