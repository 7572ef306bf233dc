#include "actors/mdns_carrier.hpp"

#include <map>
#include <set>
#include <utility>

#include "actors/control_listener.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"

namespace ec::actors {
namespace {

namespace limits = base::limits;

constexpr std::chrono::milliseconds look_every{100};
constexpr std::chrono::seconds ask_every{2}; ///< of those that do not offer it yet

using mdns_actor = carrier_actor::extend<caf::replies_to<session_event>::with<edge_credit>>;

class neighbourhood_reader final : public mdns_actor::base {
public:
  neighbourhood_reader(caf::actor_config& cfg, mdns_carrier_config config, std::unique_ptr<discovery::mdns_network> network, announcement_sink_actor sink,
    observer_actor observer) :
    mdns_actor::base(cfg), config_(std::move(config)), network_(std::move(network)), sink_(std::move(sink)), observer_(std::move(observer)), listener_(this) {
    status_.by = discovery::carrier_kind::mdns;
    status_.name = "mdns";
  }

  behavior_type make_behavior() override {
    delayed_send(this, look_every, tick_atom::value);
    return {
      [](const carried_announcement&) {}, // gossip publishes it
      [](const wanted_stream&) {},        // whoever is there is heard
      [this](status_atom) { return status_; },
      [this](tick_atom) {
        look();
        delayed_send(this, look_every, tick_atom::value);
      },
      [this](stop_atom) { quit(); },
      [this](const session_event& e) { return on(e); },
    };
  }

  void on_exit() override {
    for (const auto& [unused, n] : neighbours_) anon_send(n.link, stop_atom::value);
    neighbours_.clear();
    listener_.release([](uint32_t, const session_actor&) {});
    network_.reset(); // says goodbye
    sink_ = nullptr;
    observer_ = nullptr;
    config_ = {};
  }

private:
  struct neighbour {
    discovery::mdns_peer peer;
    uint32_t source = 0;
    caf::actor link;
  };

  void look() {
    const auto there = network_->look();
    tell(network_->fault());
    std::set<discovery::spki_digest> now;
    for (const auto& p : there) {
      now.insert(p.spki);
      const auto known = neighbours_.find(p.spki);
      if (known != neighbours_.end() && known->second.peer.address == p.address) continue;
      if (known != neighbours_.end()) leave(known); // it has moved
      if (neighbours_.size() < limits::gossip_peers_max) meet(p);
    }
    for (auto at = neighbours_.begin(); at != neighbours_.end();) at = now.contains(at->first) ? std::next(at) : leave(at);
    if (clock().now() < ask_at_) return;
    listener_.look();
    ask_at_ = clock().now() + ask_every;
  }

  void meet(const discovery::mdns_peer& p) {
    auto address = quic::endpoint_address::parse(p.address);
    if (!address) return;
    session_peer peer{std::move(address).value(), quic::client_verification::pinned(p.spki)};
    peer.address.pin = p.spki;
    peer.keep_alive = control_keep_alive;
    const auto source = next_++;
    auto self = caf::actor_cast<session_sink_actor>(this);
    auto link = config_.link ? config_.link(system(), source, peer, self) : spawn_session_link(system(), source, peer, config_.on, config_.endpoint, self, observer_);
    neighbours_[p.spki] = {p, source, std::move(link)};
    base::log::info("mdns_carrier", "neighbour-found", {{"name", p.name}, {"address", p.address}});
  }

  using table = std::map<discovery::spki_digest, neighbour>;
  table::iterator leave(table::iterator at) {
    base::log::info("mdns_carrier", "neighbour-gone", {{"name", at->second.peer.name}, {"address", at->second.peer.address}});
    listener_.forget(at->second.source);
    anon_send(at->second.link, stop_atom::value);
    return neighbours_.erase(at);
  }

  void tell(const std::string& fault) {
    if (fault == status_.fault) return;
    status_.fault = fault;
    if (!fault.empty()) ++status_.faults;
    if (!observer_) return;
    if (fault.empty()) send(observer_, report{"carrier-restored", {{"carrier", status_.name}}});
    else send(observer_, report{"carrier-fault", {{"carrier", status_.name}, {"reason", fault}}});
  }

  caf::result<edge_credit> on(const session_event& e) {
    const auto* peer = listener_.on(e);
    if (peer == nullptr) return edge_credit{};
    ++status_.heard;
    status_.bytes_in += e.object.payload.size();
    return listener_.judge(sink_, {discovery::carrier_kind::mdns, *peer, {e.object.payload}}, [](const heard_verdicts&) {});
  }

  mdns_carrier_config config_;
  std::unique_ptr<discovery::mdns_network> network_;
  announcement_sink_actor sink_;
  observer_actor observer_;
  carrier_status status_;
  control_listener<neighbourhood_reader> listener_;
  table neighbours_; ///< that are dialled
  uint32_t next_ = 0;
  base::mono_time ask_at_{};
};

} // namespace

carrier_spec mdns_carrier(mdns_carrier_config config, observer_actor observer) {
  return {"mdns", [config = std::move(config), observer = std::move(observer)](caf::actor_system& sys, announcement_sink_actor sink) -> base::result<carrier_actor> {
            EC_TRY(auto network, config.join(config.network));
            return caf::actor_cast<carrier_actor>(spawn_at<neighbourhood_reader>(sys, config.on.blocking, config, std::move(network), std::move(sink), observer));
          }};
}

} // namespace ec::actors
