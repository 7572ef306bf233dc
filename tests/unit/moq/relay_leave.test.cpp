// Publishers that leave in good order, and sessions that end so.
#include <doctest/doctest.h>

#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

/// Both publishers of one track give the same objects, the second after the first.
struct twins {
  relay_net net;
  relay_node& relay;
  relay_joint& first;
  moq::track& one;
  relay_joint* second = nullptr;
  moq::track* two = nullptr;
  relay_joint& subscriber;
  moq::request_id id = 0;

  explicit twins(std::string protocol = {}) :
    relay(speaking(net, std::move(protocol)).add_relay()), first(net.add_publisher(relay, "p1")), one(first.publish("t", net.now)), subscriber(net.join(relay, "s")) {
    id = subscriber.near->subscribe(track_name("t"), {});
    net.pump();
  }
  static relay_net& speaking(relay_net& n, std::string protocol) {
    n.protocol = std::move(protocol);
    return n;
  }
  void come(std::vector<moq::object> held = {}) {
    second = &net.join(relay, "p2");
    two = &second->publish("t", net.now);
    for (auto& o : held) net.put(*second, *two, std::move(o));
    second->near->publish_namespace(track_name("").ns);
    net.pump();
  }
  void put(relay_joint& j, moq::track& t, uint64_t group, uint64_t object) { net.put(j, t, group, object); }
  void end(relay_joint& j, moq::track& t, uint64_t group) { net.end(j, t, group); }
  std::string took() { return subscriber.says.take(); }
  uint64_t handed_over() const { return relay.relay.counters().tracks_handed_over; }
};

} // namespace

TEST_CASE("a publisher that leaves is let go when another has what may still come of it, and no subscriber sees a seam") {
  twins s;
  s.put(s.first, s.one, 1, 0);
  s.come({test_object(1, 0)});
  s.put(s.first, s.one, 1, 1);
  CHECK(s.took() == "subscribed 0; object 0 1/0; object 0 1/1");
  s.first.near->goaway("", 5000);
  s.net.pump();
  s.net.wait(100ms);
  CHECK(s.handed_over() == 1);
  CHECK(s.first.near->serving() == 0);
  s.put(*s.second, *s.two, 1, 1);
  s.put(*s.second, *s.two, 1, 2);
  s.end(*s.second, *s.two, 1);
  s.put(*s.second, *s.two, 2, 0);
  CHECK(s.took() == "object 0 1/2; end 0 1 whole; object 0 2/0");
  CHECK(s.relay.relay.counters().publishers_lost == 0);
}

TEST_CASE("a publisher that leaves is heard until the group has ended of which another has not the beginning") {
  twins s;
  s.put(s.first, s.one, 1, 0);
  s.come({test_object(1, 0), test_object(1, 1)}); // it began before the relay asked it
  s.first.near->goaway("", 5000);
  s.net.pump();
  s.net.wait(1s);
  CHECK(s.handed_over() == 0);
  s.put(s.first, s.one, 1, 1);
  s.net.wait(100ms);
  CHECK(s.handed_over() == 1);
  s.put(*s.second, *s.two, 1, 2);
  CHECK(s.took() == "subscribed 0; object 0 1/0; object 0 1/1; object 0 1/2");
}

TEST_CASE("a publisher that leaves and has no successor is heard to its end") {
  twins s;
  s.put(s.first, s.one, 1, 0);
  s.first.near->goaway("", 1000);
  s.net.pump();
  s.net.wait(900ms);
  s.put(s.first, s.one, 1, 1);
  CHECK(s.took() == "subscribed 0; object 0 1/0; object 0 1/1");
  CHECK(s.handed_over() == 0);
  s.net.wait(200ms);
  CHECK(s.first.near->closed());
  CHECK(s.relay.relay.counters().publishers_lost == 1); // and waited for
  s.come();
  s.net.wait(1s);
  s.put(*s.second, *s.two, 2, 0);
  CHECK(s.took() == "object 0 2/0; end 0 1 reset=6");
}

TEST_CASE("nothing new is asked of a publisher that leaves") {
  twins s;
  s.first.publish("u", s.net.now);
  s.first.near->goaway("", 5000);
  s.net.pump();
  s.subscriber.near->subscribe(track_name("u"), {});
  s.net.pump();
  CHECK(s.first.asked() == 1);
  CHECK(s.took() == "subscribed 0; error 2 16");
}

TEST_CASE("a publisher of moq-lite and of draft 16 leaves as one of draft 18 does") {
  for (const std::string protocol : {"moq-lite-05", "moq-lite-04", "moqt-16"}) {
    CAPTURE(protocol);
    twins s(protocol);
    s.net.wait(100ms);
    s.put(s.first, s.one, 1, 0);
    s.end(s.first, s.one, 1);
    s.come();
    s.net.wait(100ms);
    s.put(s.first, s.one, 2, 0);
    s.end(s.first, s.one, 2);
    s.put(*s.second, *s.two, 2, 0);
    s.end(*s.second, *s.two, 2);
    s.first.near->goaway("", 5000);
    s.net.pump();
    s.net.wait(100ms);
    CHECK(s.handed_over() == 1);
    CHECK(s.first.near->serving() == 0);
    s.put(*s.second, *s.two, 3, 0);
    CHECK(s.took().ends_with("object 0 3/0"));
  }
}

TEST_CASE("a publisher that offers its track no more is heard as long as something comes, and then for ten seconds") {
  relay_net net;
  auto& relay = net.add_relay();
  auto& p = net.join(relay, "p");
  auto& t = p.publish("t", net.now);
  const auto offer = p.near->publish_namespace(track_name("").ns);
  net.pump();
  auto& s = net.join(relay, "s");
  s.near->subscribe(track_name("t"), {});
  net.pump();
  p.near->withdraw_namespace(offer);
  for (uint64_t g = 1; g <= 4; ++g) {
    net.put(p, t, g, 0);
    net.end(p, t, g);
    net.wait(9s);
  }
  CHECK(s.says.take() == "subscribed 0; object 0 1/0; end 0 1 whole; object 0 2/0; end 0 2 whole; object 0 3/0; end 0 3 whole; object 0 4/0; end 0 4 whole");
  CHECK(p.near->serving() == 1);
  net.wait(3s);
  CHECK(p.near->serving() == 0);
  net.wait(8s);
  CHECK(s.says.take() == "done 0 0 streams=4");
}

TEST_CASE("a relay goes over from one upstream relay to another without a seam downstream") {
  relay_net net;
  auto& a = net.add_relay();
  auto& b = net.add_relay();
  auto& leaf = net.add_relay();
  auto& to_a = net.add_publisher(a, "p");
  auto& to_b = net.add_publisher(b, "p");
  auto& ta = to_a.publish("t", net.now);
  auto& tb = to_b.publish("t", net.now);
  auto& up_a = net.chain(leaf, a);
  auto& s = net.join(leaf, "s");
  s.near->subscribe(track_name("t"), {});
  net.pump();
  const auto put = [&](uint64_t group, uint64_t object) {
    net.put(to_a, ta, test_object(group, object));
    net.put(to_b, tb, test_object(group, object));
    net.pump();
  };
  put(1, 0);
  up_a.far->goaway("moqt://b.example:4443", 5000);
  net.pump();
  auto& up_b = net.chain(leaf, b);
  put(1, 1);
  net.wait(100ms);
  // The second relay learned of the track with its first subscriber: the group that was open then goes on from where it is.
  put(1, 2);
  net.wait(100ms);
  CHECK(up_a.near_peer->is_left());
  CHECK(up_a.far->serving() == 0);
  net.cut(up_a);
  put(1, 3);
  put(2, 0);
  CHECK(s.says.take() == "subscribed 0; object 0 1/0; object 0 1/1; object 0 1/2; object 0 1/3; object 0 2/0");
  CHECK(leaf.relay.counters().publishers_lost == 0);
  CHECK(leaf.relay.counters().objects_conflict == 0);
  CHECK(up_b.near_peer->is_left() == false);
}
