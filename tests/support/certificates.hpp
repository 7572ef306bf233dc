#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <doctest/doctest.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "base/clock.hpp"
#include "crypto/certificate.hpp"

/// A certificate authority of a test, and the certificates that it signs.
namespace ec::test {

class authority {
public:
  explicit authority(const std::string& name) : key_(make_key()) {
    crt_ = make(name, key_, std::chrono::hours(-1), std::chrono::hours(24 * 365), true, nullptr, nullptr);
  }
  ~authority() {
    gnutls_x509_crt_deinit(crt_);
    gnutls_x509_privkey_deinit(key_);
  }
  authority(const authority&) = delete;
  authority& operator=(const authority&) = delete;

  std::string pem() const { return text_of(crt_); }

  struct signed_pair {
    std::string cert, key;
    std::shared_ptr<const crypto::certificate_pair> pair() const {
      return std::make_shared<const crypto::certificate_pair>(crypto::certificate_pair::from_pem(cert, key).value());
    }
  };
  /// Valid from and until these times from now; for clients unless `purpose` says otherwise.
  signed_pair sign(const std::string& subject, std::chrono::hours from = std::chrono::hours(-1), std::chrono::hours until = std::chrono::hours(24),
                   const char* purpose = GNUTLS_KP_TLS_WWW_CLIENT) const {
    auto* key = make_key();
    auto* crt = make(subject, key, from, until, false, this, purpose);
    signed_pair out{text_of(crt), {}};
    gnutls_datum_t text{nullptr, 0};
    REQUIRE(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN, &text) == 0);
    out.key.assign(reinterpret_cast<const char*>(text.data), text.size);
    gnutls_free(text.data);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    return out;
  }

private:
  static gnutls_x509_privkey_t make_key() {
    gnutls_x509_privkey_t key = nullptr;
    REQUIRE(gnutls_x509_privkey_init(&key) == 0);
    REQUIRE(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0);
    return key;
  }
  static std::string text_of(gnutls_x509_crt_t crt) {
    gnutls_datum_t text{nullptr, 0};
    REQUIRE(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &text) == 0);
    std::string out(reinterpret_cast<const char*>(text.data), text.size);
    gnutls_free(text.data);
    return out;
  }
  static gnutls_x509_crt_t make(const std::string& subject, gnutls_x509_privkey_t key, std::chrono::hours from, std::chrono::hours until, bool is_authority, const authority* by,
                                const char* purpose) {
    const auto at = [](std::chrono::hours h) { return static_cast<time_t>(base::unix_ms(base::wall_now() + h) / 1000); };
    uint8_t serial[16];
    REQUIRE(gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial) == 0);
    serial[0] = static_cast<uint8_t>((serial[0] & 0x7f) | 0x40);
    gnutls_x509_crt_t crt = nullptr;
    int rc = gnutls_x509_crt_init(&crt);
    if (rc == 0) rc = gnutls_x509_crt_set_version(crt, 3);
    if (rc == 0) rc = gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
    if (rc == 0) rc = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, subject.data(), static_cast<unsigned>(subject.size()));
    if (rc == 0) rc = gnutls_x509_crt_set_activation_time(crt, at(from));
    if (rc == 0) rc = gnutls_x509_crt_set_expiration_time(crt, at(until));
    if (rc == 0) rc = gnutls_x509_crt_set_key(crt, key);
    if (rc == 0) rc = gnutls_x509_crt_set_basic_constraints(crt, is_authority ? 1 : 0, -1);
    if (rc == 0) rc = gnutls_x509_crt_set_key_usage(crt, is_authority ? GNUTLS_KEY_KEY_CERT_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (rc == 0 && purpose) rc = gnutls_x509_crt_set_key_purpose_oid(crt, purpose, 0);
    if (rc == 0) rc = gnutls_x509_crt_sign2(crt, by ? by->crt_ : crt, by ? by->key_ : key, GNUTLS_DIG_SHA256, 0);
    REQUIRE(rc == 0);
    return crt;
  }

  gnutls_x509_privkey_t key_;
  gnutls_x509_crt_t crt_ = nullptr;
};

} // namespace ec::test
