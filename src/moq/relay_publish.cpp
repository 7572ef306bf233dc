// Tracks that publishers push by PUBLISH [MOQT 9.5]: there from their offer on, for as long as they are pushed.
#include <algorithm>

#include "moq/internal/relay_state.hpp"

namespace ec::moq {

publish_answer relay::published(relay_peer& peer, request_id id, const publish& m) {
  const auto no = [&](uint64_t code, std::string reason) {
    ++counters_.tracks_refused;
    return request_error{.code = code, .retry_after_ms = {}, .reason = std::move(reason), .to = {}};
  };
  auto it = tracks_.find(m.track);
  if (it == tracks_.end()) {
    if (store_.find(m.track)) return no(request_code::duplicate_subscription, "this node publishes the track");
    if (tracks_.size() >= base::limits::relay_tracks_max) return no(request_code::excessive_load, "too many tracks are relayed");
    auto made = std::make_unique<relayed>();
    made->name = m.track;
    if (is_closed(*made)) return no(request_code::unauthorized, "only what can be verified is relayed here");
    made->idle = true;
    it = tracks_.emplace(m.track, std::move(made)).first;
  }
  auto& w = *it->second;
  if (is_barred(peer, w.name)) return no(request_code::unauthorized, "it was false too often");
  const auto others = std::ranges::count_if(w.from, [&](const taken& u) { return u.from != &peer; });
  if (static_cast<size_t>(others) >= config_.upstreams_max) return no(request_code::excessive_load, "the track has publishers enough");
  if (w.t && w.t->ended()) store_.remove(*std::exchange(w.t, nullptr), now_); // it begins anew
  auto& u = w.from.emplace_back();
  u.from = &peer;
  u.id = id;
  u.source = ++sources_;
  u.pushed = true;
  peer.subscriptions_[id] = &w;
  const auto failed = establish(w, u, m.properties, m.params.largest);
  if (!failed) {
    take_along(w);
    wake(now_);
    // FORWARD 1 also while nobody wants it: publishers that push do not wait for subscribers, and some end at an update.
    return publish_accept{.filter = {}, .object_delivery_timeout_ms = {}, .subgroup_delivery_timeout_ms = {}};
  }
  peer.subscriptions_.erase(id);
  std::erase_if(w.from, [&](const taken& one) { return one.from == &peer && one.id == id; });
  if (w.from.empty() && w.interest == 0) tracks_.erase(it);
  return *failed;
}

/// Somebody subscribes to it, waits for it, or was told of it and did not refuse.
bool relay::needed(const relayed& w) {
  return w.interest > 0 || (w.t && w.t->observers() > 0);
}

bool relay::is_pushed(const relayed& w) {
  return std::ranges::any_of(w.from, &taken::pushed);
}

publish_answer relay_peer::on_publish(request_id id, const publish& m) {
  return home().published(*this, id, m);
}

} // namespace ec::moq
