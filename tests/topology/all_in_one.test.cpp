#include <future>

#include <doctest/doctest.h>

#include "tests/support/data.hpp"
#include "tests/support/topology.hpp"

using namespace ec;

namespace {

actors::subscribe_config viewer(const test::topology_bench& bench) {
  actors::subscribe_config c;
  c.hls_dir = bench.hls();
  c.hls_mode = "event";
  return c;
}

/// What failed to start leaves nothing running. `start` returns the error.
template <class Start>
void ends_what_it_started(test::topology_bench& bench, std::string_view about, Start start) {
  {
    const auto log = std::make_shared<test::report_log>();
    auto observer = bench.sys.spawn<test::recorder>(log);
    const auto made = start(observer);
    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().code == base::errc::config);
    CHECK(made.error().about == about);
    caf::anon_send_exit(observer, caf::exit_reason::user_shutdown);
  }
  auto gone = std::async(std::launch::async, [&] { bench.sys.await_all_actors_done(); });
  if (gone.wait_for(test::patience) != std::future_status::ready) {
    std::puts("what was started runs on");
    std::abort(); // the system would wait for its actors for ever
  }
}

} // namespace

TEST_CASE("all in one: what the tuner gives is on disk, verified, after an orderly stop") {
  test::topology_bench bench;
  test::running_node node(bench.sys,
    [&](auto observer) { return actors::all_in_one(bench.sys, bench.publish("node"), viewer(bench), observer); });
  REQUIRE_MESSAGE(node.log().wait("segment", 3), node.log().text());
  node.stop();
  REQUIRE_MESSAGE(node.ended(), node.log().text());
  const auto found = bench.verify();
  CHECK(found.ok());
  CHECK(found.ended);
  CHECK(found.listed >= 3);
  CHECK(found.verified == found.listed);
  CHECK(found.listed == node.log().count("segment"));
  CHECK(node.log().count("branch-down") == 0);
}

TEST_CASE("all in one: a file is written to its last whole chunk, and then the node ends by itself") {
  test::topology_bench bench;
  auto publish = bench.publish("node");
  publish.input = bench.recording(20);
  publish.pace = 0;
  test::running_node node(bench.sys, [&](auto observer) { return actors::all_in_one(bench.sys, publish, viewer(bench), observer); });
  REQUIRE_MESSAGE(node.ended(), node.log().text());
  const auto cut = node.log().all("chunk-cut");
  REQUIRE(cut.size() >= 7);
  const auto found = bench.verify();
  CHECK(found.ok());
  CHECK(found.ended);
  CHECK_MESSAGE(found.listed == node.log().count([](const auto& r) { return r.event == "chunk-cut" && !test::flag_of(r, "damaged"); }), node.log().text());
}

TEST_CASE("all in one: a subscriber that cannot be set up ends the leader") {
  test::topology_bench bench;
  auto bad = viewer(bench);
  bad.hls_mode = "sideways";
  ends_what_it_started(bench, "--hls-mode", [&](auto observer) { return actors::all_in_one(bench.sys, bench.publish("node"), bad, observer); });
}

TEST_CASE("a publisher whose address cannot be written ends what runs already") {
  test::topology_bench bench;
  auto bad = bench.publish("node");
  bad.endpoint_addr_out = "/nowhere/address";
  ends_what_it_started(bench, "--endpoint-addr-out", [&](auto observer) { return actors::relay(bench.sys, bad, observer); });
}
