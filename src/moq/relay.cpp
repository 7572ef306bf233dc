// Who has what is wanted: offers, subscriptions upstream, and their ends.
#include "moq/relay.hpp"

#include <algorithm>

#include "moq/internal/relay_state.hpp"

namespace ec::moq {
namespace {

namespace limits = base::limits;

constexpr std::chrono::seconds age_turn{1};
constexpr std::chrono::milliseconds ask_wait{500};
/// Before a publisher that did not know a track is asked for it again, while another gives it: at first, and at most.
constexpr std::chrono::milliseconds denied_wait_min{250}, denied_wait_max{30'000};

request_error nobody() {
  return {.code = request_code::does_not_exist, .retry_after_ms = {}, .reason = "nobody offers the track", .to = {}};
}

track_config config_of(const track_properties& p, const relay_config& relay) {
  track_config c;
  c.priority = p.priority.value_or(128);
  c.order = p.order.value_or(group_order::ascending);
  c.single_subgroup = false; // each stream tells of itself
  c.object_properties = true;
  c.cache_groups_max = relay.track_groups_max;
  c.cache_bytes_max = relay.track_bytes_max;
  c.object_delivery_timeout_ms = p.object_delivery_timeout_ms;
  c.subgroup_delivery_timeout_ms = p.subgroup_delivery_timeout_ms;
  c.max_cache_duration_ms = p.max_cache_duration_ms;
  c.dynamic_groups = p.dynamic_groups;
  c.announced = false; // its publisher says what it offers
  c.properties = p.others;
  return c;
}

/// True if the track itself is over, wherever it is asked for.
bool is_final(uint64_t done) {
  return done == done_code::track_ended || done == done_code::unauthorized || done == done_code::malformed_track;
}

} // namespace

relay::relay(relay_config config, track_store& store, relay_watcher& watcher) : config_(config), store_(store), watcher_(watcher) {
  store_.find_with(this);
}

relay::~relay() {
  store_.find_with(nullptr);
}

void relay::wake(base::mono_time at) {
  if (!due_ || at < *due_) due_ = at;
}

size_t relay::tracks() const {
  return static_cast<size_t>(std::ranges::count_if(tracks_, [](const auto& w) { return w.second->t != nullptr; }));
}

size_t relay::publishers() const {
  return static_cast<size_t>(std::ranges::count_if(peers_, [](const auto* p) { return !p->offers_.empty(); }));
}

size_t relay::subscribers() const {
  size_t sum = 0;
  for (const auto& [name, w] : tracks_) sum += w->interest;
  return sum;
}

void relay::join(relay_peer& peer) {
  peers_.push_back(&peer);
}

void relay::leave(relay_peer& peer) {
  peer.up_ = false;
  std::erase(peers_, &peer);
  const request_error why{.code = request_code::internal_error, .retry_after_ms = 1000, .reason = "the publisher is gone", .to = {}};
  while (!peer.subscriptions_.empty()) lost(peer, peer.subscriptions_.begin()->first, false, done_code::internal_error, why);
  abandon(peer, nullptr);
  if (peer.denied_)
    for (auto& [name, w] : tracks_) w->denied.erase(&peer);
  while (!peer.offers_.empty()) withdrawn(peer, peer.offers_.begin()->first);
  for (const auto& [ns, hops] : std::exchange(peer.learned_, {})) store_.withdraw(ns, now_, hops);
  peer.session_ = nullptr;
}

std::optional<request_error> relay::offered(relay_peer& peer, request_id request, const track_namespace& ns) {
  if (peer.offers_.size() >= limits::relay_peer_namespaces_max) {
    return request_error{.code = request_code::excessive_load, .retry_after_ms = 10'000, .reason = "too many namespaces of one session", .to = {}};
  }
  peer.offers_[request] = ns;
  const auto& hops = peer.ways_[request] = peer.session_->hops(request, ns);
  watcher_.on_offer(peer.name_, ns, true);
  store_.announce(ns, now_, hops);
  for (auto* up : peers_)
    if (up != &peer) tell_upstream(*up, ns);
  look_again(peer, ns);
  return std::nullopt;
}

/// Tells a relay upstream what is offered here, by the shortest way that led here; another when that one is gone.
void relay::tell_upstream(relay_peer& up, const track_namespace& ns) {
  if (!up.upstream_ || !up.up_) return;
  const auto at = up.told_.find(ns);
  const hop_path* best = nullptr;
  for (const auto* p : peers_) {
    if (p->upstream_) continue;
    for (const auto& [request, offer] : p->offers_)
      if (offer == ns) best = better_way(best, p->ways_.at(request), at == up.told_.end() ? nullptr : &at->second.hops, 0);
  }
  if (at != up.told_.end()) {
    if (best != nullptr && *best == at->second.hops) return;
    const auto over = at->second.id;
    up.told_.erase(at);
    if (best != nullptr) up.told_[ns] = {up.session_->publish_namespace(ns, *best), *best};
    up.session_->withdraw_namespace(over);
  } else if (best != nullptr) {
    up.told_[ns] = {up.session_->publish_namespace(ns, *best), *best};
  }
}

void relay::withdrawn(relay_peer& peer, request_id request) {
  const auto it = peer.offers_.find(request);
  if (it == peer.offers_.end()) return;
  const auto ns = it->second;
  peer.offers_.erase(it);
  const auto hops = peer.ways_.extract(request);
  watcher_.on_offer(peer.name_, ns, false);
  store_.withdraw(ns, now_, hops.empty() ? hop_path{} : hops.mapped());
  for (auto* up : peers_) tell_upstream(*up, ns);
}

/// What a relay upstream announces. It is passed on to who subscribes here, never to another relay upstream: that could send it round.
void relay::learned(relay_peer& peer, request_id request, const track_namespace& ns, bool active) {
  if (!active) {
    if (const auto gone = peer.learned_.extract(ns); !gone.empty()) store_.withdraw(ns, now_, gone.mapped());
    return;
  }
  auto way = peer.session_->hops(request, ns);
  if (way.empty() && peer.told_.contains(ns)) return; // our own, coming back; where ways are told, the session knows that
  if (peer.learned_.size() >= limits::relay_peer_namespaces_max) return;
  const auto [at, fresh] = peer.learned_.emplace(ns, std::move(way));
  if (!fresh) return;
  store_.announce(ns, now_, at->second);
  look_again(peer, ns);
}

/// A new publisher is asked for all that is wanted of its namespace [MOQT 9.5].
void relay::look_again(relay_peer& peer, const track_namespace& ns) {
  for (auto& [name, w] : tracks_) {
    if (w->interest > 0 && ns.is_prefix_of(name.ns) && (!w->t || !w->t->ended()) && !has_cheaper(*w, peer)) ask(*w, peer);
  }
}

void relay::ask(relayed& w) {
  bool local = false;
  for (auto* p : peers_) {
    if (p->upstream_ || !p->offers(w.name.ns)) continue;
    local = true;
    ask(w, *p);
  }
  if (!local) ask_upstream(w, 0);
}

/// Asks the cheapest of the relays upstream that offer it, can be asked, and cost at least so much.
void relay::ask_upstream(relayed& w, uint64_t cost_min) {
  for (;;) {
    std::optional<uint32_t> least;
    const auto may = [&](const relay_peer* p) { return p->upstream_ && p->up_ && !p->leaving_ && p->cost_ >= cost_min && p->offers(w.name.ns); };
    for (const auto* p : peers_)
      if (may(p)) least = std::min(least.value_or(p->cost_), p->cost_);
    if (!least) return;
    for (auto* p : peers_)
      if (may(p) && p->cost_ == least) ask(w, *p);
    if (!w.from.empty()) return;
    cost_min = uint64_t{*least} + 1;
  }
}

/// A cheaper relay upstream gives it already.
bool relay::has_cheaper(const relayed& w, const relay_peer& than) {
  return than.upstream_ && std::ranges::any_of(w.from, [&](const taken& u) { return u.established && u.from->upstream_ && !u.from->leaving_ && u.from->cost_ < than.cost_; });
}

void relay::ask(relayed& w, relay_peer& peer) {
  if (!peer.up_ || peer.leaving_ || w.from.size() >= config_.upstreams_max || is_barred(peer, w.name)) return;
  if (std::ranges::any_of(w.from, [&](const taken& u) { return u.from == &peer; })) return;
  ++counters_.subscriptions_upstream;
  subscribe_options o;
  // No filter: wide enough for any downstream, as a subscription cannot be widened later. A publisher that begins when it is asked may
  // take its own first object for one that was there before.
  auto& u = w.from.emplace_back();
  u.from = &peer;
  u.source = ++sources_;
  u.id = peer.session_->subscribe(w.name, o);
  peer.subscriptions_[u.id] = &w;
}

std::optional<request_error> relay::wanted(const full_track_name& name, base::mono_time now) {
  now_ = std::max(now_, now);
  auto it = tracks_.find(name);
  if (it == tracks_.end()) {
    if (store_.find(name)) return std::nullopt; // published on this node
    if (tracks_.size() >= limits::relay_tracks_max) {
      return request_error{.code = request_code::excessive_load, .retry_after_ms = 10'000, .reason = "too many tracks are relayed", .to = {}};
    }
    auto made = std::make_unique<relayed>();
    made->name = name;
    if (is_closed(*made)) return request_error{.code = request_code::unauthorized, .retry_after_ms = {}, .reason = "only what can be verified is relayed here", .to = {}};
    it = tracks_.emplace(name, std::move(made)).first;
  }
  auto& w = *it->second;
  ++w.interest;
  w.idle = false;
  w.idle_since.reset();
  w.used = now_;
  // It may go on elsewhere, or anew.
  if (w.t && w.t->ended() && w.interest == 1) store_.remove(*std::exchange(w.t, nullptr), now_);
  take_along(w);
  if (w.t) return std::nullopt;
  ask(w);
  if (!w.from.empty()) return std::nullopt;
  ++counters_.tracks_refused;
  return nobody();
}

void relay::unwanted(const full_track_name& name) {
  const auto it = tracks_.find(name);
  if (it == tracks_.end() || it->second->interest == 0) return;
  auto& w = *it->second;
  if (--w.interest > 0) return;
  w.idle = true;
  wake(now_);
}

void relay::taken_ok(relay_peer& peer, request_id id, const subscribe_ok& ok) {
  const auto at = peer.subscriptions_.find(id);
  if (at == peer.subscriptions_.end()) return;
  auto& w = *at->second;
  const auto failed = establish(w, *w.of(peer, id), ok.properties, ok.params.largest);
  if (!failed) return;
  peer.session_->unsubscribe(id);
  lost(peer, id, false, done_code::internal_error, *failed);
}

/// A publisher gives the track from now on. The error, if it cannot be served.
std::optional<request_error> relay::establish(relayed& w, taken& u, const track_properties& properties, std::optional<location> largest) {
  u.established = true;
  u.start = largest;
  w.denied.erase(u.from);
  if (!w.t) {
    const auto& from = u.from->name_;
    auto added = store_.add(w.name, config_of(properties, config_), now_, u.start); // `u` may go with it
    if (!added) return request_error{.code = request_code::internal_error, .retry_after_ms = {}, .reason = added.error().message(), .to = {}};
    w.t = added.value();
    w.used = now_;
    wake(now_);
    watcher_.on_track_up(w.name, from);
    return std::nullopt;
  }
  wake(now_); // another may be let go for it
  if (u.start) store_.raise_largest(*w.t, *u.start);
  if (w.orphan) {
    w.orphan = false;
    w.orphan_since.reset();
    ++counters_.publishers_resumed;
    watcher_.on_track_resumed(w.name, u.from->name_);
  }
  settle_all(w, reset_code::unknown_object_status);
  return std::nullopt;
}

/// A subscription upstream is over, or was never granted. `final`: so is the track, as far as that peer knows.
void relay::lost(relay_peer& peer, request_id id, bool final, uint64_t status, const request_error& why) {
  const auto at = peer.subscriptions_.find(id);
  if (at == peer.subscriptions_.end()) return;
  auto& w = *at->second;
  peer.subscriptions_.erase(at);
  if (auto* u = w.of(peer, id); u && config_.gate) {
    for (auto& [group, g] : u->groups)
      if (!g.decided) go_no_further(*u, group, relay_gate::verdict::drop);
    config_.gate->on_gone(u->source, w.name);
  }
  std::erase_if(w.from, [&](const taken& u) { return u.from == &peer && u.id == id; });
  if (std::ranges::none_of(w.from, [&](const taken& u) { return u.from == &peer; })) abandon(peer, &w);
  // Who costs more may have what the cheaper ones have not.
  if (w.from.empty() && peer.upstream_ && w.interest > 0 && (!w.t || w.orphan)) ask_upstream(w, uint64_t{peer.cost_} + 1);
  if (!w.t) {
    if (w.from.empty()) {
      ++counters_.tracks_refused;
      const auto name = w.name;
      store_.refuse(name, why, now_);
    }
    return;
  }
  if (w.t->ended()) return;
  if (!w.from.empty()) return settle_all(w, reset_code::unknown_object_status);
  if (final) {
    watcher_.on_track_down(w.name, why.reason);
    store_.end_track(*w.t, status, why.reason, now_);
    return;
  }
  cut_off(w);
  if (w.orphan) return; // who was asked again refused: the wait goes on
  ++counters_.publishers_lost;
  w.orphan = true;
  w.orphan_since.reset();
  watcher_.on_track_lost(w.name, why.reason);
  wake(now_);
}

/// A publisher does not have the track. It may have it later: who is back offers its namespace before all of its tracks are there.
void relay::denied(relay_peer& peer, request_id id, const request_error& why) {
  const auto at = peer.subscriptions_.find(id);
  if (at == peer.subscriptions_.end() || (why.code != request_code::does_not_exist && !why.retry_after_ms)) return;
  peer.denied_ = true;
  auto& d = at->second->denied[&peer];
  d.wait = d.wait.count() == 0 ? denied_wait_min : 2 * d.wait;
  if (why.retry_after_ms) d.wait = std::max(d.wait, std::chrono::milliseconds(std::min<uint64_t>(*why.retry_after_ms, 86'400'000)));
  d.wait = std::min(d.wait, denied_wait_max);
  d.again = now_ + d.wait;
  wake(d.again);
}

/// While one publisher gives the track, those are asked again that did not have it: of an orphan all are asked anyway.
void relay::ask_denied(relayed& w) {
  std::erase_if(w.denied, [&](const auto& d) { return !d.first->offers(w.name.ns) || has_cheaper(w, *d.first); });
  std::vector<relay_peer*> due;
  for (auto& [peer, d] : w.denied) {
    if (now_ >= d.again) {
      due.push_back(peer);
      d.again = now_ + d.wait;
    }
    wake(d.again);
  }
  for (auto* peer : due) ask(w, *peer);
}

/// Nothing of it is taken any more. The caller forgets it.
void relay::drop(relayed& w, std::string_view reason) {
  w.along = nullptr;
  for (const auto& u : std::exchange(w.from, {})) {
    if (config_.gate) config_.gate->on_gone(u.source, w.name);
    u.from->subscriptions_.erase(u.id);
    if (u.from->up_) u.from->session_->unsubscribe(u.id);
  }
  for (const auto& j : std::exchange(w.jobs, {})) {
    j->from->fetches_.erase(j->id);
    if (j->from->up_) j->from->session_->cancel_fetch(j->id);
    j->of = nullptr;
    j->is = fill::state::unknown;
    store_.filled(*j, now_);
  }
  if (!w.t) return;
  if (!w.t->ended()) watcher_.on_track_down(w.name, reason);
  store_.remove(*std::exchange(w.t, nullptr), now_);
}

void relay::tick(relayed& w) {
  if (w.orphan && w.t && !w.t->ended()) {
    if (!w.orphan_since) w.orphan_since = w.ask_again = now_;
    if (now_ >= *w.orphan_since + config_.publisher_linger) {
      w.orphan = false;
      watcher_.on_track_down(w.name, "its publisher did not come back");
      store_.end_track(*w.t, done_code::internal_error, "its publisher did not come back", now_);
    } else {
      if (now_ >= w.ask_again) {
        w.ask_again = now_ + ask_wait;
        ask(w);
      }
      wake(std::min(w.ask_again, *w.orphan_since + config_.publisher_linger));
    }
  }
  if (w.t && !w.t->ended() && !w.orphan && w.interest > 0) ask_denied(w);
  drop_unoffered(w);
  for (const auto& j : std::vector(w.jobs)) {
    if (j->is != fill::state::asked) continue;
    if (now_ < j->until) {
      wake(j->until);
      continue;
    }
    if (j->from->up_) j->from->session_->cancel_fetch(j->id);
    finish(*j, fill::state::unknown);
  }
}

/// True once nobody wanted it for long enough.
bool relay::is_over(relayed& w) {
  if (!w.idle) return false;
  if (!w.idle_since) w.idle_since = now_;
  if (is_pushed(w)) return false;
  if (w.orphan) return !needed(w); // nobody sees a seam, and what is held could only contradict who publishes it next
  const auto until = *w.idle_since + config_.idle_linger;
  if (!w.t || w.t->ended() || now_ >= until) return !needed(w);
  wake(until);
  return false;
}

void relay::on_tick(base::mono_time now) {
  now_ = std::max(now_, now);
  due_.reset();
  decide();
  release_leaving();
  for (auto it = tracks_.begin(); it != tracks_.end();) {
    auto& w = *it->second;
    tick(w);
    if (!is_over(w)) {
      ++it;
      continue;
    }
    drop(w, "nobody wants it");
    it = tracks_.erase(it);
  }
  if (now_ >= look_at_) {
    look_at_ = now_ + age_turn;
    for (auto& [name, w] : tracks_) {
      if (!w->t) continue;
      auto age = config_.cache_age_max;
      if (const auto ms = w->t->config().max_cache_duration_ms) age = std::min<base::mono_duration>(age, std::chrono::milliseconds(std::min<uint64_t>(*ms, 86'400'000)));
      store_.drop_before(*w->t, now_ - age);
    }
  }
  if (tracks() > 0) wake(look_at_);
}

/// The oldest groups of the tracks that nobody touched for longest go first; if newest groups alone are too much, the publisher of
/// whom the most is held pays with the first objects of his.
void relay::keep_within_bounds() {
  if (store_.cached_bytes() <= config_.cache_bytes_max) return;
  std::vector<relayed*> by_use;
  for (auto& [name, w] : tracks_) {
    if (w->t) by_use.push_back(w.get());
  }
  std::ranges::sort(by_use, {}, &relayed::used);
  // A little below the bound, or each object would have us look again.
  const size_t enough = config_.cache_bytes_max - config_.cache_bytes_max / 16;
  for (auto* w : by_use) {
    while (store_.cached_bytes() > enough) {
      if (!store_.drop_oldest(*w->t)) break;
    }
  }
  if (store_.cached_bytes() <= config_.cache_bytes_max) return;
  const auto publisher = [](const relayed* w) { return w->from.empty() ? nullptr : w->from.front().from; };
  std::map<const relay_peer*, size_t> brought;
  for (const auto* w : by_use) brought[publisher(w)] += w->t->cached_bytes();
  std::ranges::sort(by_use, std::ranges::greater{}, [&](const relayed* w) { return std::pair(brought[publisher(w)], w->t->cached_bytes()); });
  for (auto* w : by_use) {
    const size_t over = store_.cached_bytes() - std::min(store_.cached_bytes(), enough);
    if (over == 0) return;
    counters_.objects_crowded_out += store_.trim_newest(*w->t, w->t->cached_bytes() - std::min(w->t->cached_bytes(), over));
  }
}

relay_peer::relay_peer(relay& home, std::string name, bool upstream, uint32_t cost) : home_(home), name_(std::move(name)), upstream_(upstream), cost_(cost) {
  home_.join(*this);
}

relay_peer::~relay_peer() {
  if (std::ranges::find(home_.peers_, this) != home_.peers_.end()) home_.leave(*this);
}

relay& relay_peer::home() {
  home_.now_ = std::max(home_.now_, session_->now());
  return home_;
}

bool relay_peer::offers(const track_namespace& ns) const {
  return std::ranges::any_of(offers_, [&](const auto& o) { return o.second.is_prefix_of(ns); }) ||
         std::ranges::any_of(learned_, [&](const auto& o) { return o.first.is_prefix_of(ns); });
}

void relay_peer::on_setup(const peer_setup& setup) {
  up_ = true;
  if (tell_up_) tell_up_(setup);
  if (!upstream_) return;
  session_->subscribe_namespace({});
  for (auto* p : home_.peers_) {
    if (p->upstream_) continue;
    for (const auto& [request, ns] : p->offers_) home_.tell_upstream(*this, ns);
  }
}

void relay_peer::on_closed(uint64_t, std::string_view) {
  if (session_) home();
  if (std::ranges::find(home_.peers_, this) != home_.peers_.end()) home_.leave(*this);
}

void relay_peer::on_subscribe_ok(request_id id, const subscribe_ok& ok) {
  home().taken_ok(*this, id, ok);
}

void relay_peer::on_request_error(request_id id, const request_error& e) {
  if (const auto f = fetches_.find(id); f != fetches_.end()) {
    auto& j = *f->second;
    j.error = e;
    return home().finish(j, fill::state::failed);
  }
  home().denied(*this, id, e);
  const bool malformed = e.code == request_code::malformed_track;
  home().lost(*this, id, malformed, malformed ? done_code::malformed_track : done_code::internal_error, e);
}

void relay_peer::on_subgroup_begin(request_id id, uint64_t group, uint64_t subgroup, bool from_start, bool ends_group) {
  home_.begun(*this, id, group, subgroup, {from_start, ends_group});
}

void relay_peer::on_object(request_id id, const object& o) {
  if (fetches_.contains(id)) return home().filled(*this, id, o);
  home().object_came(*this, id, o);
}

void relay_peer::on_subgroup_end(request_id id, uint64_t group, uint64_t subgroup, std::optional<uint64_t> reset, bool) {
  home().ended(*this, id, group, subgroup, reset);
}

void relay_peer::on_publish_done(request_id id, uint64_t status, std::string_view reason, uint64_t) {
  home().lost(*this, id, is_final(status), status, {.code = request_code::internal_error, .retry_after_ms = {}, .reason = std::string(reason), .to = {}});
}

void relay_peer::on_fetch_gap(request_id id, location, bool unknown) {
  if (const auto f = fetches_.find(id); f != fetches_.end() && unknown) f->second->doubt = true;
}

void relay_peer::on_fetch_end(request_id id, std::optional<uint64_t> reset) {
  const auto f = fetches_.find(id);
  if (f == fetches_.end()) return;
  home().finish(*f->second, reset || f->second->doubt ? fill::state::unknown : fill::state::whole);
}

void relay_peer::on_namespace(request_id id, const track_namespace& suffix, bool active) {
  home().learned(*this, id, suffix, active); // the prefix is empty
}

std::optional<request_error> relay_peer::on_publish_namespace(request_id id, const track_namespace& ns) {
  return home().offered(*this, id, ns);
}

void relay_peer::on_publish_namespace_done(request_id id, const track_namespace&) {
  home().withdrawn(*this, id);
}

} // namespace ec::moq
