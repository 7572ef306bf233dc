#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "object/cipher.hpp"
#include "object/format.hpp"

namespace ec::object {

/// One peer that objects come from; the caller chooses the numbers.
using source_id = uint32_t;

/// Objects of one group that are missing.
struct hole {
  uint64_t first_object = 0;
  std::optional<uint64_t> last_object; ///< inclusive; unset: to the end of the group, which is not known

  friend bool operator==(const hole&, const hole&) = default;
};

/// What became of one object given to an assembly.
enum class assembled : uint8_t {
  added,          ///< new and kept
  duplicate,      ///< the same bytes are here already
  out_of_place,   ///< its id lies behind the tail that was proven, or the tail stands at another id than it says
  malformed,      ///< no sealed piece
  too_large,      ///< longer than a full piece
  unauthentic,    ///< does not open with the stream's key at this place
  wrong_nonce,    ///< opens, but was not sealed by the rule
  other_bytes,    ///< authentic, but not what the proven tail lists
  republished,    ///< this source gave other bytes for the same object before
  conflict,       ///< kept beside another source's other bytes: a proven tail will tell
  too_many,       ///< more versions of one object than are kept
};
/// True for the outcomes that speak against the source.
bool blames(assembled a);

/// Puts the objects of one group together from one or several sources, in any order. The first intact copy of each place
/// wins once a proven tail says what intact is; until then authentic copies that differ are kept side by side, at most one
/// per source and assembly_versions_max in all. Holds plaintext. The caller bounds bytes_held().
class assembly {
public:
  /// `publisher` is that of the damage mark; empty on track `chunks`.
  assembly(uint64_t group, std::string publisher) : group_(group), publisher_(std::move(publisher)) {}

  const std::string& publisher() const { return publisher_; }

  /// A piece as it came; opened here.
  assembled add_piece(source_id from, uint32_t place, std::span<const uint8_t> payload, const stream_cipher& cipher);
  /// Sources that gave a tail (`tails`) or a piece (`pieces`) that is not of the proven chunk. What they gave is dropped.
  struct found_wrong {
    std::vector<source_id> tails;
    std::vector<source_id> pieces;
  };
  /// A tail as it came at `object`, decoded. If it is the proven one, pieces that it does not list are found wrong.
  assembled add_tail(source_id from, uint64_t object, chunk_tail&& tail, found_wrong& wrong);

  /// `digest` is the chunk's, on a trusted signer's word: from now on nothing else completes.
  found_wrong prove(const crypto::digest& digest);
  /// The signer's word counts no more: back to before prove(), less what was dropped.
  void unprove();
  bool proven() const { return proven_.has_value(); }

  /// The complete chunk's tail: of the proven digest if one was given, else of any consistent tail. Null while incomplete.
  const chunk_tail* complete() const;
  /// The bytes of the complete chunk, in one piece of memory. Empty while incomplete.
  base::bytes chunk() const;

  /// What to ask for: at most `count_max` ranges, the last of which then covers the rest. The head is not needed on
  /// `chunks`. Empty when complete.
  std::vector<hole> holes(size_t count_max) const;

  /// Drops what `source` was the first to give and nobody else gave too.
  void drop(source_id source);

  bool empty() const { return places_.empty() && tails_.empty(); }
  /// True if the first piece came.
  bool has_front() const { return places_.contains(0); }
  /// Plaintext, tails and bookkeeping.
  size_t bytes_held() const { return bytes_held_; }
  /// The part of bytes_held() that `source` was the first to give.
  size_t bytes_from(source_id source) const;
  /// Sources that something here came from.
  const std::map<source_id, size_t>& shares() const { return shares_; }

private:
  struct version {
    piece content;
    piece_mark mark;
    std::vector<source_id> from;
  };
  struct tail_version {
    chunk_tail tail;
    crypto::digest digest;
    std::vector<source_id> from;
  };

  bool is_complete(const tail_version& t) const;
  const version* fitting(uint32_t place, const crypto::digest& digest) const;
  const tail_version* proven_tail() const;
  void update_complete();
  void charge(source_id from, size_t bytes);
  void release(source_id from, size_t bytes);
  /// Drops what the proven tail does not list and appends who gave it.
  void sift(const chunk_tail& tail, std::vector<source_id>& wrong);

  uint64_t group_;
  std::string publisher_;
  std::map<uint32_t, std::vector<version>> places_;
  std::vector<tail_version> tails_;
  std::optional<crypto::digest> proven_;
  std::optional<size_t> complete_; ///< index into tails_
  std::map<source_id, size_t> shares_;
  size_t bytes_held_ = 0;
};

} // namespace ec::object
