// PUBLISH, PUBLISH_OK, PUBLISH_DONE between two sessions.
#include <algorithm>

#include <doctest/doctest.h>

#include "moq/session.hpp"
#include "tests/support/moq_link.hpp"

using namespace ec;
using namespace ec::test;
using moq::subscription_filter;
using std::chrono::milliseconds;

namespace {

moq::session_config taking() {
  moq::session_config c;
  c.takes_publish = true;
  return c;
}

/// The client has a track, the server takes PUBLISH.
struct publisher : moq_link {
  moq::track* t = nullptr;
  explicit publisher(moq::track_config config = {}, moq::session_config server_config = taking()) : moq_link({}, std::move(server_config)) {
    t = client_tracks.add(track_name("up"), std::move(config), now).value();
    start();
  }
  void put(uint64_t group, uint64_t id) { REQUIRE(client_tracks.append(*t, test_object(group, id), now).has_value()); }
  void whole(uint64_t group) {
    put(group, 0);
    put(group, 1);
    client_tracks.end_group(*t, group, now);
  }
  moq::request_id publish(moq::publish_options o = {}) {
    const auto id = client->publish(track_name("up"), o);
    pump();
    return id;
  }
};

} // namespace

TEST_CASE("a published track is taken, its objects come as those of a subscription, and its end is counted") {
  for (const size_t split : {0, 1, 5}) {
    CAPTURE(split);
    publisher p;
    p.split = split;
    p.whole(1);
    p.publish();
    CHECK(p.client_says.take() == "ok 0");
    CHECK(p.server_says.take() == "published 0 ec-test--up largest=1/1");
    p.whole(2);
    p.pump();
    CHECK(p.server_says.take() == "object 0 2/0; object 0 2/1; end 0 2 whole");
    p.client_tracks.end_track(*p.t, moq::done_code::track_ended, "over", p.now);
    p.pump();
    CHECK(p.server_says.take() == "done 0 2 streams=1");
    CHECK(p.client->deadline() == p.now);
    p.wait(milliseconds(1));
    CHECK(p.client_says.take() == "request-closed 0");
    CHECK(p.client->open_requests() == 0);
    CHECK(p.server->open_requests() == 0);
    CHECK(p.client->counters().publishes_out == 1);
    CHECK(p.server->counters().publishes_in == 1);
  }
}

TEST_CASE("the server may publish as well") {
  moq_link link(taking());
  auto* t = link.server_tracks.add(track_name("down"), {}, link.now).value();
  link.start();
  link.server->publish(track_name("down"), {});
  link.pump();
  REQUIRE(link.server_tracks.append(*t, test_object(1, 0), link.now).has_value());
  link.pump();
  CHECK(link.client_says.all() == "published 1 ec-test--down; object 1 1/0");
  CHECK(link.server_says.all() == "ok 1");
}

TEST_CASE("objects go out before the answer, and are kept when they overtake the request") {
  publisher p;
  p.client->publish(track_name("up"), {});
  p.whole(1);
  // The data stream arrives first.
  std::stable_partition(p.client_end.queue.begin(), p.client_end.queue.end(), [](const auto& e) { return (e.stream & 2) != 0; });
  p.pump();
  CHECK(p.server_says.take() == "published 0 ec-test--up; object 0 1/0; object 0 1/1; end 0 1 whole");
}

TEST_CASE("a PUBLISH that is refused sends nothing more and leaves nothing behind") {
  publisher p;
  p.server_says.takes = moq::request_error{.code = moq::request_code::uninterested, .retry_after_ms = {}, .reason = "no", .to = {}};
  p.client->publish(track_name("up"), {});
  p.put(1, 0);
  p.pump();
  p.put(1, 1);
  p.pump();
  CHECK(p.client_says.take() == "error 0 32");
  CHECK(p.server_says.take() == "published 0 ec-test--up");
  CHECK(p.t->observers() == 0);
  CHECK(p.client->open_requests() == 0);
  CHECK(p.server->open_requests() == 0);
  CHECK(p.client->counters().subgroups_reset_out == 1);
  // It may be offered again.
  p.server_says.takes = moq::publish_accept{};
  p.publish();
  p.put(2, 0);
  p.pump();
  CHECK(p.server_says.take() == "published 2 ec-test--up largest=1/1; object 2 2/0");
}

TEST_CASE("streams that overtook a PUBLISH which is refused are stopped") {
  publisher p;
  p.server_says.takes = moq::request_error{.code = moq::request_code::uninterested, .retry_after_ms = {}, .reason = "no", .to = {}};
  p.client->publish(track_name("up"), {});
  p.put(1, 0);
  std::stable_partition(p.client_end.queue.begin(), p.client_end.queue.end(), [](const auto& e) { return (e.stream & 2) != 0; });
  p.move(p.client_end, *p.server);
  REQUIRE(p.server_end.stops.size() == 1);
  CHECK((p.server_end.stops[0].first & 2) != 0);
}

TEST_CASE("who takes no PUBLISH says NOT_SUPPORTED") {
  publisher p({}, {});
  p.publish();
  CHECK(p.client_says.all() == "error 0 3");
  CHECK(p.server_says.all() == "");
}

TEST_CASE("PUBLISH_OK chooses: filter, priority, pause") {
  SUBCASE("the next group") {
    publisher p;
    p.put(1, 0);
    moq::publish_accept how;
    how.filter.type = subscription_filter::kind::next_group;
    p.server_says.takes = how;
    p.publish();
    p.put(1, 1);
    p.put(2, 0);
    p.pump();
    CHECK(p.server_says.take() == "published 0 ec-test--up largest=1/0; object 0 2/0");
  }
  SUBCASE("a range, and its end") {
    publisher p;
    moq::publish_accept how;
    how.filter = {subscription_filter::kind::absolute_range, {2, 0}, 2};
    p.server_says.takes = how;
    p.publish();
    p.whole(1);
    p.whole(2);
    p.whole(3);
    p.pump();
    p.wait(milliseconds(1));
    CHECK(p.server_says.take() == "published 0 ec-test--up; object 0 2/0; object 0 2/1; end 0 2 whole; done 0 3 streams=1");
    CHECK(p.client_says.take() == "ok 0; request-closed 0");
  }
  SUBCASE("a range that is over") {
    publisher p;
    p.whole(5);
    moq::publish_accept how;
    how.filter = {subscription_filter::kind::absolute_range, {2, 0}, 2};
    p.server_says.takes = how;
    p.publish();
    p.wait(milliseconds(2500));
    CHECK(p.server_says.take() == "published 0 ec-test--up largest=5/1; done 0 3 streams=0");
    CHECK(p.client->open_requests() == 0);
  }
  SUBCASE("paused, then resumed, with a joining fetch") {
    publisher p;
    moq::publish_accept how;
    how.forward = false;
    p.server_says.takes = how;
    const auto id = p.publish();
    p.whole(1);
    p.pump();
    CHECK(p.server_says.take() == "published 0 ec-test--up");
    p.server->update(id, {.filter = {}, .priority = {}, .forward = true});
    p.pump();
    p.server->joining_fetch_relative(id, 0, {});
    p.whole(2);
    p.pump();
    CHECK(p.server_says.take() == "ok 0; object 0 2/0; object 0 2/1; end 0 2 whole; fetch-ok 3 1/2; object 3 1/0; object 3 1/1; fetch-end 3");
  }
  SUBCASE("priority and order") {
    publisher p;
    p.put(1, 0);
    moq::publish_accept how;
    how.priority = 3;
    how.order = moq::group_order::descending;
    p.server_says.takes = how;
    p.publish();
    p.put(2, 0);
    p.put(3, 0);
    CHECK(p.client_end.priorities[6] == moq::urgency(3, 128, moq::group_order::descending, 2, 2, 0));
    CHECK(p.client_end.priorities[10] == moq::urgency(3, 128, moq::group_order::descending, 2, 3, 0));
    CHECK(p.client_end.priorities[10] < p.client_end.priorities[6]);
  }
  SUBCASE("delivery timeouts") {
    publisher p;
    moq::publish_accept how;
    how.object_delivery_timeout_ms = 300;
    p.server_says.takes = how;
    p.publish();
    p.client_end.hold_data = true;
    p.put(1, 0);
    p.wait(milliseconds(300));
    CHECK(p.client->counters().groups_delivery_timeout == 1);
  }
}

TEST_CASE("a track offered with FORWARD 0 sends nothing until it is asked for") {
  publisher p;
  moq::publish_accept how;
  how.forward = false;
  p.server_says.takes = how;
  const auto id = p.client->publish(track_name("up"), {.forward = false});
  p.put(1, 0);
  p.pump();
  CHECK(p.server_says.take() == "published 0 ec-test--up paused");
  p.server->update(id, {.filter = {}, .priority = {}, .forward = true});
  p.pump();
  p.put(2, 0);
  p.pump();
  CHECK(p.server_says.take() == "ok 0; object 0 2/0");
}

TEST_CASE("either side ends what was published") {
  SUBCASE("the subscriber") {
    publisher p;
    const auto id = p.publish();
    p.put(1, 0);
    p.pump();
    p.server->unsubscribe(id);
    p.pump();
    p.put(1, 1);
    p.pump();
    CHECK(p.client_says.take() == "ok 0; request-closed 0");
    CHECK(p.server_says.take() == "published 0 ec-test--up; object 0 1/0");
    CHECK(p.t->observers() == 0);
  }
  SUBCASE("the publisher, with a code") {
    publisher p;
    const auto id = p.publish();
    p.whole(1);
    p.client->end_subscription(id, moq::done_code::expired, "enough");
    p.pump();
    CHECK(p.server_says.take() == "published 0 ec-test--up; object 0 1/0; object 0 1/1; end 0 1 whole; done 0 6 streams=1");
  }
  SUBCASE("the publisher, of a subscription that the subscriber began") {
    publisher p;
    const auto id = p.server->subscribe(track_name("up"), {});
    p.pump();
    p.client->end_subscription(id, moq::done_code::unauthorized, "no more");
    p.pump();
    p.wait(milliseconds(2500));
    CHECK(p.server_says.take() == "subscribed 1; done 1 1 streams=0");
  }
  SUBCASE("the track, before the answer") {
    publisher p;
    p.client->publish(track_name("up"), {});
    p.client_tracks.end_track(*p.t, moq::done_code::track_ended, "over", p.now);
    p.pump();
    p.wait(milliseconds(2500));
    CHECK(p.server_says.take() == "published 0 ec-test--up; done 0 2 streams=0");
    CHECK(p.client_says.take() == "request-closed 0");
    CHECK_FALSE(p.client->closed());
  }
}

TEST_CASE("a track has one subscription in each direction") {
  SUBCASE("subscribed, then published: refused without a word to the peer") {
    publisher p;
    p.server->subscribe(track_name("up"), {});
    p.pump();
    const auto id = p.publish();
    p.client->on_tick(p.now);
    CHECK(p.client_says.take() == "error " + std::to_string(id) + " 25");
    CHECK(p.server_says.take() == "subscribed 1");
  }
  SUBCASE("published, then subscribed") {
    publisher p;
    p.publish();
    p.server->subscribe(track_name("up"), {});
    p.pump();
    CHECK(p.server_says.take() == "published 0 ec-test--up; error 1 25");
  }
  SUBCASE("published twice") {
    publisher p;
    p.client->publish(track_name("up"), {});
    p.client->publish(track_name("up"), {});
    p.client->on_tick(p.now);
    CHECK(p.client_says.take() == "error 2 25");
  }
  SUBCASE("both at once: PUBLISH wins") {
    publisher p;
    p.server->subscribe(track_name("up"), {});
    p.client->publish(track_name("up"), {});
    p.pump();
    p.put(1, 0);
    p.pump();
    CHECK(p.server_says.take() == "published 0 ec-test--up; error 1 25; object 0 1/0");
    CHECK(p.client_says.take() == "ok 0");
    CHECK(p.server->open_requests() == 1);
    CHECK(p.client->open_requests() == 1);
  }
  SUBCASE("while PUBLISH waits for a stream: the subscription wins") {
    publisher p;
    p.client_end.bidi_credit = 0;
    p.publish();
    p.server->subscribe(track_name("up"), {});
    p.pump();
    p.client_end.bidi_credit = 9;
    p.client->on_streams_available(p.now);
    p.client->on_tick(p.now);
    CHECK(p.client_says.take() == "error 0 25");
    CHECK(p.server_says.take() == "subscribed 1");
  }
}

TEST_CASE("a PUBLISH that cannot leave, or is not answered, fails") {
  SUBCASE("no such track") {
    publisher p;
    p.client->publish(track_name("none"), {});
    p.client->on_tick(p.now);
    CHECK(p.client_says.take() == "error 0 16");
  }
  SUBCASE("a track that goes while PUBLISH waits for a stream") {
    publisher p;
    p.client_end.bidi_credit = 0;
    p.publish();
    p.client_tracks.remove(*p.t, p.now);
    p.client_end.bidi_credit = 9;
    p.client->on_streams_available(p.now);
    p.client->on_tick(p.now);
    CHECK(p.client_says.take() == "error 0 16");
    CHECK(p.client->open_requests() == 0);
  }
  SUBCASE("it is taken back while it waits for a stream") {
    publisher p;
    p.client_end.bidi_credit = 0;
    const auto id = p.publish();
    p.client->end_subscription(id, moq::done_code::track_ended, "");
    p.client_end.bidi_credit = 9;
    p.client->on_streams_available(p.now);
    p.pump();
    CHECK(p.server_says.take() == "");
    CHECK(p.client->open_requests() == 0);
  }
  SUBCASE("a peer that went away") {
    publisher p;
    p.server->goaway("", 0);
    p.pump();
    p.publish();
    p.client->on_tick(p.now);
    CHECK(p.client_says.has("error 0 6"));
  }
  SUBCASE("no answer") {
    publisher p;
    p.client->publish(track_name("up"), {});
    p.client_end.queue.clear();
    REQUIRE(p.client->deadline());
    CHECK(*p.client->deadline() == p.now + std::chrono::seconds(30));
    p.wait(std::chrono::seconds(30));
    CHECK(p.client_says.take() == "error 0 2");
    CHECK(p.t->observers() == 0);
  }
  SUBCASE("over the peer's limit") {
    auto c = taking();
    c.requests_max = 1;
    publisher p({}, c);
    REQUIRE(p.client_tracks.add(track_name("two"), {}, p.now).has_value());
    p.publish();
    p.client->publish(track_name("two"), {});
    p.pump();
    CHECK(p.client_says.take() == "ok 0; error 2 9");
  }
}

TEST_CASE("an alias is free again when its subscription is over") {
  publisher p;
  p.publish();
  p.whole(1);
  p.client_tracks.end_track(*p.t, moq::done_code::track_ended, "over", p.now);
  p.client_tracks.remove(*p.t, p.now);
  p.t = p.client_tracks.add(track_name("up"), {}, p.now).value();
  p.client->publish(track_name("up"), {});
  p.put(2, 0);
  p.pump();
  CHECK(p.server_says.all() == "published 0 ec-test--up; object 0 1/0; object 0 1/1; end 0 1 whole; done 0 2 streams=1; published 2 ec-test--up; object 2 2/0");
}

TEST_CASE("a session that goes lets go of what it published, and the store of a session") {
  publisher p;
  p.publish();
  p.client.reset();
  CHECK(p.t->observers() == 0);
}

TEST_CASE("an end that waited for late streams is told when the session closes") {
  publisher p;
  p.publish();
  p.client_tracks.end_track(*p.t, moq::done_code::track_ended, "over", p.now);
  p.pump();
  p.server_says.log.clear(); // no stream was opened: a count of 0 is not believed
  p.client->close(moq::session_code::no_error, "");
  p.pump();
  CHECK(p.server_says.take() == "done 0 2 streams=0; closed 0");
}
