#pragma once

#include "manifest/verifier.hpp"
#include "object/manifest_judge.hpp"

namespace ec::object {

/// The judge of a real subscriber: a manifest::verifier and nothing else.
class verifier_judge final : public manifest_judge {
public:
  explicit verifier_judge(manifest::verifier verifier) : verifier_(std::move(verifier)) {}

  judgement judge(uint64_t group, uint64_t object, const base::bytes& payload, base::wall_time now) override;
  std::vector<listed_chunk> find(uint64_t index) const override;
  standing standing_of(uint64_t index) const override { return {verifier_.signers_of(index), verifier_.signers_required()}; }
  bool trusts(const crypto::verifying_key& signer) const override { return verifier_.trust().trusts(signer); }

  manifest::subscriber_state state() const override { return verifier_.state(); }

  /// Its counters, trusted keys and evidence.
  const manifest::verifier& verifier() const { return verifier_; }

private:
  manifest::verifier verifier_;
};

} // namespace ec::object
