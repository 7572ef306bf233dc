#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

/// Keys that sign access tokens: JSON Web Keys [RFC 7517] of three algorithms.
namespace ec::crypto {

/// HMAC with SHA-256, Ed25519, ECDSA on P-256 with SHA-256 [RFC 7518 3.2, 3.4; RFC 8037 3.1].
enum class token_algorithm : uint8_t { hs256, eddsa, es256 };

/// As in a token's header: "HS256", "EdDSA", "ES256".
std::string_view name(token_algorithm a);
/// Nothing: none of the three. Exactly as spelled above.
std::optional<token_algorithm> token_algorithm_of(std::string_view name);

/// A key for one algorithm: it neither makes nor believes a signature of another. Its secret part, if it has one, is wiped at the end
/// and never printed but by jwk(). Move-only.
class token_key {
public:
  /// A new key; `id` is told in the tokens that it signs, may be empty.
  [[nodiscard]] static base::result<token_key> generate(token_algorithm a, std::string id = {});
  /// Reads a JSON Web Key (private, public or "oct"; also in base64url, as moq-token writes it), or PEM of PKCS#8 or of a
  /// SubjectPublicKeyInfo. A shared secret has at least 32 bytes [RFC 7518 3.2]. Errors: malformed, unsupported, too_large; `about`
  /// names the source.
  [[nodiscard]] static base::result<token_key> parse(std::string_view text, const std::string& about = {});
  /// The same from a file; one with a secret must be its owner's alone. Errors: those of parse(), permission, not_found, io.
  [[nodiscard]] static base::result<token_key> load(const std::string& path);

  token_key(token_key&& other) noexcept;
  token_key& operator=(token_key&& other) noexcept;
  ~token_key();

  token_algorithm algorithm() const { return algorithm_; }
  /// "kid", empty if it has none.
  const std::string& id() const { return id_; }
  /// True if it has the secret part.
  bool can_sign() const { return !secret_.empty(); }
  /// True if who may verify may sign as well: a shared secret.
  bool is_shared() const { return algorithm_ == token_algorithm::hs256; }

  /// 32 bytes (HS256) or 64 (R and S, or r and s) over `message`. Errors: invalid_argument without the secret part; internal.
  [[nodiscard]] base::result<std::vector<uint8_t>> sign(std::span<const uint8_t> message) const;
  /// True if this key signed exactly `message`. For HS256 compared in constant time.
  [[nodiscard]] bool verify(std::span<const uint8_t> message, std::span<const uint8_t> signature) const;

  /// All of it, secret part included.
  base::json::object jwk() const;
  /// What may be told to everybody. Errors: invalid_argument for a shared secret, which has no such part.
  [[nodiscard]] base::result<base::json::object> public_jwk() const;
  /// SHA-256 of the members that make the key what it is, in base64url: its name that nobody chooses [RFC 7638].
  std::string thumbprint() const;

  friend base::result<token_key> token_key_from_pem(std::string_view text, const std::string& about);

private:
  token_key(token_algorithm a, std::string id, std::vector<uint8_t> secret, std::vector<uint8_t> open);
  [[nodiscard]] static base::result<token_key> from_jwk(const base::json::value& v, const std::string& about);
  /// Proves that the parts belong together and are points of their curve. Errors: malformed.
  [[nodiscard]] base::result<void> check(const std::string& about) const;

  token_algorithm algorithm_;
  std::string id_;
  std::vector<uint8_t> secret_; ///< "k", or "d": 32 bytes
  std::vector<uint8_t> open_;   ///< "x" of Ed25519: 32 bytes; "x" and "y" of P-256: 64
};

/// What parse() does with PEM.
[[nodiscard]] base::result<token_key> token_key_from_pem(std::string_view text, const std::string& about);

} // namespace ec::crypto
