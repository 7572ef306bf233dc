#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "base/clock.hpp"

namespace ec::base {

/// Where a thing stands in a deadline_list; a member of the thing, which is neither copied nor moved while it is listed.
struct deadline_place {
  uint64_t serial = 0; ///< 0: not listed
  bool stale = false;
  std::optional<mono_time> at; ///< as it was asked last
};

/// The earliest of many things' deadlines, without asking each on every turn: who changes says so by `touch`, and is asked again
/// when somebody wants to know. `Ask` is a `std::optional<mono_time>(T&)`. Equal times come in the order of `add`.
template <class T, deadline_place T::*Place>
class deadline_list {
public:
  void add(T& what) {
    (what.*Place).serial = ++last_;
    touch(what);
  }

  void remove(T& what) {
    auto& place = what.*Place;
    if (place.serial == 0) return;
    if (place.at) order_.erase({*place.at, place.serial, &what});
    if (place.stale) std::erase(stale_, &what);
    place = {};
  }

  /// Its deadline may be another one than when it was asked.
  void touch(T& what) {
    auto& place = what.*Place;
    if (place.serial == 0 || place.stale) return;
    place.stale = true;
    stale_.push_back(&what);
  }

  template <class Ask>
  std::optional<mono_time> next(Ask ask) {
    for (auto* what : stale_) {
      auto& place = what->*Place;
      place.stale = false;
      const auto at = ask(*what);
      if (at == place.at) continue;
      if (place.at) order_.erase({*place.at, place.serial, what});
      if (at) order_.insert({*at, place.serial, what});
      place.at = at;
    }
    stale_.clear();
    return order_.empty() ? std::nullopt : std::optional(std::get<0>(*order_.begin()));
  }

  /// Calls who is due at `now`, each once; a call may add, remove and touch any of them.
  template <class Ask, class Call>
  void run(mono_time now, Ask ask, Call call) {
    next(ask);
    std::vector<entry> due;
    for (const auto& e : order_) {
      if (std::get<0>(e) > now) break;
      due.push_back(e);
    }
    for (const auto& e : due) {
      if (!order_.contains(e)) continue; // removed by a call
      auto& what = *std::get<2>(e);
      touch(what);
      if (const auto at = ask(what); at && *at <= now) call(what);
    }
  }

private:
  using entry = std::tuple<mono_time, uint64_t, T*>;

  std::set<entry> order_;
  std::vector<T*> stale_;
  uint64_t last_ = 0;
};

} // namespace ec::base
