#include "actors/session_link.hpp"

#include "actors/moving.hpp"
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
  const auto places = std::make_shared<dial_places>(peer);
  link.start = [=](caf::actor_system& s) -> base::result<std::vector<caf::actor>> {
    const auto to = places->next();
    EC_TRY(const auto found, look_up(to, on));
    session_dial dial;
    dial.source = source;
    dial.address = to.address;
    dial.peer = found;
    dial.verification = to.verification;
    dial.offer = to.offer;
    dial.keep_alive = to.keep_alive;
    dial.moves = to.moves;
    if (to.moves) {
      dial.places = places;
      dial.on = on;
      dial.observer = observer;
    }
    return std::vector{caf::actor_cast<caf::actor>(spawn_session(s, endpoint, std::move(dial), sink))};
  };
  return caf::actor_cast<caf::actor>(spawn_supervisor(sys, std::move(link), observer, on.blocking));
}

} // namespace ec::actors
