#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "base/bytes.hpp"

namespace ec::moq {

/// Bytes of one incoming stream that are not taken yet. What came whole is sliced; only headers that were split over two
/// arrivals are joined by copying.
class stream_buffer {
public:
  void push(base::bytes data) {
    settle();
    if (pending_.empty()) {
      current_ = std::move(data);
    } else {
      pending_.insert(pending_.end(), data.begin(), data.end());
    }
  }

  std::span<const uint8_t> view() const {
    return pending_.empty() ? current_.span() : std::span<const uint8_t>(pending_).subspan(used_);
  }
  size_t size() const { return view().size(); }

  void consume(size_t count) {
    if (pending_.empty()) {
      current_ = current_.slice(count);
    } else {
      used_ += count;
      if (used_ == pending_.size()) clear();
    }
  }

  /// The next `count` bytes, which must be there. Small ones are copied, so that they do not pin a large arrival.
  base::bytes take(size_t count) {
    constexpr size_t copy_below = 4096;
    auto out = pending_.empty() && count >= copy_below ? current_.slice(0, count) : base::bytes::copy(view().first(count));
    consume(count);
    return out;
  }

  /// Appends up to `count` bytes to `into`; how many.
  size_t move_to(std::vector<uint8_t>& into, size_t count) {
    const auto part = view().first(std::min(count, size()));
    into.insert(into.end(), part.begin(), part.end());
    const size_t moved = part.size();
    consume(moved);
    return moved;
  }

  void clear() {
    pending_.clear();
    used_ = 0;
    current_ = {};
  }

private:
  /// Puts what is left of the last arrival aside, before the next one.
  void settle() {
    if (pending_.empty()) {
      pending_.assign(current_.begin(), current_.end());
      current_ = {};
    } else if (used_ > 0) {
      pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(used_));
    }
    used_ = 0;
  }

  base::bytes current_;
  std::vector<uint8_t> pending_; // not empty: holds everything
  size_t used_ = 0;
};

} // namespace ec::moq
