#include "object/verifier_judge.hpp"

namespace ec::object {
namespace {

refusal refusal_of(manifest::refusal_reason why) {
  using enum manifest::refusal_reason;
  switch (why) {
  case malformed: return refusal::manifest_malformed;
  case too_large: return refusal::manifest_too_large;
  case wrong_stream: return refusal::manifest_wrong_stream;
  case wrong_group: return refusal::manifest_wrong_group;
  case untrusted: return refusal::manifest_untrusted;
  case key_revoked: return refusal::manifest_key_revoked;
  case key_statement: return refusal::manifest_key_statement;
  case bad_signature: return refusal::manifest_bad_signature;
  case equivocation: return refusal::manifest_equivocation;
  case fork: return refusal::manifest_fork;
  case rollback: return refusal::manifest_rollback;
  case stale: return refusal::manifest_stale;
  case from_future: return refusal::manifest_from_future;
  case unknown_manifest: return refusal::manifest_unknown;
  }
  return refusal::manifest_malformed;
}

} // namespace

judgement verifier_judge::judge(uint64_t group, uint64_t, const base::bytes& payload, base::wall_time now) {
  auto found = verifier_.accept(payload, now, group);
  judgement out;
  out.followed = std::move(found.followed);
  out.shown = std::move(found.shown);
  out.crowded_out = found.crowded_out;
  out.crowding = std::move(found.crowding);
  if (found.accepted && !found.accepted->signers.empty()) {
    const auto& content = *found.accepted->content;
    out.accepted = accepted_manifest{content.epoch_id,        content.chunk_start_index, content.chunks.size(), found.accepted->signers.front(),
                                     found.accepted->new_key, found.accepted->chain_restarted};
  }
  for (auto& no : found.refusals) {
    const bool evidence = no.why == manifest::refusal_reason::equivocation || no.why == manifest::refusal_reason::fork;
    out.refused.push_back({refusal_of(no.why), std::move(no.text), no.signer, evidence});
  }
  return out;
}

std::vector<listed_chunk> verifier_judge::find(uint64_t index) const {
  std::vector<listed_chunk> out;
  for (const auto& version : verifier_.versions(index)) out.push_back({index, version.digest, version.damaged, version.signer});
  return out;
}

} // namespace ec::object
