#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/result.hpp"
#include "crypto/keys.hpp"

namespace ec::manifest {

/// What the owner of a signing key says about that key. Format: docs/formats/trust.md.
struct key_statement {
  enum class kind : uint8_t {
    rotate = 1, ///< `next` is mine too: whoever trusts `key` may trust it from now on
    revoke = 2, ///< nothing that `key` signs counts any more
  };
  kind what = kind::revoke;
  crypto::verifying_key key;
  std::optional<crypto::verifying_key> next = {}; ///< of rotate
  uint64_t signed_unix_ms = 0;
  crypto::signature signature = {};                     ///< by `key`
  std::optional<crypto::signature> next_signature = {}; ///< by `next`, of rotate: nobody can name a key that is not his

  friend bool operator==(const key_statement&, const key_statement&) = default;
};

/// "rotate", "revoke".
std::string_view name(key_statement::kind k);

/// The bytes that are signed: domain, and every member but the signatures, at fixed places.
std::vector<uint8_t> signed_bytes(const key_statement& s);

/// Names `next` as the successor of `old`.
key_statement rotation(const crypto::signing_key& old, const crypto::signing_key& next, base::wall_time now);
key_statement revocation(const crypto::signing_key& key, base::wall_time now);

/// True if every key that a statement needs signed it.
[[nodiscard]] bool genuine(const key_statement& s);

/// As it stands in a manifest object, and alone in a file.
base::json::value to_json(const key_statement& s);
/// No member more, no member less. Signatures are not looked at. Errors: malformed, unsupported (another version).
[[nodiscard]] base::result<key_statement> key_statement_from_json(const base::json::value& v);

/// The text of a statement file: canonical JSON and a line feed.
std::string encode(const key_statement& s);
/// Reads exactly that. Errors: malformed, too_large, unsupported.
[[nodiscard]] base::result<key_statement> decode_key_statement(std::string_view text);
/// Reads a file of it that is genuine. Errors: as above, mismatch (it is not signed by the key it is about), those of read_file.
[[nodiscard]] base::result<key_statement> load_key_statement(const std::string& path);

} // namespace ec::manifest
