#pragma once

#include <string>
#include <vector>

#include "crypto/digest.hpp"
#include "crypto/keys.hpp"
#include "manifest/attestation.hpp"
#include "manifest/signer.hpp"

/// Signers and contents for the tests of this room.
namespace ec::test {

inline const std::string stream = "ec/stream/v1/source/kind-file/device-a/channel-1/profile-ts-v1/variant-main";
inline constexpr int64_t start_ms = 1'770'000'000'000;

inline base::wall_time at(int64_t ms_later) {
  return base::wall_time(std::chrono::milliseconds(start_ms + ms_later));
}

inline crypto::signing_key key(uint8_t number) {
  std::array<uint8_t, 32> seed;
  seed.fill(number);
  return crypto::signing_key::from_seed(seed);
}

inline crypto::digest chunk(uint64_t index, uint8_t version = 0) {
  std::vector<uint8_t> bytes(9, version);
  for (int i = 0; i < 8; ++i) bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(index >> (8 * i));
  return crypto::blake3(bytes);
}

/// An epoch of `count` whole chunks.
inline manifest::content epoch(uint64_t start, uint64_t count = 1, uint8_t version = 0) {
  manifest::content c{stream, start / count, 2000, "ts-v1", start, {}};
  for (uint64_t i = 0; i < count; ++i) c.chunks.push_back({chunk(start + i, version), manifest::chunk_state::whole});
  return c;
}

/// The same with one chunk damaged.
inline manifest::content damaged(uint64_t start, uint64_t count = 1, uint64_t place = 0) {
  auto c = epoch(start, count);
  c.chunks[place] = {chunk(start + place, 99), manifest::chunk_state::damaged};
  return c;
}

inline manifest::signer signer_of(uint8_t number, int64_t ms_later = 0) {
  auto k = key(number);
  auto state = manifest::signer_state::fresh(k.public_key(), stream, at(ms_later));
  return manifest::signer::make(std::move(k), std::move(state)).value();
}

/// An attestation by hand, for what no honest signer would say.
inline std::vector<uint8_t> forge(uint8_t number, const manifest::content& c, uint64_t sequence, std::optional<crypto::digest> previous = {},
                                  int64_t ms_later = 0) {
  const auto k = key(number);
  manifest::attestation a{.signer = k.public_key(), .sequence = sequence};
  a.signed_unix_ms = static_cast<uint64_t>(start_ms + ms_later);
  a.previous = previous;
  manifest::sign(a, manifest::manifest_id(c), k);
  return manifest::encode(manifest::signed_manifest{c, {a}});
}

} // namespace ec::test
