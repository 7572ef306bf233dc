#pragma once

#include <chrono>
#include <cstddef>

/// Bounds of HTTP/3 and WebTransport (docs/adr/0011-webtransport.md).
namespace ec::base::limits {

inline constexpr size_t http3_fields_bytes_max = 16u << 10;      ///< of one request or answer, decoded: names, values and 32 for each [RFC 9114 4.2.2]
inline constexpr std::chrono::seconds webtransport_session_wait{10}; ///< for the first session of a connection that a peer opened
inline constexpr size_t http3_requests_max = 16;                 ///< of one connection, open at once
inline constexpr size_t http3_settings_bytes_max = 1024;         ///< of our own SETTINGS frame
inline constexpr size_t webtransport_early_streams_max = 16;     ///< that name a session which is not there yet
inline constexpr size_t webtransport_early_bytes_max = 64u << 10; ///< and their bytes
inline constexpr size_t webtransport_protocols_max = 16;         ///< names in one list that are looked at
inline constexpr size_t webtransport_close_reason_bytes_max = 1024; ///< [WebTransport over HTTP/3, 6]

} // namespace ec::base::limits
