#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "object/assembly.hpp"
#include "object/cipher.hpp"
#include "object/format.hpp"

namespace ec::object {

/// A whole chunk as one source offers it: consistent in itself, and vouched for by nobody.
struct chunk_copy {
  uint64_t index = 0;
  uint64_t first_pts = 0; ///< 90 kHz, below 2^33
  uint64_t duration = 0;  ///< 90 kHz, to the first PTS of the next chunk
  base::bytes data;       ///< the chunk
  crypto::digest digest;  ///< what a manifest would list
};

/// Puts one group of `chunks` together as one source gives it, from its head to its tail, with the rules of docs/formats/object.md.
/// No manifest is asked: what comes out is an offer. Holds one chunk.
class group_copy {
public:
  /// `profile`: what the head must name.
  group_copy(uint64_t index, std::string profile) : index_(index), profile_(std::move(profile)), whole_(index, {}) {}

  /// One object as it came, in order of ids; an object again is nothing new. Errors: what speaks against the source: malformed, too_large,
  /// unsupported, bad_signature, mismatch. The copy can then not be completed.
  [[nodiscard]] base::result<void> push(uint64_t object, std::span<const uint8_t> payload, const stream_cipher& cipher);

  bool complete() const { return head_ && whole_.complete() != nullptr; }
  /// True if nothing came yet.
  bool empty() const { return !head_ && whole_.empty(); }
  /// Call only if complete().
  chunk_copy take() const;

private:
  base::result<void> push_tail(uint64_t object, std::span<const uint8_t> payload);

  uint64_t index_;
  std::string profile_;
  assembly whole_;
  std::optional<chunk_head> head_;
};

} // namespace ec::object
