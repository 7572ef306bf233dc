#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

/// What of TLS messages the TLS library does not tell [RFC 8446 4].
namespace ec::quic::internal {

inline constexpr unsigned alpn_extension = 16, early_data_extension = 42;

/// The names in a ClientHello's extension for ALPN [RFC 7301 3.1]; as far as they can be read.
std::vector<std::string> alpns_in(std::span<const uint8_t> extension);

/// How much early data a NewSessionTicket allows [RFC 8446 4.6.1], bytes; nothing: none, or it cannot be read. QUIC servers say 2^32 - 1.
std::optional<uint32_t> early_data_in(std::span<const uint8_t> ticket);

} // namespace ec::quic::internal
