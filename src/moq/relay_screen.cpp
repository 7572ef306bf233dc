// What stands between publishers and the store of a relay with a gate: objects that are not known to be right wait or go no further.
#include <algorithm>

#include "moq/internal/relay_state.hpp"

namespace ec::moq {

using passage = relay_gate::passage;
using verdict = relay_gate::verdict;

namespace {

size_t bytes_of(const object& o) {
  return o.payload.size() + o.properties.size() + 256; // and what keeps it
}

} // namespace

/// What the gate says of a track that is new here. True if it is closed.
bool relay::is_closed(relayed& w) {
  if (!config_.gate) return false;
  w.passage = config_.gate->passage_of(w.name);
  if (w.passage != passage::closed) return false;
  ++counters_.tracks_closed;
  return true;
}

/// What tells what is right in a track is taken for as long as that is.
void relay::take_along(relayed& w) {
  if (!config_.gate || w.along) return;
  const auto name = config_.gate->taken_along(w.name);
  std::optional<request_error> no; // whoever offers it later is asked
  if (name) w.along = store_.want(*name, now_, no);
}

void relay::begun(relay_peer& peer, request_id id, uint64_t group, uint64_t subgroup, stream_facts facts) {
  const auto at = peer.subscriptions_.find(id);
  if (at == peer.subscriptions_.end()) return;
  auto& u = *at->second->of(peer, id);
  if (!waits(*at->second, u, group, {.what = event::kind::begin, .subgroup = subgroup, .facts = facts})) begin_subgroup(u, group, subgroup, facts);
}

void relay::ended(relay_peer& peer, request_id id, uint64_t group, uint64_t subgroup, std::optional<uint64_t> reset) {
  const auto at = peer.subscriptions_.find(id);
  if (at == peer.subscriptions_.end() || !at->second->t) return;
  auto& w = *at->second;
  auto& u = *w.of(peer, id);
  if (!waits(w, u, group, {.what = event::kind::end, .subgroup = subgroup, .reset = reset})) end_subgroup(w, u, group, subgroup, reset);
}

/// True if what happened in the group is kept until it is decided, or goes no further.
bool relay::waits(relayed& w, taken& u, uint64_t group, event e) {
  if (w.passage != passage::groups) return false;
  auto& g = u.groups[group];
  if (g.decided) return *g.decided != verdict::pass;
  if (e.what == event::kind::object) u.held_bytes += bytes_of(e.object);
  g.events.push_back(std::move(e));
  // Only which way old groups went is forgotten: what waits is bounded by its bytes, and by the gate.
  while (u.groups.size() > base::limits::relay_streams_tracked_max) {
    const auto old = std::ranges::find_if(u.groups, [&](const auto& one) { return one.second.decided && one.first != group; });
    if (old == u.groups.end()) break;
    u.groups.erase(old);
  }
  while (u.held_bytes > config_.held_bytes_max) {
    const auto old = std::ranges::find_if(u.groups, [](const auto& one) { return !one.second.decided; });
    go_no_further(u, old->first, verdict::drop);
  }
  return true;
}

void relay::go_no_further(taken& u, uint64_t group, verdict why) {
  auto& g = u.groups[group];
  g.decided = why;
  for (const auto& e : std::exchange(g.events, {})) {
    if (e.what != event::kind::object) continue;
    u.held_bytes -= bytes_of(e.object);
    if (why == verdict::drop) ++counters_.objects_unproven;
  }
}

/// What waited of a group goes on as it came.
void relay::go_on(relayed& w, uint64_t source, uint64_t group) {
  auto* u = w.of(source);
  if (!u) return;
  auto& g = u->groups[group];
  g.decided = verdict::pass;
  // What was false once is outweighed by what is right: two who are both trusted may differ now and then. The first stays told.
  if (const auto old = u->from->false_.find(w.name); old != u->from->false_.end() && old->second > 1) --old->second;
  for (const auto& e : std::exchange(g.events, {})) {
    if (e.what == event::kind::object && (u = w.of(source))) u->held_bytes -= bytes_of(e.object);
    if (!(u = w.of(source)) || !w.t) return; // whoever got it had the publisher leave
    if (e.what == event::kind::begin) begin_subgroup(*u, group, e.subgroup, e.facts);
    else if (e.what == event::kind::object) take(w, *u, e.object);
    else end_subgroup(w, *u, group, e.subgroup, e.reset);
  }
}

void relay::object_came(relay_peer& peer, request_id id, const object& o) {
  const auto at = peer.subscriptions_.find(id);
  if (at == peer.subscriptions_.end() || !at->second->t) return;
  auto& w = *at->second;
  auto& u = *w.of(peer, id);
  if (w.passage == passage::open) return take(w, u, o);
  const auto source = u.source;
  if (w.passage == passage::groups) { // nobody judges what follows something false
    const auto g = u.groups.find(o.group);
    if (g != u.groups.end() && g->second.decided && *g->second.decided != verdict::pass) {
      ++(*g->second.decided == verdict::drop ? counters_.objects_unproven : counters_.objects_false);
      return;
    }
  }
  const auto said = config_.gate->on_object(source, w.name, o, now_);
  switch (said.is) {
  case verdict::pass:
    if (w.passage == passage::groups && !(u.groups.contains(o.group) && u.groups[o.group].decided)) go_on(w, source, o.group);
    if (auto* still = w.of(source); still && w.t) take(w, *still, o);
    break;
  case verdict::hold: waits(w, u, o.group, {.what = event::kind::object, .subgroup = o.subgroup, .object = o}); break;
  case verdict::drop: ++counters_.objects_unproven; break;
  case verdict::refuse:
    if (w.passage == passage::groups && !(u.groups.contains(o.group) && u.groups[o.group].decided)) go_no_further(u, o.group, verdict::refuse);
    blame(w, source, said.why);
    break;
  }
  decide();
}

void relay::decide() {
  if (!config_.gate || std::exchange(deciding_, true)) return;
  for (const auto& d : config_.gate->decide(now_)) {
    const auto at = tracks_.find(d.track);
    if (at == tracks_.end()) continue;
    auto& w = *at->second;
    auto* u = w.of(d.source);
    if (!u) continue;
    if (d.what.is == verdict::pass) {
      go_on(w, d.source, d.group);
      continue;
    }
    go_no_further(*u, d.group, d.what.is);
    if (d.what.is == verdict::refuse) blame(w, d.source, d.what.why);
  }
  deciding_ = false;
}

/// The gate refused something. `u` is not to be used afterwards: who gives too much of it is let go.
void relay::blame(relayed& w, uint64_t source, const std::string& why) {
  ++counters_.objects_false;
  const auto* u = w.of(source);
  if (!u) return;
  auto& peer = *u->from;
  if (peer.false_.size() >= base::limits::relay_false_tracks_max && !peer.false_.contains(w.name)) peer.false_.erase(peer.false_.begin());
  const auto count = ++peer.false_[w.name];
  if (count == 1) watcher_.on_false(w.name, peer.name_, why);
  if (count < config_.refusals_max) return;
  ++counters_.publishers_ended;
  watcher_.on_publisher_ended(w.name, peer.name_, why);
  const auto id = u->id;
  if (peer.up_) peer.session_->unsubscribe(id);
  lost(peer, id, false, done_code::internal_error, {.code = request_code::internal_error, .retry_after_ms = {}, .reason = "its publisher gave what no trusted manifest lists", .to = {}});
}

bool relay::is_barred(const relay_peer& peer, const full_track_name& name) const {
  const auto at = peer.false_.find(name);
  return at != peer.false_.end() && at->second >= config_.refusals_max;
}

/// True if a fetched object may be kept.
bool relay::passes(job& j, const object& o) {
  auto& w = *j.of;
  if (w.passage == passage::open) return true;
  const auto said = config_.gate->on_fetched(w.name, o);
  if (said.is == verdict::pass) return true;
  j.doubt = true; // what is not kept may exist all the same
  ++(said.is == verdict::refuse ? counters_.objects_false : counters_.objects_unproven);
  return false;
}

} // namespace ec::moq
