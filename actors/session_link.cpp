#include "actors/session_link.hpp"

#include "actors/supervisor.hpp"

namespace ec::actors {

caf::actor spawn_session_link(caf::actor_system& sys, uint32_t source, const session_peer& peer, const machine& on, const running_endpoint& endpoint,
  session_sink_actor sink, observer_actor observer) {
  branch_spec link;
  link.name = "session " + peer.address.authority();
  link.start = [=](caf::actor_system& s) -> base::result<std::vector<caf::actor>> {
    EC_TRY(auto found, on.resolve(peer.address.host, peer.address.port));
    session_dial dial;
    dial.source = source;
    dial.address = peer.address;
    dial.peer = found.front();
    dial.verification = peer.verification;
    dial.offer = peer.offer;
    dial.keep_alive = peer.keep_alive;
    return std::vector{caf::actor_cast<caf::actor>(spawn_session(s, endpoint, std::move(dial), sink))};
  };
  return caf::actor_cast<caf::actor>(spawn_supervisor(sys, std::move(link), observer, on.blocking));
}

} // namespace ec::actors
