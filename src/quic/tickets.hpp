#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/limits_early.hpp"
#include "quic/address.hpp"

/// Session tickets [RFC 8446 4.6.1] and early data, 0-RTT [RFC 9001 4.6]: a client that comes back resumes its TLS session, and its first
/// requests travel with its first packet.
namespace ec::quic {

namespace internal {
struct ticket_generation;
}

/// The secret that a server's tickets are made with, the same for all endpoints of a process, and what came under it as early data. It changes
/// with time and is kept nowhere but here: an old ticket, as one of an earlier run, only costs its client a whole handshake. Any thread may call.
class ticket_keys {
public:
  explicit ticket_keys(base::mono_duration life = base::limits::quic_ticket_life, size_t attempts_max = base::limits::quic_early_attempts_max);
  ~ticket_keys();
  ticket_keys(const ticket_keys&) = delete;
  ticket_keys& operator=(const ticket_keys&) = delete;

  /// The secret of now. Null if the system has no random numbers: no tickets then.
  std::shared_ptr<internal::ticket_generation> current(base::mono_time now);

private:
  const base::mono_duration life_;
  const size_t attempts_max_;
  std::mutex lock_;
  std::shared_ptr<internal::ticket_generation> current_;
};

/// What a client needs to come back to a server.
struct known_server {
  std::vector<uint8_t> session;    ///< of TLS, with the ticket; secret
  std::vector<uint8_t> parameters; ///< transport parameters that count for early data [RFC 9000 7.4.1]
  std::string alpn;
  spki_digest spki{};              ///< the server's key, verified then
  base::mono_time until{};
};

/// The servers that a client has tickets of, in memory: one for each name, port, list of ALPNs and way to verify. The one that was used longest
/// ago leaves first. Any thread may call.
class known_servers {
public:
  explicit known_servers(size_t max = base::limits::quic_known_servers_max) : max_(max) {}
  ~known_servers();

  /// Takes the ticket out: it is used once [RFC 8446 C.4]. Nothing if there is none, or it is over.
  std::optional<known_server> take(const std::string& name, base::mono_time now);
  void put(const std::string& name, known_server server);
  size_t size() const;

private:
  using entries = std::list<std::pair<std::string, known_server>>;
  const size_t max_;
  mutable std::mutex lock_;
  entries entries_; ///< the newest first
  std::unordered_map<std::string, entries::iterator> places_;
};

} // namespace ec::quic
