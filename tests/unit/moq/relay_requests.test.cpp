// What a relay is asked of tracks beside subscriptions: their status, and fetches that say how long they may be looked for.
#include <doctest/doctest.h>

#include "moq/relay.hpp"
#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

/// A relay with one publisher of the track "t".
struct scene {
  relay_net net;
  relay_node& relay;
  relay_joint& publisher;
  moq::track& track;

  explicit scene(moq::track_config config = {}) :
    relay(net.add_relay()), publisher(net.add_publisher(relay, "p1")), track(publisher.publish("t", net.now, std::move(config))) {}

  void put(uint64_t group, uint64_t id) { net.put(publisher, track, group, id); }
  /// Joins and subscribes.
  relay_joint& subscribe() {
    auto& j = net.join(relay, "s");
    j.near->subscribe(track_name("t"), {});
    net.pump();
    return j;
  }
};

} // namespace

TEST_CASE("the status of a track that nobody takes is asked of its publisher") {
  moq::track_config config;
  config.priority = 9;
  scene s(config);
  auto o = test_object(7, 3);
  o.priority = 9;
  s.net.put(s.publisher, s.track, o);
  auto& j = s.net.join(s.relay, "s");
  const auto id = j.near->track_status(track_name("t"));
  s.net.pump();
  CHECK(j.says.take() == "ok 0");
  CHECK(j.says.oks[id].params.largest == moq::location{7, 3});
  CHECK(j.says.oks[id].properties.priority == 9);
  j.near->track_status(track_name("missing"));
  j.near->track_status(track_name("t", {"elsewhere"}));
  s.net.pump();
  CHECK(j.says.take() == "error 4 16; error 2 16"); // one of them its publisher had to be asked
  CHECK(j.near->open_requests() == 0);
  CHECK(j.far->open_requests() == 0);
  // Nobody wants the track for that.
  s.net.wait(4s);
  CHECK(s.relay.relay.tracks() == 0);
  CHECK(s.publisher.near->open_requests() == 1); // its namespace
}

TEST_CASE("who asks for a status and leaves before the answer leaves nothing behind") {
  scene s;
  auto& j = s.net.join(s.relay, "s");
  j.near->track_status(track_name("t"));
  carry(j.near_end, *j.far, s.net.now); // the publisher has not heard of it yet
  CHECK(s.relay.relay.subscribers() == 1);
  CHECK(j.far->open_requests() == 1);
  SUBCASE("by a reset of its request") {
    j.far->on_stream_reset(0, moq::reset_code::cancelled, s.net.now);
    CHECK(j.far->open_requests() == 0);
  }
  SUBCASE("with its session") { j.far->on_transport_closed(0, "timed out", s.net.now); }
  CHECK(s.relay.relay.subscribers() == 0);
  s.net.pump();
  s.net.wait(4s);
  CHECK(s.relay.relay.tracks() == 0);
}

TEST_CASE("who fetches says how long what is not held may be looked for") {
  scene s;
  for (uint64_t g = 1; g <= 3; ++g) {
    s.put(g, 0);
    s.net.end(s.publisher, s.track, g);
  }
  s.subscribe();
  s.put(4, 0);
  auto& j = s.net.join(s.relay, "f");
  moq::fetch_options o;
  SUBCASE("not at all") {
    o.fill_timeout_ms = 0;
    j.near->fetch(track_name("t"), {1, 0}, {5, 0}, o);
    carry(j.near_end, *j.far, s.net.now);
    carry(j.far_end, *j.near, s.net.now); // before its publisher has heard of it
    CHECK(j.says.take() == "fetch-ok 0 4/1; gap 0 3/18446744073709551615 unknown; object 0 4/0; fetch-end 0");
  }
  SUBCASE("until somebody gave it") {
    o.fill_timeout_ms = 500;
    j.near->fetch(track_name("t"), {1, 0}, {5, 0}, o);
    s.net.pump();
    CHECK(j.says.take() == "fetch-ok 0 4/1; object 0 1/0; object 0 2/0; object 0 3/0; object 0 4/0; fetch-end 0");
  }
  SUBCASE("but not longer, if nobody does") {
    s.publisher.cut = true; // its answers do not come
    o.fill_timeout_ms = 500;
    j.near->fetch(track_name("t"), {1, 0}, {5, 0}, o);
    s.net.wait(400ms);
    CHECK(j.says.take() == "");
    s.net.wait(200ms);
    CHECK(j.says.take() == "fetch-ok 0 4/1; gap 0 3/18446744073709551615 unknown; object 0 4/0; fetch-end 0");
  }
  CHECK(j.far->open_requests() == 0);
}

TEST_CASE("who fetches of a track that nobody takes waits for its publisher as long as he said") {
  scene s;
  s.put(1, 0);
  s.publisher.cut = true;
  auto& j = s.net.join(s.relay, "f");
  moq::fetch_options o;
  o.fill_timeout_ms = 0;
  j.near->fetch(track_name("t"), {1, 0}, {2, 0}, o);
  s.net.pump();
  CHECK(j.says.take() == "error 0 2");
  o.fill_timeout_ms = 500;
  j.near->fetch(track_name("t"), {1, 0}, {2, 0}, o);
  s.net.wait(400ms);
  CHECK(j.says.take() == "");
  s.net.wait(200ms);
  CHECK(j.says.take() == "error 2 2");
  CHECK(s.relay.relay.subscribers() == 0);
}
