#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.hpp"

namespace ec::tuner {

/// How long to wait between attempts.
struct backoff_config {
  std::chrono::milliseconds first{500};  ///< after the first failure
  std::chrono::milliseconds cap{30000};  ///< never longer
  double factor = 2.0;                   ///< growth with each failure in a row, >= 1
  double jitter = 0.2;                   ///< share by which a wait is lengthened or shortened at random, 0..1
  std::chrono::milliseconds settled{60000}; ///< a success that lasts so long forgets the failures before it
};

/// Capped exponential back-off for whatever keeps failing. Pure: the same seed and calls give the same waits, and two
/// nodes with different seeds do not knock at the same moment.
class backoff {
public:
  explicit backoff(backoff_config config = {}, uint64_t seed = 1);

  /// An attempt failed at `now`: when the next one is due.
  base::mono_time next(base::mono_time now);
  /// An attempt succeeded at `now`. The failures are forgotten only once it has lasted for `settled`, so that a device which
  /// answers and drops at once is not hammered.
  void succeeded(base::mono_time now);
  /// Forgets all failures.
  void reset();
  /// Failures in a row.
  unsigned failures() const { return failures_; }

private:
  uint64_t random();

  backoff_config config_;
  uint64_t state_;
  unsigned failures_ = 0;
  bool up_ = false;
  base::mono_time up_since_{};
};

} // namespace ec::tuner
