#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "access/claims.hpp"
#include "base/result.hpp"
#include "crypto/token_key.hpp"

/// Access tokens: claims in a JSON Web Signature, compact form [RFC 7515 7.1, RFC 7519].
namespace ec::access {

using token_keys = std::vector<std::shared_ptr<const crypto::token_key>>;

/// A token taken apart; nothing of it is proven.
struct unproven_token {
  std::string algorithm; ///< "alg" of its header
  std::string key_id;    ///< "kid", may be empty
  token_claims claims;
  std::string_view signed_text; ///< of the text that was read
  std::vector<uint8_t> signature;
};

/// Strict: at most limits::token_bytes_max, canonical base64url, no member twice, no "crit". Errors: malformed, too_large.
[[nodiscard]] base::result<unproven_token> read_token(std::string_view text);

/// A token that a key of ours signed. Whether it counts now is time_of().
struct proven_token {
  token_claims claims;
  std::shared_ptr<const crypto::token_key> key;
};

/// The key decides by which algorithm a token is checked, the token only which keys are tried: those of its "kid" where keys have that
/// id, and of its "alg". Errors: malformed, too_large; untrusted: no key of ours is meant; bad_signature.
[[nodiscard]] base::result<proven_token> prove_token(std::string_view text, const token_keys& keys);

/// Errors: invalid_argument: the key cannot sign; too_large.
[[nodiscard]] base::result<std::string> make_token(const token_claims& c, const crypto::token_key& key);

} // namespace ec::access
