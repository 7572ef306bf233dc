#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "base/result.hpp"
#include "crypto/keys.hpp"
#include "manifest/content.hpp"

namespace ec::manifest {

/// What a signer must never forget: kept in one file per key and stream, written before a signature leaves.
struct signer_state {
  crypto::verifying_key key;
  std::string stream_id = {};
  uint64_t next_sequence = 1;
  std::optional<crypto::digest> previous = {}; ///< digest of the newest attestation
  uint64_t signed_unix_ms = 0;            ///< of the newest attestation
  uint64_t closed_below = 0;              ///< no epoch that begins below this chunk index is signed any more
  struct epoch {
    uint64_t chunk_start_index = 0;
    crypto::digest manifest_id;
    std::vector<chunk_entry> chunks;
  };
  std::vector<epoch> epochs = {}; ///< the newest signer_epochs_max that were signed, in order of index

  /// For a key and stream that never signed. The chain begins at the clock's milliseconds and not at 1: if a state was
  /// lost after all, its successor does not repeat sequence numbers, and subscribers see a new chain instead of a fork.
  static signer_state fresh(const crypto::verifying_key& key, std::string stream_id, base::wall_time now);
};

/// The text of a state file: canonical JSON with a digest of itself.
std::string encode(const signer_state& s);
/// Errors: malformed, mismatch (the digest is another: the file was damaged or edited).
[[nodiscard]] base::result<signer_state> decode_signer_state(std::string_view text, const std::string& about = {});

/// Reads the state of this key and stream. Errors: not_found (start one with fresh(), and say so: if the key signed this
/// stream before, subscribers will report a new chain); malformed, mismatch (do not start: restore the file, or remove it
/// knowingly); invalid_argument (the file is of another key or stream); io.
[[nodiscard]] base::result<signer_state> load_signer_state(const std::string& path, const crypto::verifying_key& key, const std::string& stream_id,
                                                           base::disk& on = base::system_disk());
/// Replaces the file and brings it to the disk; mode 0600. Errors: io and others of base/file: stop signing.
[[nodiscard]] base::result<void> save_signer_state(const std::string& path, const signer_state& s, base::disk& on = base::system_disk());

} // namespace ec::manifest
