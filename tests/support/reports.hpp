#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "actors/report.hpp"

namespace ec::test {

/// How long a test waits for something that must come before it fails. No test passes by waiting so long.
constexpr std::chrono::seconds patience{60};

inline std::string text_of(const actors::report& r, std::string_view key) {
  for (const auto& [k, v] : r.fields)
    if (k == key && v.as_string() != nullptr) return *v.as_string();
  return {};
}

inline int64_t int_of(const actors::report& r, std::string_view key) {
  for (const auto& [k, v] : r.fields)
    if (k == key && v.as_int() != nullptr) return *v.as_int();
  return -1;
}

inline bool flag_of(const actors::report& r, std::string_view key) {
  for (const auto& [k, v] : r.fields)
    if (k == key && v.as_bool() != nullptr) return *v.as_bool();
  return false;
}

/// Everything that a node reported, in order. Filled by its observer, read by the test.
class report_log {
public:
  using match = std::function<bool(const actors::report&)>;

  void add(const actors::report& r) {
    {
      const std::lock_guard lock(mutex_);
      reports_.push_back(r);
    }
    changed_.notify_all();
  }

  /// How many reports there are: a place to count from.
  size_t size() const {
    const std::lock_guard lock(mutex_);
    return reports_.size();
  }

  /// True as soon as `count` reports from place `from` on are `wanted`; false after `patience`.
  bool wait(const match& wanted, size_t count = 1, size_t from = 0) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return counted(wanted, from) >= count; });
  }
  bool wait(const std::string& event, size_t count = 1, size_t from = 0) const { return wait(named(event), count, from); }

  size_t count(const match& wanted, size_t from = 0) const {
    const std::lock_guard lock(mutex_);
    return counted(wanted, from);
  }
  size_t count(const std::string& event, size_t from = 0) const { return count(named(event), from); }

  std::vector<actors::report> all(const std::string& event) const {
    const std::lock_guard lock(mutex_);
    std::vector<actors::report> out;
    for (const auto& r : reports_)
      if (r.event == event) out.push_back(r);
    return out;
  }

  /// For the message of a failed check.
  std::string text() const {
    const std::lock_guard lock(mutex_);
    std::string out;
    for (const auto& r : reports_) out += "\n  " + r.event + " " + base::json::dump(r.fields);
    return out;
  }

  static match named(const std::string& event) {
    return [event](const actors::report& r) { return r.event == event; };
  }

private:
  size_t counted(const match& wanted, size_t from) const {
    return static_cast<size_t>(std::count_if(reports_.begin() + static_cast<std::ptrdiff_t>(std::min(from, reports_.size())), reports_.end(), wanted));
  }

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<actors::report> reports_;
};

/// Writes down every report.
class recorder final : public actors::observer_actor::base {
public:
  recorder(caf::actor_config& cfg, std::shared_ptr<report_log> log) : actors::observer_actor::base(cfg), log_(std::move(log)) {}
  behavior_type make_behavior() override {
    return {[this](const actors::report& r) { log_->add(r); }};
  }

private:
  std::shared_ptr<report_log> log_;
};

} // namespace ec::test
