#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <map>
#include <optional>

#include "base/clock.hpp"

namespace ec::discovery {

/// How much may come at once, and then in the long run.
struct pace {
  double burst = 1;
  double per_second = 1;
};

/// Counts down what may come, and up with time.
class bucket {
public:
  /// What is left at `now`.
  double left(const pace& of, base::mono_time now) {
    if (!since_) {
      left_ = of.burst;
    } else if (now > *since_) {
      left_ = std::min(of.burst, left_ + std::chrono::duration<double>(now - *since_).count() * of.per_second);
    }
    since_ = since_ ? std::max(*since_, now) : now;
    return left_;
  }
  /// Takes `count`, which may make a debt of at most one burst.
  void take(const pace& of, double count, base::mono_time now) { left_ = std::max(left(of, now) - count, -of.burst); }
  /// True if one is left; takes it.
  bool try_take(const pace& of, base::mono_time now) {
    if (left(of, now) < 1) return false;
    left_ -= 1;
    return true;
  }

private:
  double left_ = 0;
  std::optional<base::mono_time> since_;
};

/// A bucket for each of at most `max` keys. Who is quiet for long makes room; while nobody is, strangers get none.
template <class Key>
class rate_table {
public:
  explicit rate_table(size_t max) : max_(max) {}

  /// The bucket of `key`; null if there is no room for another.
  bucket* find(const Key& key, const pace& of, base::mono_time now) {
    if (const auto at = buckets_.find(key); at != buckets_.end()) return &at->second;
    if (buckets_.size() >= max_ && now >= sweep_at_) {
      for (auto at = buckets_.begin(); at != buckets_.end();) at = at->second.left(of, now) >= of.burst ? buckets_.erase(at) : std::next(at);
      sweep_at_ = now + std::chrono::seconds(1); // a sweep of all for each stranger would be a flood of its own
    }
    if (buckets_.size() >= max_) return nullptr;
    return &buckets_[key];
  }
  /// The bucket of `key` if it has one.
  bucket* peek(const Key& key) {
    const auto at = buckets_.find(key);
    return at == buckets_.end() ? nullptr : &at->second;
  }
  size_t size() const { return buckets_.size(); }

private:
  size_t max_;
  std::map<Key, bucket> buckets_;
  base::mono_time sweep_at_{};
};

} // namespace ec::discovery
