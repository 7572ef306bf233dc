#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <netinet/in.h>

#include "tuner/source.hpp"

namespace ec::tuner::internal {

/// Where datagrams come to: `udp://[SENDER]@GROUP:PORT[?iface=ADDRESS]`, `rtp://...`; the @ may be left out where there is no sender.
struct datagram_address {
  bool rtp = false;
  sockaddr_in at{};                ///< a multicast group, or an address of this host
  std::optional<in_addr> sender;   ///< of a group: from nobody else
  in_addr interface{};             ///< address of the interface by which the group is joined; 0: the kernel's choice

  bool multicast() const;
  /// "239.1.1.1:5000"
  std::string text() const;
};
/// Errors: malformed, unsupported (IPv6).
[[nodiscard]] base::result<datagram_address> parse_datagram_address(std::string_view spec);

std::unique_ptr<source> make_datagram_source(source_facts facts, const datagram_address& address, const source_options& options);

} // namespace ec::tuner::internal
