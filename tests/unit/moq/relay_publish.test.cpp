#include "moq/relay.hpp"

#include <doctest/doctest.h>

#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

/// A relay, and publishers that push track "t".
struct scene {
  relay_net net;
  relay_node& relay = net.add_relay();

  struct publisher {
    relay_joint* joint;
    moq::track* track;
    moq::request_id id;
  };
  publisher push(std::string name) {
    auto& j = net.join(relay, std::move(name));
    auto& t = j.publish("t", net.now);
    const auto id = j.near->publish(t.name(), {});
    net.pump();
    return {&j, &t, id};
  }
  relay_joint& subscribe(moq::subscribe_options options = {}) {
    auto& j = net.join(relay, "s");
    j.near->subscribe(track_name("t"), options);
    net.pump();
    return j;
  }
  void put(publisher& p, uint64_t group, uint64_t id) {
    net.put(*p.joint, *p.track, test_object(group, id));
    net.pump();
  }
  const moq::relay_counters& counted() const { return relay.relay.counters(); }
};

} // namespace

TEST_CASE("a track that is pushed is held for who comes later") {
  scene s;
  auto p = s.push("p");
  CHECK(p.joint->says.take() == "ok 0");
  CHECK(s.relay.says.has("up t p"));
  s.put(p, 1, 0);
  CHECK(s.counted().objects_in == 1);
  auto& a = s.subscribe({.filter = {.type = moq::subscription_filter::kind::next_group}});
  CHECK(s.counted().subscriptions_upstream == 0);
  s.put(p, 2, 0);
  s.put(p, 2, 1);
  CHECK(a.says.take() == "subscribed 0 largest=1/0; object 0 2/0; object 0 2/1");
}

TEST_CASE("who waits for a track has it as soon as it is pushed") {
  scene s;
  auto& a = s.subscribe({.rendezvous_timeout_ms = 5000});
  CHECK(a.says.take().empty());
  auto p = s.push("p");
  CHECK(a.says.take() == "subscribed 0");
  s.put(p, 1, 0);
  CHECK(a.says.take() == "object 0 1/0");
  p.joint->tracks.end_group(*p.track, 1, s.net.now);
  p.joint->tracks.end_track(*p.track, moq::done_code::track_ended, "over", s.net.now);
  s.net.pump();
  s.net.wait(2500ms);
  CHECK(a.says.take() == "end 0 1 whole; done 0 2 streams=1");
}

TEST_CASE("a pushed track that nobody wants any more is kept") {
  scene s;
  auto p = s.push("p");
  auto& a = s.subscribe();
  s.put(p, 1, 0);
  s.net.cut(a);
  s.net.wait(2500ms);
  s.put(p, 2, 0);
  CHECK(s.counted().objects_in == 2);
  CHECK(s.relay.relay.tracks() == 1);
  auto& b = s.subscribe();
  s.put(p, 3, 0);
  CHECK(b.says.all().ends_with("object 0 3/0"));
}

TEST_CASE("a pushed track that nobody wants is forgotten with its publisher") {
  scene s;
  auto p = s.push("p");
  CHECK(s.relay.relay.tracks() == 1);
  s.net.cut(*p.joint);
  s.net.wait(10ms);
  CHECK(s.relay.relay.tracks() == 0);
  CHECK(s.relay.store.find(track_name("t")) == nullptr);
}

TEST_CASE("who pushes a track next, when nobody wants what is held of it, begins anew") {
  scene s;
  auto p = s.push("p");
  auto& a = s.subscribe();
  s.put(p, 1, 0);
  SUBCASE("the subscriber leaves last") {
    s.net.cut(*p.joint);
    s.net.cut(a);
  }
  SUBCASE("the publisher leaves last") {
    s.net.cut(a);
    s.net.cut(*p.joint);
  }
  s.net.wait(10ms);
  auto q = s.push("q");
  auto& b = s.subscribe();
  auto other = test_object(1, 0);
  other.payload = base::bytes::copy("other bytes under the same id");
  s.net.put(*q.joint, *q.track, other);
  s.net.pump();
  CHECK(b.says.take() == "subscribed 0; object 0 1/0");
  CHECK(s.counted().objects_conflict == 0);
}

TEST_CASE("two publishers push one track, and one of them dies") {
  scene s;
  auto p = s.push("p"), q = s.push("q");
  auto& a = s.subscribe();
  for (auto* who : {&p, &q}) s.put(*who, 1, 0);
  CHECK(s.counted().objects_duplicate == 1);
  s.net.cut(*p.joint);
  s.put(q, 1, 1);
  CHECK(a.says.take() == "subscribed 0; object 0 1/0; object 0 1/1");
  CHECK(s.counted().publishers_lost == 0);
}

TEST_CASE("a publisher that pushes comes back within the wait, and subscribers stay") {
  scene s;
  auto p = s.push("p");
  auto& a = s.subscribe();
  s.put(p, 1, 0);
  s.net.cut(*p.joint);
  s.net.wait(1s);
  auto again = s.push("p");
  s.put(again, 2, 0);
  CHECK(s.counted().publishers_resumed == 1);
  CHECK(a.says.all().find("object 0 2/0") != std::string::npos);
  CHECK(a.says.all().find("done") == std::string::npos);
}

TEST_CASE("a track that was pushed beside an offer of its namespace is taken once") {
  scene s;
  auto& j = s.net.add_publisher(s.relay, "p");
  auto& t = j.publish("t", s.net.now);
  auto& a = s.subscribe();
  CHECK(j.asked() == 1);
  j.near->publish(t.name(), {}); // refused: it is subscribed to
  s.net.wait(100ms);
  CHECK(j.says.all().find("error") != std::string::npos);
  s.net.put(j, t, test_object(1, 0));
  s.net.pump();
  CHECK(a.says.take() == "subscribed 0; object 0 1/0");
  CHECK(s.counted().objects_in == 1);
}

TEST_CASE("a track of this node is not taken from others") {
  scene s;
  REQUIRE(s.relay.store.add(track_name("t"), {}, s.net.now));
  auto p = s.push("p");
  CHECK(p.joint->says.take() == "error 0 25");
}

TEST_CASE("who asks for what follows the largest object of a track that holds nothing gets whatever comes first") {
  test::moq_link link;
  link.start();
  auto& t = *link.server_tracks.add(track_name("t"), {.single_subgroup = false}, link.now, moq::location{0, 0}).value(); // its publisher had begun
  link.client->subscribe(track_name("t"), {.filter = {.type = moq::subscription_filter::kind::largest_object}});
  link.pump();
  CHECK(link.client_says.take() == "subscribed 0 largest=0/0");
  REQUIRE(link.server_tracks.append(t, test_object(0, 0), link.now));
  link.pump();
  CHECK(link.client_says.take() == "object 0 0/0");
}
