#include "object/receiver.hpp"

#include <algorithm>
#include <tuple>

namespace ec::object {
namespace {

namespace limits = base::limits;

/// Groups of a source that had to leave are remembered, so that its next object does not open them again.
constexpr size_t evicted_max = 256;
/// Ranges of one group asked for at a time.
constexpr size_t holes_max = 4;
/// Indices between two chunks that are looked at one by one.
constexpr uint64_t gap_looked_at = 64;

size_t slot(track on) {
  return static_cast<size_t>(on);
}

template <class State>
size_t bytes_of(const State& state) {
  size_t out = state.whole.bytes_held();
  for (const auto& [publisher, version] : state.damaged) out += version.bytes_held();
  return out;
}

} // namespace

actions receiver::settle(base::mono_time now, actions&& out) {
  deadline_.reset();
  for (auto& [index, state] : groups_) note_complete(state, now);
  while (!stopping_ && deliver_next(now, out)) expect_listed(now, out);
  if (stopping_) {
    stopped_ = true;
    out.push_back(std::move(*stopping_));
    stopping_.reset();
    groups_.clear();
    evicted_.clear();
    bytes_waiting_ = 0;
    fetches_open_ = 0;
    deadline_.reset();
    return std::move(out);
  }
  for (auto& [index, state] : groups_) note_shortage(index, state, now, out);
  weigh_sources(now, out);
  watch_freeze(now, out);
  keep_bounds(now);
  plan_fetches(now, out);
  return std::move(out);
}

void receiver::wake(base::mono_time at) {
  if (!deadline_ || at < *deadline_) deadline_ = at;
}

receiver_status receiver::status() const {
  receiver_status out{groups_.size(), bytes_waiting_, fetches_open_, std::nullopt};
  if (last_) out.last_delivered = last_->index;
  return out;
}

// --- bounds

receiver::groups::iterator receiver::erase(groups::iterator at) {
  bytes_waiting_ -= bytes_of(at->second);
  fetches_open_ -= at->second.fetches.size();
  return groups_.erase(at);
}

/// The group to give up when there are too many: of the source that opened most of those that no trusted manifest lists,
/// the oldest. Flooding costs the flooder. Where all are listed, the oldest.
receiver::groups::iterator receiver::victim() {
  const auto owner = [](const group_state& state) -> std::optional<source_id> {
    if (state.listed_whole || state.listed_damaged) return std::nullopt;
    return state.opened_by;
  };
  std::map<source_id, size_t> opened;
  for (const auto& [index, state] : groups_)
    if (const auto source = owner(state)) ++opened[*source];
  if (opened.empty()) return groups_.begin();
  const auto most = std::ranges::max_element(opened, {}, [](const auto& o) { return o.second; })->first;
  return std::ranges::find_if(groups_, [&](const auto& g) { return owner(g.second) == most; });
}

void receiver::forget(uint64_t index, source_id source) {
  if (evicted_.size() >= evicted_max) evicted_.erase(evicted_.begin());
  evicted_.insert({index, source});
  count(refusal::waiting_full);
}

/// Drops what the source that holds most gave to its oldest group; groups that a trusted manifest lists go last.
void receiver::shed_bytes() {
  std::map<source_id, size_t> held;
  const auto add = [&](const assembly& version) {
    for (const auto& [source, bytes] : version.shares()) held[source] += bytes;
  };
  for (const auto& [index, state] : groups_) {
    add(state.whole);
    for (const auto& [publisher, version] : state.damaged) add(version);
  }
  if (held.empty()) return;
  const auto most = std::ranges::max_element(held, {}, [](const auto& h) { return h.second; })->first;
  const auto gave = [&](const group_state& state) {
    return state.whole.bytes_from(most) > 0 ||
           std::ranges::any_of(state.damaged, [&](const auto& d) { return d.second.bytes_from(most) > 0; });
  };
  auto from = std::ranges::find_if(groups_, [&](const auto& g) { return gave(g.second) && !g.second.listed_whole && !g.second.listed_damaged; });
  if (from == groups_.end()) from = std::ranges::find_if(groups_, [&](const auto& g) { return gave(g.second); });
  auto& state = from->second;
  bytes_waiting_ -= bytes_of(state);
  state.whole.drop(most);
  for (auto& [publisher, version] : state.damaged) version.drop(most);
  bytes_waiting_ += bytes_of(state);
  state.whole_since.reset();
  state.damaged_since.reset();
  forget(from->first, most);
  const bool empty = state.whole.empty() && std::ranges::all_of(state.damaged, [](const auto& d) { return d.second.empty(); });
  if (empty && !state.listed_whole && !state.listed_damaged) erase(from);
}

void receiver::keep_bounds(base::mono_time now) {
  while (groups_.size() > config_.wait_groups_max) {
    const auto out = victim();
    for (const auto& [source, part] : out->second.parts) forget(out->first, source);
    erase(out);
  }
  if (bytes_waiting_ <= config_.wait_bytes_max) return;
  while (bytes_waiting_ > config_.wait_bytes_max) shed_bytes();
  for (auto& [index, state] : groups_) note_complete(state, now);
}

// --- delivery

void receiver::note_complete(group_state& state, base::mono_time now) {
  if (!state.whole_since && state.whole.complete() != nullptr) state.whole_since = now;
  if (state.whole_since && state.whole.complete() == nullptr) state.whole_since.reset(); // it was another than the one proven
  if (state.damaged_since || !state.listed_damaged) return;
  for (const auto& [publisher, version] : state.damaged)
    if (version.complete() != nullptr) state.damaged_since = now;
}

/// `from` is null if nothing of this group may be delivered, now or later without further input.
receiver::candidate receiver::candidate_of(const group_state& state) const {
  if (state.whole_since) {
    if (state.listed_whole) return {&state.whole, &*state.listed_whole, std::max(*state.whole_since, state.listed_whole->since)};
    if (!config_.require_manifest) {
      // Where manifests are used, this one may still come; and a signer that lists a damaged version only has not seen better.
      const auto wait = config_.use_manifests ? base::mono_duration(config_.chunk_duration) : base::mono_duration::zero();
      return {&state.whole, nullptr, *state.whole_since + std::chrono::duration_cast<base::mono_time::duration>(wait)};
    }
  }
  if (state.damaged_since && config_.allow_damaged) {
    for (const auto& [publisher, version] : state.damaged) {
      if (version.complete() == nullptr) continue;
      const auto patience_ends = state.listed_damaged->since + config_.patience;
      return {&version, &*state.listed_damaged, std::max(*state.damaged_since, patience_ends)};
    }
  }
  return {};
}

bool receiver::continues(const chunk_tail& tail) const {
  return last_ && last_->duration > 0 && (last_->first_pts + last_->duration) % pts_end == tail.first_pts;
}

/// True if an earlier chunk may still come before `next`; sets the deadline by which it must.
bool receiver::held_up(groups::const_iterator next, const candidate& what, base::mono_time now) {
  const auto give_up = what.since + config_.patience;
  if (give_up <= now) return false;
  bool missing = false;
  if (last_) {
    if (next->first == last_->index + 1) return false;
    // Where one chunk's end is the other's begin, there is no chunk between them, whatever the indices: a long GOP skips some.
    missing = !continues(*what.from->complete());
    for (auto it = groups_.upper_bound(last_->index); it != next; ++it)
      if (it->second.listed_whole || it->second.listed_damaged) missing = true;
  } else {
    // At the start: only what began at its first object here, so that it can still be completed.
    for (auto it = groups_.cbegin(); it != next; ++it) {
      const auto& state = it->second;
      const bool believed = state.listed_whole || state.listed_damaged || !config_.use_manifests;
      if (!believed || !state.head_seen || now >= state.seen + config_.patience) continue;
      wake(state.seen + config_.patience);
      missing = true;
    }
  }
  if (missing) wake(give_up);
  return missing;
}

bool receiver::deliver_next(base::mono_time now, actions& out) {
  for (auto it = groups_.begin(); it != groups_.end(); ++it) {
    const auto what = candidate_of(it->second);
    if (what.from == nullptr) continue;
    if (now < what.since) {
      wake(what.since);
      // A later chunk waits for this one in held_up().
      if (what.by != nullptr) continue;
      return false;
    }
    if (held_up(it, what, now)) return false;

    const auto& tail = *what.from->complete();
    const bool contiguous = continues(tail);
    skip_until(it->first, contiguous, out);
    deliver d;
    d.index = it->first;
    d.plaintext = what.from->chunk();
    d.first_pts = tail.first_pts;
    d.duration = tail.duration;
    d.damage = tail.damage;
    d.digest = tail.digest();
    d.tail = std::make_shared<const chunk_tail>(tail);
    d.verified = what.by != nullptr;
    if (what.by != nullptr) d.signer = what.by->signer;
    // A damaged chunk may not know its duration: then the index must do.
    d.discontinuity = last_ && !contiguous && (last_->duration > 0 || it->first != last_->index + 1);
    ++counters_.chunks_delivered;
    counters_.chunks_verified += d.verified ? 1 : 0;
    counters_.chunks_damaged += d.damage ? 1 : 0;
    counters_.bytes_delivered += d.plaintext.size();
    if (d.verified) shortage_told_ = false;
    note_useful(it->second);
    if (!d.damage) note_shown(d.index, d.digest, it->second);
    last_ = delivered{d.index, d.first_pts, d.duration};
    for (auto gone = groups_.begin(); gone != groups_.end() && gone->first <= last_->index;) gone = erase(gone);
    std::erase_if(evicted_, [&](const auto& e) { return e.first <= last_->index; });
    out.push_back(std::move(d));
    if (config_.stop_after && counters_.chunks_delivered >= *config_.stop_after)
      stop_now(stop_reason::stop_after, std::to_string(counters_.chunks_delivered) + " chunks were delivered");
    return true;
  }
  return false;
}

skip_reason receiver::reason_of(const group_state* state, uint64_t index) const {
  if (state == nullptr) {
    const auto it = evicted_.lower_bound({index, 0});
    return it != evicted_.end() && it->first == index ? skip_reason::waiting_full : skip_reason::missing;
  }
  if (!state->listed_whole && state->damaged_since && !config_.allow_damaged) return skip_reason::damaged;
  for (const auto& [source, part] : state->parts)
    if (part.invalid) return skip_reason::invalid;
  if (state->short_since) return skip_reason::too_few_signers;
  return state->whole_since ? skip_reason::unverified : state->listed_damaged && !config_.allow_damaged ? skip_reason::damaged : skip_reason::missing;
}

/// Reports what lies between the chunk delivered last and `index`, one action for each run of one reason.
void receiver::skip_until(uint64_t index, bool nothing_between, actions& out) {
  if (!last_) return;
  const uint64_t first = last_->index + 1;
  const auto known = [&](uint64_t at) -> const group_state* {
    const auto it = groups_.find(at);
    return it == groups_.end() ? nullptr : &it->second;
  };
  const auto add = [&](uint64_t from, uint64_t to, skip_reason reason) {
    counters_.chunks_skipped += to - from + 1;
    out.push_back(skip{from, to, reason});
  };
  if (index - first > gap_looked_at) {
    // A jump of the broadcast clock: nobody knows how many chunks there are, if any.
    if (!nothing_between) out.push_back(skip{first, index - 1, skip_reason::missing});
    return;
  }
  for (uint64_t at = first; at < index; ++at) {
    const auto* state = known(at);
    if (nothing_between && (state == nullptr || (!state->listed_whole && !state->listed_damaged))) continue;
    const auto reason = reason_of(state, at);
    auto* run = out.empty() ? nullptr : std::get_if<skip>(&out.back());
    if (run != nullptr && run->last + 1 == at && run->reason == reason) {
      run->last = at;
      ++counters_.chunks_skipped;
    } else {
      add(at, at, reason);
    }
  }
}

// --- FETCH

/// Whether what is missing of this group is worth asking for.
bool receiver::wanted(const group_state& state, track on) const {
  if (on == track::damaged) return config_.allow_damaged && state.listed_damaged && !state.listed_whole && !state.damaged_since;
  if (state.whole_since) return false;
  // Before its manifest lists it, a group may be anybody's invention.
  if (config_.use_manifests && config_.require_manifest) return state.listed_whole.has_value();
  return state.listed_whole || (!state.listed_damaged && !state.whole.empty());
}

std::optional<source_id> receiver::source_for(const group_state& state, track on) const {
  std::optional<source_id> best;
  std::tuple<uint32_t, uint32_t, int> best_cost;
  for (const auto& [source, facts] : sources_) {
    const auto it = state.parts.find(source);
    const part none;
    const auto& p = it == state.parts.end() ? none : it->second;
    if (p.refused || p.asked[slot(on)] >= config_.fetches_per_source_max) continue;
    // One that broke off has no more than it gave; one that ended whole and left a hole is second choice.
    const int doubt = p.reset[slot(on)] ? 3 : p.invalid ? 2 : p.ended[slot(on)] && it != state.parts.end() ? 1 : 0;
    const std::tuple cost{facts.rank, p.asked[slot(on)], doubt};
    if (best && cost >= best_cost) continue;
    best = source;
    best_cost = cost;
  }
  return best;
}

void receiver::plan_group(uint64_t index, group_state& state, track on, bool newer, base::mono_time now, actions& out) {
  if (!wanted(state, on)) return;
  if (std::ranges::any_of(state.fetches, [&](const open_fetch& f) { return f.on == on; })) return;
  // At once where nobody is sending it any more; else when it stopped coming.
  bool coming = false;
  bool over = false;
  for (const auto& [source, p] : state.parts) {
    const bool gone = p.ended[slot(on)] || p.refused || p.invalid || !sources_.contains(source);
    (gone ? over : coming) = true;
  }
  const auto patient_until = state.progress + config_.fetch_after;
  const bool nobody_sends = over && !coming;
  if (!nobody_sends && now < patient_until) {
    if (newer || state.listed_whole || state.listed_damaged) wake(patient_until);
    return;
  }
  if (!nobody_sends && !newer && !state.listed_whole && !state.listed_damaged) return;
  if (now < state.fetch_next) return wake(state.fetch_next);
  if (fetches_open_ >= limits::subscriber_fetches_max) return;
  const auto source = source_for(state, on);
  // All were asked in vain. The chunk is still waited for until patience is over: a source may repair the same hole from a source of
  // its own, or its antenna may be behind, and its answer is that of one that never will have it; one that is being dialled is not
  // even known here.
  if (!source) return;

  std::vector<hole> ask;
  if (on == track::chunks) {
    ask = state.whole.holes(holes_max);
  } else {
    // The head says whose version it is: without it nothing of it opens.
    const auto it = state.parts.find(*source);
    const auto version = it != state.parts.end() && it->second.publisher ? state.damaged.find(*it->second.publisher) : state.damaged.end();
    if (version != state.damaged.end()) ask = version->second.holes(holes_max);
    if (ask.empty()) ask.push_back({head_object, std::nullopt});
  }
  if (ask.empty()) return;
  const auto until = now + config_.fetch_timeout;
  state.parts[*source].asked[slot(on)] += 1;
  // One FETCH for the span: the few objects between two holes cost less than a request each.
  out.push_back(fetch{*source, on, index, ask.front().first_object, ask.back().last_object});
  ++counters_.fetches;
  state.fetches.push_back({*source, on, until});
  ++fetches_open_;
}

void receiver::plan_fetches(base::mono_time now, actions& out) {
  for (auto it = groups_.begin(); it != groups_.end(); ++it) {
    auto& state = it->second;
    // Before the first delivery only what began here: the past is not asked for.
    if (!last_ && !state.head_seen && !state.listed_damaged) continue;
    const bool newer = std::next(it) != groups_.end();
    plan_group(it->first, state, track::chunks, newer, now, out);
    plan_group(it->first, state, track::damaged, newer, now, out);
    for (const auto& f : state.fetches) wake(f.until);
  }
}

void receiver::stop_now(stop_reason why, std::string text) {
  if (!stopping_) stopping_ = stop{why, std::move(text)};
}

} // namespace ec::object
