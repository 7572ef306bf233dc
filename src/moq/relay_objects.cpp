// Objects of the tracks that are taken: each from whoever gives it first.
#include <algorithm>

#include "moq/internal/relay_state.hpp"

namespace ec::moq {
namespace {

using base::errc;

} // namespace

void relay::begin_subgroup(taken& u, uint64_t group, uint64_t subgroup, stream_facts facts) {
  auto& p = u.of(group, subgroup);
  p.facts = facts;
  p.open = true;
}

void relay::take(relayed& w, taken& u, const object& o) {
  const bool ahead = !u.newest || o.group > *u.newest;
  if (ahead) u.newest = o.group;
  u.unoffered_since.reset();
  auto& p = u.of(o.group, o.subgroup);
  const auto before = std::exchange(p.last, o.id);
  const auto facts = p.facts;
  const auto* known = known_subgroup(*w.t, o.group, o.subgroup);
  if (!joins(known, before, o.id) && !known->ended) {
    ++counters_.objects_behind_hole;
    settle(w, o.group, o.subgroup, reset_code::unknown_object_status);
    return;
  }
  const bool was_reset = known && known->was_reset;
  w.used = now_;
  const auto done = was_reset ? store_.keep(*w.t, o, nullptr, now_) : store_.append(*w.t, o, now_, facts);
  if (done) ++counters_.objects_in;
  else if (done.error().code == errc::exists) ++counters_.objects_duplicate;
  else if (done.error().code == errc::mismatch) contradicted(w, u, o);
  else ++counters_.objects_refused;
  if (!done) { // what is under way there may have no other publisher any more
    const auto* s = known_subgroup(*w.t, o.group, o.subgroup);
    if (s && s->part) give_up(w, o.group, o.subgroup, reset_code::malformed_track);
  }
  if (ahead) settle_all(w, reset_code::unknown_object_status);
  keep_within_bounds();
}

void relay::note_conflict(relayed& w, const object& other, const std::string& from) {
  ++counters_.objects_conflict;
  if (std::exchange(w.conflict_told, true)) return;
  const auto g = w.t->groups().find(other.group);
  if (g == w.t->groups().end()) return;
  const auto whole = g->second.objects.find(other.id);
  const auto* part = g->second.part(other.id);
  if (whole != g->second.objects.end() || part) watcher_.on_conflict({w.name, other.at(), part ? part->begun.payload : whole->second.payload, other.payload, from});
}

void relay::end_subgroup(relayed& w, taken& u, uint64_t group, uint64_t subgroup, std::optional<uint64_t> reset) {
  auto& p = u.of(group, subgroup);
  p.open = false;
  const auto* known = known_subgroup(*w.t, group, subgroup);
  if (!known || known->ended) return;
  if (reset || !p.last || known->part || known->last != *p.last) return settle(w, group, subgroup, reset.value_or(reset_code::unknown_object_status));
  const bool ends_group = known->ends_group;
  store_.end_subgroup(*w.t, group, subgroup, now_);
  // The group ends too if nothing can be missing of it.
  const auto g = w.t->groups().find(group);
  if (!ends_group || g == w.t->groups().end() || g->second.ended) return;
  const bool all = g->second.objects.size() == g->second.largest + 1 && std::ranges::all_of(g->second.subgroups, [](const auto& s) { return s.second.ended && !s.second.was_reset; });
  if (all) store_.end_group(*w.t, group, now_);
}

/// True if the rest of a subgroup, from `next` on, may still come from there.
bool relay::can_go_on(const taken& from, location next, uint64_t subgroup) {
  if (!from.established) return true; // it tells where it begins in a moment
  const auto p = from.subgroups.find({next.group, subgroup});
  if (p != from.subgroups.end()) return p->second.open && (!p->second.last || *p->second.last < next.object) && p->second.contradicts != next.object;
  return (!from.start || *from.start < next) && (!from.newest || *from.newest <= next.group);
}

bool relay::goes_on(const relayed& w, location next, uint64_t subgroup) {
  return std::ranges::any_of(w.from, [&](const taken& u) { return can_go_on(u, next, subgroup); });
}

/// One publisher failed to give the rest of a subgroup: subscribers hear of it if nobody else has it.
void relay::settle(relayed& w, uint64_t group, uint64_t subgroup, uint64_t code) {
  const auto* known = known_subgroup(*w.t, group, subgroup);
  if (!known || known->ended) return;
  if (goes_on(w, lacking(group, *known), subgroup)) ++counters_.subgroups_rescued;
  else give_up(w, group, subgroup, code);
}

/// Ends a subgroup that is open here, if nobody can give the rest of it.
void relay::give_up(relayed& w, uint64_t group, uint64_t subgroup, uint64_t code) {
  const auto* known = known_subgroup(*w.t, group, subgroup);
  if (!known || known->ended || goes_on(w, lacking(group, *known), subgroup)) return;
  ++counters_.subgroups_reset;
  store_.reset_subgroup(*w.t, group, subgroup, code, now_);
}

/// Subgroups that are open here and that nobody can give the rest of.
void relay::settle_all(relayed& w, uint64_t code) {
  std::vector<std::pair<uint64_t, uint64_t>> all;
  for (const auto& [group, g] : w.t->groups()) {
    for (const auto& [subgroup, s] : g.subgroups) {
      if (!s.ended) all.emplace_back(group, subgroup);
    }
  }
  for (const auto& [group, subgroup] : all) give_up(w, group, subgroup, code);
}

} // namespace ec::moq
