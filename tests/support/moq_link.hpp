#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/hex.hpp"
#include "moq/session.hpp"
#include "moq/track_store.hpp"

/// Two MoQ sessions joined in memory: no time, no threads. Nothing moves but by `pump`.
namespace ec::test {

/// Keeps what a session tells above it, one line for each call.
struct moq_recorder : moq::upper_layer {
  std::vector<std::string> log;
  std::map<moq::request_id, std::vector<moq::object>> objects;
  std::map<moq::request_id, std::vector<moq::object_part>> parts;
  std::map<moq::request_id, moq::request_ok> oks; ///< the last of each request
  moq::session* session = nullptr;
  bool accept_namespaces = true;
  std::function<std::optional<moq::request_error>(const moq::authorization&)> authorize; ///< unset: everything is allowed
  std::vector<moq::authorization> asked;
  std::vector<moq::auth_token> setup_tokens;
  moq::publish_answer takes = moq::publish_accept{}; ///< the answer to PUBLISH
  std::optional<uint64_t> refuse_setup;
  bool unsubscribe_at_first_object = false;
  std::optional<moq::request_id> last_peer_request;
  std::string last_reason; ///< of REQUEST_ERROR

  static std::string n(uint64_t v) { return std::to_string(v); }
  void add(std::string line) { log.push_back(std::move(line)); }
  /// True if a line is there; the whole line must match.
  bool has(std::string_view line) const {
    for (const auto& l : log) {
      if (l == line) return true;
    }
    return false;
  }
  /// The lines joined, for messages and whole comparisons.
  std::string all() const {
    std::string out;
    for (const auto& l : log) out += (out.empty() ? "" : "; ") + l;
    return out;
  }
  std::string take() {
    auto out = all();
    log.clear();
    return out;
  }

  void on_setup(const moq::peer_setup& s) override {
    add("setup path=" + s.path + " authority=" + s.authority + " implementation=" + s.implementation);
    setup_tokens = s.tokens;
    if (refuse_setup && session) session->close(*refuse_setup, "refused");
  }
  std::optional<moq::request_error> on_authorize(moq::request_id, const moq::authorization& a) override {
    asked.push_back(a);
    return authorize ? authorize(a) : std::nullopt;
  }
  void on_new_group_request(const moq::full_track_name& track, uint64_t group) override { add("new-group " + moq::to_string(track) + " " + n(group)); }
  void on_closed(uint64_t code, std::string_view) override { add("closed " + n(code)); }
  void on_goaway(std::string_view uri, uint64_t ms) override { add("goaway " + std::string(uri) + " " + n(ms)); }
  void on_request_goaway(moq::request_id id, std::string_view uri, uint64_t ms) override {
    add("request-goaway " + n(id) + " " + std::string(uri) + " " + n(ms));
  }
  void on_subscribe_ok(moq::request_id id, const moq::subscribe_ok& m) override {
    const auto l = m.params.largest;
    add("subscribed " + n(id) + (l ? " largest=" + n(l->group) + "/" + n(l->object) : ""));
  }
  void on_request_error(moq::request_id id, const moq::request_error& e) override {
    last_reason = e.reason;
    add("error " + n(id) + " " + n(e.code));
  }
  void on_request_ok(moq::request_id id, const moq::request_ok& m) override {
    add("ok " + n(id));
    oks[id] = m;
  }
  void on_object(moq::request_id id, const moq::object& o) override {
    add("object " + n(id) + " " + n(o.group) + "/" + n(o.id) + (o.subgroup ? " subgroup=" + n(o.subgroup) : "") +
        (o.status != moq::object_status::normal ? " status=" + n(static_cast<uint64_t>(o.status)) : "") + (o.datagram ? " datagram" : ""));
    objects[id].push_back(o);
    if (unsubscribe_at_first_object && session) session->unsubscribe(id);
  }
  void on_object_part(moq::request_id id, const moq::object_part& p) override { parts[id].push_back(p); }
  void on_subgroup_end(moq::request_id id, uint64_t group, uint64_t subgroup, std::optional<uint64_t> reset, bool end) override {
    add("end " + n(id) + " " + n(group) + (subgroup ? " subgroup=" + n(subgroup) : "") + (reset ? " reset=" + n(*reset) : "") + (end ? " whole" : ""));
  }
  void on_publish_blocked(moq::request_id id, const moq::full_track_name& suffix) override { add("blocked " + n(id) + " " + moq::to_string(suffix)); }
  moq::publish_answer on_publish(moq::request_id id, const moq::publish& m) override {
    const auto l = m.params.largest;
    add("published " + n(id) + " " + moq::to_string(m.track) + (l ? " largest=" + n(l->group) + "/" + n(l->object) : "") + (m.params.forward == false ? " paused" : ""));
    last_peer_request = id;
    return takes;
  }
  void on_publish_done(moq::request_id id, uint64_t status, std::string_view, uint64_t streams) override {
    add("done " + n(id) + " " + n(status) + " streams=" + n(streams));
  }
  void on_fetch_ok(moq::request_id id, const moq::fetch_ok& m) override {
    add("fetch-ok " + n(id) + " " + n(m.end.group) + "/" + n(m.end.object) + (m.end_of_track ? " end-of-track" : ""));
  }
  void on_fetch_gap(moq::request_id id, moq::location last, bool unknown) override {
    add("gap " + n(id) + " " + n(last.group) + "/" + n(last.object) + (unknown ? " unknown" : " none"));
  }
  void on_fetch_end(moq::request_id id, std::optional<uint64_t> reset) override {
    add("fetch-end " + n(id) + (reset ? " reset=" + n(*reset) : ""));
  }
  void on_namespace(moq::request_id id, const moq::track_namespace& suffix, bool active) override {
    add("namespace " + n(id) + " " + moq::to_string(suffix) + (active ? " up" : " down"));
  }
  void on_request_closed(moq::request_id id) override { add("request-closed " + n(id)); }
  std::optional<moq::request_error> on_publish_namespace(moq::request_id id, const moq::track_namespace& ns) override {
    add("offered " + n(id) + " " + moq::to_string(ns));
    last_peer_request = id;
    if (accept_namespaces) return std::nullopt;
    return moq::request_error{.code = moq::request_code::uninterested, .retry_after_ms = {}, .reason = "no", .to = {}};
  }
  void on_publish_namespace_done(moq::request_id id, const moq::track_namespace& ns) override {
    add("withdrawn " + n(id) + " " + moq::to_string(ns));
  }
};

/// One end: what a session wrote waits here until the link is pumped. Keeps lists of all that it was told.
struct moq_end : moq::lower_layer {
  struct event {
    enum class kind { data, reset, stop, datagram } what = kind::data;
    uint64_t stream = 0;
    base::bytes data;
    bool fin = false;
    uint64_t code = 0;
  };
  bool server = false;
  std::deque<event> queue;
  size_t uni_credit = 1'000'000, bidi_credit = 1'000'000;
  uint64_t unis = 0, bidis = 0;
  size_t datagram_max = 1200, datagram_room = 1'000'000;
  bool is_early = false;  ///< the transport's handshake is not complete
  bool hold_data = false; ///< nothing of unidirectional data streams leaves
  std::map<uint64_t, uint64_t> priorities;
  std::vector<std::pair<uint64_t, uint64_t>> resets, stops;
  std::optional<uint64_t> closed;
  std::string close_reason;
  std::map<uint64_t, std::vector<uint8_t>> written; ///< all bytes of each stream
  std::vector<base::bytes> payload_writes;          ///< every write, to see that payloads are not copied

  std::optional<uint64_t> open(uint64_t& count, size_t& credit, uint64_t bits) {
    if (credit == 0) return std::nullopt;
    --credit;
    return 4 * count++ + bits + (server ? 1 : 0);
  }
  std::optional<uint64_t> open_uni() override { return open(unis, uni_credit, 2); }
  std::optional<uint64_t> open_bidi() override { return open(bidis, bidi_credit, 0); }
  void write(uint64_t stream, base::bytes data, bool fin) override {
    written[stream].insert(written[stream].end(), data.begin(), data.end());
    payload_writes.push_back(data);
    queue.push_back({event::kind::data, stream, std::move(data), fin, 0});
  }
  void set_priority(uint64_t stream, uint64_t urgency) override { priorities[stream] = urgency; }
  void reset(uint64_t stream, uint64_t code) override {
    std::erase_if(queue, [&](const event& e) { return e.stream == stream && e.what == event::kind::data; });
    resets.emplace_back(stream, code);
    queue.push_back({event::kind::reset, stream, {}, false, code});
  }
  void stop_sending(uint64_t stream, uint64_t code) override {
    stops.emplace_back(stream, code);
    queue.push_back({event::kind::stop, stream, {}, false, code});
  }
  size_t unsent(uint64_t stream) const override {
    size_t sum = 0;
    for (const auto& e : queue) {
      if (e.stream == stream && e.what == event::kind::data) sum += e.data.size();
    }
    return sum;
  }
  size_t datagram_bytes_max() const override { return datagram_max; }
  bool send_datagram(base::bytes data) override {
    if (datagram_room == 0) return false;
    --datagram_room;
    queue.push_back({event::kind::datagram, 0, std::move(data), false, 0});
    return true;
  }
  void close(uint64_t code, std::string_view reason) override {
    closed = code;
    close_reason = reason;
  }
  void deadline_moved() override { deadline_told = true; }
  bool early() const override { return is_early; }

  bool deadline_told = true;
  std::optional<base::mono_time> deadline; ///< as it was asked last
};

/// A deadline may come nearer only if the session said so: else an owner that asks only then would sleep through it.
inline void check_deadline(moq_end& end, const moq::session& s) {
  const auto at = s.deadline();
  if (!std::exchange(end.deadline_told, false)) CHECK_MESSAGE(!(at && (!end.deadline || *at < *end.deadline)), "a deadline moved untold");
  end.deadline = at;
}

/// Moves what waits at one end to the session at the other; `split`: bytes in one arrival, 0: as written. False: nothing moved.
inline bool carry(moq_end& from, moq::session& to, base::mono_time now, size_t split = 0) {
  if (from.closed) {
    to.on_transport_closed(*from.closed, from.close_reason, now);
    from.queue.clear();
    return false;
  }
  bool moved = false;
  std::deque<moq_end::event> held;
  while (!from.queue.empty()) {
    auto e = std::move(from.queue.front());
    from.queue.pop_front();
    const bool own_uni = (e.stream & 2) && ((e.stream & 1) != 0) == from.server && e.stream / 4 > 0;
    if (from.hold_data && own_uni && e.what == moq_end::event::kind::data) {
      held.push_back(std::move(e));
      continue;
    }
    moved = true;
    switch (e.what) {
    case moq_end::event::kind::reset: to.on_stream_reset(e.stream, e.code, now); break;
    case moq_end::event::kind::stop: to.on_stop_sending(e.stream, e.code, now); break;
    case moq_end::event::kind::datagram: to.on_datagram(e.data, now); break;
    case moq_end::event::kind::data:
      if (split == 0 || e.data.size() <= split) {
        to.on_stream_data(e.stream, e.data, e.fin, now);
      } else {
        for (size_t at = 0; at < e.data.size(); at += split) {
          to.on_stream_data(e.stream, e.data.slice(at, split), e.fin && at + split >= e.data.size(), now);
        }
      }
      break;
    }
    if (from.closed) return true;
  }
  for (auto& e : held) from.queue.push_back(std::move(e));
  return moved;
}

struct moq_link {
  moq_end client_end, server_end;
  moq_recorder client_says, server_says;
  moq::track_store client_tracks, server_tracks;
  std::unique_ptr<moq::session> client, server;
  base::mono_time now{std::chrono::hours(1)};
  size_t split = 0; ///< bytes in one arrival; 0: as written

  explicit moq_link(moq::session_config client_config = {}, moq::session_config server_config = {}) {
    client_config.role = moq::session_role::client;
    server_config.role = moq::session_role::server;
    server_end.server = true;
    client = std::make_unique<moq::session>(std::move(client_config), client_end, client_says, &client_tracks);
    server = std::make_unique<moq::session>(std::move(server_config), server_end, server_says, &server_tracks);
    client_says.session = client.get();
    server_says.session = server.get();
  }
  /// Both sides connected and set up, logs empty.
  void start() {
    client->on_connected(now);
    server->on_connected(now);
    pump();
    client_says.log.clear();
    server_says.log.clear();
  }
  /// Moves everything until nothing is left to move.
  void pump() {
    check_deadline(client_end, *client);
    check_deadline(server_end, *server);
    for (bool moved = true; moved;) {
      const bool up = move(client_end, *server);
      const bool down = move(server_end, *client);
      moved = up || down;
    }
    check_deadline(client_end, *client);
    check_deadline(server_end, *server);
  }
  bool move(moq_end& from, moq::session& to) { return carry(from, to, now, split); }
  /// Lets time pass on both sides.
  void wait(std::chrono::milliseconds d) {
    now += d;
    client->on_tick(now);
    server->on_tick(now);
    pump();
  }
};

inline moq::full_track_name track_name(std::string name, std::vector<std::string> ns = {"ec", "test"}) {
  return {{std::move(ns)}, std::move(name)};
}

/// An object whose payload names its place.
inline moq::object test_object(uint64_t group, uint64_t id, uint64_t subgroup = 0) {
  moq::object o;
  o.group = group;
  o.id = id;
  o.subgroup = subgroup;
  o.payload = base::bytes::copy("payload " + std::to_string(group) + "/" + std::to_string(id));
  return o;
}

} // namespace ec::test
