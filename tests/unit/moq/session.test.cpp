#include "moq/session.hpp"

#include <doctest/doctest.h>

#include "tests/support/track_link.hpp"

using namespace ec;
using namespace ec::test;
using moq::subscription_filter;
using std::chrono::milliseconds;

TEST_CASE("SETUP carries path, authority and implementation to the server, and none of the first two back") {
  moq_link link({.path = "/live?x=1", .authority = "host:4443"});
  link.client->on_connected(link.now);
  link.server->on_connected(link.now);
  link.pump();
  CHECK(link.server_says.all() == "setup path=/live?x=1 authority=host:4443 implementation=ec-node");
  CHECK(link.client_says.all() == "setup path= authority= implementation=ec-node");
  CHECK(link.client->established());
  CHECK(link.server->established());
}

TEST_CASE("over WebTransport a client's SETUP names neither path nor authority") {
  moq::session_config c{.transport = moq::transport_kind::webtransport, .path = "/live", .authority = "host"};
  moq_link link(c, {.transport = moq::transport_kind::webtransport});
  link.start();
  CHECK(link.server->established());
}

TEST_CASE("a server that does not like the path closes with its code") {
  moq_link link({.path = "/nowhere"});
  link.server_says.refuse_setup = moq::session_code::invalid_path;
  link.client->on_connected(link.now);
  link.server->on_connected(link.now);
  link.pump();
  CHECK(link.client_says.has("closed 8"));
  CHECK(link.server->closed());
}

TEST_CASE("a subscription gets every group on a stream of its own, whatever the arrivals look like") {
  for (const size_t split : {0, 1, 2, 3, 7, 64}) {
    CAPTURE(split);
    track_link f;
    f.split = split;
    f.subscribe();
    f.groups(5, 6);
    f.pump();
    CHECK(f.client_says.all() == "subscribed 0; object 0 5/0; object 0 5/1; end 0 5 whole; object 0 6/0; object 0 6/1; end 0 6 whole");
    CHECK(f.client_says.objects[0][3].payload.text() == "payload 6/1");
    CHECK(f.server->counters().subgroups_out == 2);
  }
}

TEST_CASE("payloads go down without being copied") {
  track_link f;
  f.subscribe();
  const auto o = test_object(1, 0);
  REQUIRE(f.server_tracks.append(*f.t, o, f.now).has_value());
  bool shared = false;
  for (const auto& w : f.server_end.payload_writes) shared |= w.data() == o.payload.data();
  CHECK(shared);
}

TEST_CASE("filters decide where a subscription starts and ends") {
  track_link f;
  f.groups(1, 2, true); // largest is 2/1, group 2 is open
  SUBCASE("no filter: everything from now on") {
    f.subscribe();
    f.put(2, 2);
    f.pump();
    CHECK(f.client_says.all() == "subscribed 0 largest=2/1; object 0 2/2");
  }
  SUBCASE("largest object: from the next object") {
    f.subscribe(filtered(subscription_filter::kind::largest_object));
    f.put(2, 2);
    f.server_tracks.end_group(*f.t, 2, f.now);
    f.pump();
    CHECK(f.client_says.all() == "subscribed 0 largest=2/1; object 0 2/2; end 0 2 whole");
  }
  SUBCASE("next group: from the next group") {
    f.subscribe(filtered(subscription_filter::kind::next_group));
    f.put(2, 2);
    f.put(3, 0);
    f.pump();
    CHECK(f.client_says.all() == "subscribed 0 largest=2/1; object 0 3/0");
  }
  SUBCASE("absolute start: from there") {
    f.subscribe(filtered(subscription_filter::kind::absolute_start, {3, 1}));
    f.put(2, 2);
    f.put(3, 0);
    f.put(3, 1);
    f.pump();
    CHECK(f.client_says.all() == "subscribed 0 largest=2/1; object 0 3/1");
  }
  SUBCASE("absolute range: to the end of its last group, then PUBLISH_DONE") {
    f.subscribe(filtered(subscription_filter::kind::absolute_range, {3, 0}, 4));
    f.server_tracks.end_group(*f.t, 2, f.now);
    f.groups(3, 5);
    f.pump();
    CHECK(f.client_says.all() == "subscribed 0 largest=2/1; object 0 3/0; object 0 3/1; end 0 3 whole; object 0 4/0; object 0 4/1; "
                                 "end 0 4 whole; done 0 3 streams=2");
  }
  SUBCASE("absolute range that is over: INVALID_RANGE") {
    f.subscribe(filtered(subscription_filter::kind::absolute_range, {0, 0}, 1));
    CHECK(f.client_says.all() == "error 0 17");
  }
  SUBCASE("an end group that never comes ends with the first one behind it") {
    f.subscribe(filtered(subscription_filter::kind::absolute_range, {3, 0}, 4));
    f.put(9, 0);
    f.pump();
    CHECK(f.client_says.has("subscribed 0 largest=2/1"));
    f.wait(milliseconds(2500));
    CHECK(f.client_says.has("done 0 3 streams=0"));
  }
}

TEST_CASE("a subscription to what is not there fails at once, or waits if told to") {
  track_link f;
  f.client->subscribe(track_name("nothing"), {});
  f.pump();
  CHECK(f.client_says.take() == "error 0 16");
  moq::subscribe_options patient;
  patient.rendezvous_timeout_ms = 5000;
  const auto id = f.client->subscribe(track_name("later"), patient);
  f.pump();
  CHECK(f.client_says.all() == "");
  auto* later = f.server_tracks.add(track_name("later"), {}, f.now).value();
  f.pump();
  CHECK(f.client_says.take() == "subscribed " + std::to_string(id));
  REQUIRE(f.server_tracks.append(*later, test_object(1, 0), f.now).has_value());
  f.pump();
  CHECK(f.client_says.take() == "object 2 1/0");
  f.client->subscribe(track_name("never"), patient);
  f.pump();
  f.wait(milliseconds(5001));
  CHECK(f.client_says.take() == "error 4 2");
}

TEST_CASE("a second subscription to a track is refused") {
  track_link f;
  f.subscribe();
  f.subscribe();
  CHECK(f.client_says.all() == "subscribed 0; error 2 25");
}

TEST_CASE("a late joiner gets the open group whole by a joining fetch") {
  track_link f;
  f.groups(1, 3, true);
  const auto sub = f.subscribe(filtered(subscription_filter::kind::largest_object));
  const auto fetch = f.client->joining_fetch_relative(sub, 1, {});
  f.pump();
  f.put(3, 2);
  f.server_tracks.end_group(*f.t, 3, f.now);
  f.pump();
  CHECK(fetch == 2);
  CHECK(f.client_says.all() == "subscribed 0 largest=3/1; fetch-ok 2 3/2; object 2 2/0; object 2 2/1; object 2 3/0; object 2 3/1; "
                               "fetch-end 2; object 0 3/2; end 0 3 whole");
}

TEST_CASE("fetches: ranges, orders, ends") {
  track_link f;
  f.groups(1, 4);
  moq::fetch_options down;
  down.order = moq::group_order::descending;
  SUBCASE("from the middle of a group to the middle of another") {
    f.client->fetch(track_name("chunks"), {1, 1}, {3, 1}, {});
    f.pump();
    CHECK(f.client_says.all() == "fetch-ok 0 3/1; object 0 1/1; object 0 2/0; object 0 2/1; object 0 3/0; fetch-end 0");
  }
  SUBCASE("object 0 at the end means the whole group") {
    f.client->fetch(track_name("chunks"), {2, 0}, {2, 0}, {});
    f.pump();
    CHECK(f.client_says.all() == "fetch-ok 0 2/0; object 0 2/0; object 0 2/1; fetch-end 0");
  }
  SUBCASE("descending: groups backwards, objects forwards") {
    f.client->fetch(track_name("chunks"), {1, 1}, {3, 1}, down);
    f.pump();
    CHECK(f.client_says.all() == "fetch-ok 0 3/1; object 0 3/0; object 0 2/0; object 0 2/1; object 0 1/1; fetch-end 0");
  }
  SUBCASE("beyond what is published: up to the largest, end of track if it ended") {
    f.server_tracks.end_track(*f.t, moq::done_code::track_ended, "over", f.now);
    f.client->fetch(track_name("chunks"), {4, 0}, {9, 0}, {});
    f.pump();
    CHECK(f.client_says.all() == "fetch-ok 0 4/2 end-of-track; object 0 4/0; object 0 4/1; fetch-end 0");
  }
  SUBCASE("nothing there: INVALID_RANGE") {
    f.client->fetch(track_name("chunks"), {5, 0}, {6, 0}, {});
    f.client->fetch(track_name("chunks"), {2, 1}, {2, 1}, {});
    f.client->fetch(track_name("chunks"), {2, 0}, {1, 0}, {});
    f.client->fetch(track_name("other"), {2, 0}, {3, 0}, {});
    f.pump();
    CHECK(f.client_says.all() == "error 0 17; error 2 17; error 4 17; error 6 16");
  }
  SUBCASE("a range without objects is an empty stream") {
    f.put(9, 0);
    f.client->fetch(track_name("chunks"), {5, 0}, {7, 0}, {});
    f.pump();
    CHECK(f.client_says.all() == "fetch-ok 0 7/0; fetch-end 0");
  }
  SUBCASE("absolute joining") {
    const auto sub = f.subscribe();
    f.client->joining_fetch_absolute(sub, 4, {});
    f.client->joining_fetch_absolute(sub, 5, {});
    f.client->joining_fetch_absolute(77, 4, {});
    f.pump();
    CHECK(f.client_says.all() == "subscribed 0 largest=4/1; fetch-ok 2 4/2; object 2 4/0; object 2 4/1; fetch-end 2; error 4 17; error 6 50");
  }
  SUBCASE("a reset group is an unknown range") {
    f.server_tracks.reset_group(*f.t, 2, moq::reset_code::cancelled, f.now);
    f.client->fetch(track_name("chunks"), {1, 0}, {3, 1}, {});
    f.pump();
    CHECK(f.client_says.all() == "fetch-ok 0 3/1; object 0 1/0; object 0 1/1; gap 0 2/1 unknown; object 0 3/0; fetch-end 0");
  }
  SUBCASE("cancelled: nothing more is told") {
    const auto id = f.client->fetch(track_name("chunks"), {1, 0}, {4, 0}, {});
    f.client->cancel_fetch(id);
    f.pump();
    CHECK(f.client_says.all() == "");
    CHECK(f.server->open_requests() == 0);
  }
}

TEST_CASE("what the cache let go is an unknown range of a fetch, in both orders") {
  moq::track_config small;
  small.cache_groups_max = 2;
  track_link f(small);
  f.groups(1, 4);
  f.client->fetch(track_name("chunks"), {1, 0}, {3, 0}, {});
  f.pump();
  CHECK(f.client_says.take() == "fetch-ok 0 3/0; gap 0 2/1 unknown; object 0 3/0; object 0 3/1; fetch-end 0");
  f.client->fetch(track_name("chunks"), {1, 0}, {4, 0}, {.order = moq::group_order::descending});
  f.pump();
  CHECK(f.client_says.take() == "fetch-ok 2 4/2; object 2 4/0; object 2 4/1; object 2 3/0; object 2 3/1; gap 2 1/0 unknown; fetch-end 2");
}

TEST_CASE("a long fetch waits for the queue below and goes on by the deadline") {
  track_link f;
  for (uint64_t i = 0; i < 40; ++i) {
    auto o = test_object(1, i);
    o.payload = base::bytes::adopt(std::vector<uint8_t>(100'000, static_cast<uint8_t>(i)));
    REQUIRE(f.server_tracks.append(*f.t, o, f.now).has_value());
  }
  f.server_end.hold_data = true;
  const auto id = f.client->fetch(track_name("chunks"), {1, 0}, {1, 0}, {});
  f.pump();
  CHECK(f.server->counters().objects_out == 11);
  REQUIRE(f.server->deadline());
  CHECK(*f.server->deadline() - f.now <= milliseconds(10));
  f.server_end.hold_data = false;
  for (int i = 0; i < 10 && !f.client_says.has("fetch-end 0"); ++i) f.wait(milliseconds(10));
  CHECK(f.client_says.objects[id].size() == 40);
  CHECK(f.client_says.has("fetch-end 0"));
}

TEST_CASE("a group that is reset is reset for the subscriber, with the code") {
  track_link f;
  f.subscribe();
  f.put(1, 0);
  f.pump();
  f.server_tracks.reset_group(*f.t, 1, moq::reset_code::internal_error, f.now);
  f.put(2, 0);
  f.pump();
  CHECK(f.client_says.all() == "subscribed 0; object 0 1/0; end 0 1 reset=0; object 0 2/0");
  CHECK_FALSE(f.server_tracks.append(*f.t, test_object(1, 1), f.now).has_value());
}

TEST_CASE("a track's end is told after its last stream") {
  track_link f;
  f.subscribe();
  f.groups(1, 1);
  f.server_tracks.end_track(*f.t, moq::done_code::track_ended, "over", f.now);
  f.pump();
  CHECK(f.client_says.take() == "subscribed 0; object 0 1/0; object 0 1/1; end 0 1 whole; done 0 2 streams=1");
  CHECK(f.client->open_requests() == 0);
  CHECK(f.server->open_requests() == 0);
  f.subscribe();
  f.wait(milliseconds(2500));
  CHECK(f.client_says.take() == "subscribed 2 largest=1/1; done 2 2 streams=0");
}

TEST_CASE("PUBLISH_DONE waits for streams that come late") {
  track_link f;
  f.subscribe();
  f.server_end.hold_data = true;
  f.groups(1, 1);
  f.server_tracks.end_track(*f.t, moq::done_code::track_ended, "over", f.now);
  f.pump();
  CHECK(f.client_says.take() == "subscribed 0");
  f.server_end.hold_data = false;
  f.pump();
  CHECK(f.client_says.take() == "object 0 1/0; object 0 1/1; end 0 1 whole; done 0 2 streams=1");
}

TEST_CASE("an unsubscribed track sends nothing more and its streams are reset") {
  track_link f;
  const auto id = f.subscribe();
  f.put(1, 0);
  f.pump();
  f.client->unsubscribe(id);
  f.pump();
  CHECK(f.t->observers() == 0);
  f.put(1, 1);
  f.pump();
  CHECK(f.client_says.all() == "subscribed 0; object 0 1/0");
  CHECK(f.server->open_requests() == 0);
  CHECK(f.server->counters().subgroups_reset_out == 1);
  // The same track again, on another alias.
  f.subscribe();
  f.put(2, 0);
  f.pump();
  CHECK(f.client_says.has("object 2 2/0"));
}

TEST_CASE("a subscriber may leave from within a callback") {
  track_link f;
  f.client_says.unsubscribe_at_first_object = true;
  f.subscribe();
  f.groups(1, 2);
  f.pump();
  CHECK(f.client_says.all() == "subscribed 0; object 0 1/0");
  CHECK(f.server->open_requests() == 0);
}

TEST_CASE("REQUEST_UPDATE pauses, resumes, narrows") {
  track_link f;
  const auto id = f.subscribe();
  f.put(1, 0);
  f.pump();
  f.client->update(id, {.filter = {}, .priority = {}, .forward = false});
  f.pump();
  f.put(1, 1);
  f.pump();
  CHECK(f.client_says.take() == "subscribed 0; object 0 1/0; end 0 1 reset=1; ok 0");
  f.client->joining_fetch_relative(id, 0, {});
  f.pump();
  CHECK(f.client_says.take() == "error 4 17");
  f.client->update(id, {.filter = {}, .priority = {}, .forward = true});
  f.pump();
  f.client->joining_fetch_relative(id, 0, {});
  f.pump();
  f.put(1, 2);
  f.pump();
  CHECK(f.client_says.take() == "ok 0; fetch-ok 8 1/2; object 8 1/0; object 8 1/1; fetch-end 8; object 0 1/2");
  f.client->update(id, {.filter = subscription_filter{subscription_filter::kind::absolute_range, {0, 0}, 2}, .priority = {}, .forward = {}});
  f.pump();
  f.server_tracks.end_group(*f.t, 1, f.now);
  f.groups(2, 2);
  f.pump();
  CHECK(f.client_says.take() == "ok 0; end 0 1 whole; object 0 2/0; object 0 2/1; end 0 2 whole; done 0 3 streams=3");
}

TEST_CASE("an update that cannot be done ends the subscription") {
  track_link f;
  f.groups(1, 3);
  const auto id = f.subscribe();
  f.client->update(id, {.filter = subscription_filter{subscription_filter::kind::absolute_range, {0, 0}, 1}, .priority = {}, .forward = {}});
  f.pump();
  f.wait(milliseconds(2500));
  CHECK(f.client_says.all() == "subscribed 0 largest=3/1; done 0 8 streams=0");
}

TEST_CASE("namespaces are discovered, and go") {
  track_link f;
  const auto id = f.client->subscribe_namespace({{"ec"}});
  f.pump();
  CHECK(f.client_says.take() == "ok 0; namespace 0 test up");
  f.server_tracks.announce({{"ec", "more", "x.y"}}, f.now);
  f.pump();
  f.server_tracks.remove(*f.t, f.now);
  f.pump();
  CHECK(f.client_says.take() == "namespace 0 more-x.2ey up; namespace 0 test down");
  f.client->subscribe_namespace({{"ec", "more"}});
  f.client->subscribe_namespace({});
  f.client->subscribe_namespace({{"other"}});
  f.pump();
  CHECK(f.client_says.take() == "error 2 48; error 4 48; ok 6");
  f.client->unsubscribe_namespace(id);
  f.pump();
  f.server_tracks.announce({{"ec", "again"}}, f.now);
  f.pump();
  CHECK(f.client_says.take() == "");
}

TEST_CASE("an offered namespace is accepted, withdrawn, revoked, refused") {
  track_link f;
  const auto id = f.client->publish_namespace({{"mine"}});
  f.pump();
  CHECK(f.server_says.take() == "offered 0 mine");
  CHECK(f.client_says.take() == "ok 0");
  f.client->withdraw_namespace(id);
  f.pump();
  CHECK(f.server_says.take() == "withdrawn 0 mine");
  f.client->publish_namespace({{"mine"}});
  f.pump();
  f.server->revoke_namespace(*f.server_says.last_peer_request);
  f.pump();
  CHECK(f.client_says.take() == "ok 2; request-closed 2");
  f.server_says.accept_namespaces = false;
  f.client->publish_namespace({{"mine"}});
  f.pump();
  CHECK(f.client_says.take() == "error 4 32");
}

TEST_CASE("the server may subscribe to what the client offers") {
  track_link f;
  auto* t = f.client_tracks.add(track_name("up"), {}, f.now).value();
  f.server->subscribe(track_name("up"), {});
  f.pump();
  REQUIRE(f.client_tracks.append(*t, test_object(1, 0), f.now).has_value());
  f.pump();
  CHECK(f.server_says.all() == "subscribed 1; object 1 1/0");
}
