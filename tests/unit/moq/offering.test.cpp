#include "moq/offering.hpp"

#include <doctest/doctest.h>

#include "tests/support/moq_link.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

/// The relay: hears offers, and answers as it is told.
struct relay_side : moq_recorder {
  std::optional<moq::request_error> answer;
  std::optional<moq::request_error> on_publish_namespace(moq::request_id id, const moq::track_namespace& ns) override {
    moq_recorder::on_publish_namespace(id, ns);
    return answer;
  }
};

struct told final : moq::offering_watcher {
  std::vector<std::string> log;
  void on_up(const moq::peer_setup& s) override { log.push_back("up " + s.implementation); }
  void on_offered(const moq::track_namespace& ns) override { log.push_back("offered " + moq::to_string(ns)); }
  void on_refused(const moq::track_namespace& ns, const moq::request_error& e, std::chrono::milliseconds wait) override {
    log.push_back("refused " + moq::to_string(ns) + " " + std::to_string(e.code) + " " + std::to_string(wait.count()));
  }
  std::string take() {
    std::string out;
    for (const auto& l : log) out += (out.empty() ? "" : "; ") + l;
    log.clear();
    return out;
  }
};

/// A publisher that dialled, and the relay.
struct scene {
  base::mono_time now{1h};
  moq::track_store tracks, none;
  told says;
  relay_side relay_says;
  moq_end near_end, far_end;
  moq::offering offers{tracks, {{"ec", "stream"}}, says};
  std::unique_ptr<moq::session> near, far;

  scene() {
    far_end.server = true;
    moq::session_config far_config;
    far_config.role = moq::session_role::server;
    near = std::make_unique<moq::session>(moq::session_config{}, near_end, offers, &tracks);
    far = std::make_unique<moq::session>(far_config, far_end, relay_says, &none);
    offers.bind(*near);
  }
  moq::track& publish(std::vector<std::string> ns) { return *tracks.add({{std::move(ns)}, "chunks"}, {}, now).value(); }
  void start() {
    near->on_connected(now);
    far->on_connected(now);
    pump();
  }
  void pump() {
    while (carry(near_end, *far, now) | carry(far_end, *near, now)) {
    }
  }
  /// What the relay heard of offers.
  std::string heard() {
    std::string out;
    for (const auto& l : relay_says.log) {
      if (l.starts_with("offered") || l.starts_with("withdrawn")) out += (out.empty() ? "" : "; ") + l.substr(0, l.find(' ')) + l.substr(l.rfind(' '));
    }
    relay_says.log.clear();
    return out;
  }
  /// Lets the time come at which it says that something is due.
  std::chrono::milliseconds wait() {
    heard();
    REQUIRE(offers.deadline().has_value());
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(*offers.deadline() - now);
    offers.on_tick(now + took - 1ms);
    pump();
    CHECK(heard() == "");
    now += took;
    offers.on_tick(now);
    pump();
    return took;
  }
};

moq::request_error no(std::optional<uint64_t> retry_after_ms) {
  return {.code = moq::request_code::excessive_load, .retry_after_ms = retry_after_ms, .reason = "full", .to = {}};
}

} // namespace

TEST_CASE("what a store has of a prefix is offered, and what comes later, until it goes") {
  scene s;
  s.publish({"ec", "stream", "a"});
  s.publish({"ec", "gossip"});
  s.start();
  CHECK(s.says.take() == "up ec-node; offered ec-stream-a");
  CHECK(s.heard() == "offered ec-stream-a");
  CHECK(s.offers.accepted() == 1);
  auto& b = s.publish({"ec", "stream", "b"});
  s.pump();
  CHECK(s.heard() == "offered ec-stream-b");
  CHECK(s.says.take() == "offered ec-stream-b");
  s.tracks.remove(b, s.now);
  s.pump();
  CHECK(s.heard() == "withdrawn ec-stream-b");
  CHECK(s.offers.accepted() == 1);
  CHECK_FALSE(s.offers.deadline().has_value());
}

TEST_CASE("a refused offer is made again, each time later, from one second to a minute") {
  scene s;
  s.relay_says.answer = no(0);
  s.publish({"ec", "stream", "a"});
  s.start();
  CHECK(s.says.take() == "up ec-node; refused ec-stream-a 9 1000");
  CHECK(s.heard() == "offered ec-stream-a");
  CHECK(s.offers.accepted() == 0);
  for (const auto wait : {1000ms, 2000ms, 4000ms, 8000ms, 16'000ms, 32'000ms, 60'000ms}) {
    CHECK(s.wait() == wait);
    CHECK(s.heard() == "offered ec-stream-a");
  }
  s.says.log.clear();
  s.relay_says.answer = no(UINT64_MAX / 2);
  s.wait();
  CHECK(s.says.take() == "refused ec-stream-a 9 60000");
  s.relay_says.answer.reset();
  s.wait();
  CHECK(s.says.take() == "offered ec-stream-a");
  CHECK(s.offers.accepted() == 1);
  CHECK_FALSE(s.offers.deadline().has_value());
}

TEST_CASE("an offer that is refused for good is made again after a minute") {
  scene s;
  s.relay_says.answer = no(std::nullopt);
  s.publish({"ec", "stream", "a"});
  s.start();
  CHECK(s.wait() == 60s);
}

TEST_CASE("an offer that the relay revokes is made again") {
  scene s;
  s.publish({"ec", "stream", "a"});
  s.start();
  REQUIRE(s.says.take() == "up ec-node; offered ec-stream-a");
  s.far->revoke_namespace(*s.relay_says.last_peer_request);
  s.pump();
  CHECK(s.says.take() == "refused ec-stream-a 32 1000");
  s.relay_says.log.clear();
  CHECK(s.wait() == 1s);
  CHECK(s.says.take() == "offered ec-stream-a");
}

TEST_CASE("a namespace that goes while its offer waits is not offered again, and an ended session offers nothing") {
  scene s;
  s.relay_says.answer = no(0);
  auto& a = s.publish({"ec", "stream", "a"});
  s.start();
  s.tracks.remove(a, s.now);
  CHECK_FALSE(s.offers.deadline().has_value());
  s.publish({"ec", "stream", "b"});
  s.pump();
  s.near->on_transport_closed(0, "gone", s.now);
  s.heard();
  CHECK_FALSE(s.offers.deadline().has_value());
  s.offers.on_tick(s.now + 1h);
  s.publish({"ec", "stream", "c"});
  s.pump();
  CHECK(s.heard() == "");
}
