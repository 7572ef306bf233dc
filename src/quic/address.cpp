#include "quic/address.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include "base/hex.hpp"
#include "base/limits.hpp"

namespace ec::quic {
namespace {

using base::errc;
using base::fail;
using base::result;

constexpr std::string_view moqt_scheme = "moqt://";
constexpr std::string_view https_scheme = "https://";

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

struct host_port {
  std::string_view host;
  bool bracketed = false;
  uint16_t port = 0;
};

result<host_port> split(std::string_view text) {
  host_port out;
  size_t colon = 0;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return fail(errc::malformed, "'[' without ']'", std::string(text));
    out.host = text.substr(1, end - 1);
    out.bracketed = true;
    colon = end + 1;
    if (colon >= text.size() || text[colon] != ':') return fail(errc::malformed, "no port: expected [address]:port", std::string(text));
  } else {
    colon = text.rfind(':');
    if (colon == std::string_view::npos) return fail(errc::malformed, "no port: expected host:port", std::string(text));
    out.host = text.substr(0, colon);
    if (out.host.find(':') != std::string_view::npos) {
      return fail(errc::malformed, "an IPv6 address needs brackets: [address]:port", std::string(text));
    }
  }
  if (out.host.empty()) return fail(errc::malformed, "no host: expected host:port", std::string(text));
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return fail(errc::malformed, "the port is not a number of 0 to 65535", std::string(text));
  out.port = *port;
  return out;
}

std::optional<socket_address> numeric(const std::string& host, uint16_t port) {
  sockaddr_in6 six{};
  sockaddr_in four{};
  if (::inet_pton(AF_INET, host.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    return socket_address::from(reinterpret_cast<const sockaddr*>(&four), sizeof four);
  }
  if (::inet_pton(AF_INET6, host.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    return socket_address::from(reinterpret_cast<const sockaddr*>(&six), sizeof six);
  }
  return std::nullopt;
}

/// Letters, digits, '-', '.', '_': what a host name is made of.
bool host_name(std::string_view text) {
  return text.size() <= 253 && !text.starts_with('.') && !text.starts_with('-') && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

/// [RFC 3986 3.3]: what a path may spell; everything else is percent-encoded by whoever writes it.
bool path_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return c > 0x20 && c < 0x7f && std::string_view("\"<>\\^`{|}#").find(c) == std::string_view::npos;
  });
}

} // namespace

socket_address socket_address::from(const sockaddr* address, socklen_t size) {
  socket_address out;
  if (!address) return out;
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    std::memcpy(&out.storage_.v4, address, sizeof(sockaddr_in));
    std::memset(out.storage_.v4.sin_zero, 0, sizeof out.storage_.v4.sin_zero);
  } else if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 six{};
    std::memcpy(&six, address, sizeof six);
    if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
      sockaddr_in four{};
      four.sin_family = AF_INET;
      four.sin_port = six.sin6_port;
      std::memcpy(&four.sin_addr, six.sin6_addr.s6_addr + 12, 4);
      out.storage_.v4 = four;
    } else {
      six.sin6_flowinfo = 0;
      out.storage_.v6 = six;
    }
  }
  return out;
}

result<socket_address> socket_address::parse(std::string_view text) {
  const auto split_up = split(text);
  if (!split_up) return fail(split_up.error());
  const auto& parts = split_up.value();
  const auto address = numeric(std::string(parts.host), parts.port);
  if (!address) return fail(errc::malformed, "not a numeric address: expected 127.0.0.1:4433 or [::1]:4433", std::string(text));
  if (address->v6() != parts.bracketed && !(parts.bracketed && address->family() == AF_INET && parts.host.find(':') != parts.host.npos)) {
    return fail(errc::malformed, "brackets are for IPv6 addresses", std::string(text));
  }
  return *address;
}

socket_address socket_address::any(bool v6, uint16_t port) {
  socket_address out;
  if (v6) {
    out.storage_.v6 = {};
    out.storage_.v6.sin6_family = AF_INET6;
  } else {
    out.storage_.v4 = {};
    out.storage_.v4.sin_family = AF_INET;
  }
  out.set_port(port);
  return out;
}

bool socket_address::wildcard() const {
  const auto host = host_bytes();
  return std::ranges::all_of(host, [](char c) { return c == 0; });
}

uint16_t socket_address::port() const {
  switch (family()) {
  case AF_INET: return ntohs(storage_.v4.sin_port);
  case AF_INET6: return ntohs(storage_.v6.sin6_port);
  default: return 0;
  }
}

void socket_address::set_port(uint16_t port) {
  if (family() == AF_INET) storage_.v4.sin_port = htons(port);
  else if (family() == AF_INET6) storage_.v6.sin6_port = htons(port);
}

socklen_t socket_address::size() const {
  switch (family()) {
  case AF_INET: return sizeof(sockaddr_in);
  case AF_INET6: return sizeof(sockaddr_in6);
  default: return 0;
  }
}

socket_address socket_address::mapped() const {
  if (family() != AF_INET) return *this;
  socket_address out = any(true, port());
  auto* raw = out.storage_.v6.sin6_addr.s6_addr;
  if (!wildcard()) {
    raw[10] = raw[11] = 0xff;
    std::memcpy(raw + 12, &storage_.v4.sin_addr, 4);
  }
  return out;
}

std::string_view socket_address::host_bytes() const {
  switch (family()) {
  case AF_INET: return {reinterpret_cast<const char*>(&storage_.v4.sin_addr), 4};
  case AF_INET6: return {reinterpret_cast<const char*>(&storage_.v6.sin6_addr), 16};
  default: return {};
  }
}

std::string socket_address::to_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  switch (family()) {
  case AF_INET:
    ::inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(port());
  case AF_INET6:
    ::inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(port());
  default: return "unspecified";
  }
}

bool operator==(const socket_address& a, const socket_address& b) {
  if (a.family() != b.family() || a.port() != b.port() || a.host_bytes() != b.host_bytes()) return false;
  return !a.v6() || a.storage_.v6.sin6_scope_id == b.storage_.v6.sin6_scope_id;
}

result<std::vector<socket_address>> resolve(const std::string& host, uint16_t port) {
  if (const auto address = numeric(host, port)) return std::vector{*address};
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int rc = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (rc != 0) {
    return fail(rc == EAI_AGAIN ? errc::timeout : errc::not_found, std::string("cannot find this host: ") + ::gai_strerror(rc), host);
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  std::vector<socket_address> out;
  for (const auto* at = found; at && out.size() < base::limits::quic_resolved_addresses_max; at = at->ai_next) {
    auto address = socket_address::from(at->ai_addr, at->ai_addrlen);
    if (!address.specified()) continue;
    address.set_port(port);
    if (std::ranges::find(out, address) == out.end()) out.push_back(address);
  }
  if (out.empty()) return fail(errc::not_found, "this host has no address", host);
  return out;
}

result<endpoint_address> endpoint_address::parse(std::string_view text) {
  const std::string whole(text.substr(0, base::limits::quic_address_bytes_max));
  if (text.size() > base::limits::quic_address_bytes_max) return fail(errc::too_large, "longer than an address can be", whole);
  endpoint_address out;
  if (text.starts_with(moqt_scheme)) {
    text.remove_prefix(moqt_scheme.size());
  } else if (text.starts_with(https_scheme)) {
    text.remove_prefix(https_scheme.size());
    out.by = scheme::https;
  } else if (text.find("://") != std::string_view::npos) {
    return fail(errc::unsupported, "expected moqt://host:port, https://host:port or host:port", whole);
  }
  if (const auto hash = text.find('#'); hash != std::string_view::npos) {
    const auto fragment = text.substr(hash + 1);
    spki_digest pin{};
    if (!fragment.starts_with("spki=") || !base::from_lower_hex(fragment.substr(5), pin)) {
      return fail(errc::malformed, "expected #spki= and 64 lower-case hexadecimal digits", whole);
    }
    out.pin = pin;
    text = text.substr(0, hash);
  }
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    out.path = std::string(text.substr(slash));
    if (!path_text(out.path)) return fail(errc::malformed, "the path has characters that need percent-encoding", whole);
    text = text.substr(0, slash);
  }
  // Only https has a port of its own.
  const bool portless = out.by == scheme::https && (text.ends_with(']') || text.find(':') == std::string_view::npos);
  const auto host_and_port = std::string(text) + (portless ? ":443" : "");
  auto parts = split(host_and_port);
  if (!parts) {
    auto why = parts.error();
    why.about = whole;
    return fail(std::move(why));
  }
  out.host = std::string(parts.value().host);
  out.port = parts.value().port;
  if (out.port == 0) return fail(errc::malformed, "port 0 cannot be dialled", whole);
  if (parts.value().bracketed) {
    in6_addr ignored{};
    if (::inet_pton(AF_INET6, out.host.c_str(), &ignored) != 1) return fail(errc::malformed, "no IPv6 address between the brackets", whole);
  } else if (!host_name(out.host)) {
    return fail(errc::malformed, "the host has characters that no host name has", whole);
  }
  return out;
}

std::string endpoint_address::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string endpoint_address::to_string() const {
  return std::string(by == scheme::https ? https_scheme : moqt_scheme) + authority() + path + (pin ? "#spki=" + base::to_hex(*pin) : "");
}

} // namespace ec::quic
