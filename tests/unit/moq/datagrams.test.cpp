// Objects as datagrams, and padding, between two sessions.
#include <doctest/doctest.h>

#include "moq/session.hpp"
#include "tests/support/moq_link.hpp"
#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;

namespace {

moq::track_config as_datagrams() {
  moq::track_config c;
  c.datagrams = true;
  c.object_properties = true;
  return c;
}

struct fixture : moq_link {
  moq::track* t = nullptr;
  fixture() {
    t = server_tracks.add(track_name("d"), as_datagrams(), now).value();
    start();
  }
  void put(moq::object o) { REQUIRE(server_tracks.append(*t, std::move(o), now).has_value()); }
};

moq::object sized(uint64_t group, uint64_t id, size_t bytes) {
  auto o = test_object(group, id);
  o.payload = base::bytes::adopt(std::vector<uint8_t>(bytes));
  return o;
}

/// A client that subscribed; the alias of its track is 5.
struct subscriber {
  moq_end end;
  moq_recorder says;
  base::mono_time now{std::chrono::hours(1)};
  moq::session session{{.role = moq::session_role::client}, end, says, nullptr};
  subscriber() {
    session.on_connected(now);
    session.subscribe(track_name("a"), {});
    stream(3, "af000000");
    stream(0, "0400020500");
    says.log.clear();
  }
  void stream(uint64_t id, std::string_view hex) { session.on_stream_data(id, base::bytes::copy(*base::from_hex(hex)), false, now); }
  void datagram(std::string_view hex) { session.on_datagram(base::bytes::copy(*base::from_hex(hex)), now); }
};

} // namespace

TEST_CASE("objects of a datagram track come as datagrams, with all that they carry") {
  fixture f;
  f.client->subscribe(track_name("d"), {});
  f.pump();
  f.put(test_object(3, 0));
  auto o = test_object(3, 7);
  o.priority = 9;
  o.properties = base::bytes::adopt({0x10, 0x05});
  f.put(o);
  f.put(test_object(3, 2)); // no order holds among datagrams
  f.put({.group = 3, .subgroup = 0, .id = 8, .priority = 128, .properties = {}, .payload = {}, .status = moq::object_status::end_of_group});
  f.put(sized(4, 0, 0));
  f.pump();
  CHECK(f.client_says.all() == "subscribed 0; object 0 3/0 datagram; object 0 3/7 datagram; object 0 3/2 datagram; object 0 3/8 status=3 datagram; object 0 4/0 datagram");
  const auto& got = f.client_says.objects[0];
  CHECK(got[0].payload.text() == "payload 3/0");
  CHECK(got[0].priority == 128);
  CHECK(got[1].priority == 9);
  CHECK(base::to_hex(got[1].properties) == "1005");
  CHECK(got[1].payload.text() == "payload 3/7");
  CHECK(f.server->counters().datagrams_out == 5);
  CHECK(f.server->counters().subgroups_out == 0);
  CHECK(f.client->counters().datagrams_in == 5);
}

TEST_CASE("a datagram that ends its group says so to every subscriber, also through a relay") {
  relay_net net;
  auto& relay = net.add_relay();
  auto& publisher = net.add_publisher(relay, "p");
  auto& t = publisher.publish("d", net.now, as_datagrams());
  auto& j = net.join(relay, "s");
  j.near->subscribe(track_name("d"), {});
  net.pump();
  net.put(publisher, t, 3, 0);
  auto last = test_object(3, 1);
  last.ends_group = true;
  net.put(publisher, t, last);
  net.pump();
  const auto& got = j.says.objects[0];
  REQUIRE(got.size() == 2);
  CHECK_FALSE(got[0].ends_group);
  CHECK(got[1].datagram);
  CHECK(got[1].ends_group);
  CHECK(got[1].payload == last.payload);
}

TEST_CASE("what is too large for the path, or finds no room, is lost and counted") {
  fixture f;
  f.client->subscribe(track_name("d"), {});
  f.pump();
  f.put(sized(1, 0, 1196)); // type, alias, group and 1196 bytes: 1199
  f.put(sized(1, 1, 1197)); // one byte more for the id
  f.put(sized(1, 2, 1196));
  f.put(sized(1, 3, 1197));
  f.pump();
  CHECK(f.client_says.all() == "subscribed 0; object 0 1/0 datagram; object 0 1/2 datagram");
  CHECK(f.server->counters().datagrams_too_large == 2);
  f.server_end.datagram_room = 0;
  f.put(sized(2, 0, 10));
  CHECK(f.server->counters().datagrams_dropped == 1);
}

TEST_CASE("filter and pause hold for datagrams; a fetch gives them back as such") {
  fixture f;
  moq::subscribe_options next;
  f.put(test_object(1, 0));
  next.filter.type = moq::subscription_filter::kind::next_group;
  const auto id = f.client->subscribe(track_name("d"), next);
  f.pump();
  f.put(test_object(1, 1));
  f.put(test_object(2, 0));
  f.client->update(id, {.filter = {}, .priority = {}, .forward = false});
  f.pump();
  f.put(test_object(2, 1));
  f.pump();
  CHECK(f.client_says.take() == "subscribed 0 largest=1/0; object 0 2/0 datagram; ok 0");
  f.client->fetch(track_name("d"), {1, 0}, {2, 0}, {});
  f.pump();
  CHECK(f.client_says.take() == "fetch-ok 4 2/2; object 4 1/0 datagram; object 4 1/1 datagram; object 4 2/0 datagram; object 4 2/1 datagram; fetch-end 4");
}

TEST_CASE("a track may mix datagrams and subgroups; an object keeps its way") {
  moq_link link;
  auto* t = link.server_tracks.add(track_name("m"), {}, link.now).value();
  link.start();
  link.client->subscribe(track_name("m"), {});
  link.pump();
  auto o = test_object(1, 5);
  o.datagram = true;
  REQUIRE(link.server_tracks.append(*t, test_object(1, 0), link.now).has_value());
  REQUIRE(link.server_tracks.append(*t, o, link.now).has_value());
  link.server_tracks.end_group(*t, 1, link.now);
  link.pump();
  CHECK(link.client_says.has("object 0 1/0"));
  CHECK(link.client_says.has("object 0 1/5 datagram"));
  CHECK(link.server_tracks.append(*t, o, link.now).error().code == base::errc::exists);
  o.datagram = false;
  CHECK(link.server_tracks.append(*t, o, link.now).error().code == base::errc::mismatch);
  o.datagram = true;
  o.subgroup = 3;
  o.group = 2;
  CHECK(link.server_tracks.append(*t, o, link.now).error().code == base::errc::invalid_argument);
}

TEST_CASE("datagrams of a publisher: duplicates are dropped, contradictions end the track") {
  SUBCASE("a duplicate, and an alias that nobody knows") {
    subscriber s;
    s.datagram("0c050161");
    s.datagram("0c050161");
    s.datagram("0c630161");
    CHECK(s.says.all() == "object 0 1/0 datagram");
    CHECK(s.session.counters().objects_duplicate == 1);
    CHECK(s.session.counters().datagrams_ignored == 1);
  }
  SUBCASE("the same object with other bytes") {
    subscriber s;
    s.datagram("0c050161");
    s.datagram("0c050162");
    CHECK(s.says.all() == "object 0 1/0 datagram; error 0 18");
  }
  SUBCASE("the same object another way") {
    subscriber s;
    s.datagram("0c050161");
    s.stream(7, "300501000161");
    CHECK(s.says.all() == "object 0 1/0 datagram; error 0 18");
  }
  SUBCASE("an object behind the end of its group") {
    subscriber s;
    s.datagram("0a05010261");
    s.datagram("0805010161");
    s.datagram("0805010361");
    CHECK(s.says.all() == "object 0 1/2 datagram; object 0 1/1 datagram; error 0 18");
  }
  SUBCASE("two ends of a group") {
    subscriber s;
    s.datagram("0a05010261");
    s.datagram("0a05010161");
    CHECK(s.says.all() == "object 0 1/2 datagram; error 0 18");
  }
}

TEST_CASE("padding goes out behind everything, is thrown away there, and is counted on both sides") {
  fixture f;
  CHECK(f.client->pad(1000, false));
  CHECK(f.client->pad(500, true));
  f.pump();
  CHECK(f.client->counters().padding_out == 1500);
  CHECK(f.server->counters().padding_ignored == 1500);
  CHECK(f.client_end.priorities[6] == ~uint64_t{0});
  CHECK_FALSE(f.client->pad(1197, true)); // with its type it is over 1200
  f.client_end.uni_credit = 0;
  CHECK_FALSE(f.client->pad(1, false));
  CHECK_FALSE(f.server->closed());
}
