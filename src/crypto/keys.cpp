#include "crypto/keys.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

#include <gnutls/gnutls.h>
#include <nettle/eddsa.h>

#include "base/file.hpp"
#include "base/hex.hpp"
#include "crypto/internal/ed25519_points.hpp"
#include "crypto/internal/gnutls_handles.hpp"
#include "crypto/random.hpp"

namespace ec::crypto {
namespace {

constexpr std::string_view prefix = "ed25519:";
constexpr char pem_label[] = "PRIVATE KEY";
constexpr size_t key_file_bytes_max = 4096;

// OneAsymmetricKey of an Ed25519 key [RFC 8410 7] up to the 32 bytes of the seed; all lengths are fixed. Version 1 ends
// with the seed, version 2 goes on with the public key.
constexpr uint8_t der_v1[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
constexpr uint8_t der_v2[] = {0x30, 0x51, 0x02, 0x01, 0x01, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
constexpr uint8_t der_public[] = {0x81, 0x21, 0x00};

/// Bytes that are wiped when they go out of scope.
struct secret_bytes {
  std::vector<uint8_t> bytes;

  explicit secret_bytes(std::vector<uint8_t> from) : bytes(std::move(from)) {}
  secret_bytes(const secret_bytes&) = delete;
  secret_bytes& operator=(const secret_bytes&) = delete;
  ~secret_bytes() { wipe(bytes); }
};

bool starts_with(std::span<const uint8_t> whole, std::span<const uint8_t> start) {
  return whole.size() >= start.size() && std::ranges::equal(whole.first(start.size()), start);
}

std::array<uint8_t, 32> public_of(const std::array<uint8_t, 32>& seed) {
  std::array<uint8_t, 32> out;
  ed25519_sha512_public_key(out.data(), seed.data());
  return out;
}

} // namespace

std::string signature::hex() const {
  return base::to_hex(bytes);
}

std::optional<signature> signature::from_hex(std::string_view text) {
  signature out;
  if (!base::from_lower_hex(text, out.bytes)) return std::nullopt;
  return out;
}

base::result<verifying_key> verifying_key::parse(std::string_view text) {
  std::array<uint8_t, size> raw;
  if (!text.starts_with(prefix) || !base::from_lower_hex(text.substr(prefix.size()), raw))
    return base::fail(base::errc::malformed, "not a public key: expected ed25519: and 64 digits of lower-case hexadecimal",
                      std::string(text.substr(0, 80)));
  return from_bytes(raw);
}

base::result<verifying_key> verifying_key::from_bytes(std::span<const uint8_t> raw) {
  if (raw.size() != size) return base::fail(base::errc::malformed, "an Ed25519 public key has 32 bytes, not " + std::to_string(raw.size()));
  if (!internal::acceptable_point(raw.first<size>()))
    return base::fail(base::errc::malformed, "an Ed25519 public key that is of small order or not in its one spelling", base::to_hex(raw));
  std::array<uint8_t, size> copy;
  std::ranges::copy(raw, copy.begin());
  return verifying_key(copy);
}

std::string verifying_key::to_string() const {
  return std::string(prefix) + base::to_hex(bytes_);
}

bool verify(const verifying_key& by, std::span<const uint8_t> message, const signature& given) {
  const std::span<const uint8_t, signature::size> raw(given.bytes);
  if (!internal::acceptable_point(raw.first<32>()) || !internal::reduced_scalar(raw.last<32>())) return false;
  return ed25519_sha512_verify(by.bytes().data(), message.size(), message.data(), given.bytes.data()) == 1;
}

signing_key::signing_key(const std::array<uint8_t, 32>& seed) : seed_(seed), public_(public_of(seed)) {}

signing_key::signing_key(signing_key&& other) noexcept : seed_(other.seed_), public_(other.public_) {
  wipe(other.seed_);
}

signing_key& signing_key::operator=(signing_key&& other) noexcept {
  std::swap(seed_, other.seed_);
  std::swap(public_, other.public_);
  return *this;
}

signing_key::~signing_key() {
  wipe(seed_);
}

signing_key signing_key::generate() {
  std::array<uint8_t, 32> seed;
  fill_random(seed);
  signing_key made(seed);
  wipe(seed);
  return made;
}

signing_key signing_key::from_seed(const std::array<uint8_t, 32>& seed) {
  return signing_key(seed);
}

base::result<signing_key> signing_key::load(const std::string& path) {
  EC_TRY(auto read, base::read_secret_file(path, key_file_bytes_max));
  const secret_bytes pem(std::move(read));
  return parse_signing_key(pem.bytes, path);
}

base::result<signing_key> parse_signing_key(std::span<const uint8_t> pem, const std::string& about) {
  const gnutls_datum_t text{const_cast<unsigned char*>(pem.data()), static_cast<unsigned>(pem.size())};
  internal::owned_datum der;
  if (pem.empty() || gnutls_pem_base64_decode2(pem_label, &text, &der.raw) != 0)
    return base::fail(base::errc::malformed, "no key in PEM (-----BEGIN PRIVATE KEY-----)", about);
  const auto whole = der.span();
  const bool v1 = whole.size() == sizeof der_v1 + 32 && starts_with(whole, der_v1);
  const bool v2 = whole.size() == sizeof der_v2 + 32 + sizeof der_public + 32 && starts_with(whole, der_v2) &&
                  starts_with(whole.subspan(sizeof der_v2 + 32), der_public);
  if (!v1 && !v2) return base::fail(base::errc::malformed, "not an Ed25519 key in PKCS#8: make one with ec-node keygen", about);
  std::array<uint8_t, 32> seed;
  std::ranges::copy(whole.subspan(sizeof der_v1, 32), seed.begin());
  auto made = signing_key::from_seed(seed);
  wipe(seed);
  if (v2 && !std::ranges::equal(whole.last(32), made.public_key().bytes()))
    return base::fail(base::errc::malformed, "the public key in the file is not the one of its secret key", about);
  return made;
}

base::result<void> signing_key::save(const std::string& path) const {
  secret_bytes der({std::begin(der_v1), std::end(der_v1)});
  der.bytes.reserve(sizeof der_v1 + seed_.size());
  der.bytes.insert(der.bytes.end(), seed_.begin(), seed_.end());
  const gnutls_datum_t raw{der.bytes.data(), static_cast<unsigned>(der.bytes.size())};
  internal::owned_datum pem;
  if (gnutls_pem_base64_encode2(pem_label, &raw, &pem.raw) != 0) return base::fail(base::errc::internal, "cannot write a key as PEM", path);
  return base::write_new_file(path, pem.span(), 0600);
}

signature signing_key::sign(std::span<const uint8_t> message) const {
  signature out;
  ed25519_sha512_sign(public_.bytes().data(), seed_.data(), message.size(), message.data(), out.bytes.data());
  return out;
}

} // namespace ec::crypto
