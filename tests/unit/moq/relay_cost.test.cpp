// Relays upstream of which some cost more than others.
#include <doctest/doctest.h>

#include "moq/relay.hpp"
#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

/// A relay that uses a cheap one and a dear one, each with a publisher of the same track, and a subscriber of it.
struct scene {
  relay_net net;
  relay_node &cheap, &dear, &leaf;
  relay_joint &to_cheap, &to_dear;
  moq::track &at_cheap, &at_dear;
  relay_joint *up_cheap = nullptr, *up_dear = nullptr;
  relay_joint* subscriber = nullptr;

  scene() :
    cheap(net.add_relay()), dear(net.add_relay()), leaf(net.add_relay()), to_cheap(net.add_publisher(cheap, "p")), to_dear(net.add_publisher(dear, "p")),
    at_cheap(to_cheap.publish("t", net.now)), at_dear(to_dear.publish("t", net.now)) {}

  void join_both() {
    up_dear = &net.chain(leaf, dear, 10);
    up_cheap = &net.chain(leaf, cheap, 1);
  }
  void subscribe() {
    subscriber = &net.join(leaf, "s");
    subscriber->near->subscribe(track_name("t"), {});
    net.pump();
  }
  std::string take() { return subscriber->says.take(); }
  void put(uint64_t group, uint64_t object) {
    net.put(to_cheap, at_cheap, group, object);
    net.put(to_dear, at_dear, group, object);
  }
  void end(uint64_t group) {
    net.end(to_cheap, at_cheap, group);
    net.end(to_dear, at_dear, group);
  }
};

} // namespace

TEST_CASE("of relays upstream only the cheapest that offer a track are asked for it") {
  scene s;
  s.join_both();
  auto& as_cheap = s.net.add_relay();
  s.net.add_publisher(as_cheap, "p").publish("t", s.net.now);
  auto& also = s.net.chain(s.leaf, as_cheap, 1);
  s.subscribe();
  s.put(1, 0);
  CHECK(s.take() == "subscribed 0; object 0 1/0");
  CHECK(s.up_cheap->far->serving() == 1);
  CHECK(also.far->serving() == 1);
  CHECK(s.up_dear->far->serving() == 0);
}

TEST_CASE("when the cheap relay dies the dear one takes over, and is left again without a seam when the cheap one is back") {
  scene s;
  s.join_both();
  s.subscribe();
  s.put(1, 0);
  s.end(1);
  s.net.cut(*s.up_cheap);
  s.net.wait(200ms);
  CHECK(s.up_dear->far->serving() == 1);
  s.put(2, 0);
  s.put(2, 1);
  CHECK(s.take() == "subscribed 0; object 0 1/0; end 0 1 whole; object 0 2/0; object 0 2/1");
  CHECK(s.leaf.relay.counters().publishers_resumed == 1);

  auto& back = s.net.chain(s.leaf, s.cheap, 1);
  s.net.wait(200ms);
  s.put(2, 2);
  s.end(2);
  s.put(3, 0);
  s.net.wait(200ms);
  CHECK(back.far->serving() == 1);
  CHECK(s.up_dear->far->serving() == 0);
  s.put(3, 1);
  CHECK(s.take() == "object 0 2/2; end 0 2 whole; object 0 3/0; object 0 3/1");
  CHECK(s.leaf.relay.counters().objects_conflict == 0);
  CHECK(s.leaf.relay.counters().publishers_lost == 1);
  CHECK(s.leaf.relay.counters().tracks_handed_over == 1);
}

TEST_CASE("a dear relay is asked for what the cheap one offers and has not, and left when that has it") {
  scene s;
  s.to_cheap.tracks.remove(s.at_cheap, s.net.now);
  s.join_both();
  s.subscribe();
  CHECK(s.take() == "subscribed 0");
  CHECK(s.up_cheap->far->serving() == 0);
  s.net.put(s.to_dear, s.at_dear, 1, 0);
  s.net.end(s.to_dear, s.at_dear, 1);
  auto& late = s.to_cheap.publish("t", s.net.now);
  s.net.put(s.to_cheap, late, 1, 0);
  s.net.end(s.to_cheap, late, 1);
  s.net.wait(2s); // it is asked again ever more rarely
  CHECK(s.up_cheap->far->serving() == 1);
  CHECK(s.up_dear->far->serving() == 0);
  s.net.put(s.to_cheap, late, 2, 0);
  CHECK(s.take() == "object 0 1/0; end 0 1 whole; object 0 2/0");
}

TEST_CASE("what no relay upstream has is refused once all of them were asked") {
  scene s;
  s.join_both();
  s.subscriber = &s.net.join(s.leaf, "s");
  s.subscriber->near->subscribe(track_name("missing"), {});
  s.net.pump();
  CHECK(s.take() == "error 0 16");
  CHECK(s.leaf.relay.counters().subscriptions_upstream == 2);
  CHECK(s.leaf.relay.counters().tracks_refused == 1);
}
