#pragma once

#include <array>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include <gnutls/gnutls.h>

#include "base/clock.hpp"

namespace ec::quic::internal {

/// Size of GnuTLS's ticket keys.
inline constexpr size_t ticket_key_bytes = 64;

/// One secret, and the attempts of early data under it. All of them are kept as long as the secret is: what was sent once is never taken again
/// [RFC 8446 8.2].
struct ticket_generation {
  ticket_generation(base::mono_time now, size_t attempts_max);
  ~ticket_generation();
  ticket_generation(const ticket_generation&) = delete;
  ticket_generation& operator=(const ticket_generation&) = delete;

  /// The key of tickets for `what`: others do not open under it. False if it cannot be made.
  bool key_for(std::string_view what, std::array<uint8_t, ticket_key_bytes>& out) const;
  bool usable() const { return replays_ != nullptr; }
  bool full() const;
  /// False if it came before, or there is no room.
  bool first_time(std::string attempt);
  gnutls_anti_replay_t replays() const { return replays_; }

  const base::mono_time born;

private:
  const size_t attempts_max_;
  std::array<uint8_t, 32> secret_{};
  gnutls_anti_replay_t replays_ = nullptr;
  mutable std::mutex lock_;
  std::set<std::string> attempts_;
};

} // namespace ec::quic::internal
