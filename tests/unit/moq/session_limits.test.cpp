// What a session does when peers are slow, silent or want much, and in which order streams go.
#include "moq/session.hpp"

#include <doctest/doctest.h>

#include "tests/support/track_link.hpp"

using namespace ec;
using namespace ec::test;
using std::chrono::milliseconds;

TEST_CASE("GOAWAY: no new requests, and the session ends in time") {
  track_link f;
  f.subscribe();
  f.server->goaway("moqt://elsewhere/", 3000);
  f.pump();
  CHECK(f.client_says.take() == "subscribed 0; goaway moqt://elsewhere/ 3000");
  f.client->subscribe(track_name("other"), {});
  CHECK(f.client->deadline() == f.now);
  f.client->on_tick(f.now);
  CHECK(f.client_says.take() == "error 2 6");
  f.put(1, 0);
  f.pump();
  CHECK(f.client_says.take() == "object 0 1/0");
  f.wait(milliseconds(3000));
  CHECK(f.server_says.has("closed 16"));
  CHECK(f.client_says.has("closed 16"));
}

TEST_CASE("a slow subscriber loses its oldest groups whole, is told so, and memory stays bounded") {
  moq::session_config server_config;
  server_config.subscription_unsent_bytes_max = 1000;
  track_link f({}, {}, server_config);
  f.subscribe();
  f.server_end.hold_data = true;
  for (uint64_t g = 1; g <= 20; ++g) {
    auto o = test_object(g, 0);
    o.payload = base::bytes::adopt(std::vector<uint8_t>(300));
    REQUIRE(f.server_tracks.append(*f.t, o, f.now).has_value());
    f.server_tracks.end_group(*f.t, g, f.now);
    size_t queued = 0;
    for (const auto& e : f.server_end.queue) queued += e.data.size();
    CHECK(queued <= 1000);
  }
  CHECK(f.server->counters().groups_too_far_behind == 17);
  f.server_end.hold_data = false;
  f.pump();
  CHECK(f.client_says.objects[0].size() == 3);
  CHECK(f.client_says.has("object 0 20/0"));
}

TEST_CASE("streams that cannot be opened wait for credit, the oldest group first, and lose groups over the bound") {
  moq::session_config server_config;
  server_config.subscription_unsent_bytes_max = 1000;
  track_link f({}, {}, server_config);
  f.subscribe();
  f.server_end.uni_credit = 0;
  f.groups(1, 2);
  f.pump();
  CHECK(f.client_says.take() == "subscribed 0");
  f.server_end.uni_credit = 1;
  f.server->on_streams_available(f.now);
  f.pump();
  CHECK(f.client_says.take() == "object 0 1/0; object 0 1/1; end 0 1 whole");
  f.groups(3, 30);
  f.server_end.uni_credit = 100;
  f.server->on_streams_available(f.now);
  f.pump();
  CHECK(f.server->counters().groups_too_far_behind > 15);
  CHECK(f.client_says.has("object 0 30/1"));
  CHECK_FALSE(f.client_says.has("object 0 3/0"));
}

TEST_CASE("requests wait for stream credit") {
  track_link f;
  f.client_end.bidi_credit = 0;
  f.subscribe();
  CHECK(f.client_says.all() == "");
  f.client_end.bidi_credit = 1;
  f.client->on_streams_available(f.now);
  f.pump();
  CHECK(f.client_says.all() == "subscribed 0");
}

TEST_CASE("delivery timeouts reset what is late") {
  SUBCASE("of an object") {
    moq::track_config c;
    c.object_delivery_timeout_ms = 500;
    track_link f(c);
    f.subscribe();
    f.server_end.hold_data = true;
    f.put(1, 0);
    REQUIRE(f.server->deadline());
    CHECK(*f.server->deadline() == f.now + milliseconds(500));
    f.wait(milliseconds(499));
    CHECK(f.server->counters().groups_delivery_timeout == 0);
    f.wait(milliseconds(1));
    CHECK(f.server->counters().groups_delivery_timeout == 1);
    CHECK(f.server_end.resets.back().second == moq::reset_code::delivery_timeout);
  }
  SUBCASE("of a subgroup, the subscriber's limit being the shorter") {
    moq::track_config c;
    c.subgroup_delivery_timeout_ms = 5000;
    track_link f(c);
    moq::subscribe_options o;
    o.subgroup_delivery_timeout_ms = 200;
    f.subscribe(o);
    f.server_end.hold_data = true;
    f.groups(1, 1);
    f.wait(milliseconds(200));
    CHECK(f.server->counters().groups_delivery_timeout == 1);
  }
}

TEST_CASE("priorities order streams: subscriber, publisher, group order, subgroup") {
  using moq::urgency;
  using enum moq::group_order;
  CHECK(urgency(1, 255, ascending, 5, 900, 9) < urgency(2, 0, ascending, 5, 0, 0));
  CHECK(urgency(1, 3, ascending, 5, 900, 9) < urgency(1, 4, ascending, 5, 0, 0));
  CHECK(urgency(1, 3, ascending, 5, 6, 9) < urgency(1, 3, ascending, 5, 7, 0));
  CHECK(urgency(1, 3, descending, 5, 7, 9) < urgency(1, 3, descending, 5, 6, 0));
  CHECK(urgency(1, 3, descending, 5, 4, 0) > urgency(1, 3, descending, 5, 5, 0));
  CHECK(urgency(1, 3, ascending, 5, 4, 0) < urgency(1, 3, ascending, 5, 5, 0));
  CHECK(urgency(1, 3, ascending, 5, 5, 1) < urgency(1, 3, ascending, 5, 5, 2));
  CHECK(urgency(0, 0, ascending, 0, ~uint64_t{0}, ~uint64_t{0}) < urgency(0, 1, ascending, 0, 0, 0));
  CHECK(urgency(0, 0, ascending, ~uint64_t{0}, 0, 0) > moq::urgency_request);

  track_link f;
  const auto id = f.subscribe();
  f.groups(1, 2, true);
  CHECK(f.server_end.priorities[3] == moq::urgency_control);
  CHECK(f.server_end.priorities[7] < f.server_end.priorities[11]);
  const auto before = f.server_end.priorities[11];
  f.client->update(id, {.filter = {}, .priority = 1, .forward = {}});
  f.pump();
  CHECK(f.server_end.priorities[11] < before);
}

TEST_CASE("several subgroups, properties, priorities and end markers arrive as published") {
  moq::track_config c;
  c.single_subgroup = false;
  c.object_properties = true;
  c.priority = 10;
  track_link f(c);
  f.split = 1;
  f.subscribe();
  auto o = test_object(1, 0, 0);
  o.priority = 10;
  o.properties = base::bytes::adopt({0x10, 0x05});
  REQUIRE(f.server_tracks.append(*f.t, o, f.now).has_value());
  o = test_object(1, 1, 7);
  o.priority = 20;
  REQUIRE(f.server_tracks.append(*f.t, o, f.now).has_value());
  f.server_tracks.end_subgroup(*f.t, 1, 7, f.now);
  o = {};
  o.group = 1;
  o.id = 2;
  o.priority = 10;
  o.status = moq::object_status::end_of_group;
  REQUIRE(f.server_tracks.append(*f.t, o, f.now).has_value());
  f.server_tracks.end_group(*f.t, 1, f.now);
  f.pump();
  CHECK(f.client_says.all() == "subscribed 0; object 0 1/0; object 0 1/1 subgroup=7; end 0 1 subgroup=7; object 0 1/2 status=3; end 0 1");
  const auto& got = f.client_says.objects[0];
  CHECK(base::to_hex(got[0].properties) == "1005");
  CHECK(got[0].priority == 10);
  CHECK(got[1].priority == 20);
}

TEST_CASE("towards moq-lite peers LARGEST_OBJECT is left out") {
  moq::session_config c;
  c.implementation = "moq-lite-rs";
  track_link f({}, c);
  f.groups(1, 2);
  f.subscribe();
  CHECK(f.client_says.all() == "subscribed 0");
}

TEST_CASE("streams that come before SETUP or before their alias wait") {
  track_link f;
  SUBCASE("an alias") {
    const auto id = f.client->subscribe(track_name("chunks"), {});
    f.move(f.client_end, *f.server);
    f.groups(1, 1);
    // The data streams overtake the answer.
    std::deque<moq_end::event> answer;
    for (auto e = f.server_end.queue.begin(); e != f.server_end.queue.end();) {
      if (e->stream & 2) {
        ++e;
      } else {
        answer.push_back(*e);
        e = f.server_end.queue.erase(e);
      }
    }
    f.pump();
    CHECK(f.client_says.all() == "");
    f.server_end.queue = answer;
    f.pump();
    CHECK(id == 0);
    CHECK(f.client_says.all() == "subscribed 0; object 0 1/0; object 0 1/1; end 0 1 whole");
  }
  SUBCASE("SETUP") {
    moq_link late;
    auto* t = late.server_tracks.add(track_name("chunks"), {}, late.now).value();
    REQUIRE(late.server_tracks.append(*t, test_object(1, 0), late.now).has_value());
    late.client->on_connected(late.now);
    late.client->subscribe(track_name("chunks"), {});
    late.server->on_connected(late.now);
    std::swap(late.client_end.queue[0], late.client_end.queue[1]);
    late.pump();
    CHECK(late.client_says.has("subscribed 0 largest=1/0"));
  }
}

TEST_CASE("a peer that sends no SETUP, or answers no request, does not hold us for ever") {
  moq_link silent;
  silent.client->on_connected(silent.now);
  REQUIRE(silent.client->deadline());
  CHECK(*silent.client->deadline() == silent.now + std::chrono::seconds(10));
  silent.client->on_tick(silent.now + std::chrono::seconds(10));
  CHECK(silent.client_says.has("closed 17"));
  track_link f;
  f.client->subscribe(track_name("chunks"), {});
  f.client_end.queue.clear();
  REQUIRE(f.client->deadline());
  f.client->on_tick(*f.client->deadline());
  f.wait(std::chrono::seconds(30));
  CHECK(f.client_says.has("error 0 2"));
}

TEST_CASE("requests over the limits are refused, not the session") {
  moq::session_config server_config;
  server_config.requests_max = 4;
  track_link f({}, {}, server_config);
  for (int i = 0; i < 6; ++i) f.client->publish_namespace({{"n" + std::to_string(i)}});
  f.pump();
  CHECK(f.client_says.all() == "ok 0; ok 2; ok 4; ok 6; error 8 9; error 10 9");
  track_link churn;
  for (int i = 0; i < 1010; ++i) {
    const auto id = churn.client->subscribe(track_name("chunks"), {});
    churn.pump();
    churn.client->unsubscribe(id);
    churn.pump();
  }
  CHECK(churn.server->counters().requests_refused_load == 10);
  churn.now += std::chrono::seconds(1);
  churn.client_says.log.clear();
  churn.subscribe();
  CHECK(churn.client_says.all().starts_with("subscribed"));
}

TEST_CASE("session and store may go in either order") {
  {
    track_link f;
    f.subscribe();
    f.client->fetch(track_name("chunks"), {0, 0}, {1, 0}, {});
    f.pump();
    f.server.reset();
    CHECK(f.t->observers() == 0);
  }
  moq_end end;
  moq_recorder says;
  auto store = std::make_unique<moq::track_store>();
  moq::session s({}, end, says, store.get());
  store.reset();
  s.on_connected({});
}

TEST_CASE("a request in a session that was quiet for long has its whole time for the answer") {
  moq_link f;
  f.start();
  f.now += std::chrono::minutes(2);
  f.server_tracks.add(track_name("t"), {}, f.now).value();
  f.client->subscribe(track_name("t"), {});
  REQUIRE(f.client->deadline().has_value());
  f.client->on_tick(f.now);
  f.pump();
  CHECK(f.client_says.take() == "subscribed 0");
  f.now += std::chrono::minutes(2);
  f.client->subscribe(track_name("never answered"), {});
  f.client_end.queue.clear();
  f.wait(std::chrono::seconds(29));
  CHECK(f.client_says.take().empty());
  f.wait(std::chrono::seconds(2));
  f.wait(std::chrono::seconds(30));
  CHECK(f.client_says.take() == "error 2 2");
}
