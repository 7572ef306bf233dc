#include <algorithm>
#include <set>

#include "base/hex.hpp"
#include "discovery/mdns.hpp"

namespace ec::discovery {
namespace {

/// The pin that a TXT record gives; nothing if it is of another version, or none of ours.
std::optional<spki_digest> pin_in(const std::vector<std::string>& txt) {
  std::optional<spki_digest> pin;
  bool version = false;
  for (const auto& entry : txt) {
    if (entry == "v=1") version = true;
    if (!entry.starts_with("spki=") || pin) continue; // the first of a key counts [RFC 6763 6.4]
    const auto bytes = base::from_hex(std::string_view(entry).substr(5));
    spki_digest digest;
    if (!bytes || bytes->size() != digest.size()) return std::nullopt;
    std::ranges::copy(*bytes, digest.begin());
    pin = digest;
  }
  return version ? pin : std::nullopt;
}

/// Without its interface it means nothing, and an address of ours has no place for one.
bool of_one_link(std::string_view host, bool ipv6) {
  return ipv6 && host.starts_with("fe80:");
}

} // namespace

bool mdns_roster::found(const place& at, std::string_view host, bool ipv6, uint16_t port, const std::vector<std::string>& txt) {
  const auto pin = pin_in(txt);
  if (!pin || port == 0 || of_one_link(host, ipv6)) {
    gone(at); // it may have been another before
    return false;
  }
  if (!seen_.contains(at) && seen_.size() >= base::limits::mdns_instances_max) {
    ++crowded_out_;
    return false;
  }
  const auto text = (ipv6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" + std::to_string(port);
  seen_[at] = {{at.name, text, *pin}, ipv6};
  return true;
}

void mdns_roster::gone(const place& at) {
  seen_.erase(at);
}

std::vector<mdns_peer> mdns_roster::peers(const std::optional<spki_digest>& own) const {
  std::vector<mdns_peer> out;
  std::set<spki_digest> taken;
  for (const bool ipv6 : {false, true})
    for (const auto& [unused, s] : seen_)
      if (s.ipv6 == ipv6 && s.peer.spki != own && taken.insert(s.peer.spki).second) out.push_back(s.peer);
  return out;
}

} // namespace ec::discovery
