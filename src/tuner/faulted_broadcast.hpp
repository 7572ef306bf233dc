#pragma once

#include <cstdint>
#include <memory>

#include "tuner/broadcast.hpp"
#include "tuner/fault_plan.hpp"

namespace ec::tuner {

/// Plays those faults of a plan that are in the packets: of the signal (garbage, fade) and of the station (all below it). What is
/// random in them follows from `seed`. Those of the station are played in all programs of the multiplex; tables keep valid CRCs,
/// counters go on. Without such a fault the broadcast comes out as it went in. Pure: the same broadcast, plan and seed give the
/// same bytes.
class faulted_broadcast {
public:
  faulted_broadcast(broadcast from, fault_plan plan, uint64_t seed);
  faulted_broadcast(faulted_broadcast&&) noexcept;
  faulted_broadcast& operator=(faulted_broadcast&&) noexcept;
  ~faulted_broadcast();

  /// As the broadcast's own bursts, but that a table which a burst cuts in two waits for its rest. Errors: those of the broadcast.
  [[nodiscard]] base::result<broadcast_burst> next();
  /// `next` as a simulator wants it.
  static broadcast as_broadcast(broadcast from, fault_plan plan, uint64_t seed);

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace ec::tuner
