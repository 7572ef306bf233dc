#include "actors/http_exchange.hpp"

#include <algorithm>
#include <cstring>

#include "base/limits_relay_http.hpp"

namespace ec::actors {

void http_exchange::begin(http_head head) {
  const std::lock_guard lock(mutex_);
  if (!head_) head_ = std::move(head);
  changed_.notify_all();
}

size_t http_exchange::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

void http_exchange::give(base::bytes part) {
  const std::lock_guard lock(mutex_);
  if (left_ || ended_ || part.size() == 0) return;
  waiting_ += part.size();
  hungry_ = hungry_ || waiting_ >= base::limits::relay_http_waiting_bytes_max;
  parts_.push_back(std::move(part));
  changed_.notify_all();
}

void http_exchange::end(std::optional<std::string> fault) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  ended_ = true;
  fault_ = std::move(fault);
  if (!head_) head_ = http_head{.status = 500, .text = fault_.value_or("nothing came of it"), .announced = {}, .group = {}, .retry_after_seconds = {}};
  changed_.notify_all();
}

bool http_exchange::left() const {
  const std::lock_guard lock(mutex_);
  return left_;
}

std::optional<http_head> http_exchange::head(std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait, [this] { return head_.has_value() || left_; });
  return left_ ? std::nullopt : head_;
}

base::result<size_t> http_exchange::take(std::span<uint8_t> out, std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait, [this] { return !parts_.empty() || ended_ || left_; });
  if (left_) return base::fail(base::errc::io, "the relay is stopping");
  if (parts_.empty() && ended_) return fault_ ? base::fail(base::errc::io, *fault_) : base::fail(base::errc::closed, "that was all");
  size_t done = 0;
  while (done < out.size() && !parts_.empty()) {
    auto& part = parts_.front();
    const auto some = std::min(out.size() - done, part.size());
    std::memcpy(out.data() + done, part.data(), some);
    done += some;
    if (some == part.size()) parts_.pop_front();
    else part = part.slice(some, part.size() - some);
  }
  waiting_ -= done;
  const bool call = hungry_ && waiting_ < base::limits::relay_http_waiting_bytes_max / 2;
  if (call) hungry_ = false;
  lock.unlock();
  if (call) wake_(shared_from_this());
  return done;
}

void http_exchange::leave() {
  {
    const std::lock_guard lock(mutex_);
    if (left_) return;
    left_ = true;
    parts_.clear();
    waiting_ = 0;
    changed_.notify_all();
  }
  wake_(shared_from_this());
}

} // namespace ec::actors
