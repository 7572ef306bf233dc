#include "quic/internal/tls.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <arpa/inet.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include "base/hex.hpp"
#include "base/limits_tls.hpp"
#include "quic/internal/reasons.hpp"

namespace ec::quic::internal {
namespace {

using base::errc;
using base::fail;
using base::result;

// AES-128-GCM first: six times ChaCha20's rate where the processor has AES instructions.
constexpr char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
                              "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:%DISABLE_TLS13_COMPAT_MODE";

auto tls_fail(int code, std::string what) {
  return fail(errc::internal, std::move(what) + ": " + gnutls_strerror(code));
}

bool numeric_host(const std::string& host) {
  uint8_t raw[16];
  return ::inet_pton(AF_INET, host.c_str(), raw) == 1 || ::inet_pton(AF_INET6, host.c_str(), raw) == 1;
}

std::optional<spki_digest> digest_of(const gnutls_datum_t& der) {
  gnutls_x509_crt_t crt = nullptr;
  gnutls_pubkey_t key = nullptr;
  gnutls_datum_t spki{nullptr, 0};
  spki_digest out{};
  int rc = gnutls_x509_crt_init(&crt);
  if (rc == 0) rc = gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER);
  if (rc == 0) rc = gnutls_pubkey_init(&key);
  if (rc == 0) rc = gnutls_pubkey_import_x509(key, crt, 0);
  if (rc == 0) rc = gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &spki);
  if (rc == 0) rc = gnutls_hash_fast(GNUTLS_DIG_SHA256, spki.data, spki.size, out.data());
  if (spki.data) gnutls_free(spki.data);
  if (key) gnutls_pubkey_deinit(key);
  if (crt) gnutls_x509_crt_deinit(crt);
  if (rc != 0) return std::nullopt;
  return out;
}

/// Who a certificate says that its owner is, and how long it counts.
std::optional<client_certificate> described(const gnutls_datum_t& der) {
  const auto spki = digest_of(der);
  if (!spki) return std::nullopt;
  client_certificate out;
  out.spki = *spki;
  gnutls_x509_crt_t crt = nullptr;
  gnutls_datum_t name{nullptr, 0};
  int rc = gnutls_x509_crt_init(&crt);
  if (rc == 0) rc = gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER);
  if (rc == 0) {
    out.not_after = base::wall_time(std::chrono::seconds(gnutls_x509_crt_get_expiration_time(crt)));
    if (gnutls_x509_crt_get_dn3(crt, &name, 0) == 0) out.subject = printable({reinterpret_cast<const char*>(name.data), std::min<size_t>(name.size, base::limits::tls_subject_bytes_max)});
  }
  if (name.data) gnutls_free(name.data);
  if (crt) gnutls_x509_crt_deinit(crt);
  if (rc != 0) return std::nullopt;
  if (out.subject.empty()) out.subject = "a certificate without a subject";
  return out;
}

/// "it is expired, its issuer is unknown": what is wrong, of a server's or a client's certificate.
std::string status_text(unsigned status, const std::string& server_name, const char* unknown_issuer) {
  std::string why;
  const auto add = [&](std::string_view part) {
    if (!why.empty()) why += ", ";
    why += part;
  };
  if (status & GNUTLS_CERT_EXPIRED) add("it is expired");
  if (status & GNUTLS_CERT_NOT_ACTIVATED) add("it is not valid yet");
  if (status & GNUTLS_CERT_SIGNER_NOT_FOUND) add(unknown_issuer);
  if (status & GNUTLS_CERT_REVOKED) add("it is revoked");
  if (status & GNUTLS_CERT_UNEXPECTED_OWNER) add("it is for another name than '" + server_name + "'");
  if (status & GNUTLS_CERT_INSECURE_ALGORITHM) add("it uses a weak algorithm");
  if (status & GNUTLS_CERT_PURPOSE_MISMATCH) add("it is for another purpose");
  if (status & GNUTLS_CERT_SIGNATURE_FAILURE) add("its signature does not verify");
  if (why.empty()) add("it is not valid");
  return why;
}

gnutls_datum_t datum(const std::string& text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
}

int verify_hook(gnutls_session_t session) {
  auto* ref = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session));
  auto* self = ref ? session_of(ref) : nullptr;
  return self ? self->verify() : GNUTLS_E_CERTIFICATE_ERROR;
}

} // namespace

result<std::shared_ptr<tls_context>> tls_context::make() {
  std::shared_ptr<tls_context> out(new tls_context);
  if (const int rc = gnutls_certificate_allocate_credentials(&out->credentials_); rc != 0) return tls_fail(rc, "no TLS credentials");
  if (const int rc = gnutls_priority_init(&out->priority_, priorities, nullptr); rc != 0) return tls_fail(rc, "no TLS priorities");
  return out;
}

tls_context::~tls_context() {
  if (credentials_) gnutls_certificate_free_credentials(credentials_);
  if (priority_) gnutls_priority_deinit(priority_);
}

result<void> tls_context::trust(const std::string& pem) {
  const auto authorities = datum(pem);
  const int loaded = gnutls_certificate_set_x509_trust_mem(credentials_, &authorities, GNUTLS_X509_FMT_PEM);
  if (loaded <= 0) return fail(errc::malformed, loaded == 0 ? "there is no certificate in it" : std::string("cannot read the certificate authorities: ") + gnutls_strerror(loaded));
  asks_ = true;
  return base::ok();
}

result<void> tls_context::check(const std::string& pem) {
  EC_TRY(const auto made, make());
  return made->trust(pem);
}

result<void> tls_context::show(const crypto::certificate_pair& identity) {
  const auto chain = datum(identity.chain_pem());
  const auto key = datum(identity.key_pem());
  const int rc = gnutls_certificate_set_x509_key_mem(credentials_, &chain, &key, GNUTLS_X509_FMT_PEM);
  if (rc < 0) return fail(errc::malformed, std::string("cannot use the certificate and key: ") + gnutls_strerror(rc));
  return base::ok();
}

result<std::shared_ptr<const tls_context>> tls_context::server(const crypto::certificate_pair& identity, const std::string& client_ca_pem) {
  EC_TRY(auto made, make());
  EC_TRYV(made->show(identity));
  if (!client_ca_pem.empty()) {
    EC_TRYV(made->trust(client_ca_pem));
  }
  return std::shared_ptr<const tls_context>(std::move(made));
}

result<std::shared_ptr<const tls_context>> tls_context::client_ca(const std::string& ca_file, const crypto::certificate_pair* shown) {
  auto made = make();
  if (!made) return fail(made.error());
  if (shown) {
    EC_TRYV(made.value()->show(*shown));
  }
  auto* credentials = made.value()->credentials_;
  const int loaded = ca_file.empty() ? gnutls_certificate_set_x509_system_trust(credentials)
                                     : gnutls_certificate_set_x509_trust_file(credentials, ca_file.c_str(), GNUTLS_X509_FMT_PEM);
  if (loaded < 0) return fail(errc::io, std::string("cannot read the trusted CAs: ") + gnutls_strerror(loaded), ca_file);
  if (loaded == 0) {
    return fail(errc::not_found, ca_file.empty() ? "this system has no trusted CAs (install ca-certificates, or use a pin)" : "no CA in this file", ca_file);
  }
  return std::shared_ptr<const tls_context>(std::move(made.value()));
}

result<std::shared_ptr<const tls_context>> tls_context::client_plain(const crypto::certificate_pair* shown) {
  auto made = make();
  if (!made) return fail(made.error());
  if (shown) {
    EC_TRYV(made.value()->show(*shown));
  }
  return std::shared_ptr<const tls_context>(std::move(made.value()));
}

tls_session::~tls_session() {
  if (raw_) gnutls_deinit(raw_);
}

result<void> tls_session::start(std::shared_ptr<const tls_context> context, unsigned flags, const std::vector<std::string>& alpns,
                                unsigned alpn_flags, ngtcp2_crypto_conn_ref& ref) {
  context_ = std::move(context);
  alpns_ = alpns;
  int rc = gnutls_init(&raw_, flags);
  if (rc == 0) rc = gnutls_priority_set(raw_, context_->priority());
  if (rc == 0) rc = gnutls_credentials_set(raw_, GNUTLS_CRD_CERTIFICATE, context_->credentials());
  if (rc != 0) return tls_fail(rc, "no TLS session");
  std::vector<gnutls_datum_t> names;
  for (const auto& alpn : alpns) {
    names.push_back({reinterpret_cast<unsigned char*>(const_cast<char*>(alpn.data())), static_cast<unsigned>(alpn.size())});
    offered_ += (offered_.empty() ? "" : ", ") + alpn;
  }
  rc = gnutls_alpn_set_protocols(raw_, names.data(), static_cast<unsigned>(names.size()), alpn_flags);
  if (rc != 0) return tls_fail(rc, "cannot offer the ALPNs");
  gnutls_session_set_ptr(raw_, &ref);
  return base::ok();
}

result<std::unique_ptr<tls_session>> tls_session::server(std::shared_ptr<const tls_context> context, const std::vector<std::string>& alpns,
                                                         server_tickets tickets, ngtcp2_crypto_conn_ref& ref) {
  std::unique_ptr<tls_session> out(new tls_session);
  // Who is known by a certificate shows it each time.
  if (!context->asks()) out->tickets_ = std::move(tickets);
  const unsigned with_tickets = out->tickets_.generation ? GNUTLS_ENABLE_EARLY_DATA | GNUTLS_NO_END_OF_EARLY_DATA : GNUTLS_NO_TICKETS;
  const unsigned flags = GNUTLS_SERVER | with_tickets | GNUTLS_NO_AUTO_SEND_TICKET | GNUTLS_NO_SIGNAL;
  if (const auto up = out->start(std::move(context), flags, alpns, GNUTLS_ALPN_MANDATORY | GNUTLS_ALPN_SERVER_PRECEDENCE, ref); !up) {
    return fail(up.error());
  }
  if (ngtcp2_crypto_gnutls_configure_server_session(out->raw_) != 0) return fail(errc::internal, "cannot set up TLS for QUIC");
  out->server_ = true;
  gnutls_certificate_server_set_request(out->raw_, out->context_->asks() ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE);
  if (out->context_->asks()) gnutls_session_set_verify_function(out->raw_, verify_hook);
  if (out->tickets_.generation) out->prepare_tickets();
  return out;
}

result<std::unique_ptr<tls_session>> tls_session::client(std::shared_ptr<const tls_context> context, const std::vector<std::string>& alpns,
                                                         const std::string& server_name, const client_verification& verification,
                                                         const client_tickets& tickets, ngtcp2_crypto_conn_ref& ref) {
  std::unique_ptr<tls_session> out(new tls_session);
  // Shown also where the server names other authorities: it then says why not, and does not take this side for somebody without a certificate.
  const unsigned with_tickets = tickets.wanted ? GNUTLS_ENABLE_EARLY_DATA | GNUTLS_NO_END_OF_EARLY_DATA : GNUTLS_NO_TICKETS;
  const unsigned flags = GNUTLS_CLIENT | with_tickets | GNUTLS_NO_SIGNAL | GNUTLS_FORCE_CLIENT_CERT;
  if (const auto up = out->start(std::move(context), flags, alpns, GNUTLS_ALPN_MANDATORY, ref); !up) return fail(up.error());
  if (ngtcp2_crypto_gnutls_configure_client_session(out->raw_) != 0) return fail(errc::internal, "cannot set up TLS for QUIC");
  out->verification_ = verification;
  out->server_name_ = server_name;
  // SNI is for names only [RFC 6066 3].
  if (!server_name.empty() && !numeric_host(server_name)) {
    const int rc = gnutls_server_name_set(out->raw_, GNUTLS_NAME_DNS, server_name.data(), server_name.size());
    if (rc != 0) return tls_fail(rc, "cannot set the server name");
  }
  gnutls_session_set_verify_function(out->raw_, verify_hook);
  if (tickets.wanted) out->resume(tickets);
  return out;
}

std::string_view tls_session::alpn() const {
  gnutls_datum_t chosen{nullptr, 0};
  if (!raw_ || gnutls_alpn_get_selected_protocol(raw_, &chosen) != 0) return {};
  return {reinterpret_cast<const char*>(chosen.data), chosen.size};
}

int tls_session::verify() {
  if (server_) return verify_client();
  unsigned count = 0;
  const auto* chain = gnutls_certificate_get_peers(raw_, &count);
  if (!chain || count == 0) {
    failure_ = "the server sent no certificate";
    return GNUTLS_E_CERTIFICATE_ERROR;
  }
  peer_spki_ = digest_of(chain[0]);
  if (!peer_spki_) {
    failure_ = "the server's certificate cannot be read";
    return GNUTLS_E_CERTIFICATE_ERROR;
  }
  switch (verification_.how) {
  case client_verification::method::pin:
    // TLS proves that the server holds this key; names and dates say nothing beyond the pin.
    if (*peer_spki_ == verification_.pin) return 0;
    failure_ = "the server's key does not match the pin: expected " + base::to_hex(verification_.pin) + ", got " + base::to_hex(*peer_spki_);
    return GNUTLS_E_CERTIFICATE_ERROR;
  case client_verification::method::insecure: return 0;
  case client_verification::method::ca: break;
  }
  unsigned status = 0;
  const int rc = gnutls_certificate_verify_peers3(raw_, server_name_.c_str(), &status);
  if (rc != 0) {
    failure_ = std::string("the server's certificate cannot be verified: ") + gnutls_strerror(rc);
    return GNUTLS_E_CERTIFICATE_ERROR;
  }
  if (status == 0) return 0;
  failure_ = "the server's certificate is not trusted: " + status_text(status, server_name_, "its issuer is unknown here (self-signed? use a pin: #spki=...)");
  return GNUTLS_E_CERTIFICATE_ERROR;
}

int tls_session::verify_client() {
  unsigned count = 0;
  const auto* chain = gnutls_certificate_get_peers(raw_, &count);
  if (!chain || count == 0) return 0; // it need not show one
  client_ = described(chain[0]);
  alert_ = GNUTLS_A_BAD_CERTIFICATE;
  if (!client_) {
    failure_ = "the client's certificate cannot be read";
    return GNUTLS_E_CERTIFICATE_ERROR;
  }
  unsigned status = 0;
  gnutls_typed_vdata_st purpose{};
  purpose.type = GNUTLS_DT_KEY_PURPOSE_OID;
  purpose.data = reinterpret_cast<unsigned char*>(const_cast<char*>(GNUTLS_KP_TLS_WWW_CLIENT));
  const int rc = gnutls_certificate_verify_peers(raw_, &purpose, 1, &status);
  if (rc == 0 && status == 0) {
    alert_.reset();
    return 0;
  }
  if (status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED)) alert_ = GNUTLS_A_CERTIFICATE_EXPIRED;
  if (status & GNUTLS_CERT_SIGNER_NOT_FOUND) alert_ = GNUTLS_A_UNKNOWN_CA;
  if (status & GNUTLS_CERT_REVOKED) alert_ = GNUTLS_A_CERTIFICATE_REVOKED;
  failure_ = "the client's certificate " + client_->subject + " is not trusted: " + (rc != 0 ? std::string(gnutls_strerror(rc)) : status_text(status, {}, "its issuer is unknown here"));
  return GNUTLS_E_CERTIFICATE_ERROR;
}

std::string alert_text(uint8_t alert) {
  const char* name = gnutls_alert_get_strname(static_cast<gnutls_alert_description_t>(alert));
  if (!name) return "TLS alert " + std::to_string(alert);
  std::string text(name);
  if (text.starts_with("GNUTLS_A_")) text = text.substr(9);
  std::ranges::transform(text, text.begin(), [](char c) { return c == '_' ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return text;
}

bool secret_from_key(const std::string& key, std::string_view purpose, std::array<uint8_t, 32>& out) {
  return gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.data(), key.size(), purpose.data(), purpose.size(), out.data()) == 0;
}

bool random_bytes(void* out, size_t size) {
  return gnutls_rnd(GNUTLS_RND_RANDOM, out, size) == 0;
}

} // namespace ec::quic::internal

namespace ec::quic {

base::result<void> check_authorities(const std::string& pem) {
  return internal::tls_context::check(pem);
}

} // namespace ec::quic
