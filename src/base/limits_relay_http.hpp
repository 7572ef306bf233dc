#pragma once

#include <chrono>
#include <cstddef>

/// Bounds of a relay's HTTP side (docs/formats/relay-http.md).
namespace ec::base::limits {

inline constexpr unsigned relay_http_connections_max = 64;             ///< a thread each
inline constexpr unsigned relay_http_connections_per_address_max = 16;
inline constexpr size_t relay_http_waiting_bytes_max = 256u << 10;     ///< of one answer, for its connection to take; an object more
inline constexpr size_t relay_http_answer_bytes_max = 256u << 20;      ///< of one group
inline constexpr size_t relay_http_listing_bytes_max = 1u << 20;       ///< of announced names
inline constexpr std::chrono::seconds relay_http_first_byte{15};       ///< for the track to come up and the group to begin
inline constexpr std::chrono::seconds relay_http_silence{30};          ///< between two objects of a group
inline constexpr std::chrono::seconds relay_http_reader_patience{40};  ///< for who takes nothing of an answer; longer than relay_http_silence, which its connection cannot tell from that
inline constexpr std::chrono::seconds relay_http_idle{30};             ///< for the request of a connection; longer than relay_http_first_byte
inline constexpr std::chrono::minutes relay_http_answer_time{10};      ///< of one answer

} // namespace ec::base::limits
