#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"
#include "crypto/keys.hpp"
#include "manifest/content.hpp"
#include "manifest/key_statement.hpp"

/// Who says so: attestations, and the objects of track `manifests`. Format: docs/formats/manifest.md.
namespace ec::manifest {

/// One signer's statement about one manifest. The attestations of a signer for a stream form a chain.
struct attestation {
  crypto::verifying_key signer;
  uint64_t sequence = 0;       ///< one more than that of the attestation before; 1 to 2^53
  uint64_t signed_unix_ms = 0; ///< the signer's clock; never falls along the chain
  std::optional<uint64_t> broadcast_unix_ms = {}; ///< the broadcast's own time as this signer read it
  std::optional<crypto::digest> previous = {};    ///< digest() of the attestation before; absent where a chain begins
  base::json::object extra = {}; ///< members that a reader may ignore: names begin with "x-"; signed with the rest
  crypto::signature signature = {};

  /// What the next attestation of the chain names as `previous`.
  crypto::digest digest(const crypto::digest& manifest_id) const;

  friend bool operator==(const attestation&, const attestation&) = default;
};

/// The bytes that are signed: domain, manifest id, and every member but the signature, at fixed places.
std::vector<uint8_t> signed_bytes(const attestation& a, const crypto::digest& manifest_id);

/// Signs `a` in place; `by` must be the key of a.signer.
void sign(attestation& a, const crypto::digest& manifest_id, const crypto::signing_key& by);

/// A content and who attests it: what object 0 of an epoch's group holds.
struct signed_manifest {
  manifest::content content;
  std::vector<attestation> attestations; ///< 1 to manifest_attestations_max, of different signers
  std::vector<key_statement> key_statements = {}; ///< at most key_statements_max; not about this content: they ride along

  friend bool operator==(const signed_manifest&, const signed_manifest&) = default;
};

/// Further attestations of a manifest that an earlier object of the group holds.
struct late_attestations {
  crypto::digest manifest_id;
  std::vector<attestation> attestations; ///< as above

  friend bool operator==(const late_attestations&, const late_attestations&) = default;
};

using manifest_object = std::variant<signed_manifest, late_attestations>;

/// The payload of an object of track `manifests`: canonical JSON [RFC 8785]. The value must be valid.
std::vector<uint8_t> encode(const signed_manifest& m);
std::vector<uint8_t> encode(const late_attestations& late);

/// Reads such a payload. Limits come first; encoding the result gives `payload` again, byte for byte. No signature is
/// looked at: that is the verifier's. Errors: too_large, malformed, unsupported, mismatch.
[[nodiscard]] base::result<manifest_object> decode(std::span<const uint8_t> payload);

} // namespace ec::manifest
