#pragma once

#include "manifest/signer.hpp"
#include "tests/unit/object/broadcast.hpp"

/// A leader that signs the made-up broadcast, one chunk to an epoch.
namespace ec::object::test {

inline manifest::content content_of(const made_chunk& c) {
  return {stream_id, c.index, 2000, "ts-v1", c.index,
          {{c.facts.digest, c.facts.damaged ? manifest::chunk_state::damaged : manifest::chunk_state::whole}}};
}

struct leader {
  explicit leader(uint8_t seed, int64_t began_ms = 0)
      : s(manifest::signer::make(crypto::signing_key::from_seed({seed}),
                                 manifest::signer_state::fresh(crypto::signing_key::from_seed({seed}).public_key(), stream_id, wall_at(began_ms)))
            .value()) {}
  manifest::pending said(const made_chunk& c) { return s.prepare(content_of(c), wall_at(10'000)).value(); }
  base::bytes sign(const made_chunk& c) { return base::bytes::adopt(said(c).payload); }
  /// Its attestation alone: what comes after another leader's manifest of the same content.
  base::bytes attest(const made_chunk& c) {
    const auto m = said(c);
    return base::bytes::adopt(manifest::encode(manifest::late_attestations{m.manifest_id, m.manifest.attestations}));
  }

  manifest::signer s;
};

} // namespace ec::object::test
