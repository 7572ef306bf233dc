#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/limits.hpp"
#include "moq/layers.hpp"
#include "moq/message.hpp"
#include "moq/types.hpp"

namespace ec::moq {

class profile;
class track_store;

enum class session_role { client, server };
/// What lies below: decides whether SETUP may carry path and authority.
enum class transport_kind { raw_quic, webtransport };

struct session_config {
  session_role role = session_role::client;
  transport_kind transport = transport_kind::raw_quic;
  std::string path = {};                   ///< client over raw QUIC: path and query of the URI
  std::string authority = {};              ///< client over raw QUIC: authority of the URI
  std::string implementation = "ec-node";  ///< empty: not told
  const profile* draft = nullptr;          ///< null: moqt18()
  /// What ALPN or WebTransport agreed on: "moq-lite-05" and the like choose moq-lite, "moqt-16" draft 16, all others (and none) `draft`.
  std::string protocol = {};
  uint64_t origin_id = 0;                  ///< this node's place in announcements (moq-lite, and MoQ Cluster in moqt-18), drawn once, 1 to 2^53 - 1; 0: not told

  std::vector<auth_token> setup_tokens = {};   ///< said in SETUP, by value
  std::vector<auth_token> request_tokens = {}; ///< said in every request; once, then by alias, if the peer keeps tokens
  size_t auth_token_cache_bytes = 0;           ///< for tokens that the peer registers; 0: it registers none
  /// PUBLISH of the peer is told above; otherwise it is refused with NOT_SUPPORTED. Streams that overtake it wait for it.
  bool takes_publish = false;
  bool tells_parts = false; ///< large objects of subscriptions are told of while they come, upper_layer::on_object_part
  size_t object_bytes_max = base::limits::moq_object_bytes_max;
  size_t requests_max = base::limits::moq_requests_max;
  /// What the peer may make this side hold, in bytes (session_memory), beside the largest object under way: five eighths of it requests at most, one
  /// what is remembered of objects, and what these leave of seven objects and messages in part. 0: as the limits have it for `role`.
  size_t held_bytes_max = 0;
  /// Bytes queued for one subscription over which its oldest group is given up.
  size_t subscription_unsent_bytes_max = base::limits::moq_subscription_unsent_bytes_max;
  base::mono_duration setup_timeout = std::chrono::seconds(10);   ///< for the peer's SETUP
  base::mono_duration request_timeout = std::chrono::seconds(30); ///< for the first answer to a request
  base::mono_duration unknown_alias_wait = std::chrono::seconds(2);
  base::mono_duration done_wait = std::chrono::seconds(2); ///< for late streams after PUBLISH_DONE
};

struct subscribe_options {
  subscription_filter filter; ///< kind::none: everything from now on
  uint8_t priority = 128;     ///< subscriber priority, lower first
  std::optional<group_order> order; ///< unset: the publisher's
  bool forward = true;
  std::optional<uint64_t> object_delivery_timeout_ms;
  std::optional<uint64_t> subgroup_delivery_timeout_ms;
  std::optional<uint64_t> rendezvous_timeout_ms; ///< how long the peer may wait for the track to appear
  std::optional<uint64_t> new_group_request;     ///< asks for a new group: largest known plus 1, 0 if none is known
};

struct update_options {
  std::optional<subscription_filter> filter;
  std::optional<uint8_t> priority;
  std::optional<bool> forward;
  std::optional<uint64_t> new_group_request; ///< subscriptions; said only if the track has dynamic groups
  std::vector<auth_token> tokens;            ///< new ones, for a request that goes on; by value
};

struct publish_options {
  bool forward = true; ///< false: nothing is sent until the peer asks for it
};

struct fetch_options {
  uint8_t priority = 128;
  group_order order = group_order::ascending;
  std::optional<uint64_t> fill_timeout_ms{}; ///< how long a relay may look for what it does not hold; 0: not at all; unset: as long as it likes
};

/// Everything that a session counts, since it began. Only grows.
struct session_counters {
  uint64_t objects_in = 0, objects_out = 0, payload_bytes_in = 0, payload_bytes_out = 0;
  uint64_t subgroups_in = 0, subgroups_out = 0;
  uint64_t subgroups_reset_in = 0, subgroups_reset_out = 0;
  uint64_t groups_too_far_behind = 0;     ///< given up for a slow subscriber
  uint64_t groups_delivery_timeout = 0;   ///< streams reset for age
  uint64_t subscriptions_in = 0, subscriptions_out = 0, fetches_in = 0, fetches_out = 0;
  uint64_t publishes_blocked = 0; ///< tracks that found no stream to be published on
  uint64_t publishes_in = 0, publishes_out = 0; ///< PUBLISH that was taken, that was sent
  uint64_t request_errors_in = 0, request_errors_out = 0;
  uint64_t requests_refused_load = 0;     ///< over the request limits
  uint64_t objects_duplicate = 0;         ///< the same bytes again: dropped
  uint64_t tracks_malformed = 0;          ///< requests cancelled for it
  uint64_t streams_too_much = 0;          ///< stopped, as too much of many objects and messages came in part
  uint64_t objects_too_large = 0;         ///< streams stopped before their payload was taken
  uint64_t streams_unknown_alias = 0;     ///< dropped
  uint64_t datagrams_in = 0, datagrams_out = 0; ///< objects that came or went as one
  uint64_t datagrams_ignored = 0;         ///< of an alias that nobody knows
  uint64_t datagrams_too_large = 0;       ///< larger than the path takes: not sent
  uint64_t datagrams_dropped = 0;         ///< no room below: not sent
  uint64_t padding_ignored = 0, padding_out = 0; ///< bytes
  uint64_t waiting_for_stream_credit = 0; ///< times that a stream could not be opened at once
  // moq-lite only.
  uint64_t announcements_looped = 0;   ///< that went through this node before: passed over
  uint64_t names_unmapped = 0;         ///< of tracks and namespaces that the other family cannot say
  uint64_t groups_unmapped = 0;        ///< not sent: no unbroken row of frames from 0 on; of other drafts: ids too large for them
  uint64_t groups_dropped_in = 0;      ///< that the publisher said it does not send
  uint64_t properties_left_out = 0;    ///< objects whose properties, but for a timestamp, have no place in a frame
};

/// Field by field: of several sessions together.
session_counters& operator+=(session_counters& sum, const session_counters& more);

/// Bytes that a session holds for what its peer sent, with a charge for each entry of its tables. Not what the store holds, nor what is queued.
struct session_memory {
  size_t streams = 0;  ///< what came of objects and messages that are not whole, but for the largest
  size_t largest = 0;  ///< the stream of which the most came
  size_t requests = 0; ///< of the peer, as long as they are open
  size_t objects = 0;  ///< what is remembered of objects that came, to tell copies from contradictions
  size_t tokens = 0;   ///< that the peer registered
  size_t total() const { return streams + largest + requests + objects + tokens; }
};

/// One MoQ Transport session, client or server: bytes and times in, calls to the two layers out. It owns no socket, no
/// thread and no clock. Not copyable; both layers and the store outlive it (a store may also go first).
class session {
public:
  /// `published`: what this side serves; may be null.
  session(session_config config, lower_layer& lower, upper_layer& upper, track_store* published);
  ~session();
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  // From below. Stream ids are QUIC's: bit 0 is set if the server opened it, bit 1 if it is unidirectional [RFC 9000 2.1].
  void on_connected(base::mono_time now);
  /// `lower_layer::early` is over: what waited for that goes, or is taken.
  void on_handshake_done(base::mono_time now);
  void on_stream_data(uint64_t stream, base::bytes data, bool fin, base::mono_time now);
  void on_stream_reset(uint64_t stream, uint64_t code, base::mono_time now);
  void on_stop_sending(uint64_t stream, uint64_t code, base::mono_time now);
  void on_datagram(base::bytes data, base::mono_time now);
  /// The peer's limit leaves streams again.
  void on_streams_available(base::mono_time now);
  /// Much of what was queued on the stream is sent. Optional: without it long fetches go on by the deadline.
  void on_writable(uint64_t stream, base::mono_time now);
  /// The connection is gone.
  void on_transport_closed(uint64_t code, std::string_view reason, base::mono_time now);
  void on_tick(base::mono_time now);
  /// When on_tick must be called at the latest.
  std::optional<base::mono_time> deadline() const;

  // From above. A request that cannot leave (closed, going away, too many) fails by on_request_error at the next tick;
  // the deadline says so. Requests wait for stream credit.
  request_id subscribe(const full_track_name& track, const subscribe_options& options);
  /// Changes a subscription, a fetch (priority only) or a SUBSCRIBE_TRACKS (forward only); the answer is on_request_ok or the end of the request.
  void update(request_id id, const update_options& options);
  /// Ends a subscription, also one that the peer began by PUBLISH; nothing more is told of it.
  void unsubscribe(request_id id);
  /// Objects from `start` up to `end`, which is the last object plus 1, or object 0 for the whole of the group.
  request_id fetch(const full_track_name& track, location start, location end, const fetch_options& options);
  /// The `groups_back` groups before the place where `subscription` joined, and that group up to there.
  request_id joining_fetch_relative(request_id subscription, uint64_t groups_back, const fetch_options& options);
  /// From group `start_group` up to the place where `subscription` joined.
  request_id joining_fetch_absolute(request_id subscription, uint64_t start_group, const fetch_options& options);
  void cancel_fetch(request_id id);
  /// PUBLISH: offers a track of the store to the peer, which answers by on_request_ok or on_request_error. What is published from now
  /// on goes out at once, before the answer, unless `forward` is off. Fails with duplicate_subscription if the peer has the
  /// track already, with does_not_exist if the store has it no more when the request can leave.
  request_id publish(const full_track_name& track, const publish_options& options);
  /// Ends a subscription in which we publish, of either side's making, with PUBLISH_DONE; `status` is a done_code.
  void end_subscription(request_id id, uint64_t status, std::string_view reason);
  /// `hops`: of what others offer, the nodes that the offer came through; empty: it is this node's own.
  request_id publish_namespace(const track_namespace& ns, const hop_path& hops = {});
  void withdraw_namespace(request_id id);
  request_id subscribe_namespace(const track_namespace& prefix);
  void unsubscribe_namespace(request_id id);
  /// Asks for a PUBLISH of every track under `prefix`, now and later; they come as `on_publish`, also if takes_publish is off.
  /// `forward` off: they are published with FORWARD 0. Tracks that were published stay when it ends.
  request_id subscribe_tracks(const track_namespace& prefix, bool forward);
  void unsubscribe_tracks(request_id id);
  /// Moves a SUBSCRIBE_NAMESPACE or SUBSCRIBE_TRACKS to another prefix. When the peer agrees, every namespace is told down, then
  /// on_request_ok, then those under the new prefix are told up with suffixes behind it.
  void update_prefix(request_id id, const track_namespace& prefix);
  /// Asks what the peer knows of a track: on_request_ok or on_request_error.
  request_id track_status(const full_track_name& track);
  /// Revokes an accepted PUBLISH_NAMESPACE of the peer.
  void revoke_namespace(request_id peer_request);
  /// Sends `count` bytes of padding, to see what the path takes: on a stream of its own that everything else goes before, or in
  /// one datagram. False: no stream is to be had, or no room.
  bool pad(size_t count, bool as_datagram);
  /// Tells the peer to leave; after `timeout_ms` (0: no limit) the session closes. A client's `uri` must be empty.
  void goaway(std::string_view uri, uint64_t timeout_ms);
  /// Asks the peer to move one request, of either side, elsewhere; after `timeout_ms` (0: no limit) its stream is reset with
  /// GOING_AWAY. A client's `uri` must be empty. At most once for each request.
  void goaway_request(request_id id, std::string_view uri, uint64_t timeout_ms);
  /// Tokens for the requests that leave from now on, instead of `session_config::request_tokens`.
  void use_tokens(std::vector<auth_token> tokens);
  void close(uint64_t code, std::string_view reason);

  bool established() const; ///< SETUP went both ways and the session is open
  bool closed() const;
  /// The time of the last call that brought one: what the upper layer is told happened then.
  base::mono_time now() const;
  /// True while a request of the peer that was allowed goes on; where the version has no ids of requests, always.
  bool is_open(request_id id) const;
  /// Requests open in both directions.
  size_t open_requests() const;
  /// Subscriptions and fetches in which this side publishes, those of tracks that it pushed among them.
  size_t serving() const;
  const session_counters& counters() const;
  session_memory memory() const;

  /// What was agreed with the peer, if that was not known before; ahead of on_connected, and of any request.
  void use(std::string_view protocol);
  /// Through whom a namespace came here: of the offer `id` of the peer, or of `ns` under the prefix of our SUBSCRIBE_NAMESPACE `id`.
  /// Empty where the peer's version does not tell.
  hop_path hops(request_id id, const track_namespace& ns) const;

  class family;
  class impl;

private:
  static std::unique_ptr<family> make(session_config config, lower_layer& lower, upper_layer& upper, track_store* published);
  family& enter();

  std::unique_ptr<family> impl_;
};

/// Order of a data stream among all of a session, lower first: subscriber priority, publisher priority, group order,
/// subgroup [MOQT 7.2]. `base_group`: any group of the request, the same for all its streams.
uint64_t urgency(uint8_t subscriber_priority, uint8_t publisher_priority, group_order order, uint64_t base_group,
                 uint64_t group, uint64_t subgroup);
inline constexpr uint64_t urgency_control = 0;
inline constexpr uint64_t urgency_request = 1;

} // namespace ec::moq
