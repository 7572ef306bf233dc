#include "crypto/certificate.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include <arpa/inet.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "crypto/internal/gnutls_handles.hpp"

namespace ec::crypto {
namespace {

using base::errc;
using base::fail;
using base::result;

constexpr auto validity = std::chrono::hours(24 * 13);
constexpr auto renew_before = std::chrono::hours(24 * 3);
constexpr size_t pem_bytes_max = 256u << 10;
constexpr unsigned chain_max = 16;

using certificate = internal::owned_handle<gnutls_x509_crt_t, gnutls_x509_crt_deinit>;
using private_key = internal::owned_handle<gnutls_x509_privkey_t, gnutls_x509_privkey_deinit>;
using internal::owned_datum;
using internal::owned_pubkey;

gnutls_datum_t borrow(const std::string& text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
}

void wipe(std::string& secret) {
  if (!secret.empty()) gnutls_memset(secret.data(), 0, secret.size());
  secret.clear();
}

auto tls_fail(int code, std::string what) {
  return fail(errc::malformed, std::move(what) + ": " + gnutls_strerror(code));
}

base::wall_time from_unix(time_t seconds) {
  return base::wall_time(std::chrono::seconds(seconds));
}

time_t to_unix(base::wall_time t) {
  return static_cast<time_t>(std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count());
}

result<std::string> read_pem(const std::filesystem::path& file, base::secret_rights must) {
  EC_TRY(auto raw, base::read_secret_file(file.string(), pem_bytes_max, must));
  std::string text(raw.begin(), raw.end());
  gnutls_memset(raw.data(), 0, raw.size());
  return text;
}

result<std::string> make_key() {
  private_key key;
  owned_datum pem;
  int rc = gnutls_x509_privkey_init(&key.raw);
  if (rc == 0) rc = gnutls_x509_privkey_generate(key.raw, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
  if (rc == 0) rc = gnutls_x509_privkey_export2_pkcs8(key.raw, GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN, &pem.raw);
  if (rc != 0) return fail(errc::internal, std::string("cannot make a key: ") + gnutls_strerror(rc));
  return pem.text();
}

/// The raw bytes of a numeric address, or nothing for a name.
std::optional<std::vector<uint8_t>> numeric(const std::string& name) {
  std::vector<uint8_t> raw(16);
  if (::inet_pton(AF_INET6, name.c_str(), raw.data()) == 1) return raw;
  raw.resize(4);
  if (::inet_pton(AF_INET, name.c_str(), raw.data()) == 1) return raw;
  return std::nullopt;
}

result<std::string> make_certificate(const std::string& key_pem, base::wall_time now, const std::vector<std::string>& names) {
  private_key key;
  certificate crt;
  owned_datum pem;
  const auto key_text = borrow(key_pem);
  int rc = gnutls_x509_privkey_init(&key.raw);
  if (rc == 0) rc = gnutls_x509_privkey_import2(key.raw, &key_text, GNUTLS_X509_FMT_PEM, nullptr, 0);
  if (rc != 0) return tls_fail(rc, "cannot read the private key");
  uint8_t serial[16];
  rc = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial);
  serial[0] = static_cast<uint8_t>((serial[0] & 0x7f) | 0x40); // positive, and its length is fixed [RFC 5280 4.1.2.2]
  static constexpr char subject[] = "ec-node";
  // An hour back: the clock of a client may be behind ours.
  const auto from = now - std::chrono::hours(1);
  if (rc == 0) rc = gnutls_x509_crt_init(&crt.raw);
  if (rc == 0) rc = gnutls_x509_crt_set_version(crt.raw, 3);
  if (rc == 0) rc = gnutls_x509_crt_set_serial(crt.raw, serial, sizeof serial);
  if (rc == 0) rc = gnutls_x509_crt_set_dn_by_oid(crt.raw, GNUTLS_OID_X520_COMMON_NAME, 0, subject, sizeof subject - 1);
  if (rc == 0) rc = gnutls_x509_crt_set_issuer_dn_by_oid(crt.raw, GNUTLS_OID_X520_COMMON_NAME, 0, subject, sizeof subject - 1);
  if (rc == 0) rc = gnutls_x509_crt_set_activation_time(crt.raw, to_unix(from));
  if (rc == 0) rc = gnutls_x509_crt_set_expiration_time(crt.raw, to_unix(from + validity));
  if (rc == 0) rc = gnutls_x509_crt_set_key(crt.raw, key.raw);
  if (rc == 0) rc = gnutls_x509_crt_set_basic_constraints(crt.raw, 0, -1);
  if (rc == 0) rc = gnutls_x509_crt_set_key_usage(crt.raw, GNUTLS_KEY_DIGITAL_SIGNATURE);
  if (rc == 0) rc = gnutls_x509_crt_set_key_purpose_oid(crt.raw, GNUTLS_KP_TLS_WWW_SERVER, 0);
  for (const auto& name : names) {
    if (rc != 0) break;
    if (const auto raw = numeric(name)) {
      rc = gnutls_x509_crt_set_subject_alt_name(crt.raw, GNUTLS_SAN_IPADDRESS, raw->data(), static_cast<unsigned>(raw->size()), GNUTLS_FSAN_APPEND);
    } else {
      rc = gnutls_x509_crt_set_subject_alt_name(crt.raw, GNUTLS_SAN_DNSNAME, name.data(), static_cast<unsigned>(name.size()), GNUTLS_FSAN_APPEND);
    }
  }
  if (rc == 0) rc = gnutls_x509_crt_sign2(crt.raw, crt.raw, key.raw, GNUTLS_DIG_SHA256, 0);
  if (rc == 0) rc = gnutls_x509_crt_export2(crt.raw, GNUTLS_X509_FMT_PEM, &pem.raw);
  if (rc != 0) return fail(errc::internal, std::string("cannot make a certificate: ") + gnutls_strerror(rc));
  return pem.text();
}

/// The names that a certificate of ours carries, in order.
std::vector<std::string> names_of(const std::string& chain_pem) {
  std::vector<std::string> out;
  certificate crt;
  const auto text = borrow(chain_pem);
  if (gnutls_x509_crt_init(&crt.raw) != 0 || gnutls_x509_crt_import(crt.raw, &text, GNUTLS_X509_FMT_PEM) != 0) return out;
  for (unsigned at = 0;; ++at) {
    char raw[256];
    size_t size = sizeof raw;
    const int type = gnutls_x509_crt_get_subject_alt_name(crt.raw, at, raw, &size, nullptr);
    if (type < 0) return out;
    if (type == GNUTLS_SAN_IPADDRESS) {
      char text_form[INET6_ADDRSTRLEN] = {};
      ::inet_ntop(size == 4 ? AF_INET : AF_INET6, raw, text_form, sizeof text_form);
      out.emplace_back(text_form);
    } else {
      out.emplace_back(raw, size);
    }
  }
}

/// Numeric names in the spelling that `names_of` gives.
std::vector<std::string> normalised(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const auto& name : names) {
    if (const auto raw = numeric(name)) {
      char text_form[INET6_ADDRSTRLEN] = {};
      ::inet_ntop(raw->size() == 4 ? AF_INET : AF_INET6, raw->data(), text_form, sizeof text_form);
      out.emplace_back(text_form);
    } else {
      out.push_back(name);
    }
  }
  return out;
}

} // namespace

certificate_pair::certificate_pair(certificate_pair&& other) noexcept {
  *this = std::move(other);
}

certificate_pair& certificate_pair::operator=(certificate_pair&& other) noexcept {
  if (this == &other) return *this;
  wipe(key_pem_);
  chain_pem_ = std::move(other.chain_pem_);
  // A copy and a wipe: moving a short string would leave its bytes behind.
  key_pem_ = other.key_pem_;
  wipe(other.key_pem_);
  spki_ = other.spki_;
  digest_ = other.digest_;
  not_before_ = other.not_before_;
  not_after_ = other.not_after_;
  return *this;
}

certificate_pair::~certificate_pair() {
  wipe(key_pem_);
}

result<certificate_pair> certificate_pair::from_pem(std::string chain_pem, std::string key_pem) {
  certificate_pair out;
  out.chain_pem_ = std::move(chain_pem);
  out.key_pem_ = key_pem;
  wipe(key_pem);

  gnutls_x509_crt_t chain[chain_max] = {};
  unsigned count = chain_max;
  const auto chain_text = borrow(out.chain_pem_);
  int rc = gnutls_x509_crt_list_import(chain, &count, &chain_text, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
  if (rc < 0) return tls_fail(rc, "cannot read the certificate chain (PEM, leaf first, at most 16)");
  certificate leaf;
  leaf.raw = chain[0];
  for (unsigned i = 1; i < count; ++i) gnutls_x509_crt_deinit(chain[i]);

  private_key key;
  const auto key_text = borrow(out.key_pem_);
  rc = gnutls_x509_privkey_init(&key.raw);
  if (rc == 0) rc = gnutls_x509_privkey_import2(key.raw, &key_text, GNUTLS_X509_FMT_PEM, nullptr, 0);
  if (rc != 0) return tls_fail(rc, "cannot read the private key (PEM, not encrypted)");

  owned_pubkey of_leaf;
  owned_pubkey of_key;
  gnutls_privkey_t wrapped = nullptr;
  owned_datum leaf_spki;
  owned_datum key_spki;
  owned_datum der;
  rc = gnutls_pubkey_init(&of_leaf.raw);
  if (rc == 0) rc = gnutls_pubkey_import_x509(of_leaf.raw, leaf.raw, 0);
  if (rc == 0) rc = gnutls_pubkey_export2(of_leaf.raw, GNUTLS_X509_FMT_DER, &leaf_spki.raw);
  if (rc == 0) rc = gnutls_privkey_init(&wrapped);
  if (rc == 0) rc = gnutls_privkey_import_x509(wrapped, key.raw, GNUTLS_PRIVKEY_IMPORT_COPY);
  if (rc == 0) rc = gnutls_pubkey_init(&of_key.raw);
  if (rc == 0) rc = gnutls_pubkey_import_privkey(of_key.raw, wrapped, 0, 0);
  if (rc == 0) rc = gnutls_pubkey_export2(of_key.raw, GNUTLS_X509_FMT_DER, &key_spki.raw);
  if (rc == 0) rc = gnutls_x509_crt_export2(leaf.raw, GNUTLS_X509_FMT_DER, &der.raw);
  if (wrapped) gnutls_privkey_deinit(wrapped);
  if (rc != 0) return tls_fail(rc, "cannot use the certificate and key");
  if (leaf_spki.raw.size != key_spki.raw.size || std::memcmp(leaf_spki.raw.data, key_spki.raw.data, key_spki.raw.size) != 0) {
    return fail(errc::mismatch, "the private key is not the one of the first certificate");
  }
  rc = gnutls_hash_fast(GNUTLS_DIG_SHA256, leaf_spki.raw.data, leaf_spki.raw.size, out.spki_.data());
  if (rc == 0) rc = gnutls_hash_fast(GNUTLS_DIG_SHA256, der.raw.data, der.raw.size, out.digest_.data());
  if (rc != 0) return fail(errc::internal, std::string("no SHA-256: ") + gnutls_strerror(rc));
  out.not_before_ = from_unix(gnutls_x509_crt_get_activation_time(leaf.raw));
  out.not_after_ = from_unix(gnutls_x509_crt_get_expiration_time(leaf.raw));
  return out;
}

result<certificate_pair> certificate_pair::load(const std::filesystem::path& chain_file, const std::filesystem::path& key_file) {
  auto chain = read_pem(chain_file, base::secret_rights::as_it_is);
  if (!chain) return fail(chain.error());
  auto key = read_pem(key_file, base::secret_rights::as_it_is);
  if (!key) return fail(key.error());
  auto pair = from_pem(std::move(chain.value()), key.value());
  wipe(key.value());
  if (!pair) {
    auto why = pair.error();
    why.about = chain_file.string() + ", " + key_file.string();
    return fail(std::move(why));
  }
  return pair;
}

bool certificate_pair::renewal_due(base::wall_time now) const {
  return now + renew_before > not_after_;
}

result<certificate_pair> certificate_pair::load_or_make(const std::filesystem::path& dir, base::wall_time now,
                                                        const std::vector<std::string>& names) {
  std::error_code failed;
  std::filesystem::create_directories(dir, failed);
  if (failed) return fail(errc::io, failed.message(), dir.string());
  const auto key_file = dir / "endpoint.key";
  const auto chain_file = dir / "endpoint.crt";

  auto key = read_pem(key_file, base::secret_rights::owner);
  if (!key && key.error().code == errc::not_found) {
    auto fresh = make_key();
    if (!fresh) return fail(fresh.error());
    const auto written = base::write_new_file(key_file.string(), base::as_span(fresh.value()), 0600);
    wipe(fresh.value());
    // Another process may have made it in between: its key counts.
    if (!written && written.error().code != errc::exists) return fail(written.error());
    key = read_pem(key_file, base::secret_rights::owner);
  }
  if (!key) return fail(key.error());

  if (auto chain = read_pem(chain_file, base::secret_rights::as_it_is); chain && names_of(chain.value()) == normalised(names)) {
    auto pair = from_pem(std::move(chain.value()), key.value());
    if (pair && pair.value().not_before() <= now && !pair.value().renewal_due(now)) {
      wipe(key.value());
      return pair;
    }
  }
  auto made = make_certificate(key.value(), now, names);
  if (!made) {
    wipe(key.value());
    auto why = made.error();
    why.about = key_file.string();
    return fail(std::move(why));
  }
  if (const auto written = base::write_file_atomic(chain_file.string(), base::as_span(made.value()), 0644); !written) {
    wipe(key.value());
    return fail(written.error());
  }
  auto pair = from_pem(std::move(made.value()), key.value());
  wipe(key.value());
  return pair;
}

} // namespace ec::crypto
