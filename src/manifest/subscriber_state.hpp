#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "base/result.hpp"
#include "manifest/attestation.hpp"
#include "manifest/key_statement.hpp"

namespace ec::manifest {

/// What a subscriber of a stream must not forget when it restarts: one file for each stream. Format: docs/formats/trust.md.
struct subscriber_state {
  std::string stream_id;
  std::vector<key_statement> statements = {}; ///< that were followed, in that order
  std::vector<signed_manifest> heard = {};    ///< the newest of each signer's chain: one attestation each, and what it attests; tidy()

  friend bool operator==(const subscriber_state&, const subscriber_state&) = default;
};

/// Sorts what was heard by signer and sequence, and leaves of each signer the newest heard_max within heard_bytes_max, and the newest
/// in any case; of trusted_keys_max signers, those that stand first.
void tidy(subscriber_state& s);

/// Adds to `to` what `other`, of the same stream, knows beside it: two subscribers may share one folder.
void merge(subscriber_state& to, const subscriber_state& other);

/// A name for the file of this stream's state.
std::string subscriber_state_file_name(std::string_view stream_id);

/// The text of a state file: canonical JSON and a line feed.
std::string encode(const subscriber_state& s);
/// Errors: malformed, too_large, unsupported (another version), mismatch (a statement that is not signed by the keys it needs).
[[nodiscard]] base::result<subscriber_state> decode_subscriber_state(std::string_view text);

/// Reads the state of this stream. Errors: not_found (nothing was followed yet); malformed, too_large, unsupported, mismatch (do not
/// start: what was revoked could count again); invalid_argument (the file is of another stream); io.
[[nodiscard]] base::result<subscriber_state> load_subscriber_state(const std::string& path, const std::string& stream_id,
                                                                   base::disk& on = base::system_disk());
/// The file of a stream's state, written for every manifest that counts: what it says is read again only if another subscriber wrote it.
class subscriber_state_file {
public:
  explicit subscriber_state_file(std::string path, base::disk& on = base::system_disk()) : path_(std::move(path)), on_(&on) {}

  /// Replaces the file and brings it to the disk, mode 0600, with what another subscriber wrote there since. Errors: those of the base
  /// room's file functions.
  [[nodiscard]] base::result<void> save(const subscriber_state& s);

private:
  std::string path_;
  base::disk* on_;
  std::string text_; ///< what was last written
  subscriber_state there_;
};

} // namespace ec::manifest
