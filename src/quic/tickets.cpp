#include "quic/tickets.hpp"

#include <cstring>
#include <limits>

#include <gnutls/crypto.h>

#include "quic/internal/ticket_generation.hpp"
#include "quic/internal/tls.hpp"

namespace ec::quic {
namespace internal {
namespace {

int add_attempt(void* user, time_t, const gnutls_datum_t* key, const gnutls_datum_t*) {
  auto& self = *static_cast<ticket_generation*>(user);
  return self.first_time({reinterpret_cast<const char*>(key->data), key->size}) ? 0 : GNUTLS_E_DB_ENTRY_EXISTS;
}

} // namespace

ticket_generation::ticket_generation(base::mono_time now, size_t attempts_max) : born(now), attempts_max_(attempts_max) {
  if (!random_bytes(secret_.data(), secret_.size()) || gnutls_anti_replay_init(&replays_) != 0) {
    replays_ = nullptr;
    return;
  }
  // The library forgets attempts that are older than its window, and with them refuses tickets that are older than that moment. Here nothing is
  // forgotten while the secret lives, so its window has no end.
  gnutls_anti_replay_set_window(replays_, std::numeric_limits<unsigned>::max());
  gnutls_anti_replay_set_ptr(replays_, this);
  gnutls_anti_replay_set_add_function(replays_, add_attempt);
}

ticket_generation::~ticket_generation() {
  if (replays_) gnutls_anti_replay_deinit(replays_);
  gnutls_memset(secret_.data(), 0, secret_.size());
}

bool ticket_generation::key_for(std::string_view what, std::array<uint8_t, ticket_key_bytes>& out) const {
  static_assert(ticket_key_bytes == 64, "one SHA-512");
  return gnutls_hmac_fast(GNUTLS_MAC_SHA512, secret_.data(), secret_.size(), what.data(), what.size(), out.data()) == 0;
}

bool ticket_generation::full() const {
  const std::lock_guard guard(lock_);
  return attempts_.size() >= attempts_max_;
}

bool ticket_generation::first_time(std::string attempt) {
  const std::lock_guard guard(lock_);
  return attempts_.size() < attempts_max_ && attempts_.insert(std::move(attempt)).second;
}

} // namespace internal

ticket_keys::ticket_keys(base::mono_duration life, size_t attempts_max) : life_(life), attempts_max_(attempts_max) {}
ticket_keys::~ticket_keys() = default;

std::shared_ptr<internal::ticket_generation> ticket_keys::current(base::mono_time now) {
  const std::lock_guard guard(lock_);
  if (!current_ || now - current_->born >= life_ || current_->full()) current_ = std::make_shared<internal::ticket_generation>(now, attempts_max_);
  return current_->usable() ? current_ : nullptr;
}

known_servers::~known_servers() {
  for (auto& [name, server] : entries_) gnutls_memset(server.session.data(), 0, server.session.size());
}

std::optional<known_server> known_servers::take(const std::string& name, base::mono_time now) {
  const std::lock_guard guard(lock_);
  const auto at = places_.find(name);
  if (at == places_.end()) return std::nullopt;
  auto out = std::move(at->second->second);
  entries_.erase(at->second);
  places_.erase(at);
  if (now >= out.until) return std::nullopt;
  return out;
}

void known_servers::put(const std::string& name, known_server server) {
  const std::lock_guard guard(lock_);
  if (max_ == 0 || server.session.size() + server.parameters.size() > base::limits::quic_ticket_bytes_max) return;
  if (const auto at = places_.find(name); at != places_.end()) {
    entries_.erase(at->second);
    places_.erase(at);
  }
  while (entries_.size() >= max_) {
    places_.erase(entries_.back().first);
    entries_.pop_back();
  }
  entries_.emplace_front(name, std::move(server));
  places_[name] = entries_.begin();
}

size_t known_servers::size() const {
  const std::lock_guard guard(lock_);
  return entries_.size();
}

} // namespace ec::quic
