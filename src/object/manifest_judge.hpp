#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "crypto/digest.hpp"
#include "crypto/keys.hpp"
#include "manifest/evidence.hpp"
#include "manifest/subscriber_state.hpp"
#include "object/receiver_types.hpp"

namespace ec::object {

/// One chunk on a trusted signer's word.
struct listed_chunk {
  uint64_t index = 0;
  crypto::digest digest; ///< the chunk digest
  bool damaged = false;  ///< the signer's damaged version; its whole one may be listed too, or later
  crypto::verifying_key signer;
};

/// A manifest object that brought something new.
struct accepted_manifest {
  uint64_t epoch = 0;
  uint64_t first_index = 0;
  uint64_t chunks = 0; ///< indices from first_index on
  crypto::verifying_key signer;
  bool new_key = false;         ///< trusted on first use just now
  bool chain_restarted = false; ///< the signer began anew: it lost its state
};

/// Why an object, or one attestation in it, was not taken.
struct refused_manifest {
  refusal why = refusal::manifest_malformed;
  std::string text;
  std::optional<crypto::verifying_key> signer;
  bool evidence = false; ///< the signer said two things that contradict each other
};

/// What one object of track `manifests` came to. All empty: nothing new, nothing wrong.
struct judgement {
  std::optional<accepted_manifest> accepted;
  std::vector<refused_manifest> refused;
  std::vector<manifest::key_statement> followed = {}; ///< what changed whose word counts
  std::vector<manifest::evidence> shown = {}; ///< to be kept, and shown to others
  uint64_t crowded_out = 0; ///< attestations that left the memory, although others' older ones stay: their signers signed more
  std::vector<crypto::verifying_key> crowding = {}; ///< of those signers, who did so for the first time
};

/// Who stands for one chunk.
struct standing {
  size_t signers = 0;  ///< trusted, and agreed on one version of it
  size_t required = 1; ///< so many are needed before it counts
};

/// Says which chunks trusted signers list. The receiver believes nothing else; what it believes, it delivers as verified.
class manifest_judge {
public:
  virtual ~manifest_judge() = default;
  /// One object of track `manifests` of `group`.
  virtual judgement judge(uint64_t group, uint64_t object, const base::bytes& payload, base::wall_time now) = 0;
  /// What counts of one chunk now, best first: nothing, whole versions, damaged ones. A version may leave again when its
  /// signer is caught contradicting himself.
  virtual std::vector<listed_chunk> find(uint64_t index) const = 0;
  virtual standing standing_of(uint64_t index) const = 0;
  /// Whether the word of this signer counts now.
  virtual bool trusts(const crypto::verifying_key& signer) const = 0;
  /// What must outlive this process. A judge that learns nothing has nothing to keep.
  virtual manifest::subscriber_state state() const { return {}; }
};

} // namespace ec::object
