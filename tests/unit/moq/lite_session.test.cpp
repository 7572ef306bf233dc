#include "moq/internal/lite_session.hpp"

#include <doctest/doctest.h>

#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* drafts[] = {"moq-lite-05", "moq-lite-04", "moq-lite-03"};

/// A relay, and a publisher of one track that speaks one draft; subscribers of any.
struct scene {
  relay_net net;
  relay_node& relay;
  relay_joint& publisher;
  moq::track& track;

  explicit scene(std::string draft = "moq-lite-05", moq::track_config config = {}) :
    relay(net.add_relay()), publisher((net.protocol = std::move(draft), net.add_publisher(relay, "p"))), track(publisher.publish("t", net.now, config)) {
    net.pump();
  }
  struct subscriber {
    relay_joint* joint;
    moq::request_id id;
    std::string take() { return joint->says.take(); }
    const std::vector<moq::object>& objects() { return joint->says.objects[id]; }
  };
  subscriber subscribe(std::string draft, moq::subscribe_options options = {}) {
    net.protocol = std::move(draft);
    auto& j = net.join(relay, "s");
    const auto id = j.near->subscribe(track_name("t"), options);
    net.pump();
    return {&j, id};
  }
  void put(uint64_t group, uint64_t id) {
    net.put(publisher, track, test_object(group, id));
    net.pump();
  }
  void end(uint64_t group) {
    publisher.tracks.end_group(track, group, net.now);
    net.pump();
  }
};

std::string hex(const std::vector<uint8_t>& bytes) {
  return base::to_hex(bytes);
}

/// One session alone, whose peer is the test.
struct single {
  moq_end below;
  moq_recorder says;
  moq::track_store store;
  moq::session session;
  base::mono_time now{1h};

  explicit single(moq::session_role role, std::string protocol = "moq-lite-05") : session(config_of(role, std::move(protocol)), below, says, &store) {
    below.server = role == moq::session_role::server;
    session.on_connected(now);
  }
  static moq::session_config config_of(moq::session_role role, std::string protocol) {
    moq::session_config c;
    c.role = role;
    c.protocol = std::move(protocol);
    c.path = "/live";
    c.origin_id = 7;
    return c;
  }
  void gets(uint64_t stream, std::string_view hex, bool fin = false) { session.on_stream_data(stream, base::bytes::adopt(base::from_hex(hex).value()), fin, now); }
  std::string wrote(uint64_t stream) { return hex(below.written[stream]); }
  bool did_reset(uint64_t stream, uint64_t code) const { return std::ranges::find(below.resets, std::pair(stream, code)) != below.resets.end(); }
};

} // namespace

TEST_CASE("objects of a publisher reach a subscriber through a relay, whichever drafts both speak") {
  for (const std::string from : {"moq-lite-05", "moq-lite-04", "moq-lite-03", ""}) {
    for (const std::string to : {"moq-lite-05", "moq-lite-04", "moq-lite-03", ""}) {
      CAPTURE(from);
      CAPTURE(to);
      scene s(from);
      auto a = s.subscribe(to);
      for (uint64_t group = 0; group < 3; ++group) {
        for (uint64_t id = 0; id < 2; ++id) s.put(group, id);
        s.end(group);
      }
      s.publisher.tracks.end_track(s.track, moq::done_code::track_ended, "over", s.net.now);
      s.net.wait(5s);
      const auto id = a.id;
      const auto n = std::to_string(id);
      for (const auto* line : {"object N 0/0", "object N 0/1", "object N 1/0", "object N 2/1", "end N 0 whole", "end N 2 whole"}) {
        std::string want = line;
        want.replace(want.find('N'), 1, n);
        CHECK_MESSAGE(a.joint->says.has(want), a.joint->says.all());
      }
      REQUIRE(a.objects().size() == 6);
      CHECK(a.objects()[3].payload == test_object(1, 1).payload);
      const auto log = a.take();
      CHECK_MESSAGE(log.find("done " + n + " 2") != std::string::npos, log);
    }
  }
}

TEST_CASE("who comes late gets the newest group from its first frame") {
  for (const std::string from : {"moq-lite-05", ""}) {
    CAPTURE(from);
    scene s(from);
    for (uint64_t id = 0; id < 3; ++id) s.put(7, id);
    auto a = s.subscribe("moq-lite-05");
    s.put(7, 3);
    CHECK(a.take() == "subscribed 0; object 0 7/0; object 0 7/1; object 0 7/2; object 0 7/3");
    auto b = s.subscribe("moq-lite-04");
    CHECK(b.take() == "subscribed 0; object 0 7/0; object 0 7/1; object 0 7/2; object 0 7/3");
    s.end(7);
    CHECK(a.take() == "end 0 7 whole");
  }
}

TEST_CASE("a subscription may begin at a group that is held, and end at one") {
  scene s;
  s.subscribe("moq-lite-05"); // keeps the relay taking
  for (uint64_t group = 0; group < 5; ++group) {
    s.put(group, 0);
    s.end(group);
  }
  moq::subscribe_options options;
  options.filter = {.type = moq::subscription_filter::kind::absolute_range, .start = {2, 0}, .end_group = 3};
  auto a = s.subscribe("moq-lite-05", options);
  s.net.wait(3s);
  auto log = a.take();
  CHECK_MESSAGE(log.find("object 0 2/0") != std::string::npos, log);
  CHECK_MESSAGE(log.find("object 0 3/0") != std::string::npos, log);
  CHECK(a.objects().size() == 2);
  CHECK_MESSAGE(log.find("done 0 2") != std::string::npos, log);
}

TEST_CASE("one payload buffer serves all subscribers") {
  scene s;
  auto a = s.subscribe("moq-lite-05"), b = s.subscribe("");
  s.put(0, 0);
  const auto written = [](const relay_joint& j) {
    for (const auto& w : j.far_end.payload_writes) {
      if (w == test_object(0, 0).payload) return w.data();
    }
    return static_cast<const uint8_t*>(nullptr);
  };
  REQUIRE(written(*a.joint) != nullptr);
  CHECK(written(*a.joint) == written(*b.joint));
  CHECK(s.publisher.asked() == 1);
}

TEST_CASE("an unknown track is refused") {
  scene s;
  for (const auto* draft : drafts) {
    CAPTURE(draft);
    s.net.protocol = draft;
    auto& j = s.net.join(s.relay, "s");
    const auto id = j.near->subscribe(track_name("t", {"elsewhere"}), {});
    s.net.pump();
    CHECK(j.says.take() == "error " + std::to_string(id) + " 16");
  }
}

TEST_CASE("what is offered is told with its way, and never back to where it came from") {
  relay_net net;
  auto& first = net.add_relay();
  auto& second = net.add_relay();
  net.protocol = "moq-lite-05";
  auto& up = net.chain(second, first);
  auto& p = net.add_publisher(first, "p");
  auto& j = net.join(second, "s");
  const auto id = j.near->subscribe_namespace({});
  net.pump();
  CHECK(j.says.take() == "ok " + std::to_string(id) + "; namespace " + std::to_string(id) + " " + moq::to_string(track_name("").ns) + " up");
  // The publisher (joint 2), the first relay (1000), the second (1001), which is told by its ANNOUNCE_OK.
  CHECK(j.near->hops(id, track_name("").ns) == moq::hop_path{2, 1000, 1001});
  // The second relay does not offer to the first what came from there.
  CHECK(first.store.namespaces().at(track_name("").ns).size() == 1);
  CHECK(up.far->counters().announcements_looped == 0);
  auto& back = net.join(first, "b");
  (void)back;
  net.cut(p);
  CHECK(j.says.take() == "namespace " + std::to_string(id) + " " + moq::to_string(track_name("").ns) + " down");
}

TEST_CASE("an announcement that went through this node is passed over") {
  single s(moq::session_role::server);
  s.gets(2, "010100", true); // SETUP
  CHECK(s.wrote(1) == "01020007"); // ANNOUNCE_REQUEST: all, but what went through 7
  s.gets(1, "020301");             // ANNOUNCE_OK: from 3, one follows
  s.gets(1, "0501017801" "07");    // "x" by way of 7
  CHECK(s.session.counters().announcements_looped == 1);
  s.gets(1, "0501017901" "08");
  CHECK(s.says.take().find("offered") != std::string::npos);
  s.gets(1, "0400017800"); // its end is known all the same
  CHECK(!s.session.closed());
  s.gets(1, "0400017a00"); // of what was never announced
  CHECK(s.below.closed == moq::lite::code::protocol_violation);
}

TEST_CASE("a client writes what real servers read") {
  single s(moq::session_role::client);
  CHECK(s.wrote(2) == "01" "0b" "02" "02052f6c697665" "050107"); // SETUP: path, origin
  s.gets(3, "010100", true);
  CHECK(s.says.take() == "setup path= authority= implementation=moq-lite-05");
  moq::subscribe_options o;
  o.priority = 155;
  s.session.subscribe({{{"live.hang"}}, "catalog.json"}, o);
  CHECK(s.wrote(0) == "0617096c6976652e68616e670c636174616c6f672e6a736f6e");
  s.gets(0, "066400538843e8", true);
  CHECK(s.says.take() == "subscribed 0");
  CHECK(s.wrote(4) == "021d00096c6976652e68616e670c636174616c6f672e6a736f6e6400000000");
  s.gets(4, "000100");
  s.gets(3 + 4, "0002000043ba027b7d00024142", true);
  CHECK(s.says.take() == "object 0 0/0; object 0 0/1; end 0 0 whole");
  bool others = true;
  CHECK(moq::timestamp_of(s.says.objects[0][1].properties.span(), others) == 477);
  CHECK(!others);
  CHECK(s.says.objects[0][0].priority == 155);
  s.gets(4, "010101", true);
  CHECK(s.says.take() == "done 0 2 streams=" + std::to_string(moq::publish_done::streams_unknown));
}

TEST_CASE("a server writes what real clients read") {
  single s(moq::session_role::server);
  CHECK(s.wrote(3) == "01" "04" "01" "050107");
  moq::track_config c;
  c.priority = 155;
  c.order = moq::group_order::descending;
  c.max_cache_duration_ms = 5000;
  c.object_properties = true;
  c.properties = {{.type = moq::loc::timescale, .number = 1000, .value = {}}};
  auto& t = *s.store.add({{{"live.hang"}}, "catalog.json"}, c, s.now).value();
  const auto put = [&](uint64_t id, std::string_view text, uint64_t timestamp) {
    moq::object o;
    o.id = id;
    o.priority = 155;
    o.payload = base::bytes::copy(base::as_span(text));
    o.properties = moq::timestamp_properties(timestamp);
    s.store.append(t, o, s.now).value();
  };
  put(0, "{}", 477);
  s.gets(2, "010b0105" "08c000000000000009", true);
  s.gets(0, "010900c000000000000009");
  CHECK(s.wrote(0) == "020701" "0c01096c6976652e68616e6700");
  s.gets(4, "0617096c6976652e68616e670c636174616c6f672e6a736f6e");
  CHECK(s.wrote(4) == "066400538843e8");
  s.gets(8, "021d00096c6976652e68616e670c636174616c6f672e6a736f6e6400000000");
  CHECK(s.wrote(8) == "000100");
  put(1, "AB", 477);
  s.store.end_group(t, 0, s.now);
  CHECK(s.wrote(7) == "00" "020000" "43ba027b7d" "00024142");
  s.gets(12, "031b" "096c6976652e68616e67" "0c636174616c6f672e6a736f6e" "0900" "", true);
}

TEST_CASE("a fetch brings one group, or is refused") {
  scene s;
  s.subscribe("moq-lite-05"); // keeps the relay taking
  for (uint64_t group = 0; group < 3; ++group) {
    s.put(group, 0);
    s.put(group, 1);
    s.end(group);
  }
  auto& j = s.net.join(s.relay, "f");
  const auto one = j.near->fetch(track_name("t"), {1, 0}, {1, 0}, {});
  s.net.pump();
  const auto n = std::to_string(one);
  CHECK(j.says.take() == "fetch-ok " + n + " 1/0; object " + n + " 1/0; object " + n + " 1/1; fetch-end " + n);
  const auto part = j.near->fetch(track_name("t"), {0, 1}, {1, 1}, {});
  s.net.pump();
  const auto m = std::to_string(part);
  CHECK(j.says.take() == "fetch-ok " + m + " 1/1; object " + m + " 0/1; object " + m + " 1/0; fetch-end " + m);
  const auto none = j.near->fetch(track_name("t"), {9, 0}, {9, 0}, {});
  s.net.pump();
  const auto k = std::to_string(none);
  CHECK(j.says.take().find("gap " + k) != std::string::npos);
  const auto strange = j.near->fetch(track_name("missing"), {0, 0}, {0, 0}, {});
  s.net.pump();
  CHECK(j.says.take() == "error " + std::to_string(strange) + " 16");
}

TEST_CASE("the groups before a subscription are fetched beside it") {
  scene s;
  s.subscribe("moq-lite-05"); // keeps the relay taking
  for (uint64_t group = 0; group < 4; ++group) {
    s.put(group, 0);
    s.end(group);
  }
  auto& j = s.net.join(s.relay, "f");
  const auto sub = j.near->subscribe(track_name("t"), {});
  const auto back = j.near->joining_fetch_relative(sub, 2, {});
  s.net.pump();
  const auto log = j.says.take();
  const auto n = std::to_string(back);
  CHECK_MESSAGE(log.find("object " + n + " 1/0; object " + n + " 2/0; fetch-end " + n) != std::string::npos, log);
  CHECK_MESSAGE(log.find("object " + std::to_string(sub) + " 3/0") != std::string::npos, log);
}

TEST_CASE("a subscriber that reads too slowly loses its oldest groups, whole") {
  scene s;
  auto a = s.subscribe("moq-lite-05");
  a.joint->far_end.hold_data = true;
  std::vector<uint8_t> large(900'000, 1);
  for (uint64_t group = 0; group < 30; ++group) {
    moq::object o;
    o.group = group;
    o.payload = base::bytes::copy(large);
    s.net.put(s.publisher, s.track, o);
    s.end(group);
  }
  CHECK(a.joint->far->counters().groups_too_far_behind > 0);
  size_t waiting = 0;
  for (const auto& e : a.joint->far_end.queue) waiting += e.data.size();
  CHECK(waiting <= base::limits::moq_subscription_unsent_bytes_max + large.size());
  a.joint->far_end.hold_data = false;
  s.net.wait(1s);
  REQUIRE(!a.objects().empty());
  CHECK(a.objects().back().group == 29);
}

TEST_CASE("old groups are given up by the subscriber's own measure") {
  scene s;
  moq::subscribe_options options;
  options.subgroup_delivery_timeout_ms = 500;
  auto a = s.subscribe("moq-lite-05", options);
  a.joint->far_end.hold_data = true;
  s.put(0, 0);
  s.net.wait(400ms);
  s.put(1, 0);
  CHECK(a.joint->far->counters().groups_delivery_timeout == 0);
  s.net.wait(400ms);
  s.put(2, 0);
  CHECK(a.joint->far->counters().groups_delivery_timeout == 1);
}

TEST_CASE("groups wait for stream credit, the newest goes first") {
  scene s;
  auto a = s.subscribe("moq-lite-05");
  a.joint->far_end.uni_credit = 0;
  for (uint64_t group = 0; group < 3; ++group) {
    s.put(group, 0);
    s.end(group);
  }
  a.take();
  a.joint->far_end.uni_credit = 1;
  a.joint->far->on_streams_available(s.net.now);
  s.net.pump();
  CHECK(a.take() == "object 0 2/0; end 0 2 whole");
  CHECK(a.joint->far->counters().waiting_for_stream_credit > 0);
}

TEST_CASE("a subscription that is over is over on both sides") {
  scene s;
  auto a = s.subscribe("moq-lite-05");
  s.put(0, 0);
  a.joint->near->unsubscribe(a.id);
  s.net.pump();
  CHECK(a.joint->near->open_requests() == 1); // the relay asks it what it offers
  CHECK(a.joint->far->open_requests() == 0);
  s.net.wait(5s);
  CHECK(s.relay.relay.tracks() == 0);
}

TEST_CASE("a group that is broken off is reset for its subscribers, never ended") {
  for (const std::string from : {"moq-lite-05", ""}) {
    CAPTURE(from);
    scene s(from);
    auto a = s.subscribe("moq-lite-05");
    s.put(0, 0);
    s.put(1, 0);
    s.publisher.tracks.reset_group(s.track, 0, moq::reset_code::internal_error, s.net.now);
    s.net.pump();
    CHECK(a.take().find("end 0 0 reset=") != std::string::npos);
    s.publisher.tracks.end_track(s.track, moq::done_code::track_ended, "over", s.net.now);
    s.net.wait(5s);
    const auto log = a.take();
    CHECK_MESSAGE(log.find("end 0 1 reset=") != std::string::npos, log);
    CHECK_MESSAGE(log.find("done 0 2") != std::string::npos, log);
  }
}

TEST_CASE("a peer that stops listening to a request may still say something on it") {
  single s(moq::session_role::server);
  s.gets(2, "010100", true);
  s.gets(0, "010900c000000000000009");
  s.session.on_stop_sending(0, 0, s.now);
  s.gets(0, "050000000000", true); // what it had sent before
  CHECK(!s.session.closed());
  CHECK(s.session.open_requests() == 0);
}

TEST_CASE("a datagram stays one, and a group that came as one does not come again") {
  moq::track_config config;
  config.datagrams = true;
  scene s("moq-lite-05", config);
  auto a = s.subscribe("moq-lite-05");
  s.put(4, 0);
  CHECK(a.take() == "subscribed 0; object 0 4/0 datagram");
  CHECK(a.joint->near->counters().datagrams_in == 1);
}

TEST_CASE("names that the other family cannot say are counted, not mangled") {
  scene s("");
  auto& odd = s.net.join(s.relay, "odd");
  odd.near->publish_namespace({{"a/b"}});
  s.net.pump();
  s.net.protocol = "moq-lite-05";
  auto& j = s.net.join(s.relay, "s");
  const auto id = j.near->subscribe_namespace({});
  s.net.pump();
  CHECK(j.says.take() == "ok " + std::to_string(id) + "; namespace " + std::to_string(id) + " " + moq::to_string(track_name("").ns) + " up");
  CHECK(j.far->counters().names_unmapped == 1);
  const auto no = j.near->subscribe({{{"a/b"}}, "t"}, {});
  s.net.wait(100ms);
  CHECK(j.says.take() == "error " + std::to_string(no) + " 3");
}

TEST_CASE("what breaks the protocol closes the session, and what is only unknown does not") {
  {
    single s(moq::session_role::server);
    s.gets(2, "010100", true);
    s.gets(0, "2a00"); // an unknown stream
    CHECK(s.did_reset(0, moq::lite::code::unexpected_stream));
    s.gets(6, "2a00");
    s.gets(4, "04020000"); // PROBE, which is not offered
    CHECK(s.did_reset(4, moq::lite::code::unsupported));
    CHECK(!s.session.closed());
    s.gets(10, "010100", true);
    CHECK(s.below.closed == moq::lite::code::protocol_violation);
  }
  {
    single s(moq::session_role::client);
    s.gets(3, "01" "05" "01" "02022f61", true); // a server's path
    CHECK(s.below.closed == moq::lite::code::protocol_violation);
  }
  {
    single s(moq::session_role::server);
    s.gets(2, "010100", true);
    s.gets(0, "0203000000"); // a SUBSCRIBE that is too short
    CHECK(s.below.closed == moq::lite::code::protocol_violation);
  }
  {
    single s(moq::session_role::server);
    s.now += 11s;
    s.session.on_tick(s.now);
    CHECK(s.below.closed == moq::lite::code::timeout);
  }
}

TEST_CASE("a request that overtakes SETUP waits for it") {
  single s(moq::session_role::server);
  s.gets(0, "010900c000000000000009");
  CHECK(s.wrote(0).empty());
  s.gets(2, "010100", true);
  CHECK(s.wrote(0) == "020700");
}

TEST_CASE("GOAWAY is told both ways") {
  scene s;
  auto& j = s.net.join(s.relay, "s");
  j.far->goaway("https://other.example/", 1000);
  s.net.pump();
  CHECK(j.says.take() == "goaway https://other.example/ 0");
  const auto id = j.near->subscribe(track_name("t"), {});
  s.net.wait(100ms);
  CHECK(j.says.take() == "error " + std::to_string(id) + " 6");
  s.net.wait(2s);
  CHECK(j.far->closed());
}

TEST_CASE("what moq-lite cannot say fails at once") {
  scene s;
  auto& j = s.net.join(s.relay, "s");
  const auto a = j.near->publish(track_name("t"), {}), b = j.near->subscribe_tracks({}, true);
  s.net.wait(100ms);
  CHECK(j.says.take() == "error " + std::to_string(a) + " 3; error " + std::to_string(b) + " 3");
  CHECK(!j.near->pad(100, false));
}

TEST_CASE("the agreed protocol decides, also when it is known late") {
  moq_end below;
  moq_recorder says;
  moq::session s(moq::session_config{}, below, says, nullptr);
  s.use("moq-lite-04");
  s.on_connected(base::mono_time{1h});
  CHECK(below.written.empty()); // draft 04 has no SETUP
  CHECK(s.established());
  s.subscribe(track_name("t"), {});
  CHECK(hex(below.written[0]).starts_with("02"));
}
