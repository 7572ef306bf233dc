// SUBSCRIBE_TRACKS, TRACK_STATUS and prefixes that move, between two sessions.
#include <doctest/doctest.h>

#include "moq/session.hpp"
#include "tests/support/moq_link.hpp"

using namespace ec;
using namespace ec::test;

namespace {

/// The server has tracks "a" and "b" in ec-test, "c" in ec-more and "d" in other.
struct offers : moq_link {
  moq::track *a, *b, *c, *d;
  explicit offers(moq::session_config client_config = {}, moq::session_config server_config = {}) :
    moq_link(std::move(client_config), std::move(server_config)) {
    b = add("b", {"ec", "test"});
    a = add("a", {"ec", "test"});
    c = add("c", {"ec", "more"});
    d = add("d", {"other"});
    start();
  }
  moq::track* add(std::string name, std::vector<std::string> ns) { return server_tracks.add(track_name(std::move(name), std::move(ns)), {}, now).value(); }
  void put(moq::track* t, uint64_t group, uint64_t id) { REQUIRE(server_tracks.append(*t, test_object(group, id), now).has_value()); }
};

} // namespace

TEST_CASE("who subscribes to tracks has every track under the prefix published to it, now and later") {
  offers o;
  o.put(o.a, 1, 0);
  const auto id = o.client->subscribe_tracks({{"ec", "test"}}, true);
  o.pump();
  CHECK(o.client_says.take() == "ok 0; published 1 ec-test--a largest=1/0; published 3 ec-test--b");
  o.put(o.a, 1, 1);
  o.put(o.b, 7, 0);
  o.put(o.c, 1, 0);
  auto* e = o.add("e", {"ec", "test", "deep"});
  o.put(e, 2, 0);
  o.add("f", {"ec"});
  o.pump();
  CHECK(o.client_says.take() == "object 1 1/1; object 3 7/0; published 5 ec-test-deep--e; object 5 2/0");
  CHECK(o.server_says.take() == ""); // the publisher's application asked for nothing
  // Ending it ends no subscription.
  o.client->unsubscribe_tracks(id);
  o.pump();
  o.add("g", {"ec", "test"});
  o.put(o.b, 7, 1);
  o.pump();
  CHECK(o.client_says.take() == "object 3 7/1");
  o.server_tracks.end_track(*o.b, moq::done_code::track_ended, "over", o.now);
  o.server_tracks.end_group(*o.a, 1, o.now);
  o.wait(std::chrono::milliseconds(2500));
  o.wait(std::chrono::milliseconds(2500));
  CHECK(o.server_says.take() == "");
  CHECK(o.client_says.has("done 3 2 streams=1"));
}

TEST_CASE("tracks that the peer has, or sends, are not published to it") {
  offers o;
  o.client_says.takes = moq::publish_accept{};
  o.client->subscribe(track_name("a"), {});
  auto* mine = o.client_tracks.add(track_name("b"), {}, o.now).value();
  (void)mine;
  o.server->subscribe(track_name("b"), {});
  o.pump();
  o.client_says.log.clear();
  o.client->subscribe_tracks({{"ec"}}, true);
  o.pump();
  CHECK(o.client_says.take() == "ok 2; published 3 ec-more--c");
}

TEST_CASE("a waiting subscription gets its track, not a PUBLISH beside it") {
  offers o;
  moq::subscribe_options wait;
  wait.rendezvous_timeout_ms = 5000;
  o.client->subscribe(track_name("late"), wait);
  o.client->subscribe_tracks({{"ec", "test", "none"}}, true);
  o.client->subscribe_tracks({{"ec", "test"}}, true);
  o.pump();
  CHECK(o.client_says.take() == "ok 2; error 4 48");
  o.client->subscribe_tracks({{"other"}}, true);
  o.pump();
  o.client_says.log.clear();
  o.add("late", {"ec", "test"});
  o.pump();
  CHECK(o.client_says.take() == "subscribed 0");
}

TEST_CASE("FORWARD 0 of SUBSCRIBE_TRACKS goes into every PUBLISH, until it is updated") {
  offers o;
  o.client_says.takes = moq::publish_accept{.filter = {}, .priority = 128, .order = {}, .forward = false, .object_delivery_timeout_ms = {}, .subgroup_delivery_timeout_ms = {}};
  const auto id = o.client->subscribe_tracks({{"other"}}, false);
  o.pump();
  CHECK(o.client_says.take() == "ok 0; published 1 other--d paused");
  o.put(o.d, 1, 0);
  o.client->update(id, {.filter = {}, .priority = {}, .forward = true});
  o.pump();
  o.add("e", {"other"});
  o.pump();
  CHECK(o.client_says.take() == "ok 0; published 3 other--e");
}

TEST_CASE("prefixes of one kind must not overlap, those of the two kinds may") {
  offers o;
  o.client->subscribe_tracks({{"ec", "more"}}, true);
  o.client->subscribe_namespace({{"ec", "more"}});
  o.client->subscribe_tracks({{"ec"}}, true);
  o.client->subscribe_tracks({{"ec", "more", "x"}}, true);
  const auto id = o.client->subscribe_tracks({{"none"}}, true);
  o.pump();
  CHECK(o.client_says.take() == "ok 0; published 1 ec-more--c; ok 2; namespace 2  up; error 4 48; error 6 48; ok 8");
  o.client->update_prefix(id, {{"ec"}});
  o.pump();
  CHECK(o.client_says.take() == "error 8 48");
  CHECK(o.client->open_requests() == 3);
  CHECK(o.server->open_requests() == 3);
}

TEST_CASE("a track without a stream to be published on is told as blocked, once, and never published") {
  offers o;
  o.server_end.bidi_credit = 1;
  o.client->subscribe_tracks({{"ec"}}, true);
  o.pump();
  CHECK(o.client_says.take() == "ok 0; published 1 ec-more--c; blocked 0 test--a; blocked 0 test--b");
  CHECK(o.server->counters().publishes_blocked == 2);
  o.server_end.bidi_credit = 9;
  o.server->on_streams_available(o.now);
  o.server->publish(track_name("a"), {});
  o.server->on_tick(o.now);
  o.pump();
  CHECK(o.client_says.take() == "");
  CHECK(o.server_says.take() == "error 3 9");
  o.client->subscribe(track_name("a"), {});
  o.pump();
  CHECK(o.client_says.take() == "subscribed 2");
}

TEST_CASE("a prefix moves: namespaces are told down with the old suffixes and up with the new ones") {
  offers o;
  const auto id = o.client->subscribe_namespace({{"ec"}});
  o.pump();
  CHECK(o.client_says.take() == "ok 0; namespace 0 more up; namespace 0 test up");
  o.client->update_prefix(id, {{"ec", "test"}});
  o.pump();
  CHECK(o.client_says.take() == "namespace 0 more down; namespace 0 test down; ok 0; namespace 0  up");
  o.add("x", {"ec", "test", "deep"});
  o.server_tracks.remove(*o.c, o.now);
  o.pump();
  CHECK(o.client_says.take() == "namespace 0 deep up");
  o.server_tracks.remove(*o.a, o.now);
  o.server_tracks.remove(*o.b, o.now);
  o.pump();
  CHECK(o.client_says.take() == "namespace 0  down");
  o.client->update_prefix(id, {});
  o.pump();
  CHECK(o.client_says.take() == "namespace 0 deep down; ok 0; namespace 0 ec-test-deep up; namespace 0 other up");
}

TEST_CASE("a prefix of tracks moves: what is published already stays") {
  offers o;
  const auto id = o.client->subscribe_tracks({{"ec", "test"}}, true);
  o.pump();
  o.client->update_prefix(id, {{"ec", "more"}});
  o.pump();
  CHECK(o.client_says.take() == "ok 0; published 1 ec-test--a; published 3 ec-test--b; ok 0; published 5 ec-more--c");
  o.put(o.a, 1, 0);
  o.add("x", {"ec", "test"});
  o.pump();
  CHECK(o.client_says.take() == "object 1 1/0");
}

TEST_CASE("a prefix that moves before its request has left is said at once") {
  offers o;
  o.client_end.bidi_credit = 0;
  const auto one = o.client->subscribe_namespace({{"none"}});
  const auto two = o.client->subscribe_tracks({{"none"}}, true);
  o.client->update_prefix(one, {{"other"}});
  o.client->update_prefix(two, {{"other"}});
  o.client_end.bidi_credit = 9;
  o.client->on_streams_available(o.now);
  o.pump();
  CHECK(o.client_says.take() == "ok 0; namespace 0  up; ok 2; published 1 other--d");
}

TEST_CASE("TRACK_STATUS tells what was really seen, and leaves nothing open") {
  moq::track_config c;
  c.priority = 7;
  offers o;
  auto* t = o.server_tracks.add(track_name("s"), c, o.now).value();
  const auto before = o.client->track_status(track_name("s"));
  o.pump();
  CHECK(o.client_says.take() == "ok 0");
  CHECK_FALSE(o.client_says.oks[before].params.largest);
  CHECK(o.client_says.oks[before].properties.priority == 7);
  o.put(o.a, 1, 0);
  REQUIRE(o.server_tracks.append(*t, [] { auto x = test_object(4, 2); x.priority = 7; return x; }(), o.now).has_value());
  const auto after = o.client->track_status(track_name("s"));
  const auto none = o.client->track_status(track_name("none"));
  o.pump();
  CHECK(o.client_says.take() == "ok " + std::to_string(after) + "; error " + std::to_string(none) + " 16");
  CHECK(o.client_says.oks[after].params.largest == moq::location{4, 2});
  CHECK(o.client->open_requests() == 0);
  CHECK(o.server->open_requests() == 0);
  CHECK(t->observers() == 0);
}
