// What publishers bring is held within bounds, whatever they bring.
#include "moq/relay.hpp"

#include <doctest/doctest.h>

#include <malloc.h>

#include "tests/support/relay_net.hpp"
#include "tests/support/track_link.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

moq::object large(uint64_t group, uint64_t id, size_t bytes) {
  auto o = test_object(group, id);
  o.payload = base::bytes::adopt(std::vector<uint8_t>(bytes));
  return o;
}

} // namespace

TEST_CASE("a group without end keeps to the bound of its track: its first objects leave, and who fetches them is told that nothing is known of them") {
  moq::track_config c;
  c.cache_bytes_max = 20'000;
  track_link f(c);
  f.subscribe();
  for (uint64_t i = 0; i < 200; ++i) {
    REQUIRE(f.server_tracks.append(*f.t, large(7, i, 744), f.now).has_value());
    CHECK(f.t->cached_bytes() <= 20'000);
  }
  f.pump();
  CHECK(f.client_says.objects[0].size() == 200); // who is subscribed sees nothing of it
  CHECK(f.t->groups().at(7).objects.size() == 20);
  CHECK(f.server_tracks.cached_bytes() == f.t->cached_bytes());
  f.client_says.take();
  for (const auto order : {moq::group_order::ascending, moq::group_order::descending}) {
    const auto id = f.client->fetch(track_name("chunks"), {7, 170}, {7, 182}, {.priority = 128, .order = order});
    f.pump();
    const auto n = std::to_string(id);
    CHECK(f.client_says.take() == "fetch-ok " + n + " 7/182; gap " + n + " 7/179 unknown; object " + n + " 7/180; object " + n + " 7/181; fetch-end " + n);
  }
  const auto gone = f.client->fetch(track_name("chunks"), {7, 3}, {7, 9}, {});
  f.pump();
  const auto n = std::to_string(gone);
  CHECK(f.client_says.take() == "fetch-ok " + n + " 7/9; gap " + n + " 7/8 unknown; fetch-end " + n);
  // Empty objects are charged too.
  for (uint64_t i = 200; i < 2000; ++i) {
    REQUIRE(f.server_tracks.append(*f.t, large(7, i, 0), f.now).has_value());
    CHECK(f.t->cached_bytes() <= 20'000);
  }
  f.server_tracks.remove(*f.t, f.now);
  CHECK(f.server_tracks.cached_bytes() == 0);
}

TEST_CASE("tracks of one huge group each keep to the bound of all tracks, and nobody who is subscribed misses an object") {
  constexpr size_t tracks = 40, objects = 50, bound = 256'000;
  moq::relay_config config;
  config.cache_bytes_max = bound;
  relay_net net;
  auto& node = net.add_relay(config);
  auto& attacker = net.add_publisher(node, "attacker");
  auto& honest = net.join(node, "honest");
  honest.near->publish_namespace({{"honest"}});
  auto& subscriber = net.join(node, "s");
  net.pump();
  auto& small = *honest.tracks.add({{{"honest"}}, "t"}, {}, net.now).value();
  const auto of_honest = subscriber.near->subscribe({{{"honest"}}, "t"}, {});
  std::vector<moq::track*> huge;
  std::vector<moq::request_id> of_huge;
  for (size_t i = 0; i < tracks; ++i) {
    huge.push_back(&attacker.publish("t" + std::to_string(i), net.now));
    of_huge.push_back(subscriber.near->subscribe(track_name("t" + std::to_string(i)), {}));
  }
  net.pump();
  size_t most = 0;
  for (uint64_t id = 0; id < objects; ++id) {
    for (auto* t : huge) {
      net.put(attacker, *t, large(0, id, 2000));
      net.pump();
      most = std::max(most, node.store.cached_bytes());
    }
    net.put(honest, small, large(0, id, 100));
    net.pump();
  }
  CHECK(most <= bound + 2256);
  CHECK(most > bound / 2);
  CHECK(node.relay.counters().objects_crowded_out > objects);
  for (const auto id : of_huge) CHECK(subscriber.says.objects[id].size() == objects);
  CHECK(subscriber.says.objects[of_honest].size() == objects);
  // Who holds the most gave up his: what is small is whole.
  CHECK(node.store.find({{{"honest"}}, "t"})->groups().at(0).objects.size() == objects);
}

TEST_CASE("objects larger than all that may be held still reach who is subscribed") {
  moq::relay_config config;
  config.cache_bytes_max = 10'000;
  relay_net net;
  auto& node = net.add_relay(config);
  auto& publisher = net.add_publisher(node, "p");
  auto& t = publisher.publish("t", net.now);
  auto& subscriber = net.join(node, "s");
  const auto id = subscriber.near->subscribe(track_name("t"), {});
  net.pump();
  for (uint64_t g = 0; g < 5; ++g) {
    net.put(publisher, t, large(g, 0, 50'000));
    net.pump();
    CHECK(node.store.cached_bytes() <= 10'000);
  }
  CHECK(subscriber.says.objects[id].size() == 5);
}

TEST_CASE("what fetches bring, and nobody reads, is bounded as everything else") {
  moq::relay_config config;
  config.track_bytes_max = 20'000;
  config.cache_bytes_max = 100'000;
  relay_net net;
  auto& node = net.add_relay(config);
  auto& publisher = net.add_publisher(node, "p");
  auto& reader = net.join(node, "s");
  for (size_t i = 0; i < 10; ++i) {
    auto& t = publisher.publish("t" + std::to_string(i), net.now);
    for (uint64_t g = 0; g < 30; ++g) {
      net.put(publisher, t, large(g, 0, 3000));
      publisher.tracks.end_group(t, g, net.now);
    }
  }
  net.pump();
  reader.far_end.hold_data = true; // takes nothing
  size_t most = 0;
  for (size_t i = 0; i < 10; ++i) {
    const auto name = track_name("t" + std::to_string(i));
    reader.near->subscribe(name, {});
    net.pump();
    reader.near->fetch(name, {0, 0}, {29, 1}, {});
    net.pump();
    most = std::max(most, node.store.cached_bytes());
    for (const auto* t : node.store.under(track_name("").ns)) CHECK(t->cached_bytes() <= 2 * config.track_bytes_max + 3256);
  }
  CHECK(most <= config.cache_bytes_max + 3256);
  CHECK(node.relay.counters().fetches_incomplete > 0);
}

TEST_CASE("what is charged for objects is no less than the memory that they take") {
  // Of an allocator that counts nothing (a sanitizer's) both are 0.
  const auto held = [] { return mallinfo2().uordblks; };
  for (const size_t size : {size_t{0}, size_t{20}, size_t{300}}) {
    CAPTURE(size);
    moq::track_store store;
    auto& t = *store.add(track_name("t"), {}, {}).value();
    const auto before = held();
    for (uint64_t g = 0; g < 8; ++g)
      for (uint64_t i = 0; i < 1000; ++i) REQUIRE(store.append(t, large(g, i, size), {}).has_value());
    CHECK(held() - before <= store.cached_bytes());
  }
}
