#pragma once

#include <cstddef>

/// Bounds of a relay that verifies what it passes on.
namespace ec::base::limits {

inline constexpr size_t relay_held_bytes_max = 96u << 20; ///< of one subscription upstream, until a gate knows what it is
inline constexpr size_t relay_refusals_max = 8;           ///< by a gate, after which a publisher's track is not taken any more
inline constexpr size_t relay_false_tracks_max = 64;      ///< of one session, of which it is remembered what was refused
inline constexpr size_t guard_groups_max = 64;            ///< of one source and stream, that are judged at a time
inline constexpr size_t guard_proven_max = 128;           ///< chunks of one stream, of which a relay knows what is right
inline constexpr size_t guard_streams_max = 64;           ///< that one relay verifies

} // namespace ec::base::limits
