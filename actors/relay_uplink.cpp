#include "actors/relay_uplink.hpp"

#include "actors/endpoint_core.hpp"
#include "actors/supervisor.hpp"
#include "base/log.hpp"
#include "moq/crossing.hpp"
#include "moq/offering.hpp"

namespace ec::actors {
namespace {

constexpr std::chrono::milliseconds drain_poll{20}, cross_poll{20};

/// What a side tells the actor.
struct side_hooks {
  std::function<void()> up;
  std::function<void(std::string_view uri, uint64_t timeout_ms)> leave;
  std::function<void(std::chrono::milliseconds)> retry_after;
};

/// What a node does in a session that it dialled. Touched on the loop's thread only.
class uplink_side {
public:
  uplink_side(std::string relay, uplink_status& status, side_hooks hooks, observer_actor observer) :
    relay_(std::move(relay)), status_(status), hooks_(std::move(hooks)), observer_(std::move(observer)) {}
  virtual ~uplink_side() = default;
  virtual moq::upper_layer& hears() = 0;
  virtual void bind(moq::session& s) = 0;
  /// Something is due: of an offer that waits.
  virtual void on_retry(base::mono_time) {}
  /// Namespaces that the relay has accepted.
  virtual size_t accepted() const { return 0; }
  /// Nothing is taken from the relay any more.
  virtual bool is_left() const { return true; }

protected:
  void up(const moq::peer_setup& setup) {
    status_.up = true;
    ++status_.sessions;
    status_.fault.clear();
    tell("uplink-up", {{"relay", relay_}, {"implementation", setup.implementation}});
    hooks_.up();
  }
  void tell(std::string event, base::json::object fields) {
    if (observer_) caf::anon_send(observer_, report{std::move(event), std::move(fields)});
  }

  std::string relay_;
  uplink_status& status_;
  side_hooks hooks_;

private:
  observer_actor observer_;
};

/// A relay uses another.
class relaying_side final : public uplink_side {
public:
  relaying_side(moq::relay& home, std::string name, uint32_t cost, uplink_status& status, side_hooks hooks, observer_actor observer) :
    uplink_side(std::move(name), status, std::move(hooks), std::move(observer)), peer_(home, relay_, true, cost) {
    peer_.on_up([this](const moq::peer_setup& setup) { up(setup); });
    peer_.on_leave(hooks_.leave);
  }
  moq::upper_layer& hears() override { return peer_; }
  void bind(moq::session& s) override { peer_.bind(s); }
  bool is_left() const override { return peer_.is_left(); }

private:
  moq::relay_peer peer_;
};

/// A publisher offers its tracks, counts what becomes of that, and tells it.
class offering_side final : public uplink_side, moq::offering_watcher {
public:
  offering_side(moq::track_store& store, const moq::track_namespace& offered, std::string relay, uplink_status& status, side_hooks hooks, observer_actor observer) :
    uplink_side(std::move(relay), status, std::move(hooks), std::move(observer)), offers_(store, offered, *this) {}
  moq::upper_layer& hears() override { return offers_; }
  void bind(moq::session& s) override { offers_.bind(s); }
  void on_retry(base::mono_time now) override { offers_.on_tick(now); }
  size_t accepted() const override { return offers_.accepted(); }

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
    hooks_.retry_after(wait);
  }
  void on_leave(std::string_view uri, uint64_t timeout_ms) override { hooks_.leave(uri, timeout_ms); }

  moq::offering offers_;
};

class relay_uplink final : public loop_actor<relay_uplink_actor> {
public:
  using make_side = std::function<std::unique_ptr<uplink_side>(endpoint_core&, const std::string& relay, uplink_status&, side_hooks)>;

  relay_uplink(caf::actor_config& cfg, net_loop& loop, std::shared_ptr<endpoint_core> core, std::string configured, session_peer peer, quic::socket_address where,
    std::shared_ptr<dial_places> places, machine on, make_side make, std::chrono::milliseconds linger, observer_actor observer) :
    loop_actor(cfg, loop), core_(std::move(core)), configured_(std::move(configured)), first_(std::move(peer)), where_(std::move(where)), places_(std::move(places)),
    on_(std::move(on)), make_(std::move(make)), linger_(linger), observer_(std::move(observer)) {}

  behavior_type make_behavior() override {
    // Here and not in the constructor, which another thread runs: relay and store are the loop's.
    status_ = &core_->uplink(configured_);
    if (const auto fault = open(now_, first_, where_); !fault.empty()) end(fault);
    return {
      [this](tick_atom) { quit(fault_); },
      [this](move_atom) { cross(); },
      [this](const found_place& found) { reach(found); },
      [this](retry_atom) {
        for (auto* l : {now_.get(), next_.get()})
          if (!ended_ && l != nullptr) l->side->on_retry(core_->loop().now());
      },
      [this](stop_atom) { stop(); },
    };
  }

  void on_exit() override {
    drop(std::move(next_));
    drop(std::move(now_));
    core_ = nullptr; // not to be its last holder: the core joins the thread that this runs on
  }

private:
  /// One session.
  struct leg {
    session_peer peer;
    std::unique_ptr<uplink_side> side;
    std::unique_ptr<moq_link> link;
    bool gone = false; ///< its connection is
  };

  /// Why it could not be dialled; empty: it is on its way.
  std::string open(std::unique_ptr<leg>& made, const session_peer& peer, const quic::socket_address& where) {
    made = std::make_unique<leg>();
    auto* l = made.get();
    l->peer = peer;
    side_hooks hooks;
    hooks.up = [this, l] { on_up(*l); };
    hooks.leave = [this, l](std::string_view uri, uint64_t timeout_ms) { on_leave(*l, uri, timeout_ms); };
    hooks.retry_after = [this](std::chrono::milliseconds wait) { delayed_send(this, wait, retry_atom::value); };
    l->side = make_(*core_, peer.address.authority(), *status_, std::move(hooks));
    auto config = client_config(peer.address, core_->implementation());
    config.origin_id = core_->origin_id();
    config.tells_parts = true; // to a relay
    l->link = std::make_unique<moq_link>(loop(), std::move(config), l->side->hears(), &core_->store(), [this, l](const quic::close_reason& why) { on_gone(*l, why); });
    l->side->bind(l->link->session());
    core_->watch(*l->link);
    ++status_->dials;
    const auto dialled = l->link->dial(core_->quic(), peer.address, where, peer.verification, core_->protocols());
    return dialled ? std::string{} : dialled.error().message();
  }

  void drop(std::unique_ptr<leg> l) {
    if (!l) return;
    l->side->hears().on_closed(moq::session_code::no_error, "done"); // nothing is asked of the session any more
    core_->let_go(std::move(l->link));
  }

  void on_up(leg& l) {
    places_->up(l.peer);
    if (&l == next_.get() && crossing_) crossing_->up();
  }

  /// The relay asks to leave.
  void on_leave(leg& l, std::string_view uri, uint64_t timeout_ms) {
    if (&l != now_.get() || crossing_ || ended_ || close_by_) return; // one that is asked so before it is needed is dialled again when it ends
    const auto now = core_->loop().now();
    auto [target, elsewhere, refused] = place_after(l.peer, uri, budget_, now);
    target_ = std::move(target);
    if (!refused.empty()) {
      ++status_->moves_refused;
      tell("move-refused", {{"relay", l.peer.address.authority()}, {"reason", refused}});
    }
    tell("uplink-leaves", {{"relay", l.peer.address.authority()}, {"to", shown(target_)}, {"timeout_ms", timeout_ms}});
    crossing_.emplace(now, timeout_ms, elsewhere);
    send(this, move_atom::value);
  }

  /// The old relay still takes or gives something that the new one does not yet.
  bool missing() const {
    const auto* c = now_->link->connection();
    if (c == nullptr || !next_) return false;
    return !now_->side->is_left() || now_->link->session().serving() > 0 || c->unsent() + c->unacked() > 0 || next_->side->accepted() < now_->side->accepted();
  }

  void cross() {
    using step = moq::crossing::step;
    if (!crossing_ || ended_) return;
    const auto now = core_->loop().now();
    if (next_ && next_->gone) drop(std::move(next_));
    switch (crossing_->next(now, missing())) {
    case step::wait: break;
    case step::dial:
      crossing_->dialling();
      look_up_for(system(), target_, on_, this);
      break;
    case step::leave: return take_over();
    case step::give_up:
      crossing_.reset();
      now_->link->session().close(moq::session_code::no_error, "going away");
      return end("the relay asked to leave");
    }
    delayed_send(this, cross_poll, move_atom::value);
  }

  void reach(const found_place& found) {
    if (!crossing_ || ended_ || close_by_) return;
    const auto fault = found.where ? open(next_, target_, *found.where) : found.fault;
    if (!fault.empty()) not_there(fault);
  }

  void not_there(const std::string& why) {
    base::log::info("relay_uplink", "next-relay-not-there", {{"relay", target_.address.authority()}, {"reason", why}});
    if (next_) next_->gone = true;
    crossing_->failed(core_->loop().now());
  }

  /// Everything goes on in the next session.
  void take_over() {
    crossing_.reset();
    ++status_->moves;
    tell("uplink-moved", {{"relay", now_->peer.address.authority()}, {"to", shown(next_->peer)}});
    std::swap(now_, next_);
    if (next_->link->connection() != nullptr) next_->link->session().close(moq::session_code::no_error, "moved");
    drop(std::move(next_));
  }

  void stop() {
    if (ended_) return;
    const auto* c = now_->link->connection();
    if (c == nullptr || !now_->link->session().established()) return end({});
    const auto now = core_->loop().now();
    if (!close_by_) close_by_ = now + linger_;
    if (now < *close_by_ && c->unsent() + c->unacked() > 0) return delayed_send(this, drain_poll, stop_atom::value);
    now_->link->session().close(moq::session_code::no_error, "done");
  }

  void on_gone(leg& l, const quic::close_reason& why) {
    l.link->session().on_transport_closed(why.code, why.text, core_->loop().now());
    l.gone = true;
    if (&l != now_.get()) {
      if (crossing_) not_there(why.text);
      return;
    }
    // If the next session is up already, nothing is lost but what the old relay did not give any more.
    if (crossing_ && crossing_->is_up() && !ended_) return;
    // A relay that closes without a word is dialled again as one that says why.
    if (why.what == quic::close_reason::kind::local) end({});
    else end(why.text.empty() ? "the relay closed the session" : why.text);
  }

  void end(const std::string& fault) {
    if (ended_) return;
    ended_ = true;
    if (std::exchange(status_->up, false)) tell("uplink-down", {{"relay", now_->peer.address.authority()}, {"reason", fault.empty() ? "done" : fault}});
    if (!fault.empty()) {
      status_->fault = fault;
      fault_ = caf::make_error(caf::sec::runtime_error, now_->peer.address.authority() + ": " + fault);
    }
    send(this, tick_atom::value); // an actor that quits outside of its message handlers is never cleaned up
  }

  void tell(std::string event, base::json::object fields) {
    if (observer_) caf::anon_send(observer_, report{std::move(event), std::move(fields)});
  }

  std::shared_ptr<endpoint_core> core_;
  std::string configured_; ///< host:port
  session_peer first_;
  quic::socket_address where_;
  std::shared_ptr<dial_places> places_;
  machine on_;
  make_side make_;
  std::chrono::milliseconds linger_;
  observer_actor observer_;
  uplink_status* status_ = nullptr; ///< the core's
  std::unique_ptr<leg> now_;
  std::unique_ptr<leg> next_; ///< while it goes over
  std::optional<moq::crossing> crossing_;
  moq::move_budget budget_;
  session_peer target_;
  std::optional<base::mono_time> close_by_; ///< asked to stop: until then the peer may take what is queued
  bool ended_ = false;
  caf::error fault_; ///< why it ended; none: in good order
};

caf::actor spawn_uplink(caf::actor_system& sys, const session_peer& peer, const machine& on, const running_endpoint& endpoint, relay_uplink::make_side make,
  std::chrono::milliseconds linger, observer_actor observer) {
  branch_spec link;
  link.name = "uplink " + peer.address.authority();
  const auto places = std::make_shared<dial_places>(peer);
  link.start = [=, configured = peer.address.authority()](caf::actor_system& s) -> base::result<std::vector<caf::actor>> {
    const auto to = places->next();
    EC_TRY(const auto found, look_up(to, on));
    return std::vector{caf::actor_cast<caf::actor>(spawn_on<relay_uplink>(s, endpoint.core->loop(), endpoint.core, configured, to, found, places, on, make, linger, observer))};
  };
  link.stop = [](const std::vector<caf::actor>& running) {
    for (const auto& a : running) caf::anon_send(a, stop_atom::value);
  };
  return caf::actor_cast<caf::actor>(spawn_supervisor(sys, std::move(link), observer, on.blocking));
}

} // namespace

caf::actor spawn_relay_uplink(caf::actor_system& sys, const session_peer& peer, const machine& on, const running_endpoint& endpoint, observer_actor observer) {
  const auto make = [observer, cost = peer.cost](endpoint_core& core, const std::string& relay, uplink_status& status, side_hooks hooks) {
    return std::make_unique<relaying_side>(*core.relay(), relay, cost, status, std::move(hooks), observer);
  };
  return spawn_uplink(sys, peer, on, endpoint, make, std::chrono::milliseconds{0}, std::move(observer));
}

caf::actor spawn_publisher_uplink(caf::actor_system& sys, const session_peer& peer, const machine& on, const running_endpoint& endpoint,
  const moq::track_namespace& offered, std::chrono::milliseconds linger, observer_actor observer) {
  const auto make = [offered, observer](endpoint_core& core, const std::string& relay, uplink_status& status, side_hooks hooks) {
    return std::make_unique<offering_side>(core.store(), offered, relay, status, std::move(hooks), observer);
  };
  return spawn_uplink(sys, peer, on, endpoint, make, linger, observer);
}

} // namespace ec::actors
