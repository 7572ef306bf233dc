#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "crypto/digest.hpp"
#include "crypto/keys.hpp"
#include "object/receiver_types.hpp"

namespace ec::object {

/// One chunk on a trusted signer's word.
struct listed_chunk {
  uint64_t index = 0;
  crypto::digest digest; ///< the chunk digest
  bool damaged = false;  ///< the signer's damaged version; its whole one may be listed too, or later
  crypto::verifying_key signer;
};

/// A manifest that was accepted.
struct accepted_manifest {
  uint64_t epoch = 0;
  crypto::verifying_key signer;
  bool new_key = false; ///< trusted on first use just now
  std::vector<listed_chunk> chunks;
};

/// A copy of what is known already: nothing new, nothing wrong.
struct known_manifest {};

/// A manifest that was not accepted.
struct refused_manifest {
  refusal why = refusal::manifest_refused;
  std::string text;
  bool equivocation = false; ///< the signer signed two contents of one epoch
  uint64_t epoch = 0;        ///< of the equivocation
  std::string signer;        ///< of the equivocation, `ed25519:...`
};

/// Says which chunks trusted signers list. The receiver believes nothing else; what it believes, it delivers as verified.
class manifest_judge {
public:
  virtual ~manifest_judge() = default;
  /// One object of track `manifests` of `group`.
  virtual std::variant<accepted_manifest, refused_manifest, known_manifest> judge(uint64_t group, uint64_t object, const base::bytes& payload,
                                                                  base::wall_time now) = 0;
  /// What accepted manifests say of one chunk: nothing, a whole version, a damaged one, or both.
  virtual std::vector<listed_chunk> find(uint64_t index) const = 0;
};

} // namespace ec::object
