#include "actors/relay_uplink.hpp"

#include "actors/endpoint_core.hpp"
#include "actors/supervisor.hpp"
#include "base/log.hpp"

namespace ec::actors {
namespace {

class relay_uplink final : public loop_actor<relay_uplink_actor> {
public:
  relay_uplink(caf::actor_config& cfg, net_loop& loop, std::shared_ptr<endpoint_core> core, session_peer peer, quic::socket_address where) :
    loop_actor(cfg, loop), core_(std::move(core)), peer_(std::move(peer)), where_(std::move(where)),
    hears_(std::make_unique<moq::relay_peer>(*core_->relay(), peer_.address.authority(), true)) {
    link_ = std::make_unique<moq_link>(loop, client_config(peer_.address, core_->implementation()), *hears_, &core_->store(), [this](const quic::close_reason& why) { on_gone(why); });
    hears_->bind(link_->session());
  }

  behavior_type make_behavior() override {
    core_->watch(*link_);
    if (const auto dialled = link_->dial(core_->quic(), peer_.address, where_, peer_.verification); !dialled) end(dialled.error().message());
    return {
      [this](tick_atom) { quit(fault_); },
      [this](stop_atom) {
        if (ended_) return;
        if (link_->connection() == nullptr) return end({});
        link_->session().close(moq::session_code::no_error, "done");
      },
    };
  }

  void on_exit() override {
    hears_->on_closed(moq::session_code::no_error, "done"); // nothing is asked of the session any more
    core_->let_go(std::move(link_));
    hears_.reset();
    core_ = nullptr; // not to be its last holder: the core joins the thread that this runs on
  }

private:
  void on_gone(const quic::close_reason& why) {
    link_->session().on_transport_closed(why.code, why.text, core_->loop().now());
    end(why.what == quic::close_reason::kind::local ? std::string{} : why.text);
  }

  void end(const std::string& fault) {
    if (ended_) return;
    ended_ = true;
    if (!fault.empty()) fault_ = caf::make_error(caf::sec::runtime_error, peer_.address.authority() + ": " + fault);
    send(this, tick_atom::value); // an actor that quits outside of its message handlers is never cleaned up
  }

  std::shared_ptr<endpoint_core> core_;
  session_peer peer_;
  quic::socket_address where_;
  std::unique_ptr<moq::relay_peer> hears_;
  std::unique_ptr<moq_link> link_;
  bool ended_ = false;
  caf::error fault_; ///< why it ended; none: in good order
};

} // namespace

caf::actor spawn_relay_uplink(caf::actor_system& sys, const session_peer& peer, const machine& on, const running_endpoint& endpoint, observer_actor observer) {
  branch_spec link;
  link.name = "upstream " + peer.address.authority();
  link.start = [=](caf::actor_system& s) -> base::result<std::vector<caf::actor>> {
    EC_TRY(auto found, on.resolve(peer.address.host, peer.address.port));
    return std::vector{caf::actor_cast<caf::actor>(spawn_on<relay_uplink>(s, endpoint.core->loop(), endpoint.core, peer, found.front()))};
  };
  return caf::actor_cast<caf::actor>(spawn_supervisor(sys, std::move(link), observer, on.blocking));
}

} // namespace ec::actors
