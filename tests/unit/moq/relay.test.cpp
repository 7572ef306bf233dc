#include "moq/relay.hpp"

#include <doctest/doctest.h>

#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

/// A relay with one publisher of one track, and subscribers on demand.
struct scene {
  relay_net net;
  relay_node& relay;
  relay_joint& publisher;
  moq::track& track;

  explicit scene(moq::relay_config config = {}, moq::track_config track_config = {}) :
    relay(net.add_relay(config)), publisher(net.add_publisher(relay, "p1")), track(publisher.publish("t", net.now, track_config)) {}

  struct subscriber {
    relay_joint* joint;
    moq::request_id id;
    std::string take() { return joint->says.take(); }
    const std::vector<moq::object>& objects() { return joint->says.objects[id]; }
  };
  subscriber subscribe(moq::subscribe_options options = {}) {
    auto& j = net.join(relay, "s");
    const auto id = j.near->subscribe(track_name("t"), options);
    net.pump();
    return {&j, id};
  }
  void put(uint64_t group, uint64_t id) { net.put(publisher, track, group, id); }
  void put(relay_joint& j, moq::track& t, uint64_t group, uint64_t id) { net.put(j, t, group, id); }
  void end(relay_joint& j, moq::track& t, uint64_t group) { net.end(j, t, group); }
  const moq::relay_counters& counted() const { return relay.relay.counters(); }
};

moq::request_id fetch(scene& s, relay_joint& j, moq::location from, moq::location to) {
  const auto id = j.near->fetch(track_name("t"), from, to, {});
  s.net.pump();
  return id;
}

} // namespace

TEST_CASE("one subscription upstream serves all subscribers, with one buffer for each object") {
  scene s;
  auto a = s.subscribe(), b = s.subscribe(), c = s.subscribe();
  CHECK(s.publisher.asked() == 1);
  CHECK(s.counted().subscriptions_upstream == 1);
  for (uint64_t g = 7; g < 9; ++g) {
    for (uint64_t i = 0; i < 3; ++i) s.put(g, i);
    s.end(s.publisher, s.track, g);
  }
  for (auto* who : {&a, &b, &c}) {
    CHECK(who->take() == "subscribed 0; object 0 7/0; object 0 7/1; object 0 7/2; end 0 7 whole; "
                         "object 0 8/0; object 0 8/1; object 0 8/2; end 0 8 whole");
    REQUIRE(who->objects().size() == 6);
    CHECK(who->objects()[4].payload == test_object(8, 1).payload);
  }
  const auto written = [](const relay_joint& j) {
    for (const auto& w : j.far_end.payload_writes) {
      if (w == test_object(8, 1).payload) return w.data();
    }
    return static_cast<const uint8_t*>(nullptr);
  };
  REQUIRE(written(*a.joint) != nullptr);
  CHECK(written(*a.joint) == written(*b.joint));
  CHECK(written(*a.joint) == written(*c.joint));
  CHECK(s.counted().objects_in == 6);
}

TEST_CASE("the track's properties, its largest location and its end pass through") {
  moq::track_config config;
  config.priority = 9;
  config.order = moq::group_order::descending;
  config.max_cache_duration_ms = 5000;
  config.properties = {{.type = 0x39, .number = 0, .value = "hello"}};
  scene s({}, config);
  s.put(3, 0);
  s.put(3, 1);
  auto a = s.subscribe();
  CHECK(a.take() == "subscribed 0 largest=3/1");
  const auto* t = s.relay.store.find(track_name("t"));
  REQUIRE(t != nullptr);
  CHECK(t->properties() == s.track.properties());
  auto o = test_object(4, 0);
  o.priority = 9;
  s.net.put(s.publisher, s.track, o);
  s.net.pump();
  s.end(s.publisher, s.track, 4);
  CHECK(a.take() == "object 0 4/0; end 0 4 whole");
  CHECK(a.objects()[0].priority == 9);
  s.publisher.tracks.end_track(s.track, moq::done_code::track_ended, "over", s.net.now);
  s.net.wait(3s);
  CHECK(a.take() == "done 0 2 streams=1");
  CHECK(s.relay.says.has("down t"));
}

TEST_CASE("when the last subscriber has left, the subscription upstream ends a little later") {
  scene s;
  auto a = s.subscribe(), b = s.subscribe();
  a.joint->near->unsubscribe(a.id);
  s.net.pump();
  s.net.wait(5s);
  CHECK(s.relay.relay.tracks() == 1);
  b.joint->near->unsubscribe(b.id);
  s.net.pump();
  s.net.wait(1s);
  auto c = s.subscribe(); // in time
  s.net.wait(5s);
  CHECK(s.publisher.asked() == 1);
  s.net.cut(*c.joint);
  s.net.wait(2500ms);
  CHECK(s.relay.relay.tracks() == 0);
  CHECK(s.relay.store.find(track_name("t")) == nullptr);
  CHECK(s.publisher.near->open_requests() == 1); // its namespace
  s.subscribe();
  CHECK(s.publisher.asked() == 2);
}

TEST_CASE("an unknown track is refused, with the publisher's reason if there is one") {
  scene s;
  auto& j = s.net.join(s.relay, "s");
  j.near->subscribe(track_name("t", {"elsewhere"}), {});
  s.net.pump();
  CHECK(j.says.take() == "error 0 16");
  j.near->subscribe(track_name("missing"), {});
  s.net.pump();
  CHECK(j.says.take() == "error 2 16");
  CHECK(s.counted().tracks_refused == 2);
  j.near->fetch(track_name("missing"), {0, 0}, {1, 0}, {});
  s.net.pump();
  CHECK(j.says.take() == "error 4 16");
  s.net.wait(1s);
  CHECK(s.relay.relay.tracks() == 0);
}

TEST_CASE("a subscriber may wait for a publisher to come") {
  relay_net net;
  auto& relay = net.add_relay();
  auto& j = net.join(relay, "s");
  moq::subscribe_options options;
  options.rendezvous_timeout_ms = 10'000;
  j.near->subscribe(track_name("t"), options);
  j.near->subscribe(track_name("never"), options);
  net.pump();
  net.wait(4s);
  CHECK(j.says.all().empty());
  auto& p = net.join(relay, "p");
  auto& t = p.publish("t", net.now);
  p.near->publish_namespace(track_name("").ns);
  net.pump();
  CHECK(j.says.take() == "subscribed 0");
  net.put(p, t, test_object(1, 0));
  net.pump();
  CHECK(j.says.take() == "object 0 1/0");
  net.wait(8s);
  CHECK(j.says.take() == "error 2 2");
}

TEST_CASE("a publisher that offers a prefix is asked for the tracks under it") {
  relay_net net;
  auto& relay = net.add_relay();
  auto& watcher = net.join(relay, "w");
  watcher.near->subscribe_namespace({{"ec"}});
  net.pump();
  CHECK(watcher.says.take() == "ok 0");
  auto& p = net.join(relay, "p");
  p.near->publish_namespace({{"ec"}});
  p.publish("t", net.now);
  auto& other = net.join(relay, "o");
  const auto offer = other.near->publish_namespace({{"ec", "tes"}}); // no prefix of "test"
  net.pump();
  CHECK(watcher.says.take() == "namespace 0  up; namespace 0 tes up");
  auto& j = net.join(relay, "s");
  j.near->subscribe(track_name("t"), {});
  net.pump();
  CHECK(j.says.take() == "subscribed 0");
  CHECK(p.asked() == 1);
  CHECK(other.near->open_requests() == 1);
  other.near->withdraw_namespace(offer);
  net.pump();
  CHECK(watcher.says.take() == "namespace 0 tes down");
  net.cut(p);
  CHECK(watcher.says.take() == "namespace 0  down");
}

TEST_CASE("a publisher that vanishes and is back within seconds goes on in the same subscriptions") {
  scene s;
  auto a = s.subscribe();
  s.put(1, 0);
  s.end(s.publisher, s.track, 1);
  s.put(2, 0);
  a.take();
  s.net.cut(s.publisher);
  CHECK(s.counted().publishers_lost == 1);
  s.net.wait(4s);
  CHECK(a.take().empty());
  auto& again = s.net.add_publisher(s.relay, "p2");
  auto& t = again.publish("t", s.net.now);
  s.net.wait(1s); // it had no such track when it was asked first
  CHECK(s.relay.says.has("resumed t p2"));
  CHECK(s.counted().publishers_resumed == 1);
  s.put(again, t, 2, 1);
  s.end(again, t, 2);
  s.put(again, t, 3, 0);
  s.end(again, t, 3);
  // Where it left off nothing is missing: the group ends as if nothing had been.
  CHECK(a.take() == "object 0 2/1; end 0 2 whole; object 0 3/0; end 0 3 whole");
  s.net.wait(10s);
  CHECK(a.take().empty());
}

TEST_CASE("a group that a publisher left in the middle, and of which more was published meanwhile, is reset") {
  scene s;
  auto a = s.subscribe();
  s.put(2, 0);
  a.take();
  s.net.cut(s.publisher);
  auto& again = s.net.join(s.relay, "p2");
  auto& t = again.publish("t", s.net.now);
  for (uint64_t i = 0; i < 3; ++i) s.put(again, t, 2, i);
  again.near->publish_namespace(track_name("").ns);
  s.net.pump();
  CHECK(a.take() == "end 0 2 reset=6");
  s.put(again, t, 2, 3);
  CHECK(a.take().empty());
  s.put(again, t, 3, 0);
  CHECK(a.take() == "object 0 3/0");
  // Who wants the rest of it fetches it.
  const auto id = fetch(s, *a.joint, {2, 0}, {2, 4});
  CHECK(a.take() == "fetch-ok 2 2/4; object 2 2/0; object 2 2/1; object 2 2/2; object 2 2/3; fetch-end 2");
  CHECK(a.joint->says.objects[id].size() == 4);
}

TEST_CASE("a publisher that does not come back ends its subscriptions") {
  scene s;
  auto a = s.subscribe();
  s.put(2, 0);
  a.take();
  s.net.cut(s.publisher);
  s.net.wait(4900ms);
  CHECK(a.take().empty());
  s.net.wait(2300ms);
  CHECK(a.take() == "end 0 2 reset=1; done 0 0 streams=1");
  CHECK(s.relay.says.has("down t"));
  s.net.wait(1s);
  CHECK(s.relay.relay.tracks() == 0);
}

TEST_CASE("of two publishers one dies in the middle of a group, and no subscriber sees a seam") {
  scene s;
  auto& second = s.net.add_publisher(s.relay, "p2");
  auto& t2 = second.publish("t", s.net.now);
  auto a = s.subscribe();
  CHECK(s.counted().subscriptions_upstream == 2);
  for (uint64_t i = 0; i < 4; ++i) s.put(5, i);
  for (uint64_t i = 0; i < 2; ++i) s.put(second, t2, 5, i);
  s.net.cut(s.publisher);
  for (uint64_t i = 2; i < 6; ++i) s.put(second, t2, 5, i);
  s.end(second, t2, 5);
  s.put(second, t2, 6, 0);
  CHECK(a.take() == "subscribed 0; object 0 5/0; object 0 5/1; object 0 5/2; object 0 5/3; object 0 5/4; object 0 5/5; end 0 5 whole; object 0 6/0");
  CHECK(s.counted().objects_duplicate == 4);
  CHECK(s.counted().publishers_lost == 0);
  CHECK(s.counted().subgroups_reset == 0);
}

TEST_CASE("a group that one publisher resets goes on with another's, and is reset when nobody has the rest") {
  scene s;
  auto& second = s.net.add_publisher(s.relay, "p2");
  auto& t2 = second.publish("t", s.net.now);
  auto a = s.subscribe();
  for (uint64_t i = 0; i < 3; ++i) s.put(5, i);
  s.put(second, t2, 5, 0);
  s.publisher.tracks.reset_group(s.track, 5, 0x12, s.net.now);
  s.net.pump();
  CHECK(a.take() == "subscribed 0; object 0 5/0; object 0 5/1; object 0 5/2");
  CHECK(s.counted().subgroups_rescued == 1);
  for (uint64_t i = 1; i < 5; ++i) s.put(second, t2, 5, i);
  s.end(second, t2, 5);
  CHECK(a.take() == "object 0 5/3; object 0 5/4; end 0 5 whole");
  s.put(6, 0);
  s.put(second, t2, 6, 0);
  s.publisher.tracks.reset_group(s.track, 6, 0x12, s.net.now);
  s.net.pump();
  CHECK(a.take() == "object 0 6/0");
  second.tracks.reset_group(t2, 6, 0x12, s.net.now);
  s.net.pump();
  CHECK(a.take() == "end 0 6 reset=18");
  CHECK(s.counted().subgroups_reset == 1);
}

TEST_CASE("a publisher that has nothing of a group any more does not hold its reset back") {
  scene s;
  auto& second = s.net.add_publisher(s.relay, "p2");
  auto& t2 = second.publish("t", s.net.now);
  auto a = s.subscribe();
  s.put(5, 0);
  s.publisher.tracks.reset_group(s.track, 5, 0x12, s.net.now);
  s.net.pump();
  CHECK(a.take() == "subscribed 0; object 0 5/0"); // the second may still have it
  s.put(second, t2, 6, 0);
  CHECK(a.take() == "object 0 6/0; end 0 5 reset=6");
}

TEST_CASE("a second publisher that comes in the middle of a group takes part from where nothing is missing") {
  scene s;
  auto a = s.subscribe();
  s.put(5, 0);
  auto& second = s.net.join(s.relay, "p2");
  auto& t2 = second.publish("t", s.net.now);
  for (uint64_t i = 0; i < 3; ++i) s.put(second, t2, 5, i);
  second.near->publish_namespace(track_name("").ns);
  s.net.pump();
  s.put(second, t2, 5, 3); // of 5/1 and 5/2 it tells nothing
  CHECK(a.take() == "subscribed 0; object 0 5/0");
  CHECK(s.counted().objects_behind_hole == 1);
  for (uint64_t i = 1; i < 4; ++i) s.put(5, i);
  s.put(second, t2, 5, 4);
  CHECK(a.take() == "object 0 5/1; object 0 5/2; object 0 5/3; object 0 5/4");
}

TEST_CASE("two publishers that differ are a conflict: the first object stays, and it is told once") {
  scene s;
  auto& second = s.net.add_publisher(s.relay, "p2");
  auto& t2 = second.publish("t", s.net.now);
  auto a = s.subscribe();
  for (uint64_t i = 0; i < 2; ++i) {
    s.put(5, i);
    auto other = test_object(5, i);
    other.payload = base::bytes::copy("forged");
    s.net.put(second, t2, other);
    s.net.pump();
  }
  REQUIRE(a.objects().size() == 2);
  CHECK(a.objects()[1].payload == test_object(5, 1).payload);
  CHECK(s.counted().objects_conflict == 2);
  REQUIRE(s.relay.says.conflicts.size() == 1);
  const auto& c = s.relay.says.conflicts[0];
  CHECK(c.at == moq::location{5, 0});
  CHECK(c.kept == test_object(5, 0).payload);
  CHECK(c.other == base::bytes::copy("forged"));
  CHECK(c.from == "p2");
}

TEST_CASE("a track lives on as long as one publisher has not ended it") {
  scene s;
  auto& second = s.net.add_publisher(s.relay, "p2");
  auto& t2 = second.publish("t", s.net.now);
  auto a = s.subscribe();
  s.publisher.tracks.end_track(s.track, moq::done_code::track_ended, "over", s.net.now);
  s.net.wait(3s);
  s.put(second, t2, 1, 0);
  CHECK(a.take() == "subscribed 0; object 0 1/0");
  second.tracks.end_group(t2, 1, s.net.now);
  second.tracks.end_track(t2, moq::done_code::track_ended, "over", s.net.now);
  s.net.wait(5s);
  CHECK(a.take() == "end 0 1 whole; done 0 2 streams=1");
}

TEST_CASE("who joins late has the newest group from the cache") {
  scene s;
  s.subscribe();
  s.put(4, 0);
  s.end(s.publisher, s.track, 4);
  for (uint64_t i = 0; i < 3; ++i) s.put(5, i);
  auto& j = s.net.join(s.relay, "s");
  const auto id = j.near->subscribe(track_name("t"), {});
  j.near->joining_fetch_relative(id, 1, {});
  s.net.pump();
  CHECK(j.says.take() == "subscribed 0 largest=5/2; fetch-ok 2 5/3; object 2 4/0; object 2 5/0; object 2 5/1; object 2 5/2; fetch-end 2");
  CHECK(s.counted().fetches_upstream == 0);
  s.put(5, 3);
  CHECK(j.says.take() == "object 0 5/3");
}

TEST_CASE("what the cache lacks is fetched upstream, once for all who want it, and kept") {
  scene s;
  for (uint64_t g = 3; g < 6; ++g) {
    for (uint64_t i = 0; i < 3; ++i) s.put(g, i);
    if (g < 5) s.end(s.publisher, s.track, g);
  }
  auto& j = s.net.join(s.relay, "s1");
  auto& k = s.net.join(s.relay, "s2");
  for (auto* who : {&j, &k}) {
    const auto id = who->near->subscribe(track_name("t"), {});
    who->near->joining_fetch_relative(id, 1, {});
  }
  s.net.pump();
  const std::string joined = "subscribed 0 largest=5/2; fetch-ok 2 5/3; object 2 4/0; object 2 4/1; object 2 4/2; object 2 5/0; object 2 5/1; object 2 5/2; fetch-end 2";
  CHECK(j.says.take() == joined);
  CHECK(k.says.take() == joined);
  CHECK(s.counted().fetches_upstream == 1);
  CHECK(s.publisher.near->counters().fetches_in == 1);
  s.put(5, 3);
  // All of it is held now.
  auto& l = s.net.join(s.relay, "s3");
  fetch(s, l, {4, 0}, {5, 4});
  CHECK(l.says.take() == "fetch-ok 0 5/4; object 0 4/0; object 0 4/1; object 0 4/2; object 0 5/0; object 0 5/1; object 0 5/2; object 0 5/3; fetch-end 0");
  CHECK(s.counted().fetches_upstream == 1);
}

TEST_CASE("a fetch of a track that nobody subscribes to finds its publisher") {
  scene s;
  for (uint64_t i = 0; i < 3; ++i) s.put(3, i);
  auto& j = s.net.join(s.relay, "s");
  fetch(s, j, {3, 1}, {3, 0});
  CHECK(j.says.take() == "fetch-ok 0 3/3; object 0 3/1; object 0 3/2; fetch-end 0");
  s.net.wait(3s);
  CHECK(s.relay.relay.tracks() == 0);
}

TEST_CASE("a fetch is finished by another publisher when the first one dies, and what nobody can give is unknown") {
  scene s;
  auto& second = s.net.add_publisher(s.relay, "p2");
  auto& t2 = second.publish("t", s.net.now);
  for (uint64_t i = 0; i < 3; ++i) {
    s.put(3, i);
    s.put(second, t2, 3, i);
  }
  auto& j = s.net.join(s.relay, "s");
  j.near->subscribe(track_name("t"), {});
  s.net.pump();
  s.publisher.near_end.hold_data = true;
  fetch(s, j, {3, 0}, {3, 3});
  CHECK(j.says.take() == "subscribed 0 largest=3/2");
  s.net.cut(s.publisher);
  CHECK(j.says.take() == "fetch-ok 2 3/3; object 2 3/0; object 2 3/1; object 2 3/2; fetch-end 2");
  s.net.cut(second);
  fetch(s, j, {2, 0}, {3, 2});
  CHECK(j.says.take() == "fetch-ok 4 3/2; gap 4 2/18446744073709551615 unknown; object 4 3/0; object 4 3/1; fetch-end 4");
}

TEST_CASE("a fetch that stalls upstream is answered with what is held") {
  scene s;
  s.put(3, 0);
  s.put(3, 1);
  auto a = s.subscribe();
  s.put(3, 2);
  a.take();
  s.publisher.near_end.hold_data = true;
  fetch(s, *a.joint, {3, 0}, {3, 3});
  s.net.wait(9s);
  CHECK(a.take().empty());
  s.net.wait(1500ms);
  CHECK(a.take() == "fetch-ok 2 3/3; gap 2 3/1 unknown; object 2 3/2; fetch-end 2");
  CHECK(s.counted().fetches_incomplete == 1);
}

TEST_CASE("the cache keeps to its bounds: of each track, of all, and by age") {
  moq::relay_config config;
  config.track_groups_max = 8;
  config.cache_bytes_max = 40'000;
  scene s(config);
  auto& t2 = s.publisher.publish("u", s.net.now);
  auto a = s.subscribe();
  auto& j = s.net.join(s.relay, "s");
  j.near->subscribe(track_name("u"), {});
  s.net.pump();
  size_t most = 0;
  const auto put = [&](moq::track& t, uint64_t g) {
    auto o = test_object(g, 0);
    o.payload = base::bytes::adopt(std::vector<uint8_t>(2000));
    s.net.put(s.publisher, t, o);
    s.publisher.tracks.end_group(t, g, s.net.now);
    s.net.pump();
    most = std::max(most, s.relay.store.cached_bytes());
  };
  auto* t = s.relay.store.find(track_name("t"));
  auto* u = s.relay.store.find(track_name("u"));
  for (uint64_t g = 0; g < 20; ++g) put(s.track, g);
  CHECK(t->groups().size() == 8);
  for (uint64_t g = 0; g < 20; ++g) put(t2, g);
  CHECK(most <= 40'000 + 2256);
  CHECK(u->groups().size() == 8);
  CHECK(s.relay.store.cached_bytes() == t->cached_bytes() + u->cached_bytes());
  put(s.track, 20); // of which each object is dearer than its bytes
  s.net.wait(121s);
  put(s.track, 21);
  s.net.wait(2s);
  CHECK(t->groups().size() == 1); // the newest stays, and what is young
  CHECK(u->groups().size() == 1);
  CHECK(s.relay.store.cached_bytes() == t->cached_bytes() + u->cached_bytes());
  s.net.cut(*a.joint);
  s.net.cut(j);
  s.net.wait(3s);
  CHECK(s.relay.store.cached_bytes() == 0);
}

TEST_CASE("a relay takes what nobody offers it from the relay that it uses, and tells that one what is offered here") {
  relay_net net;
  auto& root = net.add_relay();
  auto& leaf = net.add_relay();
  auto& p = net.add_publisher(root, "p");
  auto& t = p.publish("t", net.now);
  net.chain(leaf, root);
  auto& j = net.join(leaf, "s");
  j.near->subscribe_namespace({});
  j.near->subscribe(track_name("t"), {});
  net.pump();
  CHECK(j.says.has("namespace 0 ec-test up"));
  CHECK(j.says.has("subscribed 2"));
  j.says.take();
  net.put(p, t, test_object(1, 0));
  net.pump();
  CHECK(j.says.take() == "object 2 1/0");

  // The other way: a publisher at the leaf, a subscriber at the root.
  auto& q = net.join(leaf, "q");
  auto& home = *q.tracks.add(track_name("home", {"leaf"}), {}, net.now).value();
  q.near->publish_namespace({{"leaf"}});
  net.pump();
  CHECK(j.says.take() == "namespace 0 leaf up"); // once: what comes back from the root is not news
  auto& k = net.join(root, "s");
  k.near->subscribe(track_name("home", {"leaf"}), {});
  net.pump();
  CHECK(k.says.take() == "subscribed 0");
  net.put(q, home, test_object(1, 0));
  net.pump();
  CHECK(k.says.take() == "object 0 1/0");
  // Neither asks the other for what it has from there.
  net.cut(q);
  net.wait(15s); // the leaf waits for its publisher, and the root for the leaf
  CHECK(k.says.take() == "end 0 1 reset=1; done 0 0 streams=1");
  k.near->subscribe(track_name("home", {"leaf"}), {});
  net.pump();
  CHECK(k.says.take() == "error 2 16");
}

TEST_CASE("a session that offers too many namespaces is refused the rest") {
  relay_net net;
  auto& relay = net.add_relay();
  auto& p = net.join(relay, "p");
  uint64_t accepted = 0;
  // More requests than one session may have open at a time are refused before.
  for (uint64_t i = 0; i < 300; ++i) p.near->publish_namespace({{"n" + std::to_string(i)}});
  net.pump();
  net.wait(1s);
  for (const auto& line : p.says.log) accepted += line.starts_with("ok ");
  CHECK(accepted == base::limits::moq_requests_max);
  CHECK(relay.store.namespaces().size() == base::limits::moq_requests_max);
  net.cut(p);
  CHECK(relay.store.namespaces().empty());
}
