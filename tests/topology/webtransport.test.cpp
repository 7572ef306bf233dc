// One port, two ways in: raw QUIC and WebTransport.
#include <doctest/doctest.h>

#include "tests/support/topology.hpp"

using namespace ec;

namespace {

/// The same place by WebTransport.
std::string by_web(const std::string& address, const std::string& path = {}) {
  REQUIRE(address.starts_with("moqt://"));
  const auto hash = address.find('#');
  return "https" + address.substr(4, hash - 4) + path + address.substr(hash);
}

} // namespace

TEST_CASE("a subscriber over WebTransport writes the same verified chunks as one over raw QUIC") {
  test::topology_bench bench;
  auto publish = bench.publish("leader");
  publish.input = bench.recording(20);
  publish.pace = 0;
  publish.startup_delay = std::chrono::seconds(2);
  publish.linger = std::chrono::seconds(20);
  auto leader = bench.leader(publish);
  auto config = bench.subscribe(*leader, *leader);
  config.remote = {by_web(leader->address(), "/tv?x=1")};
  config.drain = std::chrono::seconds(5);
  auto subscriber = bench.subscriber(config);
  REQUIRE_MESSAGE(subscriber->log().wait("segment", 3), subscriber->log().text());
  CHECK(subscriber->log().count("branch-down") == 0);
  subscriber->stop();
  REQUIRE_MESSAGE(subscriber->ended(), subscriber->log().text());
  const auto found = bench.verify();
  CHECK(found.ok());
  CHECK(found.listed >= 3);
  CHECK(found.verified == found.listed);
  leader->stop();
  CHECK(leader->ended());
}

TEST_CASE("a publisher that stops hands over what it has over WebTransport too") {
  test::topology_bench bench;
  auto leader = bench.leader(bench.publish("leader"));
  auto config = bench.subscribe(*leader, *leader);
  config.remote = {by_web(leader->address())};
  auto subscriber = bench.subscriber(config);
  REQUIRE_MESSAGE(subscriber->log().wait("segment", 1), subscriber->log().text());
  leader->stop();
  REQUIRE_MESSAGE(leader->ended(), leader->log().text());
  // The ends of all three tracks came before the end of the session.
  REQUIRE_MESSAGE(subscriber->log().wait("track-ended", 3), subscriber->log().text());
  CHECK_MESSAGE(subscriber->log().count("source-down") == 0, subscriber->log().text());
  subscriber->stop();
  CHECK(subscriber->ended());
}
