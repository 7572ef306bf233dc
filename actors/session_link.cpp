#include "actors/session_link.hpp"

#include "actors/supervisor.hpp"

namespace ec::actors {

base::result<quic::socket_address> look_up(const session_peer& peer, const machine& on) {
  EC_TRY(auto found, peer.at ? on.resolve(peer.at->host, peer.at->port) : on.resolve(peer.address.host, peer.address.port));
  return found.front();
}

caf::actor spawn_session_link(caf::actor_system& sys, uint32_t source, const session_peer& peer, const machine& on, const running_endpoint& endpoint,
  session_sink_actor sink, observer_actor observer) {
  branch_spec link;
  link.name = "session " + peer.address.authority();
  link.start = [=](caf::actor_system& s) -> base::result<std::vector<caf::actor>> {
    EC_TRY(const auto found, look_up(peer, on));
    session_dial dial;
    dial.source = source;
    dial.address = peer.address;
    dial.peer = found;
    dial.verification = peer.verification;
    dial.offer = peer.offer;
    dial.keep_alive = peer.keep_alive;
    return std::vector{caf::actor_cast<caf::actor>(spawn_session(s, endpoint, std::move(dial), sink))};
  };
  return caf::actor_cast<caf::actor>(spawn_supervisor(sys, std::move(link), observer, on.blocking));
}

} // namespace ec::actors
