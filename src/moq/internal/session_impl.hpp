#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "moq/internal/request_ids.hpp"
#include "moq/internal/seen_objects.hpp"
#include "moq/internal/session_family.hpp"
#include "moq/internal/stream_buffer.hpp"
#include "moq/internal/token_cache.hpp"
#include "moq/profile.hpp"
#include "moq/session.hpp"
#include "moq/track_store.hpp"

namespace ec::moq {

/// One subgroup of a served subscription: on its stream, or waiting for one.
struct out_subgroup {
  std::optional<uint64_t> stream;
  subgroup_header header;
  uint8_t priority = 128;
  std::optional<uint64_t> last_id;
  uint64_t written = 0;
  struct part_out {
    uint64_t id = 0;
    size_t payload = 0; ///< bytes of it that are written
  };
  std::optional<part_out> part; ///< the object that is under way on the stream
  struct age {
    uint64_t end = 0; ///< offset behind the object
    mono_time since;
  };
  std::deque<age> ages;        ///< objects that may not be sent yet, oldest first
  std::vector<object> waiting; ///< no stream yet
  size_t waiting_bytes = 0;
  bool fin = false;
  mono_time fin_at;
};

/// A subscription of the peer.
struct served_subscription {
  track* t = nullptr; ///< null: ended, PUBLISH_DONE follows when nothing waits
  full_track_name name;
  uint64_t alias = 0;
  bool established = false; ///< false: waits for its track
  location start;
  std::optional<uint64_t> end_group;
  bool forward = true;
  uint8_t priority = 128;
  group_order order = group_order::ascending;
  std::optional<location> joining;
  std::optional<uint64_t> base_group;
  uint64_t object_timeout_ms = 0;
  uint64_t subgroup_timeout_ms = 0;
  uint64_t streams_opened = 0;
  std::map<std::pair<uint64_t, uint64_t>, out_subgroup> out; ///< by group and subgroup
  std::set<std::pair<uint64_t, uint64_t>> given_up;          ///< subgroups the subscriber does not get any more
  struct ending {
    uint64_t status = 0;
    std::string reason;
  };
  std::optional<ending> end;
  // While it waits for its track:
  subscribe request;
  bool asked = false; ///< the store's finder will answer; until then no time is too long
  mono_time rendezvous_until;
  std::vector<fetch> joins_waiting;
};

/// A fetch of the peer.
struct served_fetch {
  track* t = nullptr;
  std::optional<uint64_t> stream;
  fetch_cursor cursor;
  location next; ///< first location not looked at yet
  location first;
  location last; ///< inclusive
  uint8_t priority = 128;
  bool lost = false; ///< its track went away
  // What the store lacks is being brought:
  std::shared_ptr<const fill> brought;
  fetch_ok ok;
  bool waiting = false;
  // What is not held is not known to exist either:
  bool holes_unknown = false;
  location sure; ///< all before is written or told
};

/// A token that our requests carry.
struct own_token {
  auth_token token;                      ///< by value
  std::optional<uint64_t> alias;         ///< it was registered under
  request_id registered_by = no_request; ///< the answer to which is still to come; none: the alias may be used
};

/// What is to know of a track that we publish to the peer, beside the subscription that it becomes.
struct offered_track {
  full_track_name name;
  publish_options options;
  mono_time sent_at;
  bool answered = false;
  bool asked_for = false; ///< by SUBSCRIBE_TRACKS: the application is told nothing of it
};

inline constexpr uint64_t no_stream = ~uint64_t{0};

/// A request that we serve: the peer's, or our PUBLISH, which makes the peer the subscriber.
struct peer_request {
  size_t bytes = 0; ///< of its message
  request_kind kind = request_kind::subscribe;
  uint64_t stream = no_stream; ///< none: a PUBLISH of ours that waits for one
  std::unique_ptr<offered_track> offer;
  std::unique_ptr<served_subscription> sub;
  std::unique_ptr<served_fetch> fetched;
  std::shared_ptr<const void> interest;         ///< subscribe, fetch: the store's finder knows that somebody wants the track
  std::unique_ptr<moq::fetch> waiting_fetch;    ///< its track is being asked for
  std::unique_ptr<moq::track_status> waiting_status; ///< as above
  std::optional<mono_time> fill_until;               ///< fetch: what is not here by then is unknown [MOQT 10.2.3]
  track_namespace ns;              ///< publish_namespace: offered; subscribe_namespace, subscribe_tracks: the prefix
  bool forward = true;             ///< subscribe_tracks: of what is published for it
  std::map<track_namespace, hop_path> told; ///< subscribe_namespace: whole names, and by which way
  hop_path hops;                   ///< publish_namespace: that it came through
  bool looped = false;             ///< ... this node among them: nobody is told of it
};

/// A request that is served to us: ours, or the peer's PUBLISH, which makes us the subscriber.
struct own_request {
  size_t bytes = 0; ///< of the peer's PUBLISH
  request_kind kind = request_kind::subscribe;
  std::optional<uint64_t> stream;
  message first; ///< until it is sent
  std::optional<mono_time> sent_at; ///< unset: not sent, or since the last turn of the clock
  bool answered = false;
  size_t updates_open = 0;
  std::optional<uint64_t> rendezvous_ms;
  // subscribe
  full_track_name track;
  std::optional<uint64_t> alias;
  uint8_t default_priority = 128;
  bool dynamic_groups = false;
  std::shared_ptr<seen_objects> seen;
  std::set<uint64_t> data_streams;
  uint64_t streams_seen = 0;
  std::optional<publish_done> done;
  mono_time done_until;
  // fetch
  group_order order = group_order::ascending;
  std::optional<location> start;
  bool data_started = false;
  bool data_ended = false;
  std::optional<uint64_t> data_reset;
  // subscribe_namespace
  std::set<track_namespace> active;
  std::map<track_namespace, hop_path> ways; ///< of those, where the peer tells them
  track_namespace prefix;                   ///< also subscribe_tracks
  std::deque<track_namespace> new_prefixes; ///< of updates that are not answered yet
};

struct bidi_stream {
  bool ours = false;
  bool served = false; ///< its request is among those that we serve, `peers_`
  std::optional<request_id> request; ///< unset: nothing came yet, or the request is over
  stream_buffer in;
  bool in_ended = false;
  bool over = false; ///< whatever still comes is ignored
  bool goaway_seen = false, goaway_sent = false;
};

struct uni_stream {
  enum class kind { unknown, control, subgroup, fetch, padding, discarded };
  kind what = kind::unknown;
  stream_buffer in;
  bool in_ended = false;
  size_t held = 0; ///< bytes counted against the early limit
  std::optional<mono_time> parked_until;
  subgroup_header subgroup;
  request_id request = no_request;
  fetch_cursor cursor;
  std::optional<uint64_t> previous;
  std::optional<location> previous_at; ///< fetch
  bool has_object = false;
  object current; ///< header of the object under way
  uint64_t payload_bytes = 0;
  growing_payload payload;
  part_clock told;     ///< of the object under way
  bool begun = false;  ///< the subgroup's beginning was told with it
};

inline constexpr uint64_t wait_ms_max = 86'400'000; // no timer is longer than a day

bool is_reserved(const track_namespace& ns);
/// The smaller of two timeouts of which 0 or none means no limit.
uint64_t shorter(std::optional<uint64_t> a, std::optional<uint64_t> b);

/// The family of the IETF's drafts. Each request has a stream of its own, as in draft 18; its messages are coded by `session_config::draft`,
/// or by a heir that has them otherwise (moqt16_session.hpp).
class session::impl : public session::family {
public:
  impl(session_config config, lower_layer& lower, upper_layer& upper, track_store* published);
  ~impl() override;

  // session.cpp
  void on_connected(mono_time now) override;
  void on_handshake_done(mono_time now) override;
  void on_stream_data(uint64_t stream, base::bytes data, bool fin, mono_time now) override;
  void on_stream_reset(uint64_t stream, uint64_t code, mono_time now) override;
  void on_stop_sending(uint64_t stream, uint64_t code, mono_time now) override;
  void on_streams_available(mono_time now) override;
  void on_writable(uint64_t stream, mono_time now) override;
  void on_transport_closed(uint64_t code, std::string_view reason) override;
  void close(uint64_t code, std::string_view reason) override;

  // session_datagrams.cpp
  void on_datagram(base::bytes data, mono_time now) override;
  bool pad(size_t count, bool as_datagram) override;

  // session_clock.cpp
  void on_tick(mono_time now) override;
  std::optional<mono_time> deadline() const override;

  // session_control.cpp
  void goaway(std::string_view uri, uint64_t timeout_ms) override;
  void goaway_request(request_id id, std::string_view uri, uint64_t timeout_ms) override;

  // session_tokens.cpp
  void use_tokens(std::vector<auth_token> tokens) override;

  // session_requests.cpp
  request_id subscribe(const full_track_name& track, const subscribe_options& options) override;
  void update(request_id id, const update_options& options) override;
  void cancel(request_id id, request_kind kind) override;
  request_id fetch_track(moq::fetch m, const fetch_options& options, request_id joined) override;
  request_id publish_ns(const track_namespace& ns, const hop_path& hops) override;
  request_id subscribe_ns(const track_namespace& prefix) override;
  void revoke_namespace(request_id peer_request) override;

  // session_tracks.cpp
  request_id subscribe_tracks(const track_namespace& prefix, bool forward) override;
  request_id track_status(const full_track_name& track) override;
  void update_prefix(request_id id, const track_namespace& prefix) override;

  // session_offers.cpp
  request_id publish(const full_track_name& track, const publish_options& options) override;
  void end_subscription(request_id id, uint64_t status, std::string_view reason) override;

  bool is_open(request_id id) const override { return peers_.contains(id) || own_.contains(id); }
  size_t open_requests() const override { return own_.size() + peers_.size(); }
  size_t serving() const override {
    return static_cast<size_t>(std::ranges::count_if(peers_, [](const auto& p) { return p.second.kind == request_kind::subscribe || p.second.kind == request_kind::fetch || p.second.kind == request_kind::publish; }));
  }

  // session_memory.cpp
  session_memory memory() const override;

  const object_codec& draft_;
  std::map<request_id, own_request> own_;    ///< served to us
  std::map<request_id, peer_request> peers_; ///< served by us; ids of the two sides differ

protected:
  /// `objects`: of a draft whose heir codes messages itself: it overrides `send` and brings what comes.
  impl(session_config config, lower_layer& lower, upper_layer& upper, track_store* published, const object_codec& objects);
  virtual void send(uint64_t stream, const message& m, bool fin = false);
  /// A message of a request stream, and the bytes that it took; a stream that is not known yet is the peer's, with its request.
  void take_message(uint64_t stream, const message& m, size_t bytes);
  /// A message of the control stream.
  void take_control(const message& m);
  // session_memory.cpp
  std::vector<part> parts() const override;
  void stop_part(uint64_t stream) override;

private:
  bool is_server() const { return config_.role == session_role::server; }
  bool opened_by_us(uint64_t stream) const { return ((stream & 1) != 0) == is_server(); }
  void fail(uint64_t code, std::string reason);
  void fail(const wire_stop& stop) { fail(stop.code, stop.reason); }
  void finish_closing(uint64_t code, std::string_view reason);
  void detach();
  void drop_uni(uint64_t stream, uint64_t code, bool count_alias);
  void release_held(uni_stream& s);

  // session.cpp: dispatch
  void read_bidi(uint64_t stream);
  void read_uni(uint64_t stream);

  // session_control.cpp
  void open_control();
  void read_control(uint64_t stream);
  void take_setup(const setup& m);
  void after_setup();
  void take_goaway(const moq::goaway& m);
  void leave(request_id id);

  // session_tokens.cpp: tokens, and what they allow
  std::optional<std::vector<auth_token>> take_tokens(const std::vector<auth_token>& said);
  std::optional<request_error> authorize(const message& first, std::vector<auth_token> tokens);
  void add_tokens(request_id id, parameters& p);
  void tokens_answered(request_id id);

  // session_requests.cpp: our requests
  bool may_request(request_id id);
  size_t requests_of(bool ours) const;
  request_id new_request(own_request r, message m);
  void pump_requests();
  void local_failure(request_id id, uint64_t code, std::string reason);
  void deliver_local_failures();
  void answer(request_id id, const message& m);
  void answer_subscribe(request_id id, own_request& r, const message& m);
  void answer_fetch(request_id id, own_request& r, const message& m);
  void answer_namespace(request_id id, own_request& r, const message& m);
  bool answer_update(request_id id, own_request& r, const message& m);
  void own_stream_ended(request_id id, std::optional<uint64_t> reset);
  void end_own(request_id id, uint64_t code, bool close_stream);
  void malformed(request_id id, std::string reason);
  void settle_done(request_id id);
  void finish_done(request_id id);
  void settle_fetch(request_id id);

  // session_tracks.cpp: SUBSCRIBE_TRACKS, TRACK_STATUS, prefixes that move
  bool overlaps(request_kind kind, const track_namespace& prefix, request_id but = no_request) const;
  void serve_subscribe_tracks(uint64_t stream, const moq::subscribe_tracks& m);
  void update_tracks(request_id id, peer_request& r, const request_update& m);
  void park(uni_stream& s, base::mono_duration wait);
  void drop_parked();

  // session_ways.cpp: the ways of announcements
  bool tells_ways() const { return peer_hop_.has_value() && config_.origin_id != 0; }
  bool loops(const hop_path& way) const;
  bool is_heard(const own_request& r, const track_namespace& suffix) const;
  void sign_way(std::optional<hop_path>& hops, std::optional<uint64_t>& cost) const;
  void serve_publish_namespace(uint64_t stream, const moq::publish_namespace& m);
  void update_namespace(request_id id, peer_request& r, const request_update& m);
  void tell_namespace(peer_request& r, const track_namespace& ns, bool fits = false);
  void take_namespace(request_id id, own_request& r, const namespace_active& m);
  hop_path hops(request_id id, const track_namespace& ns) const override;
  void serve_track_status(uint64_t stream, const moq::track_status& m);
  void tell_status(uint64_t stream, const moq::track_status& m, track& t);
  void offer_track(track& t);
  void offer_under(request_id id);
  void offer_to(request_id id, track& t);
  void move_prefix(request_id id, const request_ok& ok);

  // session_offers.cpp: PUBLISH of both sides
  bool takes_publish() const;
  bool waits_to_publish(const full_track_name& track) const;
  std::optional<uint64_t> cannot_publish(const full_track_name& track) const;
  void send_publish(request_id id, peer_request& r, uint64_t stream);
  void answer_publish(request_id id, peer_request& r, const message& m);
  void accept_publish(request_id id, peer_request& r, const request_ok& ok);
  void publish_refused(request_id id, const request_error& why, bool answered = false);
  void take_publish(uint64_t stream, const moq::publish& m);
  void answer_published(request_id id, own_request& r, const message& m);
  void drop_parked(uint64_t alias);

  // session_datagrams.cpp
  void write_datagram(const served_subscription& s, const track& t, const object& o);

  // session_memory.cpp
  size_t request_bytes() const;
  size_t told_bytes() const;
  bool may_tell(const peer_request& r, const track_namespace& ns) const;

  // session_incoming.cpp: data streams of the peer
  void give_up_object(uint64_t stream, uni_stream& s);
  void start_subgroup(uint64_t stream, uni_stream& s);
  void start_fetch(uint64_t stream, uni_stream& s);
  void read_subgroup(uint64_t stream);
  void read_fetch(uint64_t stream);
  bool take_header(uint64_t stream, uni_stream& s, const object_header& h);
  bool take_payload(uni_stream& s);
  void tell_part(uint64_t stream);
  void tell_parts();
  void uni_reset(uint64_t stream, uint64_t code);
  void unpark();

  // session_serve.cpp: requests of the peer
  void new_peer_request(uint64_t stream, const message& m);
  void peer_message(request_id id, const message& m);
  void peer_stream_ended(request_id id, std::optional<uint64_t> reset);
  bool accept_request_id(request_id id);
  bool within_load();
  void refuse(uint64_t stream, uint64_t code, std::string reason, std::optional<uint64_t> retry_ms = {});
  void serve_subscribe(uint64_t stream, const moq::subscribe& m);
  void establish(request_id id, peer_request& r);
  void attach(request_id id, served_subscription& s, track& t);
  void serve_subscribe_namespace(uint64_t stream, const moq::subscribe_namespace& m);
  void serve_update(request_id id, peer_request& r, const request_update& m);
  void update_refused(request_id id, peer_request& r, const request_error& why);
  void ask_new_group(const track& t, std::optional<uint64_t> group);
  void update_subscription(request_id id, peer_request& r, const request_update& m);
  void end_peer(request_id id);
  void narrow(served_subscription& s);
  bool set_window(served_subscription& s, const std::optional<subscription_filter>& f, std::string& why);
  peer_request* serving(track& t);

  // session_publish.cpp: objects out
  void on_append(track& t, const object& o, bool first_of_subgroup, mono_time now) override;
  void on_part(track& t, const object_part& p, bool first_of_subgroup, mono_time now) override;
  void on_end_subgroup(track& t, uint64_t group, uint64_t subgroup, mono_time now) override;
  void on_end_group(track& t, uint64_t group, mono_time now) override;
  void on_reset_subgroup(track& t, uint64_t group, uint64_t subgroup, uint64_t code, mono_time now) override;
  void on_reset_group(track& t, uint64_t group, uint64_t code, mono_time now) override;
  void on_end_track(track& t, uint64_t status, std::string_view reason, mono_time now) override;
  void on_track_added(track& t, mono_time now) override;
  void on_track_removed(track& t, mono_time now) override;
  void on_track_refused(const full_track_name& name, const request_error& why, mono_time now) override;
  void on_filled(const fill& what, mono_time now) override;
  void on_namespace(const track_namespace& ns, bool active, mono_time now) override;
  void on_store_gone() override;
  bool open_subgroup(served_subscription& s, out_subgroup& o);
  bool is_wanted(const served_subscription& s, const object& o);
  out_subgroup* outgoing(served_subscription& s, const track& t, const object& o, bool first_of_subgroup);
  base::bytes object_head(track* t, const out_subgroup& o, const object& what, uint64_t payload_bytes) const;
  void write_part(served_subscription& s, out_subgroup& o, const object& what, uint64_t payload_bytes);
  void write_object(served_subscription& s, out_subgroup& o, const object& what);
  void finish_subgroup(out_subgroup& o);
  void reset_subgroup(out_subgroup& o, uint64_t code);
  void give_up(served_subscription& s, uint64_t group, uint64_t code);
  void note_given_up(served_subscription& s, std::pair<uint64_t, uint64_t> key);
  void keep_within_bound(served_subscription& s);
  void ages_moved(const served_subscription& s);
  void check_ages(served_subscription& s);
  void settle_subscription(request_id id, uint64_t status, std::string reason);
  void try_finish(request_id id);
  void reprioritise(served_subscription& s);
  void pump_streams();

  // session_fetch.cpp: fetches out
  void serve_fetch(uint64_t stream, const moq::fetch& m);
  void start_served_fetch(request_id id, peer_request& r, track& t, location start, location end, const parameters& p);
  void pump_fetch(request_id id);
  void answer_waiting_fetch(request_id id, peer_request& r);
  void give_up_filling(request_id id, peer_request& r);
  bool fetch_step(served_fetch& f);
  void finish_fetch(request_id id, std::optional<uint64_t> reset);

  const profile* messages_; ///< null: the heir's
  mono_time connected_at_{};
  std::optional<uint64_t> control_out_;
  std::optional<uint64_t> control_in_;
  stream_buffer control_buffer_;
  bool peer_is_moq_lite_ = false;
  bool goaway_received_ = false;
  bool goaway_sent_ = false;
  std::optional<mono_time> goaway_until_;
  std::optional<mono_time> fetch_again_;
  std::optional<uint64_t> peer_hop_; ///< it tells the ways of announcements; 0: but not who it is
  token_cache tokens_; ///< the peer's
  std::vector<own_token> own_tokens_;
  uint64_t next_token_alias_ = 0;
  uint64_t token_room_ = 0; ///< that the peer's cache has left
  std::map<request_id, mono_time> leaving_; ///< requests that are reset then
  request_id next_own_;
  request_ids peer_ids_;
  uint64_t next_alias_ = 1;
  double load_tokens_ = static_cast<double>(base::limits::moq_requests_burst);
  mono_time load_at_{};
  size_t message_bytes_ = 0; ///< of the request under way
  std::shared_ptr<seen_budget> seen_;
  size_t early_bytes_ = 0;
  size_t early_streams_ = 0;
  std::optional<mono_time> parked_next_; ///< none of those is over sooner
  std::unordered_map<uint64_t, uni_stream> unis_;
  std::unordered_map<uint64_t, bidi_stream> bidis_;
  std::deque<request_id> queued_; ///< ours, waiting for a stream
  std::vector<std::pair<request_id, request_error>> local_failures_;
  std::set<full_track_name> blocked_; ///< PUBLISH_BLOCKED was said of them: no PUBLISH may follow
  std::vector<request_id> offers_over_; ///< to be told at the next tick: their end came from within the store
  std::map<uint64_t, request_id> aliases_;
  std::deque<uint64_t> retired_aliases_;
  std::unordered_map<const track*, request_id> served_; ///< established subscriptions by track
  std::map<uint64_t, request_id> data_out_;             ///< our data streams to the request they belong to
};

} // namespace ec::moq
