#pragma once

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "moq/internal/stream_buffer.hpp"

namespace ec::moq {

/// The payload of an object that comes in several pieces, in one row of memory. What was seen of it never changes and lives on by itself; room is made
/// as for a vector, by doubling, for what came and not for what was promised.
class growing_payload {
public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// Bytes that are held for it.
  size_t capacity() const { return room_; }

  /// Takes what of it is in `in`; `whole`: how long it will be.
  void take(stream_buffer& in, size_t whole) {
    const auto part = in.view().first(std::min(whole - size_, in.size()));
    if (part.empty()) return;
    if (size_ + part.size() > room_) {
      const size_t room = std::min(whole, std::max(size_ + part.size(), 2 * room_));
      auto larger = std::make_shared_for_overwrite<uint8_t[]>(room);
      if (size_ > 0) std::memcpy(larger.get(), memory_.get(), size_);
      memory_ = std::move(larger);
      room_ = room;
    }
    std::memcpy(memory_.get() + size_, part.data(), part.size());
    size_ += part.size();
    in.consume(part.size());
  }

  /// What has come.
  base::bytes view() const { return base::bytes::share(memory_, {memory_.get(), size_}); }

  base::bytes finish() {
    auto all = view();
    *this = {};
    return all;
  }

private:
  std::shared_ptr<uint8_t[]> memory_;
  size_t room_ = 0;
  size_t size_ = 0;
};

/// What was told above of an object under way.
struct part_clock {
  size_t told = 0;          ///< bytes
  base::mono_time since{};  ///< then, or since its header came
};

} // namespace ec::moq
