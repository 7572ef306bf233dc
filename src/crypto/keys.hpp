#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

/// Ed25519 [RFC 8032] with the strict reading of verification.
namespace ec::crypto {

/// 64 bytes: R and S.
struct signature {
  static constexpr size_t size = 64;

  std::array<uint8_t, size> bytes{};

  /// 128 digits of lower-case hexadecimal.
  std::string hex() const;
  /// Nothing unless `text` is exactly what hex() would print.
  static std::optional<signature> from_hex(std::string_view text);

  friend auto operator<=>(const signature&, const signature&) = default;
};

/// The public half of a signing key: what `--trust` takes. Never one that is spelled in a second way or of small order.
class verifying_key {
public:
  static constexpr size_t size = 32;

  /// Reads `ed25519:` and 64 digits of lower-case hexadecimal. Errors: malformed.
  [[nodiscard]] static base::result<verifying_key> parse(std::string_view text);
  /// Errors: malformed.
  [[nodiscard]] static base::result<verifying_key> from_bytes(std::span<const uint8_t> raw);

  /// What parse() reads.
  std::string to_string() const;
  const std::array<uint8_t, size>& bytes() const { return bytes_; }

  friend auto operator<=>(const verifying_key&, const verifying_key&) = default;

private:
  friend class signing_key;
  explicit verifying_key(const std::array<uint8_t, size>& raw) : bytes_(raw) {}

  std::array<uint8_t, size> bytes_;
};

/// True if `by` signed exactly `message`. Strict: S below the group order, R spelled in the one way and not of small order.
[[nodiscard]] bool verify(const verifying_key& by, std::span<const uint8_t> message, const signature& given);

/// An Ed25519 key pair. The public half is always computed from the secret one, so that signing with a foreign public
/// key, which gives the secret away, cannot be asked for. Wiped at the end; never printed.
class signing_key {
public:
  static signing_key generate();
  /// The key with this secret seed; for test keys and derived keys.
  static signing_key from_seed(const std::array<uint8_t, 32>& seed);
  /// Reads PEM of PKCS#8 [RFC 8410] from a file that only its owner may read. Errors: permission, malformed, not_found, io.
  [[nodiscard]] static base::result<signing_key> load(const std::string& path);

  signing_key(signing_key&& other) noexcept;
  signing_key& operator=(signing_key&& other) noexcept;
  ~signing_key();

  /// Writes PEM of PKCS#8 with mode 0600, through to the disk, never over an existing file. Errors: exists, permission, io.
  [[nodiscard]] base::result<void> save(const std::string& path) const;

  signature sign(std::span<const uint8_t> message) const;
  const verifying_key& public_key() const { return public_; }

private:
  explicit signing_key(const std::array<uint8_t, 32>& seed);

  std::array<uint8_t, 32> seed_;
  verifying_key public_;
};

/// The key in the PEM text of a PKCS#8 file; `about` names it in errors. What load() uses. Errors: malformed.
[[nodiscard]] base::result<signing_key> parse_signing_key(std::span<const uint8_t> pem, const std::string& about = {});

} // namespace ec::crypto
