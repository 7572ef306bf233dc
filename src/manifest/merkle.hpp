#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "crypto/digest.hpp"

/// Merkle trees of the shape of RFC 6962 2.1 over BLAKE3. Leaves, nodes and the root are digested under different
/// domains, and the root binds the number of leaves.
namespace ec::manifest::merkle {

/// The digest of a leaf with these bytes.
crypto::digest leaf(std::span<const uint8_t> bytes);

/// The root over `leaves` (at least one), as leaf() made them.
crypto::digest root(std::span<const crypto::digest> leaves);

/// The siblings on the way from leaf `position` up to the root, nearest first. `position` < leaves.size().
std::vector<crypto::digest> path(std::span<const crypto::digest> leaves, uint64_t position);

/// How many siblings path() gives for `position` < `count`.
size_t path_size(uint64_t position, uint64_t count);

/// True if `root` is that of `count` leaves with `leaf` at `position`. Refuses paths of another length than the one that
/// position and count imply.
[[nodiscard]] bool verify_path(const crypto::digest& root, const crypto::digest& leaf, uint64_t position, uint64_t count,
                               std::span<const crypto::digest> path);

} // namespace ec::manifest::merkle
