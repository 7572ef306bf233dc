#pragma once

#include <cstddef>

#include "base/limits.hpp"

/// What one peer that opened a connection may make a node hold, 1 MiB in all: docs/security.md says what counts.
namespace ec::base::limits {

inline constexpr size_t attacker_bytes_max = moq_held_bytes_accepted; ///< of one connection: what the QUIC library, HTTP/3 and the MoQ session hold
inline constexpr size_t quic_accepted_held_bytes_max = 544u << 10; ///< by the QUIC library and for its streams, beside what is on its way to the peer
inline constexpr size_t http3_held_bytes_max = 64u << 10;       ///< by the HTTP/3 library
inline constexpr size_t moq_accepted_held_bytes_max = attacker_bytes_max - quic_accepted_held_bytes_max - http3_held_bytes_max; ///< by a session, beside the largest object under way
inline constexpr size_t quic_accepted_window = 384u << 10;      ///< receive window: so much may wait behind a hole
inline constexpr size_t quic_accepted_streams_uni_max = 512;    ///< open at once
inline constexpr size_t moq_told_bytes_max = 192u << 10;        ///< namespaces that one session was told of

} // namespace ec::base::limits
