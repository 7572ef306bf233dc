#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "manifest/attestation.hpp"

namespace ec::manifest {

enum class evidence_kind : uint8_t {
  equivocation, ///< one signer, two contents of one chunk that contradict each other: the signer's fault
  fork,         ///< one signer, two attestations that cannot stand in one chain: the signer's fault, or a restored backup
  rollback,     ///< an attestation that is older than all that is remembered of its chain: somebody shows it again
  gap,          ///< attestations between the two did not come: a loss, or somebody holds them back
};

/// "equivocation"
std::string_view name(evidence_kind k);

/// Two things that one signer said of one stream, to be shown to others. Format: docs/formats/evidence.md.
struct evidence {
  evidence_kind kind = evidence_kind::equivocation;
  crypto::verifying_key signer;
  struct statement {
    crypto::digest manifest_id;
    manifest::attestation attestation;
    std::shared_ptr<const manifest::content> content; ///< null if it is no longer remembered
  };
  statement first;  ///< that was here before
  statement second; ///< that came
};

/// The text of an evidence file: JSON for people and machines, equal for equal evidence.
std::string encode(const evidence& e);
/// A name for that file, from what it says: the same evidence gets the same name.
std::string file_name(const evidence& e);

/// Reads such a text. No signature is looked at. Errors: malformed, too_large, unsupported (another version).
[[nodiscard]] base::result<evidence> decode_evidence(std::string_view text);

/// Why `e` does not show what it says, for a person; empty if it does: both statements are signed by the signer, are of one stream,
/// and relate as its kind says.
std::string fault(const evidence& e);

} // namespace ec::manifest
