// Token keys in PEM: PKCS#8 [RFC 5208, RFC 8410] and SubjectPublicKeyInfo.
#include <array>

#include "base/bytes.hpp"
#include "crypto/internal/gnutls_handles.hpp"
#include "crypto/token_key.hpp"

namespace ec::crypto {

using base::errc, base::fail;

base::result<token_key> token_key_from_pem(std::string_view text, const std::string& about) {
  constexpr size_t number_bytes = 32;
  const auto pem = internal::lend(base::as_span(text));
  const bool is_public = text.starts_with("-----BEGIN PUBLIC KEY-----");
  internal::owned_privkey secret_key;
  internal::owned_pubkey public_key;
  internal::owned_datum x, y, k;
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  int rc = 0;
  if (is_public) {
    rc = gnutls_pubkey_init(&public_key.raw);
    if (rc == 0) rc = gnutls_pubkey_import(public_key.raw, &pem, GNUTLS_X509_FMT_PEM);
    if (rc == 0) rc = gnutls_pubkey_export_ecc_raw2(public_key.raw, &curve, &x.raw, &y.raw, 0);
  } else {
    rc = gnutls_privkey_init(&secret_key.raw);
    if (rc == 0) rc = gnutls_privkey_import_x509_raw(secret_key.raw, &pem, GNUTLS_X509_FMT_PEM, nullptr, 0);
    if (rc == 0) rc = gnutls_privkey_export_ecc_raw2(secret_key.raw, &curve, &x.raw, &y.raw, &k.raw, 0);
  }
  if (rc == GNUTLS_E_INVALID_REQUEST) return fail(errc::unsupported, "a key of another kind: expected Ed25519 or P-256", about);
  if (rc != 0) return fail(errc::malformed, std::string("no key in PEM that can be read: ") + gnutls_strerror(rc), about);
  const bool ed = curve == GNUTLS_ECC_CURVE_ED25519;
  if (!ed && curve != GNUTLS_ECC_CURVE_SECP256R1) return fail(errc::unsupported, "a key of another curve: expected Ed25519 or P-256", about);
  // The numbers of P-256 come without leading zeroes, the octets of Ed25519 as they are.
  const auto part = [&](const internal::owned_datum& d) {
    return ed ? std::vector<uint8_t>(d.span().begin(), d.span().end()) : internal::padded(d.span(), number_bytes);
  };
  auto open = part(x);
  if (!ed) {
    const auto second = part(y);
    open.insert(open.end(), second.begin(), second.end());
  }
  token_key out(ed ? token_algorithm::eddsa : token_algorithm::es256, {}, is_public ? std::vector<uint8_t>{} : part(k), std::move(open));
  if (out.open_.size() != (ed ? number_bytes : 2 * number_bytes) || (!is_public && out.secret_.size() != number_bytes))
    return fail(errc::malformed, "a key in PEM of the wrong length", about);
  EC_TRYV(out.check(about));
  return out;
}

} // namespace ec::crypto
