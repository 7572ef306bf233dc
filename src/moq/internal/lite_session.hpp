#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/limits_lite.hpp"
#include "moq/internal/session_family.hpp"
#include "moq/internal/stream_buffer.hpp"
#include "moq/lite_wire.hpp"

/// A moq-lite session. Only lite_*.cpp and session.cpp include this.
namespace ec::moq {

/// Largest timescale property, and the object property that it measures, of tracks of either family [LOC].
namespace loc {
inline constexpr uint64_t timescale = 0x08; ///< of a track: units in a second
inline constexpr uint64_t timestamp = 0x10; ///< of an object
} // namespace loc

/// One group on its way to the peer: a place in what the store holds of it.
struct lite_group_out {
  std::optional<uint64_t> stream;
  uint64_t next = 0;      ///< id of the object to be written
  uint64_t timestamp = 0; ///< of the frame before
  bool finished = false;  ///< FIN is written
  std::optional<size_t> part; ///< bytes of the payload of object `next` that are written
  bool asked = false;     ///< what is missing of it was asked for
  std::shared_ptr<const fill> brought;
};

/// A SUBSCRIBE or FETCH of the peer. It pulls: what waits stays in the store.
struct lite_served {
  bool is_fetch = false;
  uint64_t subscribe_id = 0;
  full_track_name name;
  lite::delivery how; ///< a fetch: `start` and `end` are its group
  track* t = nullptr; ///< null: it is being asked for, or gone
  std::shared_ptr<const void> interest;
  std::optional<uint64_t> first; ///< the group that it begins with
  std::map<uint64_t, lite_group_out> out;
  std::set<uint64_t> done;  ///< groups that went out, or will not
  uint64_t done_below = 0;  ///< so did all before
  bool over = false;        ///< the track has ended
};

/// A TRACK of the peer that waits for its track.
struct lite_question {
  full_track_name name;
  std::shared_ptr<const void> interest;
};

/// An ANNOUNCE_REQUEST of the peer.
struct lite_listener {
  track_namespace prefix;
  uint64_t exclude = 0;
  std::map<track_namespace, hop_path> told; ///< whole names, and by which way
};

/// An ANNOUNCE_REQUEST of ours.
struct lite_inquiry {
  request_id id = no_request; ///< of SUBSCRIBE_NAMESPACE; none: asked for by the session itself, for offers
  std::optional<uint64_t> stream;
  track_namespace prefix;
  std::optional<uint64_t> responder; ///< its origin id
  struct heard {
    std::optional<request_id> offer; ///< the offer's id, if it was told above
    bool told = false;
    hop_path hops;
  };
  std::map<track_namespace, heard> active; ///< by suffix; all that the peer holds for announced, wanted or not
};

/// A SUBSCRIBE, FETCH or TRACK of ours.
struct lite_own {
  request_kind kind = request_kind::subscribe;
  full_track_name name;
  std::optional<uint64_t> info_stream, stream;
  std::optional<lite::track_info> info;
  bool answered = false;
  std::optional<mono_time> asked_at;
  // subscribe
  uint64_t subscribe_id = 0;
  lite::delivery how;
  location from; ///< what is before is passed over
  std::optional<uint64_t> start;
  std::set<uint64_t> seen; ///< groups that came, the newest of them
  struct ending {
    uint64_t status = 0;
    std::string reason;
    mono_time until;
  };
  std::optional<uint64_t> end_group; ///< exclusive
  std::optional<ending> ends;
  // fetch, of one group after the other
  request_id joined = no_request;
  uint64_t groups_back = 0;
  location first, last; ///< inclusive
  uint64_t group = 0;   ///< under way
  uint8_t priority = 0;
};

/// A group that comes, on a stream of its own or in answer to FETCH.
struct lite_group_in {
  request_id request = no_request;
  uint64_t group = 0;
  uint64_t next = 0;
  uint64_t timestamp = 0;
  std::optional<lite::frame> frame; ///< under way
  growing_payload payload;
  part_clock told;    ///< of the frame under way
  bool begun = false; ///< told above
};

struct lite_stream {
  enum class kind { unknown, held, announce_served, served, track_served, goaway, inquiry, info, subscription, fetch, group, setup, over };
  kind what = kind::unknown;
  stream_buffer in;
  bool in_ended = false;
  request_id request = no_request; ///< of ours: subscription, info, fetch, group
  std::unique_ptr<lite_group_in> group;
};

class lite_session final : public session::family {
public:
  lite_session(lite::version v, session_config config, lower_layer& lower, upper_layer& upper, track_store* published);
  ~lite_session() override;

  // lite_session.cpp
  void on_connected(mono_time now) override;
  void on_stream_data(uint64_t stream, base::bytes data, bool fin, mono_time now) override;
  void on_stream_reset(uint64_t stream, uint64_t code, mono_time now) override;
  void on_stop_sending(uint64_t stream, uint64_t code, mono_time now) override;
  void on_streams_available(mono_time now) override;
  void on_writable(uint64_t stream, mono_time now) override;
  void on_transport_closed(uint64_t code, std::string_view reason) override;
  void on_tick(mono_time now) override;
  std::optional<mono_time> deadline() const override;
  void goaway(std::string_view uri, uint64_t timeout_ms) override;
  void close(uint64_t code, std::string_view reason) override;
  size_t open_requests() const override;
  size_t serving() const override { return served_.size() + questions_.size(); }

  // lite_subscribe.cpp
  void on_datagram(base::bytes data, mono_time now) override;
  request_id subscribe(const full_track_name& track, const subscribe_options& options) override;
  void update(request_id id, const update_options& options) override;
  void cancel(request_id id, request_kind kind) override;
  request_id fetch_track(moq::fetch m, const fetch_options& options, request_id joined) override;
  request_id track_status(const full_track_name& track) override;

  // lite_announce.cpp
  request_id publish_ns(const track_namespace& ns, const hop_path& hops) override;
  request_id subscribe_ns(const track_namespace& prefix) override;
  void revoke_namespace(request_id peer_request) override;
  hop_path hops(request_id id, const track_namespace& ns) const override;

  // What moq-lite cannot say.
  request_id publish(const full_track_name& track, const publish_options& options) override;
  request_id subscribe_tracks(const track_namespace& prefix, bool forward) override;
  void update_prefix(request_id id, const track_namespace& prefix) override;
  bool pad(size_t, bool) override { return false; }
  void goaway_request(request_id, std::string_view, uint64_t) override {}
  // session_memory.cpp
  session_memory memory() const override;
  size_t request_bytes() const;
  size_t told_bytes() const;
  bool may_tell(const lite_listener& l, const track_namespace& ns) const;
  void use_tokens(std::vector<auth_token>) override {}

  // lite_publish.cpp
  void end_subscription(request_id id, uint64_t status, std::string_view reason) override;

private:
  // session_memory.cpp
  std::vector<part> parts() const override;
  void stop_part(uint64_t stream) override;

  bool is_server() const { return config_.role == session_role::server; }
  bool opened_by_us(uint64_t stream) const { return ((stream & 1) != 0) == is_server(); }

  // lite_session.cpp
  void say_hello();
  void take_setup(const lite::setup& m);
  void after_setup();
  void read_uni(uint64_t stream);
  void read_bidi(uint64_t stream);
  void read_setup(uint64_t stream);
  void new_request(uint64_t stream, uint64_t type);
  void stream_over(uint64_t stream, std::optional<uint64_t> reset);
  void fail(uint64_t code, std::string reason);
  void finish_closing(uint64_t code, std::string_view reason);
  void detach();
  void hold_early(uint64_t stream);
  bool within_load(size_t asked);
  /// Says no on a request of the peer: there is no message for it.
  void refuse(uint64_t stream, uint64_t code);
  /// Ends both directions; what still comes on it is ignored.
  void drop_stream(uint64_t stream, uint64_t code);
  void finish_stream(uint64_t stream);
  template <class... Args>
  void put(uint64_t stream, bool fin, const Args&... message) {
    base::byte_writer out;
    lite::encode(out, message...);
    lower_.write(stream, base::bytes::adopt(out.take()), fin);
  }
  request_id local_failure(request_id id, uint64_t code, std::string reason);
  request_id new_own_id() { return std::exchange(next_own_, next_own_ + 2); }
  std::optional<request_error> not_allowed(request_kind kind, const full_track_name& track);

  // lite_announce.cpp
  void serve_announce(uint64_t stream, const lite::announce_request& m);
  void tell(uint64_t stream, lite_listener& l, const track_namespace& ns, bool active);
  const hop_path* offered(const lite_listener& l, const track_namespace& ns, const hop_path* told = nullptr) const;
  void retell(const track_namespace& ns);
  void inquire(lite_inquiry& q);
  void read_inquiry(uint64_t stream);
  void take_announce(lite_inquiry& q, const lite::announce& m);
  void lost(lite_inquiry& q, std::map<track_namespace, lite_inquiry::heard>::iterator at);
  void inquiry_over(uint64_t stream, std::optional<uint64_t> reset);
  void on_namespace(const track_namespace& ns, bool active, mono_time now) override;

  // lite_publish.cpp
  std::optional<full_track_name> name_of(const lite::track_request& m);
  void serve(uint64_t stream, lite_served s);
  void serve_track(uint64_t stream, const lite::track_request& m);
  void answer_track(uint64_t stream, const track& t);
  void begin(uint64_t stream, lite_served& s, track& t);
  void read_update(uint64_t stream);
  void pump(uint64_t stream);
  bool resolve(uint64_t stream, lite_served& s);
  bool pump_group(uint64_t stream, lite_served& s, uint64_t group, lite_group_out& o);
  bool open_group(lite_served& s, uint64_t group, lite_group_out& o);
  void write_part(lite_served& s, lite_group_out& o, const cached_group& held, const object& what, uint64_t payload_bytes);
  void write_frame(lite_served& s, lite_group_out& o, const cached_group& held, const object& what);
  bool has_room(const lite_group_out& o);
  bool bring(lite_served& s, uint64_t group, lite_group_out& o);
  bool is_over(const track& t, uint64_t group, const cached_group& held) const;
  bool is_done(const lite_served& s, uint64_t group) const { return group < s.done_below || s.done.contains(group); }
  void note_done(lite_served& s, uint64_t group);
  /// The rest of a group does not go out. True: it was a fetch, and `s` is gone with it.
  bool give_up(uint64_t stream, lite_served& s, uint64_t group, uint64_t code);
  void expire(uint64_t stream, lite_served& s);
  void keep_within_bound(uint64_t stream, lite_served& s);
  void try_finish(uint64_t stream);
  void end_served(uint64_t stream, bool reset);
  void watch(track& t);
  void unwatch(track& t);
  void reprioritise(lite_served& s);
  uint64_t urgency_of(const lite_served& s, uint64_t group) const;
  void pump_all(const track* only = nullptr);
  void stirred(track& t, mono_time now);
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
  void on_store_gone() override;

  // lite_subscribe.cpp
  void advance(request_id id);
  void advance_all();
  bool open_request(lite_own& r, request_id id, std::optional<uint64_t>& stream, lite_stream::kind what);
  void read_info(uint64_t stream);
  void read_replies(uint64_t stream);
  void accepted(request_id id);
  void next_group(request_id id);
  void start_group(uint64_t stream);
  void read_frames(uint64_t stream);
  object object_of(const lite_own& r, const lite_group_in& g, base::bytes payload) const;
  bool is_passed_over(const lite_own& r, const object& o) const;
  bool deliver(uint64_t stream, lite_group_in& g, base::bytes payload);
  void tell_part(uint64_t stream);
  void tell_parts();
  void group_over(uint64_t stream, std::optional<uint64_t> reset);
  void own_over(request_id id, std::optional<uint64_t> reset);
  void end_own(request_id id, uint64_t code);
  void failed(request_id id, uint64_t code, std::string reason);
  void settle(request_id id);
  track_properties properties_of(const lite_own& r) const;

  lite::version version_;
  std::optional<uint64_t> hello_; ///< our setup stream
  std::optional<uint64_t> peer_hello_;
  mono_time connected_at_{};
  bool goaway_received_ = false;
  bool goaway_sent_ = false;
  std::optional<mono_time> goaway_until_;
  std::optional<mono_time> again_; ///< something waits for room below
  std::unordered_map<uint64_t, lite_stream> streams_;
  size_t groups_open_ = 0;
  double load_tokens_ = static_cast<double>(base::limits::moq_requests_burst);
  mono_time load_at_{};

  // Publishing.
  std::map<uint64_t, lite_served> served_;      ///< by the request's stream
  std::map<uint64_t, lite_question> questions_; ///< by stream
  std::map<uint64_t, lite_listener> listeners_; ///< by stream
  std::map<const track*, size_t> watched_;      ///< how many of served_ are of a track
  struct offer {
    track_namespace ns;
    hop_path hops; ///< that it came through
  };
  std::map<request_id, offer> offers_; ///< ours, by publish_ns
  std::unordered_map<uint64_t, uint64_t> group_streams_; ///< our group streams, to the request's stream

  // Subscribing.
  std::map<request_id, lite_own> own_;
  std::map<uint64_t, request_id> subscriptions_; ///< by subscribe id
  std::deque<lite_inquiry> inquiries_; ///< never moved while one is read
  std::map<request_id, track_namespace> peer_offers_;
  std::vector<std::pair<request_id, std::variant<request_ok, request_error>>> local_answers_;
  request_id next_own_;
  request_id next_peer_;
  uint64_t next_subscribe_ = 0;
};

/// What an answer's reset code says in the words of the other family.
uint64_t request_code_of(uint64_t lite_code);
uint64_t reset_code_of(uint64_t lite_code);
/// And back: of a refused request, of a group, of the session's end.
uint64_t lite_code_of_request(uint64_t request_code);
uint64_t lite_code_of_reset(uint64_t reset_code);
uint64_t lite_code_of_session(uint64_t session_code);

/// The timestamp among the properties of an object; `others`: there are more.
std::optional<uint64_t> timestamp_of(std::span<const uint8_t> properties, bool& others);
/// Object properties that say just this.
base::bytes timestamp_properties(uint64_t timestamp);
/// Units of timestamps in a second; nothing if the track does not say.
std::optional<uint64_t> timescale_of(const track_properties& p);

} // namespace ec::moq
