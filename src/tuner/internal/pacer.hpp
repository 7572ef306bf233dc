#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

#include "base/clock.hpp"

namespace ec::tuner::internal {

/// Tells when bytes of a stream are due, by the PCR of the first PID that carries one. Pure.
class pacer {
public:
  explicit pacer(double speed) : speed_(speed) {}

  /// Looks at the bytes that follow those of the last call: how many of them may go now. Stops before the packet whose
  /// PCR is not yet due; `due` is then its time. Bytes without packets or PCR go at once.
  size_t allowed(std::span<const uint8_t> in, base::mono_time now);
  std::optional<base::mono_time> due() const { return due_; }

private:
  double speed_;
  size_t skip_ = 0; ///< rest of a packet whose head has gone
  std::optional<uint16_t> pid_;
  uint64_t last_pcr_ = 0;
  std::optional<base::mono_time> last_due_;
  std::optional<base::mono_time> due_;
};

} // namespace ec::tuner::internal
