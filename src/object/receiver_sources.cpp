#include "object/receiver.hpp"

#include <algorithm>

namespace ec::object {
namespace {

/// Chunks that may wait for a manifest before its silence is one.
constexpr uint64_t late_manifest_chunks = 3;

} // namespace

/// What it gave stays; it is not asked any more.
void receiver::lose(source_id source) {
  sources_.erase(source);
  account_.lose(source);
  for (auto& [index, state] : groups_) {
    fetches_open_ -= std::erase_if(state.fetches, [&](const open_fetch& f) { return f.source == source; });
    const auto it = state.parts.find(source);
    if (it == state.parts.end()) continue;
    std::ranges::fill(it->second.ended, true);
    std::ranges::fill(it->second.reset, true);
  }
}

void receiver::fault_of(source_id source, source_score::fault what) {
  const auto known = sources_.find(source);
  if (known != sources_.end()) ++known->second.faults[static_cast<size_t>(what)];
}

/// True if others give what this one gives, and some of what they gave counted.
bool receiver::replaceable(source_id source) const {
  const auto& gave = sources_.at(source).gave;
  for (const size_t kind : {0, 1}) {
    if (!gave[kind]) continue;
    const bool others = std::ranges::any_of(sources_, [&](const auto& s) { return s.first != source && s.second.useful[kind]; });
    if (!others) return false;
  }
  return true;
}

void receiver::weigh_sources(base::mono_time now, actions& out) {
  // Of those that are gone only what is held against them is kept: they may come back under their name, or never.
  if (scores_.size() > sources_.size()) std::erase_if(scores_, [&](const auto& s) { return !sources_.contains(s.first) && s.second.clean(now); });
  std::vector<source_id> bad;
  for (auto& [source, facts] : sources_) {
    auto& score = scores_[source];
    for (size_t kind = 0; kind < facts.faults.size(); ++kind)
      for (auto& left = facts.faults[kind]; left > 0; --left) score.add(static_cast<source_score::fault>(kind), now);
    facts.rank = score.rank(now);
    if (score.over(now)) bad.push_back(source);
  }
  for (const auto source : bad) {
    if (!replaceable(source)) continue;
    auto& score = scores_.at(source);
    score.bar(now);
    lose(source);
    ++counters_.sources_cut_off;
    out.push_back(cut_off{source, score.penalty(), "too much of what it gave was invalid"});
  }
}

void receiver::note_useful(const group_state& delivered) {
  for (const auto& [source, part] : delivered.parts)
    if (const auto known = sources_.find(source); known != sources_.end() && !part.invalid) known->second.useful[0] = true;
}

void receiver::note_shown(uint64_t index, const crypto::digest& digest, const group_state& state) {
  source_account::given by;
  for (const auto& [source, part] : state.parts)
    if (part.whole) by.emplace_back(source, *part.whole);
  account_.shown(index, digest, by);
}

/// What comes of a chunk that was shown changes nothing, but says whether its source had it too. One tail of each is read.
void receiver::note_late(source_id source, track on, uint64_t group, uint64_t object, const base::bytes& payload) {
  if (on != track::chunks || object == head_object || kind_of(payload) != payload_kind::tail || !account_.awaits(source, group)) return;
  account_.expect(source, group);
  const auto tail = decode_tail(on, payload);
  account_.late(source, group, tail ? tail.value().digest() : crypto::digest{});
}

void receiver::watch_freeze(base::mono_time now, actions& out) {
  if (!config_.require_manifest || frozen_ || !last_manifest_) return;
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now - *last_manifest_);
  if (since < (last_manifest_chunks_ + late_manifest_chunks) * config_.chunk_duration) return;
  const auto waiting = static_cast<size_t>(
    std::ranges::count_if(groups_, [](const auto& g) { return g.second.whole_since && !g.second.listed_whole && !g.second.listed_damaged; }));
  if (waiting < late_manifest_chunks) return;
  frozen_ = true;
  ++counters_.manifests_frozen;
  out.push_back(frozen{since, waiting});
}

} // namespace ec::object
