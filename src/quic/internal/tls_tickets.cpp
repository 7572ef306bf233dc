// Sessions that go on from earlier ones.
#include <algorithm>
#include <array>

#include <gnutls/gnutls.h>

#include "quic/internal/tls.hpp"
#include "quic/internal/tls_messages.hpp"
#include "quic/webtransport.hpp"

namespace ec::quic::internal {
namespace {

tls_session* session_behind(gnutls_session_t session) {
  auto* ref = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session));
  return ref ? session_of(ref) : nullptr;
}

int hello_hook(gnutls_session_t session, unsigned, unsigned, unsigned incoming, const gnutls_datum_t* message) {
  auto* self = session_behind(session);
  if (self && incoming != 0 && message) self->hello(*message);
  return 0;
}

int ticket_hook(gnutls_session_t session, unsigned, unsigned when, unsigned incoming, const gnutls_datum_t* message) {
  auto* self = session_behind(session);
  if (!self || incoming == 0) return 0;
  if (when == GNUTLS_HOOK_PRE && message) self->ticket_comes(*message);
  if (when == GNUTLS_HOOK_POST) self->ticket_came();
  return 0;
}

/// What the client's first message says that tickets depend on.
struct offer {
  std::vector<std::string> alpns;
  bool early_data = false;
};

int read_extension(void* user, unsigned id, const unsigned char* data, unsigned size) {
  auto& out = *static_cast<offer*>(user);
  if (id == early_data_extension) out.early_data = true;
  if (id == alpn_extension) out.alpns = alpns_in({data, size});
  return 0;
}

} // namespace

void tls_session::prepare_tickets() {
  gnutls_handshake_set_hook_function(raw_, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_PRE, hello_hook);
}

/// Here, as a ticket counts for one ALPN only [RFC 8446 4.2.10], which the library does not look at: each has keys of its own.
void tls_session::hello(const gnutls_datum_t& message) {
  offer theirs;
  if (tickets_on_ || gnutls_ext_raw_parse(&theirs, read_extension, &message, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO) < 0) return;
  const auto chosen = std::ranges::find_if(alpns_, [&](const std::string& ours) { return std::ranges::find(theirs.alpns, ours) != theirs.alpns.end(); });
  // Early data of HTTP/3 would need the settings of the earlier connection [RFC 9114 7.2.4.2]: the library below keeps none.
  if (chosen == alpns_.end() || *chosen == webtransport_alpn) return;
  std::array<uint8_t, ticket_key_bytes> key{};
  const bool made = tickets_.generation->key_for("ec-node ticket " + std::to_string(chosen->size()) + ' ' + *chosen + ' ' + tickets_.bound_to, key);
  const gnutls_datum_t lent{key.data(), static_cast<unsigned>(key.size())};
  if (made && gnutls_session_ticket_enable_server(raw_, &lent) == 0) {
    tickets_on_ = true;
    early_offered_ = theirs.early_data;
    gnutls_db_set_cache_expiration(raw_, static_cast<int>(std::chrono::seconds(base::limits::quic_ticket_life).count()));
    gnutls_anti_replay_enable(raw_, tickets_.generation->replays());
    (void)gnutls_record_set_max_early_data_size(raw_, UINT32_MAX); // QUIC has bounds of its own [RFC 9001 4.6.1]
  }
  gnutls_memset(key.data(), 0, key.size());
}

void tls_session::send_ticket() {
  // Without one the next connection is a whole handshake: no reason to end this one.
  if (tickets_on_) (void)gnutls_session_ticket_send(raw_, 1, 0);
}

void tls_session::resume(const client_tickets& tickets) {
  gnutls_handshake_set_hook_function(raw_, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, GNUTLS_HOOK_BOTH, ticket_hook);
  if (!tickets.known || gnutls_session_set_data(raw_, tickets.known->session.data(), tickets.known->session.size()) != 0) return;
  early_offered_ = true;
  peer_spki_ = tickets.known->spki; // no certificate comes where the server remembers; where it does not, its own takes this place
}

/// Of a server that takes no early data a ticket is not worth its trouble; one that does says so with this number [RFC 9001 4.6.1]. The library has
/// the same number where the server said none.
void tls_session::ticket_comes(const gnutls_datum_t& message) {
  ticket_counts_ = early_data_in({message.data, message.size}) == UINT32_MAX;
}

void tls_session::ticket_came() {
  if (!std::exchange(ticket_counts_, false)) return;
  gnutls_datum_t data{nullptr, 0};
  if (gnutls_session_get_data2(raw_, &data) != 0) return;
  ticket_.assign(data.data, data.data + data.size);
  gnutls_memset(data.data, 0, data.size);
  gnutls_free(data.data);
}

bool tls_session::resumed() const {
  return gnutls_session_is_resumed(raw_) != 0;
}

bool tls_session::early_taken() const {
  return early_offered_ && (gnutls_session_get_flags(raw_) & GNUTLS_SFLAGS_EARLY_DATA) != 0;
}

} // namespace ec::quic::internal
