// Each version of MoQ from end to end: our publisher, our relay, our subscriber, and the load generator.
#include <doctest/doctest.h>

#include "actors/load_generator.hpp"
#include "actors/moq_link.hpp"
#include "actors/topology/common.hpp"

#include "tests/support/topology.hpp"

using namespace ec;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<test::running_node> start_relay(test::topology_bench& bench) {
  actors::relay_node_config c;
  c.listen = "127.0.0.1:0";
  c.state_dir = bench.dir / "relay-state";
  return std::make_unique<test::running_node>(bench.sys, [&](actors::observer_actor o) { return actors::moq_relay(bench.sys, c, o); });
}

/// The same place by WebTransport.
std::string by_web(const std::string& address) {
  return "https" + address.substr(address.find(':'));
}

/// What a load of three subscribers came to.
actors::load_report load(test::topology_bench& bench, const std::string& relay, const std::string& version) {
  const auto peer = actors::peers_of({relay}, 1, "--relay").value().front();
  actors::load_plan plan;
  plan.address = peer.address;
  plan.peer = quic::resolve(peer.address.host, peer.address.port).value().front();
  plan.verification = peer.verification;
  plan.shape = {.object_bytes = 1000, .objects_per_second = 100, .objects_per_group = 5};
  plan.publishers = 2;
  plan.subscribers = 3;
  plan.warm_up = 0ms;
  plan.duration = 200ms;
  plan.start_limit = test::patience;
  actors::quic_endpoint_config config;
  config.quic.alpns = {version};
  config.linger = 0ms;
  auto endpoint = actors::start_quic_endpoint(bench.sys, std::move(config)).value();
  actors::load_report out;
  caf::scoped_actor self{bench.sys, true};
  self->request(actors::spawn_load_generator(bench.sys, endpoint, std::move(plan), [](actors::load_step) {}), caf::infinite, actors::start_atom::value)
    .receive([&](const actors::load_report& r) { out = r; }, [&](const caf::error& e) { out.fault = bench.sys.render(e); });
  actors::running_topology t{.stages = {{caf::actor_cast<caf::actor>(endpoint.actor)}}, .loops = {endpoint.loop}};
  endpoint = {};
  const auto conductor = actors::spawn_conductor(bench.sys, std::move(t));
  self->monitor(conductor);
  self->send(conductor, actors::stop_atom::value);
  self->receive([](const caf::down_msg&) {});
  return out;
}

} // namespace

TEST_CASE("a leader's stream goes through a relay in each version, verified") {
  for (const auto& version : actors::moq_protocols()) {
    CAPTURE(version);
    test::topology_bench bench;
    const auto relay = start_relay(bench);
    auto publishing = bench.publish("leader");
    publishing.moq_version = {version};
    publishing.relay = {relay->address()};
    const auto leader = bench.leader(publishing);
    REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());
    auto wanted = bench.subscribe(*leader, *relay);
    wanted.remote = {version == "moqt-16" ? by_web(relay->address()) : relay->address()};
    wanted.remote_manifests.clear();
    wanted.moq_version = {version};
    wanted.stop_after = 3;
    const auto subscriber = bench.subscriber(wanted);
    const auto ended = subscriber->ended();
    const std::string told = subscriber->log().text() + relay->log().text();
    REQUIRE_MESSAGE(ended, told);
    const auto chunks = subscriber->log().all("chunk");
    REQUIRE(chunks.size() == 3);
    for (const auto& c : chunks) CHECK(test::flag_of(c, "verified"));
    CHECK_MESSAGE(subscriber->log().count("rejected") == 0, told);
    CHECK_MESSAGE(subscriber->log().count("source-down") == 0, told);
    CHECK(bench.verify().ok());
  }
}

TEST_CASE("a load goes through a relay in each version and over both transports") {
  test::topology_bench bench;
  const auto relay = start_relay(bench);
  for (const auto& version : actors::moq_protocols()) {
    for (const auto& url : {relay->address(), by_web(relay->address())}) {
      CAPTURE(version);
      CAPTURE(url);
      const auto r = load(bench, url, version);
      CHECK(r.fault.empty());
      CHECK(r.subscribers == 3); // each of them got an object
      CHECK(r.figures.sessions_lost == 0);
    }
  }
}

TEST_CASE("versions that are not spoken are named before anything runs") {
  test::topology_bench bench;
  auto publishing = bench.publish("leader");
  publishing.moq_version = {"moqt-17"};
  const auto leader = actors::leader(bench.sys, publishing, {}, bench.on);
  REQUIRE_FALSE(leader.has_value());
  CHECK(leader.error().about == "--moq-version");
  actors::subscribe_config wanted;
  wanted.remote = {"127.0.0.1:1"};
  wanted.stream_id = publishing.stream_id.value();
  wanted.moq_version = {"moq-lite-05", "moq-lite-05"};
  const auto subscriber = actors::subscriber(bench.sys, wanted, {}, bench.on);
  REQUIRE_FALSE(subscriber.has_value());
  CHECK(subscriber.error().about == "--moq-version");
}
