#include "quic/internal/send_queue.hpp"

#include <algorithm>
#include <utility>

namespace ec::quic::internal {

void send_queue::push(base::bytes data, bool fin) {
  if (!data.empty()) {
    end_ += data.size();
    parts_.push_back({std::move(data), end_});
  }
  fin_queued_ = fin_queued_ || fin;
}

size_t send_queue::gather(std::span<std::span<const uint8_t>> parts, bool& last) const {
  size_t count = 0;
  uint64_t reached = next_;
  for (size_t i = cursor_; i < parts_.size() && count < parts.size(); ++i) {
    const auto& part = parts_[i];
    const uint64_t start = part.end - part.data.size();
    parts[count++] = part.data.span().subspan(static_cast<size_t>(reached - start));
    reached = part.end;
  }
  last = fin_queued_ && reached == end_;
  return count;
}

void send_queue::sent(size_t count, bool fin) {
  next_ += count;
  while (cursor_ < parts_.size() && parts_[cursor_].end <= next_) ++cursor_;
  fin_sent_ = fin_sent_ || fin;
}

size_t send_queue::acked(uint64_t offset) {
  offset = std::min(offset, next_);
  if (offset <= base_) return 0;
  const auto fresh = static_cast<size_t>(offset - base_);
  base_ = offset;
  while (head_ < cursor_ && parts_[head_].end <= base_) parts_[head_++].data = {};
  if (head_ == parts_.size()) {
    parts_.clear();
    head_ = cursor_ = 0;
  } else if (head_ >= 64 && head_ * 2 >= parts_.size()) {
    parts_.erase(parts_.begin(), parts_.begin() + static_cast<ptrdiff_t>(head_));
    cursor_ -= head_;
    head_ = 0;
  }
  return fresh;
}

size_t send_queue::drop_unsent() {
  const size_t dropped = unsent();
  // The part that is half sent stays whole: its sent bytes may have to be sent again.
  size_t keep = cursor_;
  if (keep < parts_.size() && parts_[keep].end - parts_[keep].data.size() < next_) ++keep;
  parts_.resize(keep);
  end_ = next_;
  if (!parts_.empty() && parts_.back().end > end_) {
    auto& half = parts_.back();
    half.data = half.data.slice(0, half.data.size() - static_cast<size_t>(half.end - end_));
    half.end = end_;
  }
  cursor_ = parts_.size();
  fin_queued_ = fin_sent_;
  return dropped;
}

size_t send_queue::rewind() {
  const auto again = static_cast<size_t>(std::exchange(next_, base_) - base_);
  cursor_ = head_;
  fin_sent_ = false;
  return again;
}

void send_schedule::add(send_turn& stream) {
  if (stream.ready) return;
  stream.turn = turns_++;
  stream.ready = true;
  ready_.insert(&stream);
}

void send_schedule::remove(send_turn& stream) {
  if (!stream.ready) return;
  ready_.erase(&stream);
  stream.ready = false;
}

void send_schedule::rotate(send_turn& stream) {
  if (!stream.ready) return;
  const auto at = ready_.find(&stream);
  const auto next = std::next(at);
  if (next == ready_.end() || (*next)->urgency != stream.urgency) {
    // Alone among its equals: nobody to let pass.
    return;
  }
  auto node = ready_.extract(at);
  stream.turn = turns_++;
  ready_.insert(std::move(node));
}

void send_schedule::set_urgency(send_turn& stream, uint64_t urgency) {
  if (stream.urgency == urgency) return;
  if (!stream.ready) {
    stream.urgency = urgency;
    return;
  }
  auto node = ready_.extract(&stream);
  stream.urgency = urgency;
  ready_.insert(std::move(node));
}

} // namespace ec::quic::internal
