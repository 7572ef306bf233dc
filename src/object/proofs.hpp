#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "crypto/digest.hpp"
#include "crypto/keys.hpp"
#include "manifest/attestation.hpp"
#include "manifest/content.hpp"
#include "manifest/repaired.hpp"

namespace ec::object {

/// One object of track `manifests` that vouches for a chunk, as it came.
struct proof {
  uint64_t group = 0;
  uint64_t object = 0;
  base::bytes payload;
  bool alone = false; ///< holds a content with an attestation that counts; else it counts together with another object
  uint64_t first_index = 0; ///< of the chunks that the content lists
  std::optional<uint64_t> broadcast_unix_ms; ///< the broadcast's own time at the first of them, as its signer read it
};

/// The manifest objects of recent chunks, so that what is written carries its proof. Bounded: the newest proofs_max contents that
/// count, and verifier_waiting_max that nobody trusted attests yet.
class proofs {
public:
  /// An object, and whether the judge took something new from it (`counts`). A content of which nothing counts is kept too: an
  /// attestation that does may come later and name the content only. What cannot be read is not kept.
  void keep(uint64_t group, uint64_t object, const base::bytes& payload, bool counts);

  /// What lists `digest` as chunk `index`: contents, each followed by the attestations of it that came later. Those that
  /// count alone stand first. Empty if nothing that counts is here.
  std::vector<proof> of(uint64_t index, const crypto::digest& digest) const;

  /// One payload that lists `digest` as chunk `index` with all that is here of whoever `counts`: each signer once, and only if his
  /// signature verifies. Of several contents the one that most of them attest.
  std::optional<proof> merged(uint64_t index, const crypto::digest& digest,
    const std::function<bool(const crypto::verifying_key&)>& counts) const;

  /// What `signer` says, under his signature, of chunk `index` of `digest`: that he did not receive it whole. Nothing if he does not.
  std::optional<manifest::repaired_chunk> repaired(uint64_t index, const crypto::digest& digest, const crypto::verifying_key& signer) const;

  size_t size() const { return contents_.size() + waiting_.size(); }

private:
  struct held {
    crypto::digest id;
    manifest::content what;
    proof object;
    std::vector<proof> late;
    std::vector<manifest::attestation> repairs; ///< of those in it and behind it, what says that a chunk was repaired; not verified
  };
  static void keep_late(held& to, proof late, const std::vector<manifest::attestation>& said);
  static void note_repairs(held& to, const std::vector<manifest::attestation>& said);
  void hold(held&& h);

  std::multimap<uint64_t, held> contents_; ///< that count, by first chunk index
  std::deque<held> waiting_;
};

} // namespace ec::object
