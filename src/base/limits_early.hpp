#pragma once

#include <chrono>
#include <cstddef>

/// Bounds of what makes a returning client's session begin a round trip sooner.
namespace ec::base::limits {

inline constexpr std::chrono::hours quic_ticket_life{1};             ///< of a secret that tickets are made with, and so of its tickets
inline constexpr size_t quic_early_attempts_max = 65'536;            ///< remembered with a secret, so that none comes twice; then there is a new secret
inline constexpr size_t quic_known_servers_max = 256;                ///< that a client holds a ticket of
inline constexpr std::chrono::hours quic_known_server_life{24};      ///< after which a client has forgotten it; most tickets end sooner
inline constexpr size_t quic_ticket_bytes_max = 16u << 10;           ///< of one, with what belongs to it

} // namespace ec::base::limits
