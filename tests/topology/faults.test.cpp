#include <filesystem>

#include <doctest/doctest.h>

#include "actors/supervisor.hpp"
#include "crypto/certificate.hpp"
#include "tests/support/data.hpp"
#include "tests/support/topology.hpp"

using namespace ec;

namespace {

/// A fault of the branch whose name begins so.
test::report_log::match branch_down(const std::string& name) {
  return [name](const actors::report& r) { return r.event == "branch-down" && test::text_of(r, "branch").starts_with(name); };
}

} // namespace

TEST_CASE("a tuner that drops its stream is read again, and the playlist marks the break") {
  test::topology_bench bench;
  const auto leader = bench.leader(bench.publish("leader"));
  const auto subscriber = bench.subscriber(bench.subscribe(*leader, *leader));
  REQUIRE_MESSAGE(subscriber->log().wait("segment", 2), subscriber->log().text());

  bench.tuner().play(tuner::simulator_trouble::drop);
  REQUIRE_MESSAGE(leader->log().wait(branch_down("source ")), leader->log().text());
  const auto from = subscriber->log().size();
  REQUIRE_MESSAGE(subscriber->log().wait("segment", 4, from), subscriber->log().text());
  CHECK(bench.tuner().counters().streams_opened == 2);
  // Only the source was started anew: what leads from it to the viewers went on.
  CHECK(leader->log().count("branch-down") == 1);
  CHECK(test::int_of(leader->log().all("branch-down").front(), "retry_ms") == 250);
  CHECK(subscriber->log().count("branch-down") == 0);

  subscriber->stop();
  REQUIRE(subscriber->ended());
  CHECK(bench.verify().ok());
  CHECK(test::read_text(bench.hls() + "/index.m3u8").find("#EXT-X-DISCONTINUITY\n") != std::string::npos);
}

TEST_CASE("a leader with a certificate of its owner's makes its state folder, or says at once that it cannot") {
  test::topology_bench bench;
  REQUIRE(crypto::certificate_pair::load_or_make(bench.dir / "tls", base::wall_now(), {"localhost"}).has_value());
  auto config = bench.publish("leader");
  config.tls_cert = bench.dir / "tls/endpoint.crt";
  config.tls_key = bench.dir / "tls/endpoint.key";
  config.state_dir = bench.dir / "not/there";
  const auto leader = bench.leader(config);
  CHECK(std::filesystem::is_directory(config.state_dir));
  leader->stop();
  REQUIRE(leader->ended());
  config.state_dir = bench.dir / "tls/endpoint.crt/below-a-file";
  const auto refused = actors::leader(bench.sys, config, {});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().about == "--state-dir");
}

TEST_CASE("a tuner without a signal is left alone for a second each time, and asked again until it has one") {
  test::topology_bench bench;
  bench.tuner().play(tuner::simulator_trouble::no_signal);
  const auto leader = bench.leader(bench.publish("leader"));
  REQUIRE_MESSAGE(leader->log().wait(branch_down("source "), 2), leader->log().text());
  const auto down = leader->log().all("branch-down");
  CHECK(test::int_of(down[0], "retry_ms") == 1000);
  CHECK(test::int_of(down[1], "retry_ms") == 1000); // twice 250 is not longer
  const auto faults = leader->log().all("input-fault");
  REQUIRE(faults.size() >= 2);
  CHECK(test::text_of(faults[0], "kind") == "no-signal");
  CHECK(test::int_of(faults[1], "count") == 2);
  bench.tuner().play(tuner::simulator_trouble::none);
  CHECK_MESSAGE(leader->log().wait("signed", 2), leader->log().text());
  CHECK(leader->log().count("input-restored") == 1);
}

TEST_CASE("a publisher that went away and came back is dialled again, and the recording goes on") {
  test::topology_bench bench;
  auto manifests_only = bench.publish("leader");
  manifests_only.publish_chunks = false;
  const auto leader = bench.leader(manifests_only);
  auto relay = bench.relay(bench.publish("relay"));
  const auto subscriber = bench.subscriber(bench.subscribe(*leader, *relay));
  REQUIRE_MESSAGE(subscriber->log().wait("segment", 1), subscriber->log().text());

  const auto address = relay->address();
  const auto at = address.find("127.0.0.1:");
  relay->stop();
  REQUIRE(relay->ended());
  REQUIRE_MESSAGE(subscriber->log().wait(branch_down("session ")), subscriber->log().text());
  // The relay closed its sessions with a code and said why.
  CHECK(test::text_of(subscriber->log().all("branch-down").front(), "reason").ends_with("the node is stopping"));
  const auto from = subscriber->log().size();
  auto again = bench.publish("relay");
  again.listen = address.substr(at, address.find('#') - at);
  relay = bench.relay(again);
  CHECK(relay->address() == address);

  REQUIRE_MESSAGE(subscriber->log().wait("segment", 2, from), subscriber->log().text());
  subscriber->stop();
  REQUIRE(subscriber->ended());
  CHECK(bench.verify().ok());
  CHECK(subscriber->log().count(branch_down("subscriber")) == 0);
}

TEST_CASE("an actor that crashes takes its own branch down and no other") {
  test::topology_bench bench;
  const auto leader = bench.leader(bench.publish("leader"));
  const auto subscriber = bench.subscriber(bench.subscribe(*leader, *leader));
  REQUIRE_MESSAGE(subscriber->log().wait("segment", 1), subscriber->log().text());

  const auto branch = caf::actor_cast<actors::supervisor_actor>(leader->topology().stages.at(0).at(0));
  caf::scoped_actor self{bench.sys, true};
  caf::actor victim;
  self->request(branch, test::patience, actors::status_atom::value)
    .receive([&](const actors::branch_status& s) { victim = s.running.at(0); }, [](const caf::error&) {});
  REQUIRE(victim);
  const auto from = subscriber->log().size();
  self->send_exit(victim, caf::make_error(caf::sec::runtime_error, std::string("crashed by the test")));

  REQUIRE_MESSAGE(leader->log().wait(branch_down("publisher")), leader->log().text());
  CHECK(test::text_of(leader->log().all("branch-down").front(), "reason") == "crashed by the test");
  REQUIRE_MESSAGE(subscriber->log().wait("segment", 3, from), subscriber->log().text());
  CHECK(leader->log().count("branch-down") == 1);
  // The sockets and the sessions on them went on: the viewer was not even dialled anew.
  CHECK(subscriber->log().count("branch-down") == 0);
  CHECK(subscriber->log().count("source-down") == 0);
  subscriber->stop();
  REQUIRE(subscriber->ended());
  CHECK(bench.verify().ok());
}
