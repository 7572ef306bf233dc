#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/limits_carriers.hpp"
#include "base/result.hpp"
#include "discovery/announcement.hpp"

/// The nodes of the local network, by multicast DNS [RFC 6762] and service discovery [RFC 6763]: where each is to be asked, and its pin.
/// What it says to others: docs/formats/announcement.md, "On the local network".
namespace ec::discovery {

/// The service type. An instance is a node; its TXT record says "v=1" and "spki=" with 64 hexadecimal digits.
inline constexpr std::string_view mdns_service = "_every-channel._udp";

/// A node that is there now.
struct mdns_peer {
  std::string name;    ///< of the instance
  std::string address; ///< "192.0.2.7:4443", "[2001:db8::1]:4443"
  spki_digest spki{};

  friend bool operator==(const mdns_peer&, const mdns_peer&) = default;
};

/// What a network says, put together: an instance may be seen on several interfaces, and by IPv4 and IPv6. Pure.
class mdns_roster {
public:
  /// Where an instance was seen.
  struct place {
    std::string name;
    int interface = 0;
    int protocol = 0;
    friend auto operator<=>(const place&, const place&) = default;
  };

  /// An instance answered. `txt` are the strings of its TXT record. False if it is none of ours, cannot be dialled (no port, an
  /// address of one link), or there are too many.
  bool found(const place& at, std::string_view host, bool ipv6, uint16_t port, const std::vector<std::string>& txt);
  void gone(const place& at);
  /// By pin: each node once, its IPv4 address before others. `own` is left out.
  std::vector<mdns_peer> peers(const std::optional<spki_digest>& own) const;
  size_t size() const { return seen_.size(); }
  /// Instances that there was no room for.
  uint64_t crowded_out() const { return crowded_out_; }

private:
  struct sighting {
    mdns_peer peer;
    bool ipv6 = false;
  };
  std::map<place, sighting> seen_;
  uint64_t crowded_out_ = 0;
};

struct mdns_config {
  std::string name;  ///< of this node: 1 to 60 of [a-z0-9-], nobody else's
  uint16_t port = 0; ///< UDP, at which it is asked; 0: it only looks
  spki_digest spki{};
};

/// This node's part in it.
class mdns_network {
public:
  virtual ~mdns_network() = default;
  /// Does what is to be done now, without waiting, and gives who is there. To be called a few times a second.
  virtual std::vector<mdns_peer> look() = 0;
  /// Why it cannot take part; empty if it can.
  virtual std::string fault() const = 0;
};

/// Joins on all interfaces. Errors: io, such as no network that has multicast, or another program that has the port for itself.
[[nodiscard]] base::result<std::unique_ptr<mdns_network>> join_mdns(const mdns_config& config);

} // namespace ec::discovery
