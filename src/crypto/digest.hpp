#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// BLAKE3 in its three modes: plain, keyed, derive-key.
namespace ec::crypto {

/// 32 bytes of a BLAKE3 output.
struct digest {
  static constexpr size_t size = 32;

  std::array<uint8_t, size> bytes{};

  std::span<const uint8_t, size> span() const { return bytes; }
  /// 64 digits of lower-case hexadecimal.
  std::string hex() const;
  /// Nothing unless `text` is exactly what hex() would print.
  static std::optional<digest> from_hex(std::string_view text);

  friend auto operator<=>(const digest&, const digest&) = default;
};

using key32 = std::array<uint8_t, 32>;

/// Digest of bytes that come in parts. Copying copies the state so far.
class hasher {
public:
  /// Plain BLAKE3.
  hasher();
  /// Keyed BLAKE3: a MAC.
  explicit hasher(const key32& key);
  hasher(const hasher&) = default;
  hasher& operator=(const hasher&) = default;
  /// Wipes the state.
  ~hasher();

  hasher& update(std::span<const uint8_t> part);
  /// The bytes of `part`, without terminator or length.
  hasher& update(std::string_view part);
  /// The digest of everything so far; may be called again later.
  digest finish() const;

private:
  alignas(16) std::array<std::byte, 1920> state_; ///< the library's hasher
};

digest blake3(std::span<const uint8_t> in);
digest keyed_blake3(const key32& key, std::span<const uint8_t> in);

/// A key for one purpose. `context` is a constant that names the purpose, unique in the world ("every.channel 2026-05
/// object key v1"), never made from input; `material` is the secret and what else the key depends on.
key32 derive_key(std::string_view context, std::span<const uint8_t> material);

} // namespace ec::crypto

template <>
struct std::hash<ec::crypto::digest> {
  /// The first bytes: a digest is uniform already.
  size_t operator()(const ec::crypto::digest& d) const noexcept {
    size_t out;
    std::memcpy(&out, d.bytes.data(), sizeof out);
    return out;
  }
};
