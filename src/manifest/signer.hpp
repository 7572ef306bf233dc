#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "crypto/keys.hpp"
#include "manifest/attestation.hpp"
#include "manifest/repaired.hpp"
#include "manifest/signer_state.hpp"
#include "manifest/verified.hpp"

namespace ec::manifest {

/// A signature that must not leave before `state` is on the disk.
struct pending {
  signer_state state; ///< save_signer_state() this first; if that fails, drop the signature and stop the signer
  signed_manifest manifest;
  verified<content> own; ///< the same content, for publishers in this process
  crypto::digest manifest_id;
  std::vector<uint8_t> payload; ///< encode(manifest)
  bool again = false; ///< this content was attested before
};

/// Signs the manifests of one stream with one key, and never contradicts itself. Pure.
class signer {
public:
  /// Errors: invalid_argument if the state is of another key.
  [[nodiscard]] static base::result<signer> make(crypto::signing_key key, signer_state state);

  /// What every manifest from now on carries about keys: at most key_statements_max. Errors: too_large, mismatch (one is not
  /// genuine), refused (one revokes the key of this signer).
  [[nodiscard]] base::result<void> carry(std::vector<key_statement> statements);

  /// Signs one content. An epoch gets one content of whole chunks; one with damaged or missing chunks may be followed once
  /// by one that is whole and agrees with it; an equal content may be attested again. Errors: invalid_argument (the content
  /// breaks a rule, or is of another stream; `repaired` is not valid() for it), refused (it would contradict what was signed, or is too
  /// old to tell). `repaired`: chunks of it that this signer took from another source; the attestation says so.
  [[nodiscard]] base::result<pending> prepare(content c, base::wall_time now, std::optional<uint64_t> broadcast_unix_ms = {},
                                              std::span<const repaired_chunk> repaired = {});

  const crypto::verifying_key& key() const { return key_.public_key(); }
  const signer_state& state() const { return state_; }

private:
  signer(crypto::signing_key key, signer_state state) : key_(std::move(key)), state_(std::move(state)) {}

  crypto::signing_key key_;
  signer_state state_;
  std::vector<key_statement> statements_;
};

/// True if one honest signer may have signed both: `later` signed after `earlier`, about chunks that overlap.
bool may_follow(const content& earlier, const content& later);
/// The same, and equal in what a signer keeps for a stream: duration and profile.
bool compatible(const content& earlier, const content& later);

} // namespace ec::manifest
