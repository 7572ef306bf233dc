#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace ec::tuner {

/// Some packets of a broadcast and when they have all been on the air.
struct broadcast_burst {
  base::bytes packets; ///< N x 188 bytes, unless garbage is being played
  std::chrono::nanoseconds until{0}; ///< end of the burst on the broadcast's own clock, 0 at its first packet; never steps back
};

/// An endless broadcast: each call gives the next burst. An error ends it.
using broadcast = std::function<base::result<broadcast_burst>()>;

/// A broadcast of constant rate from whatever gives its packets; `bit_rate` in bit/s, > 0.
broadcast constant_rate(std::function<base::bytes()> next_packets, uint64_t bit_rate);

} // namespace ec::tuner
