#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "object/cipher.hpp"
#include "object/format.hpp"

namespace ec::object {

/// One MoQ object ready to be published.
struct sealed_object {
  uint64_t group = 0;  ///< the chunk index
  uint64_t object = 0; ///< 0 head, 1..n pieces, n + 1 tail
  base::bytes payload;
};

/// What a manifest needs to know of a chunk that was sealed to its end.
struct sealed_chunk {
  uint64_t index = 0;
  crypto::digest digest; ///< the chunk digest
  uint64_t size = 0;     ///< bytes of plaintext
  uint32_t pieces = 0;
  uint64_t first_pts = 0; ///< 90 kHz, 33 bits
  uint64_t duration = 0;  ///< 90 kHz; 0: unknown, on `damaged` only
  bool damaged = false;
};

struct sealer_config {
  std::string profile = "ts-v1"; ///< goes into every head
  std::string publisher;         ///< this node's name for itself in damage marks; empty: damaged chunks are not offered
};

/// Turns chunks into objects as their pieces come: a piece is sealed and leaves at once, nothing waits for the chunk's
/// end. Pure: the objects of track `chunks` depend on stream id, network secret, profile and the arguments alone. Several
/// chunks may be open at a time, at most sealer_chunks_max.
class sealer {
public:
  sealer(stream_cipher cipher, sealer_config config);

  const stream_cipher& cipher() const { return cipher_; }

  /// Starts a chunk: its head. Errors: invalid_argument (PTS, profile), exists (open already), busy (too many are open).
  [[nodiscard]] base::result<sealed_object> open(uint64_t index, uint64_t first_pts);

  /// The next piece of an open chunk; places come in order. All but the last are piece_bytes long. Errors: not_found (not
  /// open), invalid_argument (another place is next, empty, longer than a piece, or behind a short one), too_large
  /// (chunk_bytes_max); the chunk is abandoned after the last two.
  [[nodiscard]] base::result<sealed_object> piece(uint64_t index, uint32_t place, std::span<const uint8_t> plaintext);

  struct finished {
    sealed_object tail;
    sealed_chunk chunk;
  };
  /// Ends a chunk that is whole: its tail. `duration` is 1 to 2^33 - 1. Errors: not_found, invalid_argument (also of a
  /// chunk without pieces); the chunk is closed in every case.
  [[nodiscard]] base::result<finished> finish(uint64_t index, uint64_t duration);

  /// Damage showed: forgets the chunk. The caller resets the group. False if it was not open.
  bool abandon(uint64_t index);

  struct damaged_chunk {
    std::vector<sealed_object> objects; ///< head, pieces, tail for track `damaged`
    sealed_chunk chunk;
  };
  /// This node's own damaged version of a chunk, at once and complete. `parts` are its bytes in order, cut anywhere.
  /// Errors: invalid_argument (no publisher configured, no bytes, a bad reason, PTS or duration), too_large.
  [[nodiscard]] base::result<damaged_chunk> seal_damaged(uint64_t index, uint64_t first_pts, uint64_t duration, std::string_view reason,
                                                         std::span<const base::bytes> parts);

  /// Chunks that were opened and neither finished nor abandoned.
  size_t chunks_open() const { return open_.size(); }

private:
  struct open_chunk {
    chunk_tail tail; ///< grows with each piece
    bool ended = false; ///< a short piece came: no other may follow
  };

  stream_cipher cipher_;
  sealer_config config_;
  std::map<uint64_t, open_chunk> open_;
};

/// The objects that a chunk came in, head and tail included: there is one way to seal a piece and one to spell a head or tail,
/// so that what was opened is sealed again byte for byte. `plaintext` is the whole chunk that `tail` describes.
std::vector<sealed_object> objects_of(const stream_cipher& cipher, std::string_view profile, uint64_t index, const chunk_tail& tail,
                                      std::span<const uint8_t> plaintext);

} // namespace ec::object
