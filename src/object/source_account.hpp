#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crypto/digest.hpp"
#include "object/assembly.hpp"

namespace ec::object {

/// What one source gave, beside the others.
struct source_counters {
  uint64_t objects_first = 0;     ///< pieces and tails that nobody had given before
  uint64_t objects_duplicate = 0; ///< whose bytes were here already
  uint64_t chunks_same = 0;       ///< it gave whole what was shown
  uint64_t chunks_missed = 0;     ///< shown, and it did not give them whole
  uint64_t chunks_other = 0;      ///< it gave others under the index of what was shown
};

/// Compares what several sources give of the chunks that are shown. Equal digests of two sources corroborate each other only if the
/// sources are two nodes: one that is dialled at two addresses says one thing twice. Pure; remembers the last shown chunks only.
class source_account {
public:
  /// A source may be some chunks behind the one that gives them first; what has not come by then is missed.
  static constexpr size_t window = 8;
  /// What a source gave of one chunk: the digest of its tail, if it gave one.
  using given = std::vector<std::pair<source_id, crypto::digest>>;

  /// `node`: who it is, whatever its address; empty: nobody else. What was counted of a source that comes back goes on.
  void add(source_id source, std::string node);
  /// From now on nothing is expected of it, until it gives something again.
  void lose(source_id source);
  /// It gives objects, those of `index` among the first: chunks behind that one are expected of it.
  void expect(source_id source, uint64_t index);
  void count_object(source_id source, bool duplicate);
  /// A whole chunk was shown. Indices rise.
  void shown(uint64_t index, const crypto::digest& digest, const given& by);
  /// True if a tail of a shown chunk is still worth reading: the source is known, and gave none of it.
  bool awaits(source_id source, uint64_t index) const;
  /// Its tail of a shown chunk, late.
  void late(source_id source, uint64_t index, const crypto::digest& digest);

  const std::map<source_id, source_counters>& counters() const { return counters_; }
  /// Shown chunks that two nodes or more gave.
  uint64_t corroborated() const { return corroborated_; }

private:
  struct chunk {
    crypto::digest digest;
    std::vector<source_id> heard; ///< gave a tail, this one or another
    std::vector<source_id> same;
    bool corroborated = false;
  };
  void hear(chunk& of, source_id source, const crypto::digest& digest);
  bool two_nodes(const chunk& of) const;

  std::map<source_id, std::string> nodes_;
  std::map<source_id, uint64_t> expected_from_;
  std::map<uint64_t, chunk> shown_;
  std::map<source_id, source_counters> counters_;
  uint64_t corroborated_ = 0;
};

} // namespace ec::object
