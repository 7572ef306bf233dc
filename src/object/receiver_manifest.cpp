#include "object/receiver.hpp"

#include <algorithm>

namespace ec::object {

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
  auto verdict = judge_->judge(group, object, payload, wall);
  if (auto* no = std::get_if<refused_manifest>(&verdict)) {
    ++sources_.at(source).blames;
    refuse(source, manifests, group, object, no->why, no->text, out);
    if (no->equivocation) {
      ++counters_.equivocations;
      out.push_back(evidence{source, no->epoch, std::move(no->signer), std::move(no->text)});
    }
    return settle(now, std::move(out));
  }
  if (std::holds_alternative<known_manifest>(verdict)) return settle(now, std::move(out));
  auto& yes = std::get<accepted_manifest>(verdict);
  ++counters_.manifests_accepted;
  if (!yes.chunks.empty()) {
    const auto first = std::ranges::min(yes.chunks, {}, &listed_chunk::index).index;
    out.push_back(manifest_accepted{source, yes.signer, yes.epoch, first, yes.chunks.size(), yes.new_key});
  }
  for (const auto& chunk : yes.chunks)
    if (groups_.contains(chunk.index)) list(chunk, now, out);
  expect_listed(now, out);
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

void receiver::list(const listed_chunk& chunk, base::mono_time now, actions& out) {
  auto& state = groups_.at(chunk.index);
  auto& place = chunk.damaged ? state.listed_damaged : state.listed_whole;
  // The first trusted word stands; that a second signer says otherwise is for the judge to report.
  if (place) return;
  place = listing{chunk.digest, chunk.signer, now};
  // What had to leave while nobody vouched for it may come again.
  std::erase_if(evicted_, [&](const auto& e) { return e.first == chunk.index; });
  state.progress = now;
  const auto prove = [&](assembly& version, track on) {
    const auto before = version.bytes_held();
    auto wrong = version.prove(chunk.digest);
    bytes_waiting_ -= before - version.bytes_held();
    // Several publishers have each their damaged version: one that is not listed is no lie.
    if (on == track::damaged) wrong.tails.clear();
    blame_found(wrong, on, chunk.index, out);
  };
  if (!chunk.damaged) return prove(state.whole, track::chunks);
  for (auto& [publisher, version] : state.damaged) prove(version, track::damaged);
}

} // namespace ec::object
