#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ec::quic::internal {

/// What a peer's transport error says, for a person [RFC 9000 20.1]. `offered`: the ALPNs of this side.
std::string peer_transport_text(uint64_t code, const std::string& offered, bool server);
/// "no common ALPN (we offer moqt-18)".
std::string no_alpn_text(const std::string& offered, bool server);
/// What a peer wrote, with everything but printable ASCII replaced.
std::string printable(std::string_view theirs);
/// "30", "0.5".
std::string decimal_text(double value);

} // namespace ec::quic::internal
