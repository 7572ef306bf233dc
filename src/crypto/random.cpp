#include "crypto/random.hpp"

#include <cstdio>
#include <cstdlib>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

namespace ec::crypto {

void fill_random(std::span<uint8_t> out) {
  if (out.empty() || gnutls_rnd(GNUTLS_RND_KEY, out.data(), out.size()) == 0) return;
  // Going on would make a guessable key.
  std::fputs("the system's random source failed\n", stderr);
  std::abort();
}

std::vector<uint8_t> random_bytes(size_t count) {
  std::vector<uint8_t> out(count);
  fill_random(out);
  return out;
}

void wipe(std::span<uint8_t> secret) {
  if (!secret.empty()) gnutls_memset(secret.data(), 0, secret.size());
}

bool equal_constant_time(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  return a.size() == b.size() && (a.empty() || gnutls_memcmp(a.data(), b.data(), a.size()) == 0);
}

} // namespace ec::crypto
