#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/result.hpp"

namespace ec::quic {

/// The SHA-256 of a SubjectPublicKeyInfo (DER): what a pin names.
using spki_digest = std::array<uint8_t, 32>;

/// An IPv4 or IPv6 address and a port. IPv4-mapped IPv6 addresses are turned into IPv4 on the way in.
class socket_address {
public:
  /// Unspecified: no family, no port.
  socket_address() = default;
  /// From what the system gave; anything but AF_INET and AF_INET6 becomes unspecified.
  static socket_address from(const sockaddr* address, socklen_t size);
  /// "127.0.0.1:4433", "[::1]:4433": a numeric host and a port of 0 to 65535. Names are malformed here: see `resolve`.
  static base::result<socket_address> parse(std::string_view text);
  /// The wildcard address of IPv6 (or IPv4) with `port`.
  static socket_address any(bool v6, uint16_t port);

  bool specified() const { return family() != AF_UNSPEC; }
  bool v6() const { return family() == AF_INET6; }
  /// True for 0.0.0.0 and ::, which a socket listens on and nobody dials.
  bool wildcard() const;
  int family() const { return storage_.any.sa_family; }
  uint16_t port() const;
  void set_port(uint16_t port);
  /// As the system takes it.
  const sockaddr* data() const { return &storage_.any; }
  socklen_t size() const;
  /// The same as an IPv6 address (IPv4 becomes ::ffff:a.b.c.d), for a socket that serves both families.
  socket_address mapped() const;
  /// The bytes of the host, 4 or 16 of them; empty when unspecified.
  std::string_view host_bytes() const;

  /// "127.0.0.1:4433" or "[::1]:4433"; "unspecified" without a family.
  std::string to_string() const;

  friend bool operator==(const socket_address& a, const socket_address& b);

private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } storage_ = {.v6 = {}};
};

/// Looks `host` up (blocking: call it from an actor of its own). Numeric hosts are answered without a look-up. At least
/// one address; not_found when the name has none.
base::result<std::vector<socket_address>> resolve(const std::string& host, uint16_t port);

/// Where an endpoint is: `moqt://host:port[/path][#spki=<64 hex digits>]`, or `host:port` for short, by QUIC itself; `https://host[:port]...` by
/// WebTransport over HTTP/3. A host is a name, an IPv4 address, or an IPv6 address in brackets (kept without them).
struct endpoint_address {
  enum class scheme { moqt, https };
  scheme by = scheme::moqt;
  std::string host;
  uint16_t port = 0;
  std::string path;               ///< begins with '/' or is empty; sent as the session's path
  std::optional<spki_digest> pin; ///< the only key that this server may have

  /// malformed with what is wrong and what was expected. Nothing is looked up.
  static base::result<endpoint_address> parse(std::string_view text);
  /// The full form; `parse` of it gives an equal address.
  std::string to_string() const;
  /// "host:port", with brackets where needed: the authority of a MoQ session.
  std::string authority() const;

  friend bool operator==(const endpoint_address&, const endpoint_address&) = default;
};

} // namespace ec::quic
