#include <doctest/doctest.h>

#include "tests/support/data.hpp"
#include "tests/support/topology.hpp"
#include "tuner/shared_inputs.hpp"

using namespace ec;

namespace {

struct split {
  std::unique_ptr<test::running_node> leader, relay, subscriber;
};

/// A leader that gives manifests only, a relay that gives chunks, and a subscriber of both for three chunks.
split split_source(test::topology_bench& bench) {
  auto manifests_only = bench.publish("leader");
  manifests_only.publish_chunks = false;
  split out{bench.leader(manifests_only), bench.relay(bench.publish("relay")), nullptr};
  auto wanted = bench.subscribe(*out.leader, *out.relay);
  wanted.stop_after = 3;
  out.subscriber = bench.subscriber(wanted);
  return out;
}

} // namespace

TEST_CASE("manifests from one node and chunks from another make a verified recording") {
  test::topology_bench bench;
  const auto [leader, relay, subscriber] = split_source(bench);

  REQUIRE_MESSAGE(subscriber->ended(), subscriber->log().text());
  const auto chunks = subscriber->log().all("chunk");
  REQUIRE(chunks.size() == 3);
  for (const auto& c : chunks) {
    CHECK(test::flag_of(c, "verified"));
    CHECK_FALSE(test::flag_of(c, "damaged"));
    CHECK(test::text_of(c, "signer") == leader->signer());
  }
  CHECK(test::int_of(chunks[1], "chunk") == test::int_of(chunks[0], "chunk") + 1);
  CHECK(test::int_of(chunks[2], "chunk") == test::int_of(chunks[1], "chunk") + 1);
  CHECK(subscriber->log().count("rejected") == 0);
  CHECK(subscriber->log().count("stopped") == 1);
  const auto found = bench.verify();
  CHECK(found.ok());
  CHECK(found.ended);
  CHECK(found.listed == 3);
  CHECK(found.verified == 3);
}

TEST_CASE("two nodes of one process with the same input take one tuner, and what they make of it fits together") {
  tuner::shared_inputs inputs;
  test::topology_bench bench;
  bench.on.open_source = [&](std::string_view input, const tuner::source_options& options) { return inputs.open(input, options); };
  const auto [leader, relay, subscriber] = split_source(bench);
  REQUIRE_MESSAGE(subscriber->ended(), subscriber->log().text());
  CHECK(subscriber->log().count("chunk") == 3);
  CHECK(subscriber->log().count("rejected") == 0);
  CHECK(bench.tuner().counters().streams_opened == 1);
}

TEST_CASE("chunks without manifests are not shown") {
  test::topology_bench bench;
  const auto relay = bench.relay(bench.publish("relay"));
  const auto other = bench.leader(bench.publish("other"));
  auto wanted = bench.subscribe(*relay, *relay);
  wanted.trust = {other->signer()};
  const auto subscriber = bench.subscriber(wanted);

  REQUIRE_MESSAGE(subscriber->log().wait("no-manifest"), subscriber->log().text());
  subscriber->stop();
  REQUIRE(subscriber->ended());
  CHECK(subscriber->log().count("chunk") == 0);
  CHECK_FALSE(std::filesystem::exists(bench.hls() + "/index.m3u8"));
}
