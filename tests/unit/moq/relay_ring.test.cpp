// Relays that use each other in a ring.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "moq/relay.hpp"
#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

/// Three relays, each of which uses the next one, with two leaders that give the same track at two of them, and a subscriber at each.
struct ring {
  relay_net net;
  std::array<relay_node*, 3> relays{};
  std::array<relay_joint*, 3> links{}; ///< from relay i to the next one
  struct leader {
    relay_joint* joint = nullptr;
    moq::track* t = nullptr;
  };
  std::array<leader, 2> leaders; ///< at relays 0 and 1
  std::array<relay_joint*, 3> subscribers{};

  explicit ring(std::string protocol) {
    net.protocol = std::move(protocol);
    for (auto& r : relays) r = &net.add_relay();
    for (size_t i = 0; i < 3; ++i) link(i);
  }
  void link(size_t i) { links[i] = &net.chain(*relays[i], *relays[(i + 1) % 3]); }
  void lead(size_t i) {
    leaders[i].joint = &net.add_publisher(*relays[i], "leader");
    leaders[i].t = &leaders[i].joint->publish("t", net.now);
  }
  void watch(size_t i) {
    subscribers[i] = &net.join(*relays[i], "s");
    subscribers[i]->near->subscribe(track_name("t"), {});
    net.pump();
  }
  /// Relay `i` dies with all that is joined to it, and comes back as another, empty.
  void restart(size_t i) {
    cut(links[i]);
    cut(links[(i + 2) % 3]);
    if (i < 2) net.cut(*leaders[i].joint);
    net.cut(*subscribers[i]);
    net.wait(2s);
    relays[i] = &net.add_relay();
    link(i);
    link((i + 2) % 3);
    if (i < 2) lead(i);
    watch(i);
  }
  void cut(relay_joint*& j) { net.cut(*std::exchange(j, nullptr)); }
  void put(uint64_t group) {
    for (auto& l : leaders) {
      if (l.joint == nullptr || l.joint->cut) continue;
      net.put(*l.joint, *l.t, group, 0);
      net.end(*l.joint, *l.t, group);
    }
    net.wait(1s);
  }
  /// Groups that a subscriber had, each once.
  std::string groups(size_t i) {
    std::string out;
    for (const auto& [id, objects] : subscribers[i]->says.objects)
      for (const auto& o : objects) out += (out.empty() ? "" : " ") + std::to_string(o.group);
    return out;
  }
};

} // namespace

TEST_CASE("in a ring of relays a track ends everywhere when its publisher is gone: it does not go round") {
  for (const std::string protocol : {"moqt-18", "moq-lite-05", "moq-lite-04"}) {
    CAPTURE(protocol);
    ring r(protocol);
    r.lead(0);
    for (size_t i = 0; i < 3; ++i) r.watch(i);
    r.put(1);
    r.put(2);
    for (size_t i = 0; i < 3; ++i) CHECK(r.groups(i) == "1 2");
    for (const auto* n : r.relays) CHECK(n->relay.counters().objects_duplicate == 0);
    r.net.cut(*r.leaders[0].joint);
    r.net.wait(30s);
    for (const auto* n : r.relays) {
      CHECK(n->relay.publishers() == 0);
      CHECK(n->store.namespaces().empty());
      CHECK(n->relay.tracks() == 0);
    }
  }
}

TEST_CASE("three relays in a ring with two leaders work through any single loss") {
  for (const std::string protocol : {"moqt-18", "moq-lite-05", "moq-lite-04"}) {
    for (size_t lost = 0; lost < 5; ++lost) {
      CAPTURE(protocol);
      CAPTURE(lost);
      ring r(protocol);
      r.lead(0);
      r.lead(1);
      for (size_t i = 0; i < 3; ++i) r.watch(i);
      r.put(1);
      if (lost < 3) r.cut(r.links[lost]);
      else r.cut(r.leaders[lost - 3].joint);
      r.net.wait(1s);
      r.put(2);
      r.put(3);
      for (size_t i = 0; i < 3; ++i) CHECK(r.groups(i) == "1 2 3");
      if (lost < 3) r.link(lost);
      else r.lead(lost - 3);
      r.net.wait(1s);
      r.put(4);
      for (size_t i = 0; i < 3; ++i) CHECK(r.groups(i) == "1 2 3 4");
    }
  }
}

TEST_CASE("a relay of a ring may be restarted, and nobody elsewhere misses a group") {
  for (const std::string protocol : {"moqt-18", "moq-lite-05"}) {
    for (size_t i = 0; i < 3; ++i) {
      CAPTURE(protocol);
      CAPTURE(i);
      ring r(protocol);
      r.lead(0);
      r.lead(1);
      for (size_t j = 0; j < 3; ++j) r.watch(j);
      r.put(1);
      r.restart(i);
      r.put(2);
      r.put(3);
      for (size_t j = 0; j < 3; ++j) {
        if (i == j) CHECK(r.groups(j).ends_with("2 3")); // over moq-lite he begins at the newest group
        else CHECK(r.groups(j) == "1 2 3");
      }
      for (const auto* n : r.relays) CHECK(n->relay.counters().objects_conflict == 0);
    }
  }
}

TEST_CASE("the way of an offer may change: what leads back through this node is not heard any more") {
  relay_net net;
  auto& node = net.add_relay();
  auto& peer = net.join(node, "peer");
  const auto id = peer.near->publish_namespace({{"ec"}}, {5, 6});
  net.pump();
  const auto& ways = node.store.namespaces();
  REQUIRE(ways.size() == 1);
  CHECK(ways.begin()->second == std::vector<moq::hop_path>{{5, 6, 1}}); // the peer is the first joint: its origin is 1
  const auto other = peer.near->publish_namespace({{"ec"}}, {net.origin_of(node), 6});
  net.pump();
  CHECK(ways.begin()->second.size() == 1);
  CHECK(peer.far->counters().announcements_looped == 1);
  peer.near->withdraw_namespace(id);
  net.pump();
  CHECK(ways.empty());
  peer.near->withdraw_namespace(other);
  net.pump();
  CHECK(node.says.log == std::vector<std::string>{"offer peer ec", "withdrawn peer ec"});
}
