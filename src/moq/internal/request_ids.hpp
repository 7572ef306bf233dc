#pragma once

#include <algorithm>
#include <cstdint>
#include <set>

namespace ec::moq {

/// The request ids that one side has used: every second number, each once, in nearly any order [MOQT 18 10.1, 16 9.1]. Bounded.
class request_ids {
public:
  /// `first`: 0 for a client's, 1 for a server's. `remembered`: ids kept above a gap.
  request_ids(uint64_t first, size_t remembered) : floor_(first), next_(first), remembered_(remembered) {}

  /// False: it was used before.
  bool take(uint64_t id) {
    if (id < floor_ || seen_.contains(id)) return false;
    seen_.insert(id);
    close_gaps();
    // A peer that skips ids must not make us remember them for ever: the oldest gap counts as used.
    if (seen_.size() > remembered_) {
      floor_ = *seen_.begin();
      close_gaps();
    }
    if (id <= ~uint64_t{0} - 2) next_ = std::max(next_, id + 2);
    return true;
  }
  /// One behind the largest that was used.
  uint64_t next() const { return next_; }

private:
  void close_gaps() {
    while (seen_.erase(floor_) > 0) floor_ += 2;
  }

  uint64_t floor_; ///< all below were used, or are taken for it
  uint64_t next_;
  std::set<uint64_t> seen_; ///< above the floor
  size_t remembered_;
};

} // namespace ec::moq
