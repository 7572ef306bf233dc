#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "ts/chunk.hpp"
#include "ts/chunk_cutter.hpp"
#include "ts/internal/chunk_builder.hpp"

namespace ec::ts::internal {

/// Chunks that are finished but not yet certain, and the one under way at the back: what is in doubt, and what may leave.
/// The one under way may be no chunk: then it only keeps what came since the last possible beginning.
class chunk_queue {
public:
  explicit chunk_queue(cutter_counters& counters) : counters_(counters) {}

  chunk_builder& back() { return chunks_.back(); }
  /// Start of the oldest chunk.
  uint64_t oldest() const { return chunks_.front().start; }
  /// True if the one under way is a chunk.
  bool open() const { return open_; }
  size_t bytes() const;

  /// The one under way ends at `position` where it is open, else what it keeps is dropped; the new one at the back is no
  /// chunk until begin().
  void end(uint64_t position);
  void begin() { open_ = true; }

  /// Something may be missing between these positions: chunks that overlap are not whole. True if chunks that left already
  /// may overlap.
  bool doubt(uint64_t from, uint64_t to, damage why, std::vector<cut_event>& out);
  /// The same of every chunk that has not left.
  void doubt_everything(damage why, std::vector<cut_event>& out) { doubt(0, ~uint64_t{0}, why, out); }
  /// The same of one chunk. The first cause stands.
  void mark(chunk_builder& c, damage why, std::vector<cut_event>& out);
  /// Lets go of what is certain if nothing before position `safe` is in doubt.
  void settle(uint64_t safe, base::mono_time now, std::vector<cut_event>& out);

private:
  void announce(chunk_builder& c, std::vector<cut_event>& out);

  cutter_counters& counters_;
  std::deque<chunk_builder> chunks_ = std::deque<chunk_builder>(1);
  bool open_ = false;
};

} // namespace ec::ts::internal
