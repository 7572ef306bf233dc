// Nodes that gossip over real sessions on loopback: who dials is heard in the session that it opened.
#include <doctest/doctest.h>

#include "actors/gossip_carrier.hpp"
#include "actors/topology/announcing.hpp"
#include "actors/topology/listening.hpp"
#include "tests/support/topology.hpp"
#include "tests/unit/discovery/fixture.hpp"

using namespace ec;
using namespace ec::test;

namespace {

std::string stream_of(uint32_t number) {
  return "ec/stream/v1/source/kind-file/device-" + std::to_string(number) + "/channel-1/profile-ts-v1/variant-main";
}

class gossip_bench {
public:
  gossip_bench() : sys(config_) {}

  /// A node of this key's number: it listens if `guests_max` is not 0, dials `peer` if there is one, and announces its own stream.
  std::unique_ptr<running_node> node(uint32_t number, size_t guests_max, const std::string& peer = {}) {
    return std::make_unique<running_node>(sys, [&](actors::observer_actor observer) -> base::result<actors::running_topology> {
      actors::running_topology out;
      actors::gossip_carrier_config gossip;
      if (guests_max > 0) {
        EC_TRY(auto listening, actors::start_endpoint(sys, {"127.0.0.1:0", dir / std::to_string(number), {}, {}}, {}));
        out.address = listening.where.to_string();
        out.stages.push_back({caf::actor_cast<caf::actor>(*listening.keeper)});
        gossip.endpoint = listening.running;
        gossip.guests_max = guests_max;
      } else {
        actors::quic_endpoint_config dials;
        EC_TRY(gossip.endpoint, actors::start_quic_endpoint(sys, std::move(dials)));
      }
      out.loops.push_back(gossip.endpoint.loop);
      const auto endpoint = caf::actor_cast<caf::actor>(gossip.endpoint.actor);
      if (!peer.empty()) {
        EC_TRY(gossip.peers, actors::gossip_peers({peer}));
      }
      actors::discovery_config config;
      config.key = std::make_shared<const crypto::signing_key>(key_of(number));
      config.carriers = {actors::gossip_carrier(std::move(gossip), observer)};
      config.tell_all = true;
      EC_TRY(auto discovery, actors::spawn_discovery(sys, std::move(config), observer));
      out.stages.insert(out.stages.begin(), {caf::actor_cast<caf::actor>(discovery)});
      out.stages.push_back({endpoint});
      caf::anon_send(discovery, actors::own_stream{std::make_shared<const discovery::announcement>(draft(number, stream_of(number)))});
      return out;
    });
  }

private:
  topology_config config_;

public:
  temp_dir dir;
  caf::actor_system sys;
};

report_log::match found(uint32_t number, const std::string& event = "source-found") {
  return [stream = stream_of(number), event](const actors::report& r) { return r.event == event && text_of(r, "stream_id") == stream; };
}

} // namespace

TEST_CASE("nodes that nobody can dial hear of each other through one that they dial") {
  gossip_bench bench;
  auto middle = bench.node(1, 8);
  auto left = bench.node(2, 0, middle->address());
  auto right = bench.node(3, 0, middle->address());
  for (uint32_t other : {1u, 3u}) CHECK_MESSAGE(left->log().wait(found(other)), left->log().text());
  for (uint32_t other : {1u, 2u}) CHECK_MESSAGE(right->log().wait(found(other)), right->log().text());
  for (uint32_t other : {2u, 3u}) CHECK_MESSAGE(middle->log().wait(found(other)), middle->log().text());
  // Who leaves says so, and that is passed on too.
  left->stop();
  CHECK(left->ended());
  CHECK_MESSAGE(middle->log().wait(found(2, "source-gone")), middle->log().text());
  CHECK_MESSAGE(right->log().wait(found(2, "source-gone")), right->log().text());
}

TEST_CASE("a node hears as many guests as it may, and serves the others all the same") {
  gossip_bench bench;
  auto middle = bench.node(1, 1);
  auto first = bench.node(2, 0, middle->address());
  CHECK_MESSAGE(middle->log().wait(found(2)), middle->log().text());
  auto second = bench.node(3, 0, middle->address());
  CHECK_MESSAGE(second->log().wait(found(2)), second->log().text());
  CHECK(middle->log().count(found(3)) == 0);
  CHECK(first->log().count(found(3)) == 0);
  // There is room again when the first one has left.
  first->stop();
  CHECK(first->ended());
  auto third = bench.node(4, 0, middle->address());
  CHECK_MESSAGE(middle->log().wait(found(4)), middle->log().text());
}

TEST_CASE("a node that ends while guests are heard ends, and says to them that its streams are gone") {
  gossip_bench bench;
  auto middle = bench.node(1, 8);
  auto left = bench.node(2, 0, middle->address());
  CHECK_MESSAGE(middle->log().wait(found(2)), middle->log().text());
  CHECK_MESSAGE(left->log().wait(found(1)), left->log().text());
  middle->stop();
  CHECK(middle->ended());
  CHECK_MESSAGE(left->log().wait(found(1, "source-gone")), left->log().text());
}
