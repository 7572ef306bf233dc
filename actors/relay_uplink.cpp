#include "actors/relay_uplink.hpp"

#include "actors/endpoint_core.hpp"
#include "actors/supervisor.hpp"
#include "base/log.hpp"
#include "moq/offering.hpp"

namespace ec::actors {
namespace {

constexpr std::chrono::milliseconds drain_poll{20};

/// What a node does in a session that it dialled. Touched on the loop's thread only.
class uplink_side {
public:
  uplink_side(std::string relay, uplink_status& status, observer_actor observer) : relay_(std::move(relay)), status_(status), observer_(std::move(observer)) {}
  virtual ~uplink_side() = default;
  virtual moq::upper_layer& hears() = 0;
  virtual void bind(moq::session& s) = 0;
  /// Something is due: of an offer that waits.
  virtual void on_retry(base::mono_time) {}

protected:
  void up(const moq::peer_setup& setup) {
    status_.up = true;
    ++status_.sessions;
    status_.fault.clear();
    tell("uplink-up", {{"relay", relay_}, {"implementation", setup.implementation}});
  }
  void tell(std::string event, base::json::object fields) {
    if (observer_) caf::anon_send(observer_, report{std::move(event), std::move(fields)});
  }

  std::string relay_;
  uplink_status& status_;

private:
  observer_actor observer_;
};

/// A relay uses another.
class relaying_side final : public uplink_side {
public:
  relaying_side(moq::relay& home, std::string name, uplink_status& status, observer_actor observer) :
    uplink_side(std::move(name), status, std::move(observer)), peer_(home, relay_, true) {
    peer_.on_up([this](const moq::peer_setup& setup) { up(setup); });
  }
  moq::upper_layer& hears() override { return peer_; }
  void bind(moq::session& s) override { peer_.bind(s); }

private:
  moq::relay_peer peer_;
};

/// A publisher offers its tracks, counts what becomes of that, and tells it.
class offering_side final : public uplink_side, moq::offering_watcher {
public:
  offering_side(moq::track_store& store, const moq::track_namespace& offered, std::string relay, uplink_status& status, observer_actor observer,
    std::function<void(std::chrono::milliseconds)> retry_after) :
    uplink_side(std::move(relay), status, std::move(observer)), offers_(store, offered, *this), retry_after_(std::move(retry_after)) {}
  moq::upper_layer& hears() override { return offers_; }
  void bind(moq::session& s) override { offers_.bind(s); }
  void on_retry(base::mono_time now) override { offers_.on_tick(now); }

private:
  void on_up(const moq::peer_setup& setup) override { up(setup); }
  void on_offered(const moq::track_namespace& ns) override {
    ++status_.offered;
    tell("uplink-offered", {{"relay", relay_}, {"namespace", moq::to_string(ns)}});
  }
  void on_refused(const moq::track_namespace& ns, const moq::request_error& e, std::chrono::milliseconds wait) override {
    ++status_.refused;
    status_.fault = e.reason;
    tell("uplink-refused", {{"relay", relay_}, {"namespace", moq::to_string(ns)}, {"code", e.code}, {"reason", e.reason}, {"retry_ms", int64_t{wait.count()}}});
    retry_after_(wait);
  }

  moq::offering offers_;
  std::function<void(std::chrono::milliseconds)> retry_after_;
};

class relay_uplink final : public loop_actor<relay_uplink_actor> {
public:
  using make_side = std::function<std::unique_ptr<uplink_side>(endpoint_core&, uplink_status&, std::function<void(std::chrono::milliseconds)>)>;

  relay_uplink(caf::actor_config& cfg, net_loop& loop, std::shared_ptr<endpoint_core> core, session_peer peer, quic::socket_address where,
    make_side make, std::chrono::milliseconds linger, observer_actor observer) :
    loop_actor(cfg, loop), core_(std::move(core)), peer_(std::move(peer)), where_(std::move(where)), make_(std::move(make)), linger_(linger),
    observer_(std::move(observer)) {}

  behavior_type make_behavior() override {
    // Here and not in the constructor, which another thread runs: relay and store are the loop's.
    status_ = &core_->uplink(peer_.address.authority());
    side_ = make_(*core_, *status_, [this](std::chrono::milliseconds wait) { delayed_send(this, wait, retry_atom::value); });
    auto config = client_config(peer_.address, core_->implementation());
    config.origin_id = core_->origin_id();
    link_ = std::make_unique<moq_link>(loop(), std::move(config), side_->hears(), &core_->store(), [this](const quic::close_reason& why) { on_gone(why); });
    side_->bind(link_->session());
    core_->watch(*link_);
    ++status_->dials;
    if (const auto dialled = link_->dial(core_->quic(), peer_.address, where_, peer_.verification, core_->protocols()); !dialled) end(dialled.error().message());
    return {
      [this](tick_atom) { quit(fault_); },
      [this](retry_atom) {
        if (!ended_) side_->on_retry(core_->loop().now());
      },
      [this](stop_atom) { stop(); },
    };
  }

  void on_exit() override {
    if (side_) side_->hears().on_closed(moq::session_code::no_error, "done"); // nothing is asked of the session any more
    core_->let_go(std::move(link_));
    side_.reset();
    core_ = nullptr; // not to be its last holder: the core joins the thread that this runs on
  }

private:
  void stop() {
    if (ended_) return;
    const auto* c = link_->connection();
    if (c == nullptr || !link_->session().established()) return end({});
    const auto now = core_->loop().now();
    if (!close_by_) close_by_ = now + linger_;
    if (now < *close_by_ && c->unsent() + c->unacked() > 0) return delayed_send(this, drain_poll, stop_atom::value);
    link_->session().close(moq::session_code::no_error, "done");
  }

  void on_gone(const quic::close_reason& why) {
    link_->session().on_transport_closed(why.code, why.text, core_->loop().now());
    // A relay that closes without a word is dialled again as one that says why.
    if (why.what == quic::close_reason::kind::local) end({});
    else end(why.text.empty() ? "the relay closed the session" : why.text);
  }

  void end(const std::string& fault) {
    if (ended_) return;
    ended_ = true;
    if (std::exchange(status_->up, false) && observer_)
      caf::anon_send(observer_, report{"uplink-down", {{"relay", peer_.address.authority()}, {"reason", fault.empty() ? "done" : fault}}});
    if (!fault.empty()) {
      status_->fault = fault;
      fault_ = caf::make_error(caf::sec::runtime_error, peer_.address.authority() + ": " + fault);
    }
    send(this, tick_atom::value); // an actor that quits outside of its message handlers is never cleaned up
  }

  std::shared_ptr<endpoint_core> core_;
  session_peer peer_;
  quic::socket_address where_;
  make_side make_;
  std::chrono::milliseconds linger_;
  observer_actor observer_;
  uplink_status* status_ = nullptr; ///< the core's
  std::unique_ptr<uplink_side> side_;
  std::unique_ptr<moq_link> link_;
  std::optional<base::mono_time> close_by_; ///< asked to stop: until then the peer may take what is queued
  bool ended_ = false;
  caf::error fault_; ///< why it ended; none: in good order
};

caf::actor spawn_uplink(caf::actor_system& sys, const session_peer& peer, const machine& on, const running_endpoint& endpoint, relay_uplink::make_side make,
  std::chrono::milliseconds linger, observer_actor observer) {
  branch_spec link;
  link.name = "uplink " + peer.address.authority();
  link.start = [=](caf::actor_system& s) -> base::result<std::vector<caf::actor>> {
    EC_TRY(const auto found, look_up(peer, on));
    return std::vector{caf::actor_cast<caf::actor>(spawn_on<relay_uplink>(s, endpoint.core->loop(), endpoint.core, peer, found, make, linger, observer))};
  };
  link.stop = [](const std::vector<caf::actor>& running) {
    for (const auto& a : running) caf::anon_send(a, stop_atom::value);
  };
  return caf::actor_cast<caf::actor>(spawn_supervisor(sys, std::move(link), observer, on.blocking));
}

} // namespace

caf::actor spawn_relay_uplink(caf::actor_system& sys, const session_peer& peer, const machine& on, const running_endpoint& endpoint, observer_actor observer) {
  const auto make = [name = peer.address.authority(), observer](endpoint_core& core, uplink_status& status, auto) {
    return std::make_unique<relaying_side>(*core.relay(), name, status, observer);
  };
  return spawn_uplink(sys, peer, on, endpoint, make, std::chrono::milliseconds{0}, std::move(observer));
}

caf::actor spawn_publisher_uplink(caf::actor_system& sys, const session_peer& peer, const machine& on, const running_endpoint& endpoint,
  const moq::track_namespace& offered, std::chrono::milliseconds linger, observer_actor observer) {
  const auto make = [name = peer.address.authority(), offered, observer](endpoint_core& core, uplink_status& status, auto retry_after) {
    return std::make_unique<offering_side>(core.store(), offered, name, status, observer, std::move(retry_after));
  };
  return spawn_uplink(sys, peer, on, endpoint, make, linger, observer);
}

} // namespace ec::actors
