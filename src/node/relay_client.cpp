#include "node/relay_client.hpp"

#include <caf/all.hpp>

#include "actors/topology/common.hpp"
#include "actors/topology/topology.hpp"
#include "node/run_topology.hpp"

namespace ec::node {

base::result<actors::session_peer> relay_of(const std::string& url, bool any_certificate) {
  EC_TRY(auto peers, actors::peers_of({url}, 1, "--relay"));
  auto& relay = peers.front();
  if (any_certificate) relay.verification = quic::client_verification::insecure();
  return std::move(relay);
}

base::result<void> as_client(actors::quic_endpoint_config config, const std::function<void(caf::scoped_actor&, const actors::running_endpoint&)>& work) {
  caf::actor_system_config settings;
  settings.set("scheduler.policy", caf::atom("sharing"));
  settings.set("scheduler.max-threads", size_t{1});
  settings.set("logger.verbosity", caf::atom("quiet"));
  caf::actor_system sys{settings};
  config.implementation = "ec-node/" EC_VERSION;
  config.linger = std::chrono::milliseconds(200);
  EC_TRY(auto endpoint, actors::start_quic_endpoint(sys, std::move(config), this_machine()));
  caf::scoped_actor self{sys};
  work(self, endpoint);
  actors::running_topology topology{.stages = {{caf::actor_cast<caf::actor>(endpoint.actor)}}, .loops = {endpoint.loop}};
  endpoint = {};
  const auto conductor = actors::spawn_conductor(sys, std::move(topology));
  self->monitor(conductor);
  self->send(conductor, actors::stop_atom::value);
  self->receive([](const caf::down_msg&) {});
  return base::ok();
}

} // namespace ec::node
