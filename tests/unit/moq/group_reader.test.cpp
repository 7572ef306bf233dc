#include "moq/group_reader.hpp"

#include <doctest/doctest.h>

#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

using step = moq::group_reader::step;

/// What a reader says now, up to the point where it waits, ends or fails: "0 1 2; wait".
std::string read_on(moq::group_reader& r, base::mono_time now) {
  std::string out;
  for (;;) {
    moq::object o;
    switch (r.next(o, now)) {
    case step::object: out += (out.empty() ? "" : " ") + std::to_string(o.group) + "/" + std::to_string(o.id); break;
    case step::wait: return out + "; wait";
    case step::end: return out + "; end";
    default: return out + "; failed: " + r.error().reason;
    }
  }
}

/// A relay with one publisher, and readers at the relay.
struct reading {
  relay_net net;
  relay_node& relay;
  relay_joint& publisher;
  moq::track& track;

  explicit reading(moq::relay_config config = {}) : relay(net.add_relay(config)), publisher(net.add_publisher(relay, "p1")), track(publisher.publish("t", net.now, {})) {}
  void put(uint64_t group, uint64_t id) {
    net.put(publisher, track, test_object(group, id));
    net.pump();
  }
  void end(uint64_t group) {
    publisher.tracks.end_group(track, group, net.now);
    net.pump();
  }
  std::unique_ptr<moq::group_reader> reader(std::optional<uint64_t> group = {}, const char* name = "t") {
    auto r = std::make_unique<moq::group_reader>(relay.store, track_name(name), group, net.now);
    net.pump();
    return r;
  }
  /// What it says as the net goes on.
  std::string says(moq::group_reader& r) {
    auto out = read_on(r, net.now);
    net.pump();
    if (!out.ends_with("; wait")) return out;
    return out.substr(0, out.size() - 6) + read_on(r, net.now);
  }
};

} // namespace

TEST_CASE("a group that nobody here subscribes to is fetched from its publisher, and read once more from the cache") {
  reading s;
  for (uint64_t g = 3; g < 5; ++g) {
    for (uint64_t i = 0; i < 3; ++i) s.put(g, i);
    s.end(g);
  }
  const auto r = s.reader(3);
  CHECK(s.says(*r) == "3/0 3/1 3/2; end");
  CHECK(r->group() == 3);
  CHECK(r->found());
  CHECK(s.relay.relay.counters().fetches_upstream == 1);
  const auto again = s.reader(3);
  CHECK(s.says(*again) == "3/0 3/1 3/2; end");
  CHECK(s.relay.relay.counters().fetches_upstream == 1);
  CHECK(s.relay.relay.counters().subscriptions_upstream == 1);
}

TEST_CASE("the newest group is read from its beginning, and followed to its end") {
  reading s;
  s.put(7, 0);
  s.put(7, 1);
  const auto r = s.reader();
  CHECK(s.says(*r) == "7/0 7/1; wait");
  CHECK(r->group() == 7);
  CHECK(r->stirred());
  CHECK_FALSE(r->stirred());
  s.put(7, 2);
  CHECK(r->stirred());
  CHECK(s.says(*r) == "7/2; wait");
  s.end(7);
  CHECK(s.says(*r) == "; end");
}

TEST_CASE("that a newer group begins does not say that all of the one before came: its end is asked for") {
  reading s;
  s.put(7, 0);
  const auto r = s.reader();
  CHECK(s.says(*r) == "7/0; wait");
  s.publisher.tracks.end_subgroup(s.track, 7, 0, s.net.now);
  s.net.pump();
  CHECK(s.says(*r) == "; wait");
  s.put(8, 0);
  CHECK(s.says(*r) == "; end");
  CHECK(s.relay.relay.counters().fetches_upstream == 2);
}

TEST_CASE("who asks before anything is published gets the first group") {
  reading s;
  const auto r = s.reader();
  CHECK(s.says(*r) == "; wait");
  CHECK_FALSE(r->found());
  s.put(2, 0);
  s.end(2);
  CHECK(s.says(*r) == "2/0; end");
}

TEST_CASE("what cannot be had is said with its reason") {
  reading s;
  CHECK(s.says(*s.reader({}, "missing")) == "; failed: no such track");
  const moq::full_track_name elsewhere{{{"else"}}, "t"};
  moq::group_reader nobody(s.relay.store, elsewhere, {}, s.net.now);
  CHECK(read_on(nobody, s.net.now) == "; failed: nobody offers the track");
  CHECK(nobody.error().code == moq::request_code::does_not_exist);
  CHECK(s.says(*s.reader(0)) == "; failed: nothing is published on this track yet");
  s.put(5, 0);
  s.end(5);
  CHECK(s.says(*s.reader(6)) == "; failed: group 6 is not published yet: the newest is 5");
  CHECK(s.says(*s.reader(1)).starts_with("; failed: group 1"));
}

TEST_CASE("a reader that a reset group, a cache without room or the relay's end leaves behind fails instead of skipping") {
  moq::relay_config config;
  config.track_groups_max = 2;
  reading s(config);
  s.put(1, 0);
  const auto slow = s.reader();
  CHECK(s.says(*slow) == "1/0; wait");
  s.publisher.tracks.reset_group(s.track, 1, moq::reset_code::internal_error, s.net.now);
  s.net.pump();
  s.put(2, 0);
  CHECK(s.says(*slow) == "; failed: a part of group 1 could not be had");
  const auto torn = s.reader(2);
  CHECK(s.says(*torn) == "2/0; wait");
  s.put(2, 1);
  s.publisher.tracks.reset_group(s.track, 2, moq::reset_code::internal_error, s.net.now);
  s.net.pump();
  s.put(3, 0);
  CHECK(s.says(*torn) == "2/1; failed: group 2 was given up by its publisher");
  const auto late = s.reader(3);
  moq::object o;
  CHECK(late->next(o, s.net.now) == step::object);
  for (uint64_t g = 4; g < 7; ++g) {
    s.put(g, 0);
    s.end(g);
  }
  CHECK(read_on(*late, s.net.now) == "; failed: group 3 left the cache while it was read");
  const auto cut = s.reader(6);
  s.net.cut(s.publisher);
  s.net.wait(30s);
  CHECK(s.says(*cut) == "6/0; end"); // held as long as it is wanted
}

TEST_CASE("a reader keeps the track coming, and lets go of it when it goes") {
  reading s;
  s.put(1, 0);
  auto r = s.reader();
  CHECK(s.says(*r) == "1/0; wait");
  CHECK(s.relay.relay.subscribers() == 1);
  r.reset();
  CHECK(s.relay.relay.subscribers() == 0);
  s.net.wait(5s);
  CHECK(s.relay.relay.tracks() == 0);
}
