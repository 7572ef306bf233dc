#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "base/result.hpp"
#include "crypto/certificate.hpp"
#include "quic/endpoint.hpp"
#include "quic/internal/ticket_generation.hpp"
#include "quic/tickets.hpp"

namespace ec::quic::internal {

/// The credentials and priorities that sessions share: one priority object for all saves 8 KB for each.
class tls_context {
public:
  /// `client_ca_pem`: authorities whose certificates clients may show; empty: none is asked for.
  static base::result<std::shared_ptr<const tls_context>> server(const crypto::certificate_pair& identity, const std::string& client_ca_pem = {});
  /// `ca_file` empty: the system's CAs. Loads them: make it once, share it. `shown`: to servers that ask; may be null.
  static base::result<std::shared_ptr<const tls_context>> client_ca(const std::string& ca_file, const crypto::certificate_pair* shown = nullptr);
  /// For verification by pin, or none.
  static base::result<std::shared_ptr<const tls_context>> client_plain(const crypto::certificate_pair* shown = nullptr);

  /// Whether a server can take this as authorities of its clients.
  static base::result<void> check(const std::string& pem);

  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;
  ~tls_context();

  gnutls_certificate_credentials_t credentials() const { return credentials_; }
  gnutls_priority_t priority() const { return priority_; }
  /// Of a server: clients are asked for a certificate.
  bool asks() const { return asks_; }

private:
  tls_context() = default;
  static base::result<std::shared_ptr<tls_context>> make();
  base::result<void> trust(const std::string& pem);
  base::result<void> show(const crypto::certificate_pair& identity);

  gnutls_certificate_credentials_t credentials_ = nullptr;
  gnutls_priority_t priority_ = nullptr;
  bool asks_ = false;
};

/// What a server makes tickets with.
struct server_tickets {
  std::shared_ptr<ticket_generation> generation; ///< null: it sends none and takes none
  std::string bound_to; ///< what a ticket's holder relies on beside the ALPN: a server where it is otherwise does not know the ticket
};

/// What a client has of a server where it was before.
struct client_tickets {
  bool wanted = false; ///< one is taken for the next time
  const known_server* known = nullptr; ///< null: it comes for the first time
};

/// One TLS 1.3 session of a QUIC connection, and what it found out about the peer.
class tls_session {
public:
  static base::result<std::unique_ptr<tls_session>> server(std::shared_ptr<const tls_context> context, const std::vector<std::string>& alpns,
                                                           server_tickets tickets, ngtcp2_crypto_conn_ref& ref);
  static base::result<std::unique_ptr<tls_session>> client(std::shared_ptr<const tls_context> context,
                                                           const std::vector<std::string>& alpns, const std::string& server_name,
                                                           const client_verification& verification, const client_tickets& tickets,
                                                           ngtcp2_crypto_conn_ref& ref);
  tls_session(const tls_session&) = delete;
  tls_session& operator=(const tls_session&) = delete;
  ~tls_session();

  gnutls_session_t raw() const { return raw_; }
  /// What was negotiated; empty before.
  std::string_view alpn() const;
  const std::optional<spki_digest>& peer_spki() const { return peer_spki_; }
  /// Why the peer's certificate was not accepted, for a person; empty otherwise.
  const std::string& failure() const { return failure_; }
  /// The alert that says so best; unset: what the library chose.
  std::optional<uint8_t> alert() const { return alert_; }
  /// On the accepting side: what the client showed, believed or not.
  const std::optional<client_certificate>& client() const { return client_; }
  /// "moqt-18, moqt-16": what this side speaks.
  const std::string& offered() const { return offered_; }

  /// The session's hook for the certificate; the ref's user is found through `of`.
  int verify();

  // tls_tickets.cpp
  /// It goes on from an earlier one: no certificate was shown. Known once the handshake is complete.
  bool resumed() const;
  /// Early data was offered: by this client, or by the client of this server.
  bool early_offered() const { return early_offered_; }
  /// And taken. Known once the handshake is complete.
  bool early_taken() const;
  /// Of a server whose handshake is complete: the client gets a ticket, if it may have one.
  void send_ticket();
  /// Of a client: the session with the ticket that came last, once; empty: none came.
  std::vector<uint8_t> take_ticket() { return std::exchange(ticket_, {}); }

  /// The session's hooks: the client's first message is about to be read, a ticket comes, and is read.
  void hello(const gnutls_datum_t& message);
  void ticket_comes(const gnutls_datum_t& message);
  void ticket_came();

private:
  tls_session() = default;
  int verify_client();
  base::result<void> start(std::shared_ptr<const tls_context> context, unsigned flags, const std::vector<std::string>& alpns,
                           unsigned alpn_flags, ngtcp2_crypto_conn_ref& ref);
  void prepare_tickets();
  void resume(const client_tickets& tickets);

  gnutls_session_t raw_ = nullptr;
  std::shared_ptr<const tls_context> context_;
  client_verification verification_;
  std::string server_name_;
  std::string offered_;
  std::string failure_;
  std::optional<uint8_t> alert_;
  std::optional<client_certificate> client_;
  bool server_ = false;
  std::optional<spki_digest> peer_spki_;
  std::vector<std::string> alpns_;
  server_tickets tickets_;
  std::vector<uint8_t> ticket_;
  bool early_offered_ = false;
  bool tickets_on_ = false;
  bool ticket_counts_ = false; ///< the one that comes allows early data
};

/// The session that a connection reference belongs to; set by the connection.
tls_session* session_of(ngtcp2_crypto_conn_ref* ref);

/// Lower-case words for a TLS alert [RFC 8446 6]: "no application protocol".
std::string alert_text(uint8_t alert);

/// A secret that only the holder of `key` can make, the same each time.
bool secret_from_key(const std::string& key, std::string_view purpose, std::array<uint8_t, 32>& out);

/// Fills `out` with unpredictable bytes; false if the system has none.
bool random_bytes(void* out, size_t size);

} // namespace ec::quic::internal
