#pragma once

#include <cstddef>
#include <cstdint>

/// Bounds of moq-lite sessions, beside those of all MoQ sessions (limits.hpp).
namespace ec::base::limits {

inline constexpr size_t moq_hops_max = 32;                ///< relays that one announcement went through
inline constexpr size_t lite_announce_streams_max = 16;   ///< open ones of one peer
inline constexpr uint64_t lite_fetch_groups_max = 1024;   ///< groups of one fetch, which are asked for one by one
inline constexpr size_t lite_groups_seen_max = 256;       ///< groups of one subscription of which it is known that they came
inline constexpr size_t lite_groups_open_max = 4096;      ///< groups that come at a time in one session; the connection bounds their bytes

} // namespace ec::base::limits
