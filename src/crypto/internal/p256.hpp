#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"

/// ECDSA on P-256 with SHA-256, in the shapes of JSON Web Signatures [RFC 7518 3.4]: numbers of 32 bytes, big-endian.
namespace ec::crypto::internal {

struct p256_pair {
  std::vector<uint8_t> secret; ///< 32 bytes; the caller wipes it
  std::vector<uint8_t> open;   ///< x and y, 64 bytes
};

[[nodiscard]] base::result<p256_pair> p256_generate();
/// True if `open` is a point of the curve.
bool p256_is_point(std::span<const uint8_t> open);
/// r and s, 64 bytes. Errors: malformed if the key is none.
[[nodiscard]] base::result<std::vector<uint8_t>> p256_sign(std::span<const uint8_t> secret, std::span<const uint8_t> open, std::span<const uint8_t> message);
/// False for a signature of another length than 64.
[[nodiscard]] bool p256_verify(std::span<const uint8_t> open, std::span<const uint8_t> message, std::span<const uint8_t> signature);

} // namespace ec::crypto::internal
