#pragma once

#include <cstdint>

#include "tuner/broadcast.hpp"

namespace ec::tuner {

/// The broadcast as a receiver with a weak signal has it: each packet is lost with probability `share` (0 to below 1), which ones
/// follows from `seed`. Bytes that are no whole packets go through. Pure: the same broadcast, share and seed give the same bytes.
broadcast lossy(broadcast from, double share, uint64_t seed);

} // namespace ec::tuner
