#include "actors/gossip_carrier.hpp"

#include <algorithm>
#include <map>
#include <set>

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
        for (auto& [source, l] : listened_) ask(source, l);
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
    for (const auto& [source, l] : listened_)
      if (source >= config_.peers.size()) anon_send(l.session, stop_atom::value);
    listened_.clear();
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

  struct listening {
    session_actor session;
    std::string address; ///< of the peer: who pays
    moq::request_id subscription = moq::no_request;
    uint64_t generation = 0; ///< of the session
    bool asked = false;
  };

  /// Again with each look, of a peer that does not offer it (yet).
  void ask(uint32_t source, listening& l) {
    if (l.asked) return;
    l.asked = true;
    subscribe_request wanted{.track = control_track(), .options = {}, .joining = kept_groups};
    request(l.session, caf::infinite, std::move(wanted))
      .then(
        [this, source, generation = l.generation](const subscribe_ids& ids) {
          if (const auto at = listened_.find(source); at != listened_.end() && at->second.generation == generation) at->second.subscription = ids.subscription;
        },
        [](const caf::error&) {});
  }

  caf::result<edge_credit> on(const session_event& e) {
    if (e.what == session_event::kind::up) {
      auto& l = listened_[e.source] = {e.session, e.text, moq::no_request, ++generations_, false};
      ask(e.source, l);
      return edge_credit{};
    }
    const auto at = listened_.find(e.source);
    if (at == listened_.end()) return edge_credit{};
    auto& l = at->second;
    switch (e.what) {
    case session_event::kind::down: listened_.erase(at); return edge_credit{};
    case session_event::kind::refused:
    case session_event::kind::done:
      // What a joining fetch has nothing to give for is no matter.
      if (e.request == l.subscription) l.asked = false;
      break;
    default: break;
    }
    if (e.what != session_event::kind::object) return edge_credit{};
    ++status_.heard;
    status_.bytes_in += e.object.payload.size();
    // The peer has its credit when this is judged: who says more than is judged has to wait.
    auto credit = make_response_promise<edge_credit>();
    request(sink_, caf::infinite, heard_announcements{discovery::carrier_kind::gossip, l.address, {e.object.payload}})
      .then([credit](const heard_verdicts&) mutable { credit.deliver(edge_credit{}); }, [this](const caf::error&) { quit(); });
    return credit;
  }

  gossip_carrier_config config_;
  announcement_sink_actor sink_;
  observer_actor observer_;
  carrier_status status_;
  std::optional<track_outlet<gossiper>> outlet_;
  std::shared_ptr<const moq::full_track_name> control_, catalog_;
  std::vector<caf::actor> links_;
  std::map<uint32_t, listening> listened_; ///< sessions that are up: of peers that were dialled, by their number, and behind them guests
  uint64_t generations_ = 0;
  std::map<std::string, std::map<std::string, base::mono_time>> streams_; ///< stream id -> who has it, until when
  std::string said_;
  uint64_t next_ = 0, next_catalog_ = 0;
};

} // namespace

moq::full_track_name catalog_track() {
  return {{{"every.channel"}}, "catalog/v1"};
}

moq::full_track_name control_track() {
  return {{{"every.channel"}}, "control/v1"};
}

carrier_spec gossip_carrier(gossip_carrier_config config, observer_actor observer) {
  return {"gossip", [config = std::move(config), observer = std::move(observer)](caf::actor_system& sys, announcement_sink_actor sink) -> base::result<carrier_actor> {
            return caf::actor_cast<carrier_actor>(sys.spawn<gossiper>(config, std::move(sink), observer));
          }};
}

} // namespace ec::actors
