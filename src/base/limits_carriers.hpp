#pragma once

#include <cstddef>

/// Bounds of carriers whose peers nobody named: the DHT (docs/adr/0009-dht.md), the local network (docs/adr/0010-mdns.md).
namespace ec::base::limits {

inline constexpr size_t dht_bootstrap_max = 16;          ///< nodes by which a private network is joined
inline constexpr size_t dht_streams_max = 64;            ///< that one node looks for at once
inline constexpr size_t dht_peers_per_look_max = 512;    ///< that are taken from the network between two looks
inline constexpr size_t dht_state_bytes_max = 256u << 10; ///< of a kept routing table
inline constexpr size_t found_peers_per_stream_max = 128; ///< that stand under one stream
inline constexpr size_t found_peers_per_neighbourhood_max = 4; ///< of those, of one address (IPv6: of one /64), where anybody may say so
inline constexpr size_t found_peers_dialled_max = 64;    ///< at once
inline constexpr size_t found_peers_tried_max = 4;       ///< of one stream that gave nothing yet, at once
inline constexpr size_t found_peers_kept_max = 12;       ///< of one stream; others are visited again in time
inline constexpr size_t mdns_instances_max = 128;        ///< places at which neighbours are seen
inline constexpr unsigned mdns_records_max = 1024;       ///< of the local network that are kept for each interface

} // namespace ec::base::limits
