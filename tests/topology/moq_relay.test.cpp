#include <doctest/doctest.h>

#include "tests/support/topology.hpp"

using namespace ec;

TEST_CASE("through two relays a subscriber gets the leader's chunks, and verifies them") {
  test::topology_bench bench;
  const auto leader = bench.leader(bench.publish("leader"));
  const auto relay = [&](const std::string& name, const std::string& upstream) {
    actors::relay_node_config c;
    c.listen = "127.0.0.1:0";
    c.upstream = {upstream};
    c.state_dir = bench.dir / (name + "-state");
    return std::make_unique<test::running_node>(bench.sys, [&](actors::observer_actor o) { return actors::moq_relay(bench.sys, c, o); });
  };
  const auto root = relay("root", leader->address());
  const auto leaf = relay("leaf", root->address());
  auto wanted = bench.subscribe(*leaf, *leaf);
  wanted.trust = {leader->signer()};
  wanted.stream_id = leader->stream_id();
  wanted.stop_after = 3;
  const auto subscriber = bench.subscriber(wanted);
  REQUIRE_MESSAGE(subscriber->ended(), subscriber->log().text());
  const auto chunks = subscriber->log().all("chunk");
  REQUIRE(chunks.size() == 3);
  for (const auto& c : chunks) CHECK(test::flag_of(c, "verified"));
  CHECK(subscriber->log().count("rejected") == 0);
  CHECK(leaf->log().count("track-up") > 0);
  CHECK(root->log().count("track-up") > 0);
  CHECK(bench.verify().ok());
}
