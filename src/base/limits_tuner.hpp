#pragma once

#include <cstddef>

/// The bounds of what reads and simulates tuners, beside those of limits.hpp, which nearly every file includes.
namespace ec::base::limits {

inline constexpr size_t control_payload_bytes_max = 1452;       ///< of one packet of the HDHomeRun's discovery and control protocol
inline constexpr size_t control_connections_max = 16;           ///< of the simulator's control port; the oldest is closed for one more
inline constexpr size_t discovered_devices_max = 64;            ///< that answer one question
inline constexpr size_t rtp_reorder_packets_max = 64;           ///< packets that wait for an earlier one
inline constexpr size_t origin_playlist_bytes_max = 1u << 20;   ///< a media playlist that is read as an input
inline constexpr size_t origin_segments_max = 4096;             ///< in it
inline constexpr size_t origin_segment_bytes_max = 64u << 20;
inline constexpr size_t shared_source_bytes_max = 8u << 20;     ///< that wait for one of several readers of one input

} // namespace ec::base::limits
