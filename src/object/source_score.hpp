#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.hpp"

namespace ec::object {

/// How far one source may be trusted to give what it says, by what it gave. Faults weigh on it and wear off with time; too many
/// at once bar it for a while, longer each time that it comes back and goes on. Pure.
class source_score {
public:
  static constexpr int points_max = 256;           ///< more of them are too much
  static constexpr int points_worn_per_second = 4; ///< forgiven

  enum class fault : uint8_t {
    doubtful,      ///< an honest source may do it too: a manifest by a key that is not trusted here, a clock that is wrong
    bad_object,    ///< no honest source sends such an object
    bad_chunk,     ///< its version of a chunk is invalid; once for each chunk
  };

  void add(fault what, base::mono_time now);
  /// True if that was too much: bar() it, if it can be spared.
  bool over(base::mono_time now) const;
  /// It is out from now on, for penalty().
  void bar(base::mono_time now);

  /// 0 to 4, the better the lower: the order in which sources are asked.
  uint32_t rank(base::mono_time now) const;

  /// How long the last bar() holds: 30 s, and twice as long each time, up to ten minutes, until it behaved for ten minutes.
  std::chrono::milliseconds penalty() const { return penalty_; }

  /// True if nothing is held against it: it may be forgotten.
  bool clean(base::mono_time now) const;

private:
  void wear_off(base::mono_time now);
  int64_t points_at(base::mono_time now) const;

  int64_t points_ = 0; ///< thousandths of a point, at since_
  base::mono_time since_{};
  base::mono_time barred_until_{};
  std::chrono::milliseconds penalty_{0};
};

} // namespace ec::object
