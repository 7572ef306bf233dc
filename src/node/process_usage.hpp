#pragma once

#include <chrono>
#include <cstdint>

#include "base/result.hpp"

namespace ec::node {

/// What a process has used so far, by /proc.
struct process_usage {
  std::chrono::milliseconds cpu{0}; ///< user and system, of all its threads
  uint64_t resident_bytes = 0;
};

/// Errors: not_found (no such process), malformed (no /proc as Linux has it).
[[nodiscard]] base::result<process_usage> usage_of(int pid);

} // namespace ec::node
