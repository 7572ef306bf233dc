#pragma once

#include <cstdint>

namespace ec::simulation {

/// Numbers from a seed, the same on every machine and with every standard library. [SplitMix64]
class random {
public:
  explicit random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// 0 to `count` - 1; 0 for a count of 0.
  uint64_t below(uint64_t count) { return count == 0 ? 0 : next() % count; }
  uint64_t between(uint64_t first, uint64_t last) { return first + below(last - first + 1); }
  /// True in `per_mille` of 1000.
  bool chance(unsigned per_mille) { return below(1000) < per_mille; }

private:
  uint64_t state_;
};

} // namespace ec::simulation
