// What subscribers fetch and the cache lacks: one fetch upstream, its objects kept.
#include <algorithm>

#include "moq/internal/relay_state.hpp"

namespace ec::moq {
namespace {

using base::errc;

constexpr uint64_t id_max = ~uint64_t{0};

struct span {
  location first;
  location last; ///< inclusive
};

/// The part of `first` to `last` outside of which everything is held; nothing if everything is.
std::optional<span> missing(const track& t, location first, location last) {
  const auto& groups = t.groups();
  const auto held = [](const cached_group& g, uint64_t id) { return g.objects.contains(id); };
  while (first <= last) {
    const auto g = groups.find(first.group);
    if (g == groups.end() || g->second.was_reset) break;
    if (held(g->second, first.object)) {
      ++first.object;
    } else if (g->second.ended && first.object > g->second.largest && first.group < id_max) {
      first = {first.group + 1, 0};
    } else {
      break;
    }
  }
  if (first > last) return std::nullopt;
  while (first <= last) {
    const auto g = groups.find(last.group);
    if (g == groups.end() || g->second.was_reset || g->second.objects.empty()) break;
    if (last.object > g->second.largest) {
      if (!g->second.ended) break;
      last.object = g->second.largest;
    }
    if (!held(g->second, last.object)) break;
    if (last.object > 0) --last.object;
    else if (last.group > 0) last = {last.group - 1, id_max};
    else break;
  }
  return span{first, last};
}

} // namespace

std::shared_ptr<const fill> relay::bring(track& t, location first, location last, base::mono_time now) {
  now_ = std::max(now_, now);
  const auto it = tracks_.find(t.name());
  if (it == tracks_.end()) return nullptr;
  auto& w = *it->second;
  w.used = now_;
  const auto lacking = missing(t, first, last);
  if (!lacking) return nullptr;
  for (const auto& j : w.jobs) {
    if (j->first > lacking->first || j->last < lacking->last) continue;
    ++counters_.fetches_shared;
    return j;
  }
  auto j = std::make_shared<job>();
  j->of = &w;
  j->first = lacking->first;
  j->last = lacking->last;
  if (w.jobs.size() >= base::limits::relay_track_fills_max || !start(*j)) {
    ++counters_.fetches_incomplete;
    j->is = fill::state::unknown;
    return j;
  }
  w.jobs.push_back(j);
  return j;
}

/// Asks the first publisher that can be asked. False: there is none.
bool relay::start(job& j) {
  for (const auto& u : j.of->from) {
    if (!u.established || !u.from->up_ || u.from->leaving_) continue;
    ++counters_.fetches_upstream;
    j.from = u.from;
    const location end = j.last.object == id_max ? location{j.last.group, 0} : location{j.last.group, j.last.object + 1};
    j.id = u.from->session_->fetch(j.of->name, j.first, end, {});
    j.until = now_ + config_.fill_timeout;
    u.from->fetches_[j.id] = &j;
    wake(j.until);
    return true;
  }
  return false;
}

void relay::filled(relay_peer& peer, request_id id, const object& o) {
  auto& j = *peer.fetches_.at(id);
  auto& w = *j.of;
  j.bytes += o.payload.size() + o.properties.size();
  const auto held = std::ranges::find_if(w.jobs, [&](const auto& other) { return other.get() == &j; });
  if (passes(j, o)) {
    const auto kept = store_.keep(*w.t, o, *held, now_);
    if (kept) ++counters_.objects_in;
    else if (kept.error().code == errc::exists) ++counters_.objects_duplicate;
    else if (kept.error().code == errc::mismatch) note_conflict(w, o, peer.name_);
    else ++counters_.objects_refused;
  }
  keep_within_bounds();
  // What is brought is not evicted before it was read: so it must not be more than there is room for.
  if (j.bytes > base::limits::relay_fill_bytes_max || w.t->cached_bytes() + o.payload.size() >= 2 * config_.track_bytes_max ||
      store_.cached_bytes() >= config_.cache_bytes_max) {
    peer.session_->cancel_fetch(id);
    finish(j, fill::state::unknown);
  }
  decide(); // it may have been a manifest
}

void relay::finish(job& j, fill::state is) {
  auto& w = *j.of;
  j.from->fetches_.erase(j.id);
  const auto at = std::ranges::find_if(w.jobs, [&](const auto& other) { return other.get() == &j; });
  const auto mine = *at; // sessions may let go of theirs
  w.jobs.erase(at);
  // What another request brought meanwhile is given all the same.
  if (is == fill::state::failed && w.t) {
    const auto lacking = missing(*w.t, j.first, j.last);
    if (!lacking || lacking->first != j.first || lacking->last != j.last) is = fill::state::unknown;
  }
  if (is == fill::state::whole && w.t) {
    for (auto g = w.t->groups().lower_bound(j.first.group); g != w.t->groups().end() && g->first <= j.last.group;) {
      const auto group = (g++)->first;
      const bool from_start = group > j.first.group || j.first.object == 0;
      const bool to_end = group < j.last.group || j.last.object == id_max;
      if (from_start && to_end) store_.kept_whole(*w.t, group);
    }
  }
  if (is == fill::state::unknown) ++counters_.fetches_incomplete;
  j.is = is;
  store_.filled(j, now_);
}

/// The fetches from a peer that is gone, of one track or of all: another publisher is asked.
void relay::abandon(relay_peer& peer, relayed* of) {
  for (const auto& [id, j] : std::map(peer.fetches_)) {
    if (of && j->of != of) continue;
    peer.fetches_.erase(id);
    if (peer.up_) peer.session_->cancel_fetch(id);
    const auto until = j->until;
    if (start(*j)) j->until = until;
    else finish(*j, fill::state::unknown);
  }
}

} // namespace ec::moq
