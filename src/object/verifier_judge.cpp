#include "object/verifier_judge.hpp"

namespace ec::object {
namespace {

refusal refusal_of(manifest::refusal_reason why) {
  using manifest::refusal_reason;
  switch (why) {
  case refusal_reason::malformed: return refusal::manifest_malformed;
  case refusal_reason::too_large: return refusal::manifest_too_large;
  case refusal_reason::wrong_stream: return refusal::manifest_wrong_stream;
  case refusal_reason::untrusted: return refusal::manifest_untrusted;
  case refusal_reason::bad_signature: return refusal::manifest_bad_signature;
  case refusal_reason::equivocation:
  case refusal_reason::fork: return refusal::manifest_equivocation;
  case refusal_reason::rollback: return refusal::manifest_rollback;
  case refusal_reason::stale:
  case refusal_reason::from_future:
  case refusal_reason::unknown_manifest: return refusal::manifest_refused;
  }
  return refusal::manifest_refused;
}

} // namespace

std::variant<accepted_manifest, refused_manifest, known_manifest> verifier_judge::judge(uint64_t group, uint64_t,
                                                                                       const base::bytes& payload, base::wall_time now) {
  const auto outcome = verifier_.accept(payload, now);
  if (!outcome.accepted && !outcome.refusals.empty()) {
    const auto& r = outcome.refusals.front();
    refused_manifest refused;
    refused.why = refusal_of(r.why);
    refused.text = r.text;
    refused.equivocation = refused.why == refusal::manifest_equivocation;
    refused.epoch = group;
    if (r.signer) refused.signer = r.signer->to_string();
    return refused;
  }
  if (!outcome.accepted) return known_manifest{};
  const auto& news = *outcome.accepted;
  accepted_manifest accepted{group, news.signers.front(), news.new_key, {}};
  for (uint64_t index = news.content->chunk_start_index; index < news.content->end_index(); ++index)
    for (auto& listed : find(index)) accepted.chunks.push_back(std::move(listed));
  return accepted;
}

std::vector<listed_chunk> verifier_judge::find(uint64_t index) const {
  std::vector<listed_chunk> out;
  for (const auto& v : verifier_.versions(index)) out.push_back({index, v.digest, v.damaged, v.signer});
  return out;
}

} // namespace ec::object
