#pragma once

#include <cstddef>

/// Bounds of what connections note on request; see limits.hpp.
namespace ec::base::limits {

inline constexpr size_t qlog_connections_max = 1000;     ///< of one endpoint
inline constexpr size_t qlog_trace_bytes_max = 64u << 20; ///< notes of one connection

} // namespace ec::base::limits
