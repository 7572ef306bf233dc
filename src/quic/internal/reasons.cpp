#include "quic/internal/reasons.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/limits.hpp"
#include "quic/endpoint.hpp"
#include "quic/internal/tls.hpp"

namespace ec::quic {

bool close_reason::retryable() const {
  switch (what) {
  case kind::handshake_timeout:
  case kind::idle_timeout:
  case kind::refused:
  case kind::stateless_reset:
  case kind::application:
  case kind::transport: return true;
  case kind::local:
  case kind::violation:
  case kind::tls:
  case kind::internal: return false;
  }
  return false;
}

std::string_view name(close_reason::kind k) {
  switch (k) {
  case close_reason::kind::local: return "local";
  case close_reason::kind::application: return "application";
  case close_reason::kind::transport: return "transport";
  case close_reason::kind::violation: return "violation";
  case close_reason::kind::tls: return "tls";
  case close_reason::kind::handshake_timeout: return "handshake-timeout";
  case close_reason::kind::idle_timeout: return "idle-timeout";
  case close_reason::kind::refused: return "refused";
  case close_reason::kind::stateless_reset: return "stateless-reset";
  case close_reason::kind::internal: return "internal";
  }
  return "unknown";
}

namespace internal {

std::string no_alpn_text(const std::string& offered, bool server) {
  return "no common ALPN (we " + std::string(server ? "speak " : "offer ") + offered + ")";
}

std::string peer_transport_text(uint64_t code, const std::string& offered, bool server) {
  static constexpr std::array<std::string_view, 17> names = {
    "no error",           "internal error",     "connection refused", "flow control error",        "stream limit error",
    "stream state error", "final size error",   "frame encoding error", "transport parameter error", "connection id limit error",
    "protocol violation", "invalid token",      "application error",  "crypto buffer exceeded",    "key update error",
    "AEAD limit reached", "no viable path",
  };
  if (code == 0x100 + 120) return no_alpn_text(offered, server);
  if (code >= 0x100 && code <= 0x1ff) return "the peer ended the handshake: " + alert_text(static_cast<uint8_t>(code - 0x100));
  if (code == 0x02) return "the server takes no more connections";
  if (code < names.size()) return "the peer closed: " + std::string(names[static_cast<size_t>(code)]);
  return "the peer closed with transport error " + std::to_string(code);
}

std::string printable(std::string_view theirs) {
  std::string out(theirs.substr(0, base::limits::quic_close_reason_bytes_max));
  std::ranges::replace_if(out, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return out;
}

std::string decimal_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

} // namespace internal
} // namespace ec::quic
