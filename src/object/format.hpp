#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"

/// What the objects of tracks `chunks` and `damaged` hold. One group is one chunk and its group id is the chunk index:
/// object 0 is the head, objects 1..n are the pieces, object n + 1 is the tail. docs/formats/object.md is the text.
namespace ec::object {

/// Which of the two tracks an object belongs to.
enum class track : uint8_t {
  chunks,  ///< whole chunks: the same bytes from every publisher
  damaged, ///< what one publisher has of a chunk that it did not receive whole
};

/// The MoQ track name: "chunks", "damaged".
std::string_view name(track t);

inline constexpr uint64_t head_object = 0;
/// Object id of the piece at `place` (0 based).
constexpr uint64_t piece_object(uint32_t place) {
  return uint64_t{place} + 1;
}
/// Object id of the tail of a chunk of `pieces` pieces.
constexpr uint64_t tail_object(uint32_t pieces) {
  return uint64_t{pieces} + 1;
}
/// No group has an object with a higher id.
inline constexpr uint64_t object_id_max = base::limits::chunk_pieces_max + 1;

/// 33 bits: PTS and durations in chunks stay below this.
inline constexpr uint64_t pts_end = uint64_t{1} << 33;
/// The only cipher of version 1.
inline constexpr std::string_view cipher_name = "aes-256-gcm";

/// Bytes of plaintext in the piece at `place` of a chunk of `size` bytes; 0 behind the end.
size_t piece_size(uint64_t size, uint32_t place);
/// Pieces of a chunk of `size` bytes.
uint32_t piece_count(uint64_t size);

/// Who says that a chunk is damaged, and why. Present in every head and tail of track `damaged`, absent on `chunks`.
struct damage_mark {
  std::string publisher; ///< the publisher's own name for itself: 1 to 128 of [A-Za-z0-9:._~-], for example its key
  std::string reason;    ///< 1 to 64 of [a-z0-9-]: "continuity"

  friend bool operator==(const damage_mark&, const damage_mark&) = default;
};

/// Object 0: what a receiver must know before it can open the first piece.
struct chunk_head {
  std::string profile;  ///< how the chunk was cut: 1 to 64 of [a-z0-9.-], "ts-v1"
  uint64_t first_pts = 0; ///< PTS of the random access point that opens the chunk; 90 kHz, below 2^33
  std::string key_id;   ///< 32 hexadecimal digits that name the key of the pieces, stream_cipher::key_id()
  std::optional<damage_mark> damage;

  friend bool operator==(const chunk_head&, const chunk_head&) = default;
};

/// That a chunk digest stands in a manifest with a known Merkle root. Reserved for chunks that travel without their
/// manifest (a replay, an exported file): what is published live has none, because the length of an epoch is a choice of
/// the publisher and objects of `chunks` depend on the broadcast alone.
struct membership {
  uint64_t epoch_id = 0;
  uint32_t leaf = 0;   ///< position of the chunk in its epoch
  uint32_t leaves = 0; ///< chunks of the epoch, at most manifest_chunks_max
  std::vector<crypto::digest> path; ///< from the leaf's sibling up to the root

  friend bool operator==(const membership&, const membership&) = default;
};

/// The last object: the shape of the chunk. A decoded tail is consistent in itself: the digest that stood in it is
/// digest(). Whether that digest is the right one only a manifest can say.
struct chunk_tail {
  uint64_t first_pts = 0; ///< as in the head
  uint64_t duration = 0;  ///< 90 kHz, to the first PTS of the next chunk, below 2^33; 0 (unknown) on `damaged` only
  uint64_t size = 0;      ///< bytes of plaintext, 1 to chunk_bytes_max
  std::vector<crypto::digest> pieces; ///< BLAKE3 of each piece's plaintext, in order
  std::optional<damage_mark> damage;
  std::optional<membership> proof;

  /// The chunk digest: what manifests list. BLAKE3, domain separated, of first PTS, duration, size, piece digests and
  /// the damage mark, so that it binds every fact that a player acts on, needs no second pass over the chunk, and lets
  /// each piece be judged alone as soon as the tail is known to be right. The proof is not part of it.
  crypto::digest digest() const;

  friend bool operator==(const chunk_tail&, const chunk_tail&) = default;
};

/// Payload of object 0: canonical JSON [RFC 8785]. The head must be valid.
std::vector<uint8_t> encode(const chunk_head& head);
/// Payload of the last object: canonical JSON [RFC 8785]. The tail must be valid.
std::vector<uint8_t> encode(const chunk_tail& tail);

/// True if encode() of it would be accepted by decode_head() of the track that its damage mark says.
bool valid(const chunk_head& head);
bool valid(const chunk_tail& tail);

/// Reads object 0 of a group of `on`. One spelling only: encoding the result gives `payload` again.
/// Errors: too_large (looked at before anything is parsed), malformed, unsupported (another version or cipher).
[[nodiscard]] base::result<chunk_head> decode_head(track on, std::span<const uint8_t> payload);
/// Reads the last object of a group of `on`. Errors: as decode_head(); mismatch if its digest is not that of its facts.
[[nodiscard]] base::result<chunk_tail> decode_tail(track on, std::span<const uint8_t> payload);

/// True if `proof` may be one for chunk `index`: its path is as long as place and number of leaves say, and epochs are aligned. Whether
/// it leads to the root of a manifest only that manifest can say.
bool fits(const membership& proof, uint64_t index);

/// What an object with an id above 0 is, by its first byte alone: a tail opens with '{', a sealed piece with its type 1.
enum class payload_kind : uint8_t { piece, tail, other };
payload_kind kind_of(std::span<const uint8_t> payload);

/// The chunk digest of bytes that lie in one place: what `verify` and independent readers compute.
crypto::digest digest_of_chunk(uint64_t first_pts, uint64_t duration, std::span<const uint8_t> plaintext);

} // namespace ec::object
