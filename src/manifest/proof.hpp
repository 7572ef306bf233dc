#pragma once

#include <cstdint>
#include <vector>

#include "crypto/digest.hpp"
#include "manifest/content.hpp"

namespace ec::manifest {

/// That one chunk stands in a manifest, without the list: to be checked against the manifest's Merkle root.
struct membership_proof {
  uint64_t chunk_index = 0;
  chunk_entry chunk;
  uint64_t chunk_start_index = 0;
  uint64_t total_chunks = 0;
  std::vector<crypto::digest> path; ///< nearest sibling first

  friend bool operator==(const membership_proof&, const membership_proof&) = default;
};

/// The leaf of one chunk: index, state and digest are bound.
crypto::digest chunk_leaf(uint64_t chunk_index, const chunk_entry& chunk);

/// The proof for `chunk_index`, which `c` covers.
membership_proof prove(const content& c, uint64_t chunk_index);

/// True if a manifest with this Merkle root lists the chunk of `proof` at its index.
[[nodiscard]] bool verify(const membership_proof& proof, const crypto::digest& merkle_root);

} // namespace ec::manifest
