// Objects of which not all has come: what there is of them goes on at once, from whichever publisher is ahead.
#include <algorithm>

#include "moq/internal/relay_state.hpp"

namespace ec::moq {

using base::errc;

void relay::part_came(relay_peer& peer, request_id id, const object_part& p) {
  const auto at = peer.subscriptions_.find(id);
  if (at == peer.subscriptions_.end() || !at->second->t) return;
  auto& w = *at->second;
  if (w.passage != relay_gate::passage::open) return; // what is judged is judged whole
  auto& u = *w.of(peer, id);
  const auto& o = p.begun;
  const bool ahead = !u.newest || o.group > *u.newest;
  if (ahead) u.newest = o.group;
  u.unoffered_since.reset();
  auto& from = u.of(o.group, o.subgroup);
  const auto* known = known_subgroup(*w.t, o.group, o.subgroup);
  // Of what cannot go on from here, or was seen to be another, its end decides.
  if (from.contradicts == o.id || (known && known->ended) || !joins(known, from.last, o.id)) return;
  const auto* held = known && known->part && known->part->begun.id == o.id ? known->part.get() : nullptr;
  if (held && o.payload.size() <= held->begun.payload.size()) return;
  const bool begins = !held;
  w.used = now_;
  const auto done = store_.append_part(*w.t, p, now_, from.facts);
  if (done && begins) ++counters_.objects_begun;
  if (!done && done.error().code == errc::mismatch) {
    contradicted(w, u, o);
    give_up(w, o.group, o.subgroup, reset_code::malformed_track);
  }
  if (ahead) settle_all(w, reset_code::unknown_object_status);
  keep_within_bounds();
}

/// `u` gives an object with other bytes than it has here. Nothing of an object under way is taken from there any more.
void relay::contradicted(relayed& w, taken& u, const object& other) {
  if (std::exchange(u.of(other.group, other.subgroup).contradicts, other.id) == other.id) return; // counted already
  note_conflict(w, other, u.from->name_);
}

/// Nobody gives the track now: who comes back begins behind what it gave before, so that what is under way never ends.
void relay::cut_off(relayed& w) {
  std::vector<std::pair<uint64_t, uint64_t>> parts;
  for (const auto& [group, g] : w.t->groups()) {
    for (const auto& [subgroup, s] : g.subgroups)
      if (s.part) parts.emplace_back(group, subgroup);
  }
  for (const auto& [group, subgroup] : parts) give_up(w, group, subgroup, reset_code::unknown_object_status);
}

void relay_peer::on_object_part(request_id id, const object_part& p) {
  home().part_came(*this, id, p);
}

} // namespace ec::moq
