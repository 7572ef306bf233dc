#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "crypto/aead.hpp"
#include "crypto/digest.hpp"

namespace ec::object {

/// In front of every sealed piece: the type and the nonce.
inline constexpr uint8_t sealed_piece_type = 1;
inline constexpr size_t sealed_piece_front = 1 + 12;
/// What sealing adds to a piece: type, nonce, tag.
inline constexpr size_t sealed_piece_overhead = sealed_piece_front + base::limits::aead_tag_bytes;
inline constexpr size_t sealed_piece_bytes_max = base::limits::piece_bytes + sealed_piece_overhead;

/// Where a piece belongs. It is bound into the nonce and the associated data: a piece opens nowhere else.
struct piece_place {
  uint64_t group = 0;
  uint32_t place = 0;         ///< 0 based
  std::string_view publisher; ///< of the damage mark on track `damaged`; empty on `chunks`
};

/// One piece after opening, or before it left: its bytes and what BLAKE3 says of them.
struct piece {
  base::bytes plaintext;
  crypto::digest digest;
};

/// The key of one stream: seals and opens its pieces. The key comes from the stream id and the network secret, the nonce
/// from a keyed digest of (place, digest of the plaintext): equal pieces at one place give equal objects everywhere, and
/// a nonce does not come again over other bytes. One thread at a time. Move-only, wiped at the end.
class stream_cipher {
public:
  /// `network_secret` may be empty: then whoever knows the stream id can open its objects. Errors: invalid_argument
  /// (empty stream id), too_large.
  [[nodiscard]] static base::result<stream_cipher> make(std::string_view stream_id, std::span<const uint8_t> network_secret = {});

  stream_cipher(stream_cipher&& other) noexcept = default;
  stream_cipher& operator=(stream_cipher&& other) noexcept = default;
  ~stream_cipher();

  const std::string& stream_id() const { return stream_id_; }
  /// Public fingerprint of the key: 32 hexadecimal digits. Tells "another secret" from "corrupt"; says nothing of the key.
  const std::string& key_id() const { return key_id_; }

  /// The object payload of `plaintext` (1 to piece_bytes long), whose BLAKE3 digest is `digest`.
  base::bytes seal(const piece_place& at, std::span<const uint8_t> plaintext, const crypto::digest& digest) const;

  /// The piece in an object payload. Errors: too_large, malformed (no sealed piece), bad_signature (not sealed with this
  /// key for this place, or changed), mismatch (sealed with a nonce that is not the one of its bytes).
  [[nodiscard]] base::result<piece> open(const piece_place& at, std::span<const uint8_t> payload) const;

private:
  stream_cipher(std::string_view stream_id, std::span<const uint8_t> material);

  crypto::nonce12 nonce_of(std::span<const uint8_t> associated, const crypto::digest& digest) const;

  std::string stream_id_;
  std::string key_id_;
  crypto::aead_key aead_;
  crypto::key32 nonce_key_;
};

/// The nonce and tag of a sealed piece: two payloads of one place with equal marks hold equal bytes or one of them is
/// corrupt. Lets a second copy be recognised without opening it. Null if `payload` is no sealed piece.
struct piece_mark {
  std::array<uint8_t, 12 + base::limits::aead_tag_bytes> bytes{};
  friend bool operator==(const piece_mark&, const piece_mark&) = default;
};
std::optional<piece_mark> mark_of(std::span<const uint8_t> payload);

} // namespace ec::object
