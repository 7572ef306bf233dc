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
      arrived_ = data.size();
      current_ = std::move(data);
    } else {
      grow(pending_, data.size(), data.size() + pending_.size());
      pending_.insert(pending_.end(), data.begin(), data.end());
    }
  }

  std::span<const uint8_t> view() const {
    return pending_.empty() ? current_.span() : std::span<const uint8_t>(pending_).subspan(used_);
  }
  size_t size() const { return view().size(); }
  /// After reading: what is left of an arrival pins no more than twice its own size.
  void compact() {
    if (!pending_.empty()) {
      if (used_ > 0 && 2 * size() < pending_.capacity()) {
        pending_ = std::vector<uint8_t>(view().begin(), view().end());
        used_ = 0;
      }
    } else if (2 * current_.size() < arrived_) {
      pending_.assign(current_.begin(), current_.end());
      current_ = {};
    }
  }
  /// Bytes of memory that it takes.
  size_t held() const { return pending_.capacity() + (current_.empty() ? 0 : std::min(arrived_, 2 * current_.size())); }

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
    grow(into, part.size(), count);
    into.insert(into.end(), part.begin(), part.end());
    const size_t moved = part.size();
    consume(moved);
    return moved;
  }

  void clear() {
    pending_ = std::vector<uint8_t>(); // with its memory, which `{}` would keep
    used_ = 0;
    current_ = {};
  }

private:
  /// Room for `more`, and an eighth beyond that if `most` may come: peers are charged for what is taken.
  static void grow(std::vector<uint8_t>& of, size_t more, size_t most) {
    const size_t needed = of.size() + more;
    if (of.capacity() < needed) of.reserve(needed + std::min(most - more, needed / 8));
  }

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
  size_t arrived_ = 0; ///< bytes of which current_ is what is left
  std::vector<uint8_t> pending_; // not empty: holds everything
  size_t used_ = 0;
};

} // namespace ec::moq
