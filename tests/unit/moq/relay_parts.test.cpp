// Large objects on their way through a relay: what has come of one goes on before its end.
#include <doctest/doctest.h>

#include "base/limits_parts.hpp"
#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

/// A relay, publishers that send objects piece by piece, and subscribers.
struct scene {
  relay_net net;
  relay_node& relay;
  relay_joint* first = nullptr;
  moq::track* track = nullptr; ///< of the first publisher

  explicit scene(const std::string& protocol = "", moq::relay_config config = {}) : net{.protocol = protocol}, relay(net.add_relay(config)) {
    std::tie(first, track) = add_publisher("p1");
  }
  std::pair<relay_joint*, moq::track*> add_publisher(std::string name) {
    auto& j = net.add_publisher(relay, std::move(name));
    return {&j, &j.publish("t", net.now)};
  }

  struct subscriber {
    relay_joint* joint;
    moq::request_id id;
    const std::vector<moq::object>& objects() const { return joint->says.objects[id]; }
    /// Bytes that came of the object under way, or of the last one that was; they are checked against it.
    size_t came(const moq::object& of) const {
      const auto& parts = joint->says.parts[id];
      if (parts.empty()) return 0;
      const auto& p = parts.back();
      CHECK(p.begun.at() == of.at());
      CHECK(p.payload_bytes == of.payload.size());
      CHECK(p.begun.payload == of.payload.slice(0, p.begun.payload.size()));
      return p.begun.payload.size();
    }
    bool was_reset() const {
      return joint->says.all().find("reset=") != std::string::npos;
    }
  };
  subscriber subscribe(moq::subscribe_options options = {}) { return subscribe_at(relay, options); }
  subscriber subscribe_at(relay_node& at, moq::subscribe_options options = {}) {
    auto& j = net.join(at, "s");
    const auto id = j.near->subscribe(track_name("t"), options);
    net.pump();
    return {&j, id};
  }

  /// The first `count` bytes of an object leave the publisher, and what is to go on goes on.
  void put_part(relay_joint& j, moq::track& t, const moq::object& o, size_t count) {
    moq::object_part p{.begun = o, .payload_bytes = o.payload.size()};
    p.begun.payload = o.payload.slice(0, count);
    j.tracks.append_part(t, p, net.now).value();
    net.pump();
    net.wait(200ms);
  }
  void put_part(const moq::object& o, size_t count) { put_part(*first, *track, o, count); }
  void put(relay_joint& j, moq::track& t, const moq::object& o) {
    net.put(j, t, o);
    net.pump();
    net.wait(100ms);
  }
  void put(const moq::object& o) { put(*first, *track, o); }
  const moq::relay_counters& counted() const { return relay.relay.counters(); }
};

} // namespace

TEST_CASE("subscribers have the first half of a large object before its publisher has sent the second") {
  for (const auto& version : all_versions) {
    CAPTURE(version);
    scene s(version);
    auto a = s.subscribe(), b = s.subscribe();
    s.put(test_object(1, 0));
    const auto o = large_object(1, 1);
    s.put_part(o, 50'000);
    for (const auto* who : {&a, &b}) {
      CHECK(who->objects().size() == 1);
      CHECK(who->came(o) == 50'000);
    }
    // What is here is charged, not what is promised.
    CHECK(s.relay.relay.cached_bytes() >= 50'000);
    CHECK(s.relay.relay.cached_bytes() < 52'000);
    s.put(o);
    s.put(test_object(1, 2));
    s.net.end(*s.first, *s.track, 1);
    for (const auto* who : {&a, &b}) {
      REQUIRE(who->objects().size() == 3);
      CHECK(who->objects()[1].payload == o.payload);
      CHECK(who->joint->says.has("end 0 1 whole"));
    }
    CHECK(s.counted().objects_in == 3);
    CHECK(s.counted().objects_begun == 1);
    CHECK(s.relay.relay.objects_cut_off() == 0);
  }
}

TEST_CASE("the bytes of a large object are shared by its subscribers, piece by piece") {
  scene s;
  auto a = s.subscribe(), b = s.subscribe();
  const auto o = large_object(1, 0);
  s.put_part(o, 40'000);
  s.put_part(o, 80'000);
  s.put(o);
  const auto pieces = [](const scene::subscriber& who) {
    std::vector<std::pair<const uint8_t*, size_t>> out;
    for (const auto& w : who.joint->far_end.payload_writes) {
      if (w.size() >= 20'000) out.emplace_back(w.data(), w.size());
    }
    return out;
  };
  REQUIRE(pieces(a).size() == 3);
  CHECK(pieces(a) == pieces(b));
}

TEST_CASE("an object whose publisher sends it at once goes on whole, and so does a small one") {
  scene s;
  auto a = s.subscribe();
  const auto o = large_object(1, 0);
  for (const size_t count : {20'000u, 60'000u, 90'000u}) { // no time passes
    moq::object_part p{.begun = o, .payload_bytes = o.payload.size()};
    p.begun.payload = o.payload.slice(0, count);
    s.first->tracks.append_part(*s.track, p, s.net.now).value();
    s.net.pump();
  }
  s.put(o);
  const auto small = large_object(1, 1, 2 * base::limits::moq_part_bytes_min - 1);
  s.put_part(small, base::limits::moq_part_bytes_min);
  s.put(small);
  CHECK(a.objects().size() == 2);
  CHECK(a.joint->says.parts.empty());
  CHECK(s.counted().objects_begun == 0);
}

TEST_CASE("a large object goes through a chain of relays as it comes") {
  for (const auto& version : all_versions) {
    CAPTURE(version);
    scene s(version);
    auto& below = s.net.add_relay();
    s.net.chain(below, s.relay);
    auto a = s.subscribe_at(below);
    const auto o = large_object(1, 0);
    s.put_part(o, 30'000);
    s.put_part(o, 70'000);
    CHECK(a.came(o) == 70'000);
    s.put(o);
    REQUIRE(a.objects().size() == 1);
    CHECK(a.objects()[0].payload == o.payload);
    CHECK(below.relay.counters().objects_begun == 1);
  }
}

TEST_CASE("when a publisher dies within an object, another one's goes on where it was") {
  for (const auto& version : all_versions) {
    CAPTURE(version);
    scene s(version);
    auto [second, its_track] = s.add_publisher("p2");
    auto a = s.subscribe();
    s.net.put(*s.first, *s.track, test_object(1, 0)); // at one time, which is what moq-lite says of a group
    s.put(*second, *its_track, test_object(1, 0));
    const auto o = large_object(1, 1);
    s.put_part(o, 60'000);
    s.put_part(*second, *its_track, o, 20'000); // behind
    CHECK(a.came(o) == 60'000);
    s.net.cut(*s.first);
    s.net.wait(500ms);
    CHECK_FALSE(a.was_reset());
    s.put_part(*second, *its_track, o, 80'000);
    CHECK(a.came(o) == 80'000);
    s.put(*second, *its_track, o);
    s.put(*second, *its_track, test_object(1, 2));
    s.net.end(*second, *its_track, 1);
    REQUIRE(a.objects().size() == 3);
    CHECK(a.objects()[1].payload == o.payload);
    CHECK(a.joint->says.has("end 0 1 whole"));
    CHECK(s.counted().objects_conflict == 0);
    CHECK(s.relay.relay.objects_cut_off() == 0);
  }
}

TEST_CASE("of two publishers the one that is ahead is taken") {
  scene s;
  auto [second, its_track] = s.add_publisher("p2");
  auto a = s.subscribe();
  const auto o = large_object(1, 0);
  s.put_part(o, 20'000);
  s.put_part(*second, *its_track, o, 60'000);
  CHECK(a.came(o) == 60'000);
  s.put_part(o, 90'000);
  CHECK(a.came(o) == 90'000);
  s.put(*second, *its_track, o);
  REQUIRE(a.objects().size() == 1);
  CHECK(a.objects()[0].payload == o.payload);
  s.put(o);
  CHECK(s.counted().objects_duplicate == 1);
  CHECK(s.counted().objects_begun == 1);
}

TEST_CASE("what another publisher gives otherwise is not joined to what went out: counted, and reset when nobody else has the rest") {
  for (const auto& version : all_versions) {
    CAPTURE(version);
    scene s(version);
    auto [second, its_track] = s.add_publisher("p2");
    auto a = s.subscribe();
    s.net.put(*s.first, *s.track, test_object(1, 0)); // at one time, which is what moq-lite says of a group
    s.put(*second, *its_track, test_object(1, 0));
    const auto o = large_object(1, 1), other = large_object(1, 1, large_bytes, 1);
    s.put_part(o, 50'000);
    s.put_part(*second, *its_track, other, 70'000);
    CHECK(a.came(o) == 50'000);
    CHECK(s.counted().objects_conflict == 1);
    REQUIRE(s.relay.says.conflicts.size() == 1);
    CHECK(s.relay.says.conflicts[0].from == "p2");
    CHECK(s.relay.says.conflicts[0].kept == o.payload.slice(0, 50'000));
    CHECK_FALSE(a.was_reset()); // its publisher is there
    const auto held = s.relay.relay.cached_bytes();
    s.net.cut(*s.first);
    CHECK(a.was_reset());
    CHECK(s.relay.relay.cached_bytes() < held - 49'000);
    CHECK(s.relay.relay.objects_cut_off() == 1);
    s.put(*second, *its_track, other);
    CHECK(s.counted().objects_conflict == 1); // once for an object
    CHECK(a.objects().size() == 1);
    s.put(*second, *its_track, test_object(2, 0));
    CHECK(a.objects().size() == 2); // the next group is nobody's mistake
  }
}

TEST_CASE("another whole object of the same place ends nothing while its publisher is there") {
  scene s;
  auto [second, its_track] = s.add_publisher("p2");
  auto a = s.subscribe();
  const auto o = large_object(1, 0);
  s.put_part(o, 50'000);
  s.put(*second, *its_track, large_object(1, 0, large_bytes, 1));
  CHECK(s.counted().objects_conflict == 1);
  s.put(o);
  REQUIRE(a.objects().size() == 1);
  CHECK(a.objects()[0].payload == o.payload);
}

TEST_CASE("who joins within a large object gets what is there and the rest") {
  for (const auto& version : all_versions) {
    CAPTURE(version);
    scene s(version);
    auto a = s.subscribe();
    s.put(test_object(1, 0));
    const auto o = large_object(1, 1);
    s.put_part(o, 50'000);
    auto late = s.subscribe();
    s.put_part(o, 70'000);
    CHECK(late.came(o) == 70'000);
    s.put(o);
    s.net.end(*s.first, *s.track, 1);
    REQUIRE_FALSE(late.objects().empty());
    CHECK(late.objects().back().payload == o.payload);
    CHECK_FALSE(late.was_reset());
    CHECK(a.objects().size() == 2);
  }
}

TEST_CASE("a fetch does not see an object before its end") {
  for (const auto& version : {"", "moqt-16"}) {
    CAPTURE(version);
    scene s(version);
    s.subscribe();
    s.put(test_object(1, 0));
    const auto o = large_object(1, 1);
    s.put_part(o, 50'000);
    auto& j = s.net.join(s.relay, "f");
    const auto before = j.near->fetch(track_name("t"), {1, 0}, {1, 0}, {});
    s.net.pump();
    s.net.wait(1s);
    CHECK(j.says.objects[before].size() == 1);
    CHECK(j.says.has("fetch-end " + std::to_string(before)));
    s.put(o);
    const auto after = j.near->fetch(track_name("t"), {1, 0}, {1, 0}, {});
    s.net.pump();
    REQUIRE(j.says.objects[after].size() == 2);
    CHECK(j.says.objects[after][1].payload == o.payload);
    CHECK(j.says.parts.empty());
  }
}

TEST_CASE("a publisher that breaks off within an object: subscribers hear it, and its bytes are given back") {
  for (const auto& version : all_versions) {
    CAPTURE(version);
    scene s(version);
    auto a = s.subscribe();
    s.put(test_object(1, 0));
    const auto held = s.relay.relay.cached_bytes();
    s.put_part(large_object(1, 1), 50'000);
    if (version.starts_with("moq-lite")) s.first->tracks.reset_group(*s.track, 1, moq::reset_code::internal_error, s.net.now);
    else s.first->tracks.reset_subgroup(*s.track, 1, 0, moq::reset_code::internal_error, s.net.now);
    s.net.pump();
    CHECK(a.was_reset());
    CHECK(a.objects().size() == 1);
    CHECK(s.relay.relay.cached_bytes() == held);
    CHECK(s.relay.relay.objects_cut_off() == 1);
    CHECK(s.counted().subgroups_reset == 1);
    s.put(test_object(2, 0));
    CHECK(a.objects().size() == 2);
  }
}

TEST_CASE("a session that ends within an object: reset at once, although its publisher is waited for") {
  for (const auto& version : all_versions) {
    CAPTURE(version);
    scene s(version);
    auto a = s.subscribe();
    s.put_part(large_object(1, 0), 50'000);
    s.net.cut(*s.first);
    CHECK(a.was_reset());
    CHECK(s.relay.relay.cached_bytes() == 0);
    CHECK(s.relay.relay.objects_cut_off() == 1);
    CHECK(s.relay.relay.tracks() == 1);
    CHECK_FALSE(a.joint->near->closed());
  }
}

TEST_CASE("a slow subscriber loses old groups within their objects, others nothing, and nothing is held twice") {
  for (const auto& version : all_versions) {
    CAPTURE(version);
    scene s(version);
    auto quick = s.subscribe(), slow = s.subscribe();
    slow.joint->far_end.hold_data = true;
    constexpr size_t size = 1u << 20;
    for (uint64_t g = 1; g <= 20; ++g) {
      const auto o = large_object(g, 0, size);
      s.put_part(o, size / 2);
      s.put(o);
      s.net.end(*s.first, *s.track, g);
    }
    CHECK(quick.objects().size() == 20);
    size_t queued = 0;
    for (const auto& e : slow.joint->far_end.queue) queued += e.data.size();
    CHECK(queued <= base::limits::moq_subscription_unsent_bytes_max);
    CHECK(slow.joint->far->counters().groups_too_far_behind + slow.joint->far->counters().groups_delivery_timeout >= (version.starts_with("moq-lite") ? 0u : 3u));
    CHECK(s.relay.relay.cached_bytes() < 20 * (size + 1024));
    CHECK_FALSE(slow.joint->near->closed());
  }
}

TEST_CASE("a publisher that offers its track no more is heard while an object of it still comes") {
  scene s;
  auto& p = s.net.join(s.relay, "p2");
  auto& t = *p.tracks.add(track_name("t", {"slow"}), {}, s.net.now).value();
  const auto offer = p.near->publish_namespace({{"slow"}});
  s.net.pump();
  auto& j = s.net.join(s.relay, "s");
  const auto id = j.near->subscribe(track_name("t", {"slow"}), {});
  s.net.pump();
  p.near->withdraw_namespace(offer);
  const auto o = large_object(1, 0);
  for (size_t came = 20'000; came <= 60'000; came += 20'000) {
    s.put_part(p, t, o, came);
    s.net.wait(8s);
  }
  s.put(p, t, o);
  REQUIRE(j.says.objects[id].size() == 1);
  CHECK(j.says.objects[id][0].payload == o.payload);
}

TEST_CASE("without stream credit an object waits for it, or for its end") {
  scene s;
  auto a = s.subscribe(), b = s.subscribe();
  b.joint->far_end.uni_credit = 0;
  const auto o = large_object(1, 0);
  s.put_part(o, 40'000);
  CHECK(a.came(o) == 40'000);
  CHECK(b.came(o) == 0);
  b.joint->far_end.uni_credit = 1;
  b.joint->far->on_streams_available(s.net.now);
  s.put_part(o, 70'000);
  CHECK(b.came(o) == 70'000);
  s.put(o);
  CHECK(b.objects().size() == 1);
  b.joint->far_end.uni_credit = 0;
  const auto next = large_object(2, 0);
  s.put_part(next, 50'000);
  s.put(next);
  CHECK(b.objects().size() == 1);
  b.joint->far_end.uni_credit = 1;
  b.joint->far->on_streams_available(s.net.now);
  s.net.pump();
  REQUIRE(b.objects().size() == 2);
  CHECK(b.objects()[1].payload == next.payload);
}

TEST_CASE("a subscriber that changes its mind within an object keeps a whole stream or loses it") {
  scene s;
  auto paused = s.subscribe(), moved = s.subscribe(), gone = s.subscribe();
  s.put(test_object(1, 0));
  const auto o = large_object(1, 1);
  s.put_part(o, 50'000);
  moq::update_options pause;
  pause.forward = false;
  paused.joint->near->update(paused.id, pause);
  moq::update_options later;
  later.filter = {.type = moq::subscription_filter::kind::absolute_start, .start = {1, 2}};
  moved.joint->near->update(moved.id, later);
  gone.joint->near->unsubscribe(gone.id);
  s.net.pump();
  s.put(o);
  s.put(test_object(1, 2));
  CHECK(paused.was_reset());
  CHECK(paused.objects().size() == 1);
  REQUIRE(moved.objects().size() == 3); // what had begun on the stream ends there
  CHECK(moved.objects()[1].payload == o.payload);
  for (const auto* who : {&paused, &moved, &gone}) CHECK_FALSE(who->joint->near->closed());
}

TEST_CASE("a delivery timeout runs from the first byte of an object on") {
  scene s;
  moq::subscribe_options impatient;
  impatient.object_delivery_timeout_ms = 1000;
  auto a = s.subscribe(), b = s.subscribe(impatient);
  const auto o = large_object(1, 0);
  s.put_part(o, 50'000);
  s.net.wait(2s);
  CHECK(b.was_reset());
  s.put(o);
  CHECK(a.objects().size() == 1);
  CHECK(b.objects().empty());
  CHECK(b.joint->far->counters().groups_delivery_timeout == 1);
}

TEST_CASE("a group that leaves the cache takes its unfinished object along") {
  for (const auto& version : all_versions) {
    CAPTURE(version);
    scene s(version, {.track_groups_max = 2});
    auto a = s.subscribe();
    s.put_part(large_object(1, 0), 50'000);
    for (uint64_t g = 2; g < 4; ++g) s.put(test_object(g, 0));
    CHECK(a.was_reset());
    CHECK(s.relay.relay.objects_cut_off() == 1);
    CHECK(s.relay.relay.cached_bytes() < 1000);
    s.put(test_object(4, 0));
    CHECK(a.objects().back().group == 4);
  }
}

namespace {

/// How long objects of 83,000 bytes take from a publisher through two relays, 30 a second, over links of 25 Mbit/s each: one takes 26.6 ms there.
std::vector<double> delays_ms(const std::string& version, bool tells_parts) {
  relay_net net{.tells_parts = tells_parts, .protocol = version};
  auto &above = net.add_relay(), &below = net.add_relay();
  net.chain(below, above);
  auto& publisher = net.add_publisher(above, "p");
  auto& track = publisher.publish("t", net.now);
  auto& subscriber = net.join(below, "s");
  const auto id = subscriber.near->subscribe(track_name("t"), {});
  net.pump();
  constexpr size_t bytes_per_ms = 3125;
  std::map<moq_end*, size_t> room;
  const auto carry_some = [&](moq_end& from, moq::session& to) {
    auto& left = room[&from];
    left = from.queue.empty() ? bytes_per_ms : left + bytes_per_ms;
    while (!from.queue.empty()) {
      auto& e = from.queue.front();
      REQUIRE(e.what == moq_end::event::kind::data);
      const size_t count = std::min(left, e.data.size());
      if (count == 0 && !e.data.empty()) return;
      left -= count;
      const bool all = count == e.data.size();
      const auto stream = e.stream;
      const auto piece = e.data.slice(0, count);
      const bool fin = e.fin && all;
      if (all) from.queue.pop_front();
      else e.data = e.data.slice(count);
      to.on_stream_data(stream, piece, fin, net.now);
    }
  };
  std::vector<double> out;
  const auto start = net.now;
  uint64_t sent = 0;
  for (int ms = 0; ms < 1500; ++ms) {
    const auto due = [&](uint64_t n) { return start + std::chrono::milliseconds(n * 100 / 3); };
    if (sent < 30 && net.now >= due(sent)) net.put(publisher, track, large_object(1, sent, 83'000)), ++sent;
    for (auto& j : net.joints) {
      for (auto* s : {j.near.get(), j.far.get()})
        if (const auto d = s->deadline(); d && *d <= net.now) s->on_tick(net.now);
      carry_some(j.near_end, *j.far);
      carry_some(j.far_end, *j.near);
    }
    while (out.size() < subscriber.says.objects[id].size()) out.push_back(std::chrono::duration<double, std::milli>(net.now - due(out.size())).count());
    net.now += 1ms;
  }
  return out;
}

} // namespace

TEST_CASE("through two relays a large object takes little longer than its bytes take on one link") {
  for (const auto& version : all_versions) {
    CAPTURE(version);
    for (const bool parts : {false, true}) {
      auto all = delays_ms(version, parts);
      REQUIRE(all.size() == 30);
      std::ranges::sort(all);
      MESSAGE((parts ? "as it arrives: " : "after its end: ") << all[15] << " ms, at most " << all.back() << " ms");
      if (parts) CHECK(all.back() < 45);
      else CHECK(all.front() > 75);
    }
  }
}

TEST_CASE("a store takes an object piece by piece") {
  using base::errc;
  moq::track_store store;
  const base::mono_time now{};
  auto& t = *store.add(track_name("t"), {.single_subgroup = false}, now).value();
  const auto o = large_object(1, 3);
  const auto part = [&](const moq::object& of, size_t count) {
    moq::object_part p{.begun = of, .payload_bytes = of.payload.size()};
    p.begun.payload = of.payload.slice(0, count);
    return store.append_part(t, p, now);
  };
  const auto fault = [](const base::result<void>& r) { return r ? errc{} : r.error().code; };
  CHECK(fault(part(o, large_bytes)) == errc::invalid_argument); // that is all of it
  auto as_datagram = o;
  as_datagram.datagram = true;
  CHECK(fault(part(as_datagram, 10)) == errc::invalid_argument);
  CHECK(fault(part(large_object(1, 3, (1u << 20) + 1), 10)) == errc::too_large);
  CHECK(part(o, 1000));
  CHECK(part(o, 400)); // known
  CHECK(part(o, 50'000));
  CHECK_FALSE(t.largest());
  CHECK(t.groups().at(1).objects.empty());
  CHECK(fault(part(large_object(1, 3, large_bytes, 1), 60'000)) == errc::mismatch);
  CHECK(fault(store.append(t, large_object(1, 3, large_bytes, 1), now)) == errc::mismatch);
  auto urgent = o;
  urgent.priority = 3;
  CHECK(fault(part(urgent, 60'000)) == errc::mismatch);
  CHECK(fault(store.keep(t, large_object(1, 3, large_bytes, 1), nullptr, now)) == errc::mismatch); // what somebody fetched
  CHECK(fault(store.append(t, test_object(1, 4), now)) == errc::invalid_argument); // behind it
  CHECK(store.append(t, test_object(1, 5, 1), now));                               // beside it
  CHECK(store.append(t, o, now));
  CHECK(fault(part(o, 60'000)) == errc::exists);
  CHECK(store.cached_bytes() == large_bytes + test_object(1, 5).payload.size() + 2 * 256);
  CHECK(part(large_object(1, 6), 500));
  store.end_group(t, 1, now); // it ends before its end
  CHECK(store.parts_cut_off() == 1);
  CHECK(part(large_object(2, 0), 500));
  CHECK(part(large_object(3, 0), 500));
  store.reset_group(t, 2, 0, now);
  store.end_track(t, moq::done_code::track_ended, "over", now);
  CHECK(store.parts_cut_off() == 3);
  store.remove(t, now);
  CHECK(store.cached_bytes() == 0);
}
