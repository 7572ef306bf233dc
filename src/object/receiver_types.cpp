#include "object/receiver_types.hpp"

namespace ec::object {

std::string_view name(refusal r) {
  static constexpr std::string_view names[refusal_count] = {
    "unknown_source", "late", "refused_group", "bad_object_id", "malformed_head", "malformed_tail", "malformed_piece", "wrong_key",
    "wrong_profile", "unauthentic_piece", "wrong_nonce", "piece_mismatch", "chunk_mismatch", "head_mismatch", "republished", "head_missing",
    "versions_full", "waiting_full", "manifest_malformed", "manifest_too_large", "manifest_untrusted", "manifest_key_revoked", "manifest_bad_signature",
    "manifest_wrong_stream", "manifest_wrong_group", "manifest_equivocation", "manifest_fork", "manifest_rollback", "manifest_stale", "manifest_from_future",
    "manifest_key_statement", "manifest_unknown"};
  static_assert(refusal_count <= 64, "the receiver keeps a bit for each");
  return names[static_cast<size_t>(r)];
}

std::string_view name(skip_reason r) {
  static constexpr std::string_view names[] = {"missing", "unverified", "invalid", "damaged", "waiting_full", "too_few_signers"};
  return names[static_cast<size_t>(r)];
}

std::string_view name(stop_reason r) {
  return r == stop_reason::stop_after ? "stop_after" : "invalid_chunks";
}

std::vector<std::pair<std::string, uint64_t>> receiver_counters::list() const {
  std::vector<std::pair<std::string, uint64_t>> out{
    {"objects", objects},
    {"objects_duplicate", objects_duplicate},
    {"objects_conflicting", objects_conflicting},
    {"chunks_delivered", chunks_delivered},
    {"chunks_verified", chunks_verified},
    {"chunks_damaged", chunks_damaged},
    {"chunks_skipped", chunks_skipped},
    {"chunks_invalid", chunks_invalid},
    {"bytes_delivered", bytes_delivered},
    {"manifests_accepted", manifests_accepted},
    {"chunks_too_few_signers", chunks_too_few_signers},
    {"equivocations", equivocations},
    {"manifests_frozen", manifests_frozen},
    {"manifests_crowded_out", manifests_crowded_out},
    {"sources_cut_off", sources_cut_off},
    {"fetches", fetches},
    {"fetches_failed", fetches_failed},
  };
  for (size_t r = 0; r < refusal_count; ++r) out.emplace_back("refused_" + std::string(name(static_cast<refusal>(r))), refused[r]);
  return out;
}

} // namespace ec::object
