// Publishers that leave in good order, or cost more than another: what is taken from them goes over to others first [MOQT 3.5, 9.5.1].
#include <algorithm>

#include "moq/internal/relay_state.hpp"

namespace ec::moq {
namespace {

/// Who no longer offers a track and gives nothing of it for so long has it no more.
constexpr std::chrono::seconds unoffered_linger{10};
/// How often it is looked whether others have what a leaving publisher gave.
constexpr std::chrono::milliseconds look_wait{50};

} // namespace

/// True if what comes from `u` may as well come from `other` alone.
bool relay::is_left_for(const taken& u, const taken& other) {
  if (&u == &other || !other.established || other.from->leaving_) return false;
  return u.from->leaving_ || (u.from->upstream_ && other.from->upstream_ && other.from->cost_ < u.from->cost_);
}

/// True if others give all that may still come from `leaving`: what they begin with is here already, or was never to come from there, and
/// each stream that is open there can go on elsewhere.
bool relay::is_spare(const relayed& w, const taken& leaving) const {
  if (!w.t || std::ranges::any_of(leaving.groups, [](const auto& g) { return !g.second.decided; })) return false;
  const auto& groups = w.t->groups();
  const auto held = [&](location at) {
    const auto g = groups.find(at.group);
    return g != groups.end() && (g->second.ended || g->second.objects.contains(at.object));
  };
  return std::ranges::any_of(w.from, [&](const taken& u) {
    if (!is_left_for(leaving, u)) return false;
    if (u.start && !held(*u.start) && (!leaving.start || *leaving.start < *u.start)) return false;
    return std::ranges::all_of(leaving.subgroups, [&](const auto& open) {
      const auto& [key, progress] = open;
      if (!progress.open) return true;
      const auto g = groups.find(key.first);
      if (g == groups.end()) return !groups.empty() && key.first < groups.begin()->first; // gone by age, or its first object is on its way
      const auto s = g->second.subgroups.find(key.second);
      return s == g->second.subgroups.end() || s->second.ended || can_go_on(u, lacking(key.first, s->second), key.second);
    });
  });
}

void relay::release_leaving() {
  bool waits = false;
  for (auto* peer : peers_) {
    if (!peer->leaving_ && !(peer->upstream_ && peer->cost_ > 0)) continue;
    for (const auto& [id, w] : std::map(peer->subscriptions_)) {
      const auto* u = w->of(*peer, id);
      if (!peer->leaving_ && u && std::ranges::none_of(w->from, [&](const taken& other) { return is_left_for(*u, other); })) continue;
      if (!u || !is_spare(*w, *u)) {
        waits = true;
        continue;
      }
      ++counters_.tracks_handed_over;
      if (peer->up_) peer->session_->unsubscribe(id);
      lost(*peer, id, false, done_code::going_away, {.code = request_code::going_away, .retry_after_ms = {}, .reason = "another gives it from here on", .to = {}});
    }
  }
  if (waits) wake(now_ + look_wait);
}

/// Relays that ask each other while an announcement is withdrawn may be left with subscriptions in a ring, in which nothing comes any more.
void relay::drop_unoffered(relayed& w) {
  std::vector<std::pair<relay_peer*, request_id>> over;
  for (auto& u : w.from) {
    if (u.pushed || u.from->offers(w.name.ns)) {
      u.unoffered_since.reset();
      continue;
    }
    if (!u.unoffered_since) u.unoffered_since = now_;
    if (now_ >= *u.unoffered_since + unoffered_linger) over.emplace_back(u.from, u.id);
    else wake(*u.unoffered_since + unoffered_linger);
  }
  for (const auto& [peer, id] : over) {
    if (peer->up_) peer->session_->unsubscribe(id);
    lost(*peer, id, false, done_code::internal_error, {.code = request_code::does_not_exist, .retry_after_ms = {}, .reason = "nobody offers the track any more", .to = {}});
  }
}

void relay_peer::on_goaway(std::string_view uri, uint64_t timeout_ms) {
  leaving_ = true;
  home().wake(home_.now_);
  if (tell_leave_) tell_leave_(uri, timeout_ms);
}

} // namespace ec::moq
