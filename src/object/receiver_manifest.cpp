#include "object/receiver.hpp"

#include <algorithm>
#include <utility>

namespace ec::object {
namespace {

/// What its reader can tell from the object alone speaks against who sent it. The rest an honest source may pass on: other keys are
/// trusted elsewhere, and clocks differ.
source_score::fault weight_of(refusal why) {
  switch (why) {
  case refusal::manifest_malformed:
  case refusal::manifest_too_large:
  case refusal::manifest_bad_signature:
  case refusal::manifest_wrong_stream:
  case refusal::manifest_wrong_group: return source_score::fault::bad_object;
  default: return source_score::fault::doubtful;
  }
}

} // namespace

actions receiver::on_manifest_object(source_id source, uint64_t group, uint64_t object, const base::bytes& payload, base::mono_time now,
                                     base::wall_time wall) {
  static constexpr std::string_view manifests = "manifests";
  actions out;
  if (stopped_) return out;
  ++counters_.objects;
  if (!sources_.contains(source)) {
    refuse(source, manifests, group, object, refusal::unknown_source, {}, out);
    return settle(now, std::move(out));
  }
  auto& from = sources_.at(source);
  from.gave[1] = true;
  auto verdict = judge_->judge(group, object, payload, wall);
  bool changed = verdict.accepted.has_value() || !verdict.followed.empty();
  for (auto& e : verdict.shown) out.push_back(found_evidence{source, std::make_shared<const manifest::evidence>(std::move(e))});
  counters_.manifests_crowded_out += verdict.crowded_out;
  for (const auto& signer : verdict.crowding) out.push_back(crowding{source, signer});
  for (auto& s : verdict.followed) out.push_back(key_changed{source, std::move(s)});
  for (auto& no : verdict.refused) {
    if (!no.evidence) fault_of(source, weight_of(no.why)); // who brings the evidence is not who contradicts himself
    if (no.evidence) {
      // Rare and grave: said each time, and what the signer listed may count no more.
      changed = true;
      ++counters_.equivocations;
      out.push_back(evidence{source, group, no.signer, no.text});
    }
    refuse(source, manifests, group, object, no.why, std::move(no.text), out);
  }
  if (const auto& yes = verdict.accepted) {
    ++counters_.manifests_accepted;
    from.useful[1] = true;
    last_manifest_ = now;
    last_manifest_chunks_ = yes->chunks;
    frozen_ = false;
    out.push_back(manifest_accepted{source, yes->signer, yes->epoch, yes->first_index, yes->chunks, yes->new_key, yes->chain_restarted});
  }
  if (changed) {
    for (auto& [index, state] : groups_) list(index, state, now, out);
    expect_listed(now, out);
  }
  return settle(now, std::move(out));
}

/// Opens the groups after the last delivered one that are listed and of which nothing came: they are missing.
void receiver::expect_listed(base::mono_time now, actions& out) {
  if (!last_) return;
  // Half of the table stays free for groups that come before their manifest.
  const uint64_t count = std::max<uint64_t>(config_.wait_groups_max / 2, 1);
  for (uint64_t index = last_->index + 1; index <= last_->index + count; ++index)
    if (!groups_.contains(index) && !judge_->find(index).empty()) state_of(index, now, out);
}

/// Brings what a group believes in line with the judge.
void receiver::list(uint64_t index, group_state& state, base::mono_time now, actions& out) {
  const listed_chunk* whole = nullptr;
  const listed_chunk* damaged = nullptr;
  const auto known = judge_->find(index);
  for (const auto& chunk : known) {
    auto& best = chunk.damaged ? damaged : whole;
    if (best == nullptr) best = &chunk;
  }
  state.stands = judge_->standing_of(index);
  if (state.stands.signers == 0 || state.stands.signers >= state.stands.required) state.short_since.reset();
  else if (!state.short_since) state.short_since = now;
  list_version(index, state, track::chunks, whole, now, out);
  list_version(index, state, track::damaged, damaged, now, out);
}

/// A second signer may be a little later than the first: after a whole patience it is said and counted.
void receiver::note_shortage(uint64_t index, group_state& state, base::mono_time now, actions& out) {
  if (!state.short_since || state.short_counted) return;
  const auto until = *state.short_since + config_.patience;
  if (now < until) return wake(until);
  state.short_counted = true;
  ++counters_.chunks_too_few_signers;
  if (std::exchange(shortage_told_, true)) return;
  out.push_back(too_few_signers{index, state.stands.signers, state.stands.required});
}

void receiver::list_version(uint64_t index, group_state& state, track on, const listed_chunk* chunk, base::mono_time now, actions& out) {
  auto& listed = on == track::chunks ? state.listed_whole : state.listed_damaged;
  if (!listed && chunk == nullptr) return;
  if (listed && chunk != nullptr && listed->digest == chunk->digest) {
    listed->signer = chunk->signer;
    return;
  }
  // On a word that does not count any more sources were refused in vain.
  if (listed)
    for (auto& [source, part] : state.parts) part.refused = false;
  const auto settle_version = [&](assembly& version) {
    const auto before = version.bytes_held();
    if (chunk == nullptr) return version.unprove();
    auto wrong = version.prove(chunk->digest);
    bytes_waiting_ -= before - version.bytes_held();
    // Several publishers have each their damaged version: one that is not listed is no lie.
    if (on == track::damaged) wrong.tails.clear();
    blame_found(wrong, on, index, out);
  };
  if (chunk == nullptr) {
    listed.reset();
  } else {
    listed = listing{chunk->digest, chunk->signer, now};
    state.progress = now;
    // What had to leave while nobody vouched for it may come again.
    std::erase_if(evicted_, [&](const auto& e) { return e.first == index; });
  }
  if (on == track::chunks) {
    settle_version(state.whole);
    state.whole_since.reset();
  } else {
    for (auto& [publisher, version] : state.damaged) settle_version(version);
    state.damaged_since.reset();
  }
}

} // namespace ec::object
