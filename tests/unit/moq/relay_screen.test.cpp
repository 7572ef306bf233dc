// A relay whose gate says what is passed on.
#include <doctest/doctest.h>

#include <set>

#include "tests/support/relay_net.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;
using passage = moq::relay_gate::passage;
using verdict = moq::relay_gate::verdict;

namespace {

/// Says what it was told to say: payloads that begin with "false" are refused, with "odd" dropped, all others held or passed; groups are decided by hand.
struct scripted_gate final : moq::relay_gate {
  passage how = passage::groups;
  bool hold = true;
  std::vector<decision> next;
  std::map<uint64_t, std::vector<std::string>> heard; ///< by source
  std::vector<uint64_t> gone;

  passage passage_of(const moq::full_track_name& name) override { return name.name == "closed" ? passage::closed : name.name == "proof" ? passage::judged : how; }
  std::optional<moq::full_track_name> taken_along(const moq::full_track_name& name) override {
    if (name.name != "t") return std::nullopt;
    return track_name("proof");
  }
  answer on_object(uint64_t source, const moq::full_track_name& name, const moq::object& o, base::mono_time) override {
    heard[source].push_back(name.name + " " + std::to_string(o.group) + "/" + std::to_string(o.id));
    auto said = on_fetched(name, o);
    if (said.is == verdict::pass && hold && name.name == "t") said.is = verdict::hold;
    return said;
  }
  answer on_fetched(const moq::full_track_name&, const moq::object& o) override {
    if (o.payload.text().starts_with("false")) return {verdict::refuse, "it is false"};
    if (o.payload.text().starts_with("odd")) return {verdict::drop, "nothing is known of it"};
    return {};
  }
  void on_gone(uint64_t source, const moq::full_track_name&) override { gone.push_back(source); }
  std::vector<decision> decide(base::mono_time) override { return std::exchange(next, {}); }
};

moq::object object_of(uint64_t group, uint64_t id, const std::string& text) {
  auto o = test_object(group, id);
  o.payload = base::bytes::copy(text);
  return o;
}

struct scene {
  relay_net net;
  std::shared_ptr<scripted_gate> gate = std::make_shared<scripted_gate>();
  relay_node& relay;
  relay_joint& publisher;
  moq::track& track;
  relay_joint& subscriber;
  moq::request_id id = 0;

  explicit scene(moq::relay_config config = {}) :
    relay(net.add_relay(with(config, gate))), publisher(net.add_publisher(relay, "p1")), track(publisher.publish("t", net.now)), subscriber(net.join(relay, "s")) {
    id = subscriber.near->subscribe(track_name("t"), {});
    net.pump();
    CHECK(subscriber.says.take() == "subscribed 0");
  }
  static moq::relay_config with(moq::relay_config c, std::shared_ptr<moq::relay_gate> gate) {
    c.gate = std::move(gate);
    return c;
  }
  void put(uint64_t group, uint64_t object_id, const std::string& text) {
    net.put(publisher, track, object_of(group, object_id, text));
    net.pump();
  }
  void end(uint64_t group) {
    publisher.tracks.end_group(track, group, net.now);
    net.pump();
  }
  void decide(uint64_t source, uint64_t group, verdict is) {
    gate->next.push_back({source, track_name("t"), group, {is, "it is false"}});
    net.wait(1100ms);
  }
  const moq::relay_counters& counted() const { return relay.relay.counters(); }
};

} // namespace

TEST_CASE("a group that is held comes as it came once it is right: its objects, its end, and what follows at once") {
  scene s;
  s.put(7, 0, "a");
  s.put(7, 1, "b");
  s.end(7);
  s.put(8, 0, "c");
  CHECK(s.subscriber.says.take() == "");
  REQUIRE(s.gate->heard.size() == 1);
  const auto source = s.gate->heard.begin()->first;
  s.decide(source, 8, verdict::pass);
  CHECK(s.subscriber.says.take() == "object 0 8/0");
  s.gate->hold = false;
  s.put(8, 1, "d");
  CHECK(s.subscriber.says.take() == "object 0 8/1");
  s.end(8);
  CHECK(s.subscriber.says.take() == "end 0 8 whole");
  s.decide(source, 7, verdict::pass);
  CHECK(s.subscriber.says.take() == "object 0 7/0; object 0 7/1; end 0 7 whole");
  CHECK(s.counted().objects_in == 4);
  CHECK(s.counted().objects_false + s.counted().objects_unproven == 0);
}

TEST_CASE("a group that is right with its last object needs no decision") {
  scene s;
  s.put(7, 0, "a");
  s.put(7, 1, "b");
  s.gate->hold = false;
  s.put(7, 2, "tail");
  s.end(7);
  CHECK(s.subscriber.says.take() == "object 0 7/0; object 0 7/1; object 0 7/2; end 0 7 whole");
}

TEST_CASE("nothing of a group that is found false goes on, and the first is told") {
  scene s;
  s.put(7, 0, "a");
  s.put(7, 1, "false");
  s.put(7, 2, "b");
  s.end(7);
  s.put(8, 0, "c");
  s.end(8);
  s.decide(s.gate->heard.begin()->first, 8, verdict::refuse);
  s.put(9, 0, "d");
  s.decide(s.gate->heard.begin()->first, 9, verdict::drop);
  CHECK(s.subscriber.says.take() == "");
  CHECK(s.counted().objects_in == 0);
  CHECK(s.counted().objects_false == 3);
  CHECK(s.counted().objects_unproven == 1);
  CHECK(std::ranges::count(s.relay.says.log, "false t p1 it is false") == 1);
  s.gate->hold = false;
  s.put(10, 0, "e");
  CHECK(s.subscriber.says.take() == "object 0 10/0");
}

TEST_CASE("a publisher that gives too much of that is let go and not asked again, and an honest one goes on") {
  scene s({.refusals_max = 3});
  auto& honest = s.net.join(s.relay, "p2");
  auto& same = honest.publish("t", s.net.now);
  honest.near->publish_namespace(track_name("").ns);
  s.net.pump();
  s.put(7, 0, "false");
  s.gate->hold = false;
  s.net.put(honest, same, object_of(7, 0, "true"));
  s.net.pump();
  for (uint64_t g = 8; g < 12; ++g) s.put(g, 0, "false");
  CHECK(s.relay.says.has("ended t p1 it is false"));
  CHECK(s.counted().publishers_ended == 1);
  CHECK(s.counted().objects_false == 3);
  CHECK(std::ranges::count(s.gate->gone, s.gate->heard.begin()->first) == 1);
  const auto asked = s.publisher.asked();
  s.net.put(honest, same, object_of(12, 0, "true"));
  s.net.wait(10s);
  CHECK(s.publisher.asked() == asked);
  CHECK(s.subscriber.says.take() == "object 0 7/0; object 0 12/0");
  CHECK(s.counted().objects_conflict == 0);
}

TEST_CASE("a publisher that pushes false objects is let go too, and may not push the track again") {
  scene s({.refusals_max = 1});
  auto& pusher = s.net.join(s.relay, "p3");
  auto& pushed = pusher.publish("u", s.net.now);
  s.gate->hold = false;
  pusher.near->publish(track_name("u"), {});
  s.net.pump();
  s.net.put(pusher, pushed, object_of(1, 0, "false"));
  s.net.pump();
  CHECK(s.counted().publishers_ended == 1);
  pusher.says.log.clear();
  pusher.near->publish(track_name("u"), {});
  s.net.wait(1s);
  CHECK(std::ranges::any_of(pusher.says.log, [](const auto& l) { return l.starts_with("error"); }));
}

TEST_CASE("what tells what is right is taken along as long as the track is wanted, and judged object by object") {
  scene s;
  auto& proof = s.publisher.publish("proof", s.net.now);
  s.net.wait(3s); // asked for again, as it was not there at first
  auto other = s.net.join(s.relay, "s2").near->subscribe(track_name("proof"), {});
  (void)other;
  s.net.pump();
  auto& reader = s.net.joints.back();
  reader.says.take();
  s.net.put(s.publisher, proof, object_of(1, 0, "said"));
  s.net.pump();
  s.net.put(s.publisher, proof, object_of(2, 0, "false"));
  s.net.pump();
  s.net.put(s.publisher, proof, object_of(3, 0, "odd"));
  s.net.pump();
  CHECK(reader.says.take() == "object 0 1/0");
  CHECK(s.counted().objects_false == 1);
  CHECK(s.counted().objects_unproven == 1);
}

TEST_CASE("what the gate closes is refused to who asks and to who pushes") {
  scene s;
  s.publisher.publish("closed", s.net.now);
  s.subscriber.near->subscribe(track_name("closed"), {});
  s.net.pump();
  CHECK(s.subscriber.says.take().starts_with("error 2 " + std::to_string(moq::request_code::unauthorized)));
  s.publisher.near->publish(track_name("closed"), {});
  s.net.pump();
  CHECK(s.counted().tracks_closed == 2);
  CHECK(s.relay.relay.tracks() == 1);
}

TEST_CASE("what is held is bounded: the oldest group goes first") {
  scene s({.held_bytes_max = 4000});
  const std::string kilobyte(1000, 'x');
  for (uint64_t g = 1; g < 6; ++g) s.put(g, 0, kilobyte);
  CHECK(s.counted().objects_unproven == 2);
  const auto source = s.gate->heard.begin()->first;
  for (uint64_t g = 1; g < 6; ++g) s.decide(source, g, verdict::pass);
  CHECK(s.subscriber.says.take() == "object 0 3/0; object 0 4/0; object 0 5/0");
}

TEST_CASE("what waits when its publisher goes is counted, and comes no more") {
  scene s;
  s.put(7, 0, "a");
  s.put(7, 1, "b");
  const auto source = s.gate->heard.begin()->first;
  s.publisher.tracks.end_track(s.track, moq::done_code::track_ended, "over", s.net.now);
  s.net.wait(3s);
  CHECK(s.counted().objects_unproven == 2);
  CHECK(std::ranges::count(s.gate->gone, source) == 1);
  s.decide(source, 7, verdict::pass);
  CHECK(s.subscriber.says.take().find("object") == std::string::npos);
}

TEST_CASE("of a fetch only what is right is kept, and the rest is told as unknown") {
  scene s;
  s.gate->hold = false;
  for (uint64_t id = 0; id < 3; ++id) s.publisher.tracks.append(s.track, object_of(1, id, id == 1 ? "odd" : "old"), s.net.now).value();
  s.publisher.tracks.end_group(s.track, 1, s.net.now);
  s.gate->how = passage::groups;
  auto& late = s.net.join(s.relay, "s3");
  late.near->fetch(track_name("t"), {1, 0}, {2, 0}, {});
  s.net.wait(1s);
  const auto told = late.says.take();
  CHECK(told.find("object 0 1/0") != told.npos);
  CHECK(told.find("object 0 1/1") == told.npos);
}

TEST_CASE("what a gate is to see goes on whole, however slowly it comes") {
  scene s;
  s.gate->hold = false;
  auto o = test_object(1, 0);
  o.payload = base::bytes::adopt(std::vector<uint8_t>(100'000, 7));
  moq::object_part p{.begun = o, .payload_bytes = o.payload.size()};
  p.begun.payload = o.payload.slice(0, 60'000);
  s.publisher.tracks.append_part(s.track, p, s.net.now).value();
  s.net.pump();
  s.net.wait(200ms);
  CHECK(s.subscriber.says.parts.empty());
  CHECK(s.relay.relay.counters().objects_begun == 0);
  s.net.put(s.publisher, s.track, o);
  s.net.pump();
  REQUIRE(s.subscriber.says.objects[s.id].size() == 1);
  CHECK(s.subscriber.says.objects[s.id][0].payload == o.payload);
}
