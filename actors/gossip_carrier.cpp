#include "actors/gossip_carrier.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "actors/control_listener.hpp"
#include "actors/track_outlet.hpp"
#include "base/json.hpp"
#include "base/limits.hpp"

namespace ec::actors {
namespace {

namespace limits = base::limits;

constexpr std::chrono::seconds look{2}; ///< for streams that came and went
/// Who joins late is given as much as a table holds of streams that are said again in time.
constexpr size_t kept_groups = limits::directory_announcements_max;
constexpr uint8_t gossip_priority = 192; // behind manifests and chunks

using gossip_actor = carrier_actor::extend<caf::replies_to<session_event>::with<edge_credit>>;

class gossiper final : public gossip_actor::base {
public:
  gossiper(caf::actor_config& cfg, gossip_carrier_config config, announcement_sink_actor sink, observer_actor observer) :
    gossip_actor::base(cfg), config_(std::move(config)), sink_(std::move(sink)), observer_(std::move(observer)) {
    status_.by = discovery::carrier_kind::gossip;
    status_.name = "gossip";
  }

  behavior_type make_behavior() override {
    if (config_.offer) {
      outlet_.emplace(this, edge_config{.window = 16, .waiting = kept_groups, .policy = edge_policy::live}, config_.endpoint.actor,
        edge_watch{"gossip-endpoint", observer_});
      const moq::track_config kept{.priority = gossip_priority, .cache_groups_max = kept_groups, .cache_bytes_max = kept_groups * limits::announcement_bytes_max};
      control_ = outlet_->add(control_track(), kept);
      catalog_ = outlet_->add(catalog_track(), {.priority = gossip_priority, .cache_groups_max = 1});
    }
    const auto self = caf::actor_cast<session_sink_actor>(this);
    for (uint32_t i = 0; i < config_.peers.size(); ++i) {
      // Who is dialled may ask in turn, in the same session: a node that nobody can dial is heard so.
      config_.peers[i].keep_alive = control_keep_alive;
      if (config_.offer) config_.peers[i].offer = control_track().ns;
      links_.push_back(spawn_session_link(system(), i, config_.peers[i], config_.on, config_.endpoint, self, observer_));
    }
    if (config_.offer)
      anon_send(config_.endpoint.actor, guest_wish{control_track().ns, self, static_cast<uint32_t>(config_.peers.size()), config_.guests_max});
    delayed_send(this, look, tick_atom::value);
    return {
      [this](const carried_announcement& c) { carry(c); },
      [](const wanted_stream&) {}, // everything is passed on
      [this](status_atom) { return status_; },
      [this](tick_atom) {
        publish_catalog();
        listener_.look();
        delayed_send(this, look, tick_atom::value);
      },
      [this](stop_atom) {
        // The last words are handed on first.
        if (outlet_) outlet_->end();
        else quit();
      },
      [this](const session_event& e) { return on(e); },
    };
  }

  void on_exit() override {
    for (const auto& l : links_) anon_send(l, stop_atom::value); // not at once: peers take what is on its way to them
    links_.clear();
    listener_.release([this](uint32_t source, const session_actor& session) {
      if (source >= config_.peers.size()) anon_send(session, stop_atom::value);
    });
    if (outlet_) outlet_->release();
    sink_ = nullptr;
    observer_ = nullptr;
    config_ = {};
  }

private:
  void carry(const carried_announcement& c) {
    const auto& a = *c.what;
    const auto until = clock().now() + std::chrono::milliseconds(a.ttl_ms);
    const auto who = a.signer.to_string() + " " + a.source_node;
    if (!a.transports.empty()) streams_[a.stream_id.text()][who] = until;
    else if (const auto known = streams_.find(a.stream_id.text()); known != streams_.end()) known->second.erase(who);
    if (!outlet_) return;
    publish(control_, next_++, c.encoded);
    ++status_.sent;
    status_.bytes_out += c.encoded.size();
  }

  void publish(const std::shared_ptr<const moq::full_track_name>& track, uint64_t group, base::bytes payload) {
    publish_op op{.what = publish_op::step::append, .track = track};
    op.object.group = group;
    op.object.priority = gossip_priority;
    op.object.payload = std::move(payload);
    outlet_->push(std::move(op));
    outlet_->push({.what = publish_op::step::end_group, .track = track, .group = group});
  }

  void publish_catalog() {
    const auto now = clock().now();
    base::json::array ids;
    size_t bytes = 64;
    for (auto at = streams_.begin(); at != streams_.end();) {
      std::erase_if(at->second, [&](const auto& one) { return one.second <= now; });
      at = at->second.empty() ? streams_.erase(at) : std::next(at);
    }
    bool more = false;
    for (const auto& [id, unused] : streams_) {
      bytes += id.size() + 3;
      if (bytes > limits::gossip_object_bytes_max) {
        more = true;
        break;
      }
      ids.emplace_back(id);
    }
    auto text = base::json::canonical(base::json::object{{"more", more}, {"streams", std::move(ids)}, {"version", 1}});
    if (!outlet_ || text == said_) return;
    said_ = std::move(text);
    publish(catalog_, next_catalog_++, base::bytes::copy(said_));
  }

  caf::result<edge_credit> on(const session_event& e) {
    const auto* peer = listener_.on(e);
    if (!peer) return edge_credit{};
    ++status_.heard;
    status_.bytes_in += e.object.payload.size();
    return listener_.judge(sink_, {discovery::carrier_kind::gossip, *peer, {e.object.payload}}, [](const heard_verdicts&) {});
  }

  gossip_carrier_config config_;
  announcement_sink_actor sink_;
  observer_actor observer_;
  carrier_status status_;
  std::optional<track_outlet<gossiper>> outlet_;
  std::shared_ptr<const moq::full_track_name> control_, catalog_;
  std::vector<caf::actor> links_;
  control_listener<gossiper> listener_{this}; ///< of peers that were dialled, by their number, and behind them guests
  std::map<std::string, std::map<std::string, base::mono_time>> streams_; ///< stream id -> who has it, until when
  std::string said_;
  uint64_t next_ = 0, next_catalog_ = 0;
};

} // namespace

moq::full_track_name catalog_track() {
  return {{{"every.channel"}}, "catalog/v1"};
}

carrier_spec gossip_carrier(gossip_carrier_config config, observer_actor observer) {
  return {"gossip", [config = std::move(config), observer = std::move(observer)](caf::actor_system& sys, announcement_sink_actor sink) -> base::result<carrier_actor> {
            return caf::actor_cast<carrier_actor>(sys.spawn<gossiper>(config, std::move(sink), observer));
          }};
}

} // namespace ec::actors
