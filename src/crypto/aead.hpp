#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"

namespace ec::crypto {

using nonce12 = std::array<uint8_t, 12>;

/// One AES-256-GCM key with its expanded state [NIST SP 800-38D]. Never use a nonce twice with it for different bytes.
/// One thread at a time; the key is wiped at the end.
class aead_key {
public:
  static constexpr size_t tag_bytes = base::limits::aead_tag_bytes;

  explicit aead_key(const std::array<uint8_t, 32>& key);
  aead_key(aead_key&& other) noexcept;
  aead_key& operator=(aead_key&& other) noexcept;
  ~aead_key();

  /// Ciphertext and tag: plaintext.size() + 16 bytes.
  std::vector<uint8_t> seal(const nonce12& nonce, std::span<const uint8_t> associated, std::span<const uint8_t> plaintext) const;
  /// The same into memory of the caller: `out` is exactly plaintext.size() + 16 bytes and does not overlap the input.
  void seal_into(std::span<uint8_t> out, const nonce12& nonce, std::span<const uint8_t> associated, std::span<const uint8_t> plaintext) const;

  /// The plaintext of what seal() gave. Errors: malformed if shorter than a tag; bad_signature if key, nonce, associated
  /// data or one bit of `sealed` is another: then not one byte of plaintext comes out.
  [[nodiscard]] base::result<std::vector<uint8_t>> open(const nonce12& nonce, std::span<const uint8_t> associated,
                                                        std::span<const uint8_t> sealed) const;
  /// The same into memory of the caller: `out` is exactly sealed.size() - 16 bytes and holds zeros after a failure.
  [[nodiscard]] base::result<void> open_into(std::span<uint8_t> out, const nonce12& nonce, std::span<const uint8_t> associated,
                                             std::span<const uint8_t> sealed) const;

private:
  void* handle_ = nullptr; ///< the library's cipher; null after a move
};

} // namespace ec::crypto
