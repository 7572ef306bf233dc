#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"

/// The body of a manifest. Format: docs/formats/manifest.md.
namespace ec::manifest {

enum class chunk_state : uint8_t {
  whole,   ///< the chunk as it was broadcast: everybody who received it whole has this digest
  damaged, ///< the signer's own damaged version, better than a gap
  missing, ///< the signer has no version; the digest is all zeros
};

/// One chunk of an epoch.
struct chunk_entry {
  crypto::digest digest;
  chunk_state state = chunk_state::whole;

  friend bool operator==(const chunk_entry&, const chunk_entry&) = default;
};

/// The chunks of one epoch and their digests: a pure function of the broadcast, as long as all chunks are whole.
struct content {
  std::string stream_id;          ///< a valid identity::stream_id
  uint64_t epoch_id = 0;          ///< chunk_start_index / chunks.size()
  uint64_t chunk_duration_ms = 0; ///< nominal; 1 to 600,000
  std::string encoder_profile_id; ///< how chunks are cut: 1 to 64 of [a-z0-9.-], "ts-v1"
  uint64_t chunk_start_index = 0; ///< a multiple of chunks.size(), at most 2^53 with the epoch's end
  std::vector<chunk_entry> chunks; ///< of consecutive indices; 1 to manifest_chunks_max, not all missing

  bool all_whole() const;
  /// The index behind the last chunk.
  uint64_t end_index() const { return chunk_start_index + chunks.size(); }
  bool covers(uint64_t index) const { return index >= chunk_start_index && index < end_index(); }
  const chunk_entry& at(uint64_t index) const { return chunks[index - chunk_start_index]; }

  friend bool operator==(const content&, const content&) = default;
};

/// The first chunk index of the epoch that holds `index`. Epochs are aligned on the broadcast clock, because chunk indices
/// are: all signers of a stream with equal `epoch_chunks` cut alike. An era of the clock is part of the index already.
inline uint64_t epoch_start(uint64_t index, uint64_t epoch_chunks) {
  return index - index % epoch_chunks;
}

/// What breaks the rules above, for a person; empty if nothing does.
std::string fault(const content& c);

/// The Merkle root over the chunks [RFC 6962 2.1 in shape].
crypto::digest merkle_root(const content& c);

/// Canonical JSON [RFC 8785] of a valid content.
base::json::value to_json(const content& c);
std::string canonical(const content& c);

/// BLAKE3, domain separated, of the canonical JSON: equal for any two signers of equal contents.
crypto::digest manifest_id(const content& c);

/// Reads what to_json() writes: no member more, no member less, Merkle root and counts right. Errors: malformed, too_large,
/// unsupported (another version), mismatch (the root is another).
[[nodiscard]] base::result<content> content_from_json(const base::json::value& v);

} // namespace ec::manifest
