// Peers that speak the protocol and mean harm: what they make a session hold is bounded, they are told why, and others do not notice.
#include <doctest/doctest.h>

#include <malloc.h>

#include "base/limits_attacker.hpp"
#include "moq/profile.hpp"
#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;
namespace limits = base::limits;

namespace {

constexpr size_t per_attacker = limits::moq_accepted_held_bytes_max;

/// A server whose peer, once it is set up, writes bytes of its own.
struct victim : moq_link {
  uint64_t requests = 0, streams = 0;

  static moq::session_config taking() {
    moq::session_config c;
    c.takes_publish = true;
    return c;
  }
  victim() : moq_link({}, taking()) {
    start();
    server_says.log.clear();
  }
  static base::bytes encoded(const moq::message& m) { return base::bytes::adopt(moq::moqt18().encode_control(m)); }
  void feed(uint64_t stream, base::bytes data, bool fin = false) {
    server->on_stream_data(stream, std::move(data), fin, now);
    server_end.queue.clear();
  }
  /// A request on a stream of its own.
  uint64_t ask(const moq::message& m) {
    const uint64_t stream = 4 * streams++;
    feed(stream, encoded(m));
    return stream;
  }
  void publish(uint64_t alias) {
    moq::publish m;
    m.id = 2 * requests++;
    m.track = track_name("t" + std::to_string(alias));
    m.alias = alias;
    ask(m);
  }
  /// The bytes of a subgroup with one object, of which `came` have come.
  static base::bytes object_in_part(uint64_t alias, uint64_t group, uint64_t subgroup, uint64_t id, size_t whole, size_t came) {
    moq::subgroup_header h;
    h.alias = alias;
    h.group = group;
    h.subgroup = subgroup;
    auto bytes = moq::moqt18().encode_subgroup_header(h);
    moq::object_header o;
    o.id = id;
    o.payload_bytes = whole;
    const auto head = moq::moqt18().encode_subgroup_object(o, h, {});
    bytes.insert(bytes.end(), head.begin(), head.end());
    bytes.resize(bytes.size() + came, 'x');
    return base::bytes::adopt(std::move(bytes));
  }
  size_t held() const {
    const auto m = server->memory();
    return m.total() - m.largest;
  }
};

moq::full_track_name long_name(uint64_t number, size_t bytes) {
  auto out = track_name(std::string(bytes, 'n'));
  out.name += std::to_string(number);
  return out;
}

} // namespace

TEST_CASE("objects that come in part, on stream after stream, are held within the bound, and whole ones still come") {
  victim v;
  v.publish(1);
  size_t most = 0, largest = 0;
  for (uint64_t i = 1; i <= 500; ++i) { // more are not open at a time
    v.feed(4 * i + 2, victim::object_in_part(1, i, 0, 0, 1'000'000, 8'000));
    most = std::max(most, v.held());
    largest = std::max(largest, v.server->memory().largest);
  }
  CHECK(most <= per_attacker);
  CHECK(largest <= 9'000);
  CHECK(v.server->counters().streams_too_much > 400);
  CHECK(v.server_end.stops.back().second == moq::reset_code::excessive_load);
  CHECK_FALSE(v.server_end.closed);
  v.feed(5002, victim::object_in_part(1, 2000, 0, 0, 5, 5), true);
  CHECK(v.server_says.has("object 0 2000/0"));
  // What the sessions of an endpoint counted is told together.
  auto sum = v.server->counters();
  sum += v.server->counters();
  CHECK(sum.streams_too_much == 2 * v.server->counters().streams_too_much);
  CHECK(sum.objects_in == 2);
  CHECK(sum.properties_left_out == 0);
  // One object of the largest size has its room beside them.
  v.feed(5006, victim::object_in_part(1, 2001, 0, 0, limits::moq_object_bytes_max, limits::moq_object_bytes_max - 1));
  v.feed(5006, base::bytes::copy("x"), true);
  CHECK(v.server_says.has("object 0 2001/0"));
}

TEST_CASE("requests that come in part are held within the bound") {
  victim v;
  moq::subscribe m;
  m.track = long_name(0, 3'900);
  m.params.tokens = {{.kind = moq::auth_token::alias_type::use_value, .alias = 0, .type = 0, .value = std::string(50'000, 't')}};
  auto part = victim::encoded(m);
  part = part.slice(0, part.size() - 1);
  size_t most = 0;
  for (uint64_t i = 0; i < limits::quic_peer_streams_bidi_max; ++i) {
    v.feed(4 * i, part);
    most = std::max(most, v.held());
  }
  CHECK(most <= per_attacker);
  CHECK(v.server->counters().streams_too_much > 200);
  CHECK(v.server_end.resets.back().second == moq::reset_code::excessive_load);
  CHECK_FALSE(v.server_end.closed);
}

TEST_CASE("a control stream that comes byte by byte holds no more than its message") {
  victim v;
  const uint64_t control = 2;
  const size_t before = v.held();
  v.feed(control, base::bytes::adopt({0x10, 0xff, 0xff})); // a GOAWAY of 65,535 bytes
  for (int i = 0; i < 60'000; ++i) v.feed(control, base::bytes::adopt({0x7f}));
  CHECK(v.held() - before <= limits::moq_control_message_bytes_max + 3);
  CHECK(v.held() <= per_attacker);
}

TEST_CASE("a million namespaces, and requests of every kind in masses, are refused beyond what may be open") {
  victim v;
  size_t most = 0, offered = 0;
  for (uint64_t i = 0; i < 1'000'000 && !v.server_end.closed; ++i) {
    moq::publish_namespace m;
    m.id = 2 * v.requests++;
    m.ns = {{"attack", std::to_string(i), std::string(1'000, 'n')}};
    const auto stream = v.ask(m);
    if (i % 1000 == 0) v.now += 1s;
    most = std::max(most, v.held());
    offered = std::max(offered, v.server->open_requests());
    // What was refused is over on both sides; what was taken stays.
    if (v.server->counters().request_errors_out > 0) v.server->on_stream_reset(stream, 0, v.now);
    if (i > 20'000) break; // what follows is the same
    v.server_end.written.clear();
    v.server_end.payload_writes.clear();
    v.server_end.resets.clear();
    v.server_end.priorities.clear();
    v.server_says.log.clear();
  }
  CHECK(most <= per_attacker);
  CHECK(offered > 35);
  CHECK(offered <= limits::moq_requests_max);
  CHECK(v.server->counters().requests_refused_load > 15'000);
  CHECK_FALSE(v.server_end.closed);
}

TEST_CASE("long requests are refused by what they take, and closed ones make room") {
  victim v;
  v.server_tracks.add(long_name(0, 3'000), {}, v.now).value();
  std::vector<uint64_t> asked;
  for (uint64_t i = 1; i < 200; ++i) {
    moq::subscribe m;
    m.id = 2 * v.requests++;
    m.track = long_name(i, 3'000);
    m.params.rendezvous_timeout_ms = 10'000;
    asked.push_back(v.ask(m));
  }
  CHECK(v.server->memory().requests <= per_attacker / 8 * 5);
  const auto open = v.server->open_requests();
  CHECK(open > 12);
  CHECK(open < 20);
  CHECK(v.server->counters().requests_refused_load == 199 - open);
  for (const auto stream : asked) v.server->on_stream_reset(stream, 0, v.now);
  CHECK(v.server->open_requests() == 0);
  CHECK(v.server->memory().requests == 0);
}

TEST_CASE("what is remembered of objects is bounded over all tracks of a session: groups, objects, subgroups without end") {
  victim v;
  for (uint64_t alias = 1; alias <= 20; ++alias) v.publish(alias);
  size_t most = 0;
  uint64_t stream = 1;
  for (uint64_t group = 0; group < 40; ++group) {
    for (uint64_t alias = 1; alias <= 20; ++alias) {
      for (uint64_t i = 0; i < 50; ++i) v.feed(4 * stream++ + 2, victim::object_in_part(alias, group, i, i, 1, 1), true);
      most = std::max(most, v.server->memory().objects);
    }
    v.server_says.log.clear();
    v.server_says.objects.clear();
  }
  CHECK(most <= per_attacker / 8);
  CHECK(most > per_attacker / 9);
  CHECK(v.server->counters().objects_in == 40 * 20 * 50);
  CHECK(v.held() <= per_attacker);
  CHECK_FALSE(v.server_end.closed);
}

TEST_CASE("a group of subgroups without end is refused the rest") {
  moq::track_store store;
  moq::track_config c;
  c.single_subgroup = false;
  auto& t = *store.add(track_name("t"), c, {}).value();
  size_t taken = 0;
  for (uint64_t i = 0; i < 2 * limits::moq_group_subgroups_max; ++i) taken += store.append(t, test_object(0, i, i), {}).has_value();
  CHECK(taken == limits::moq_group_subgroups_max);
  CHECK(store.append(t, test_object(0, 9999, 9999), {}).error().code == base::errc::too_large);
  CHECK(store.append(t, test_object(1, 0, 0), {}).has_value());
}

TEST_CASE("a request that is reset or stopped anywhere, in any state, leaves nothing behind") {
  victim v;
  v.server_tracks.add(track_name("held"), {}, v.now).value();
  std::vector<std::function<moq::message(uint64_t)>> kinds{
    [](uint64_t id) { return moq::subscribe{.id = id, .track = track_name("held"), .params = {}}; },
    [](uint64_t id) { return moq::publish{.id = id, .track = track_name("theirs"), .alias = 77, .params = {}, .properties = {}}; },
    [](uint64_t id) { return moq::fetch{.id = id, .track = track_name("held")}; },
    [](uint64_t id) { return moq::publish_namespace{.id = id, .ns = {{"theirs"}}, .params = {}}; },
    [](uint64_t id) { return moq::subscribe_namespace{.id = id, .prefix = {{"ec"}}, .params = {}}; },
    [](uint64_t id) { return moq::subscribe_tracks{.id = id, .prefix = {{"none"}}, .params = {}}; },
    [](uint64_t id) { return moq::track_status{.id = id, .track = track_name("held"), .params = {}}; },
  };
  const auto before = v.server->memory().total();
  for (const auto& make : kinds) {
    const size_t size = victim::encoded(make(0)).size();
    for (size_t cut = 1; cut <= size + 8; ++cut) {
      CAPTURE(cut);
      for (const bool stop : {false, true}) {
        v.now += 1s; // within what may be asked for
        const auto whole = victim::encoded(make(2 * v.requests));
        const uint64_t stream = 4 * v.streams++;
        v.feed(stream, whole.slice(0, std::min(cut, whole.size())));
        if (cut >= size) ++v.requests;
        if (stop) v.server->on_stop_sending(stream, 0, v.now);
        v.server->on_stream_reset(stream, 0, v.now);
        v.server_end.queue.clear();
        REQUIRE_FALSE(v.server_end.closed);
        REQUIRE(v.server->open_requests() == 0);
        REQUIRE(v.server->memory().total() == before);
      }
    }
  }
  CHECK(v.server_tracks.find(track_name("held"))->observers() == 0);
}

TEST_CASE("a hundred joins and leaves a second, for minutes, leave nothing behind (fault 11)") {
  relay_net net;
  auto& node = net.add_relay();
  auto& publisher = net.add_publisher(node, "p");
  auto& t = publisher.publish("t", net.now);
  auto& stays = net.join(node, "s");
  stays.near->subscribe(track_name("t"), {});
  net.pump();
  auto& held = *node.store.find(track_name("t"));
  struct live {
    size_t observers, publisher_requests, publisher_bytes, subscriber_bytes, subscribers, tracks, namespaces, groups;
    bool operator==(const live&) const = default;
  };
  const auto look = [&] {
    return live{held.observers(), publisher.far->open_requests(), publisher.far->memory().total() + publisher.near->memory().total(), stays.far->memory().total() + stays.near->memory().total(), node.relay.subscribers(), node.relay.tracks(),
      node.store.namespaces().size(), held.groups().size()};
  };
  uint64_t group = 0;
  const auto minute = [&] {
    for (int second = 0; second < 60; ++second) {
      net.put(publisher, t, test_object(++group, 0));
      publisher.tracks.end_group(t, group, net.now);
      for (int i = 0; i < 100; ++i) {
        auto& j = net.join(node, "c");
        const auto id = j.near->subscribe(track_name("t"), {});
        j.near->subscribe(track_name("nobody has this " + std::to_string(i)), {});
        j.near->subscribe_namespace({{"ec"}});
        net.pump();
        if (i % 3 == 0) j.near->unsubscribe(id);
        if (i % 3 == 1) j.near->fetch(track_name("t"), {group, 0}, {group, 1}, {});
        net.pump();
        net.cut(j);
        net.joints.pop_back();
      }
      net.wait(1s);
    }
    node.says.log.clear();
    for (auto* j : {&publisher, &stays}) {
      j->says.log.clear();
      j->says.objects.clear();
      j->says.asked.clear();
      for (auto* end : {&j->near_end, &j->far_end}) {
        end->written.clear();
        end->payload_writes.clear();
        end->priorities.clear();
        end->resets.clear();
        end->stops.clear();
      }
    }
  };
  minute();
  const auto before = look();
  const auto bytes = mallinfo2().uordblks;
  minute();
  CHECK(look() == before);
  CHECK(before.observers == 1);
  CHECK(before.subscribers == 1);
  CHECK(node.store.cached_bytes() <= limits::relay_track_cache_bytes);
  CHECK(mallinfo2().uordblks < bytes + 64'000); // of 6,000 sessions
}
