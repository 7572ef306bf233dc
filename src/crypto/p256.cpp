#include "crypto/internal/p256.hpp"

#include <gnutls/crypto.h>

#include "crypto/internal/gnutls_handles.hpp"

namespace ec::crypto::internal {
namespace {

constexpr size_t number_bytes = 32;

int import_point(owned_pubkey& key, std::span<const uint8_t> open) {
  if (open.size() != 2 * number_bytes) return GNUTLS_E_INVALID_REQUEST;
  const auto x = lend(open.first(number_bytes)), y = lend(open.subspan(number_bytes));
  int rc = gnutls_pubkey_init(&key.raw);
  if (rc == 0) rc = gnutls_pubkey_import_ecc_raw(key.raw, GNUTLS_ECC_CURVE_SECP256R1, &x, &y);
  if (rc == 0) rc = gnutls_pubkey_verify_params(key.raw);
  return rc;
}

auto broken(int rc) {
  return base::fail(base::errc::malformed, std::string("no key of P-256: ") + gnutls_strerror(rc));
}

} // namespace

base::result<p256_pair> p256_generate() {
  owned_privkey key;
  owned_datum x, y, k;
  gnutls_ecc_curve_t curve{};
  int rc = gnutls_privkey_init(&key.raw);
  if (rc == 0) rc = gnutls_privkey_generate(key.raw, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
  if (rc == 0) rc = gnutls_privkey_export_ecc_raw2(key.raw, &curve, &x.raw, &y.raw, &k.raw, 0);
  if (rc != 0) return base::fail(base::errc::internal, std::string("cannot make a key: ") + gnutls_strerror(rc));
  p256_pair out{padded(k.span(), number_bytes), padded(x.span(), number_bytes)};
  const auto second = padded(y.span(), number_bytes);
  out.open.insert(out.open.end(), second.begin(), second.end());
  return out;
}

bool p256_is_point(std::span<const uint8_t> open) {
  owned_pubkey key;
  return import_point(key, open) == 0;
}

base::result<std::vector<uint8_t>> p256_sign(std::span<const uint8_t> secret, std::span<const uint8_t> open, std::span<const uint8_t> message) {
  if (open.size() != 2 * number_bytes || secret.size() != number_bytes) return broken(GNUTLS_E_INVALID_REQUEST);
  owned_privkey key;
  const auto x = lend(open.first(number_bytes)), y = lend(open.subspan(number_bytes)), k = lend(secret), data = lend(message);
  owned_datum der, r, s;
  int rc = gnutls_privkey_init(&key.raw);
  if (rc == 0) rc = gnutls_privkey_import_ecc_raw(key.raw, GNUTLS_ECC_CURVE_SECP256R1, &x, &y, &k);
  if (rc == 0) rc = gnutls_privkey_sign_data2(key.raw, GNUTLS_SIGN_ECDSA_SHA256, 0, &data, &der.raw);
  if (rc == 0) rc = gnutls_decode_rs_value(&der.raw, &r.raw, &s.raw);
  if (rc != 0) return broken(rc);
  auto out = padded(r.span(), number_bytes);
  const auto second = padded(s.span(), number_bytes);
  out.insert(out.end(), second.begin(), second.end());
  return out;
}

bool p256_verify(std::span<const uint8_t> open, std::span<const uint8_t> message, std::span<const uint8_t> signature) {
  if (signature.size() != 2 * number_bytes) return false;
  owned_pubkey key;
  if (import_point(key, open) != 0) return false;
  const auto r = lend(signature.first(number_bytes)), s = lend(signature.subspan(number_bytes)), data = lend(message);
  owned_datum der;
  if (gnutls_encode_rs_value(&der.raw, &r, &s) != 0) return false;
  return gnutls_pubkey_verify_data2(key.raw, GNUTLS_SIGN_ECDSA_SHA256, 0, &data, &der.raw) >= 0;
}

} // namespace ec::crypto::internal
