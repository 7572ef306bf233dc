#include "crypto/aead.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "crypto/random.hpp"

namespace ec::crypto {
namespace {

auto library(void* handle) {
  return static_cast<gnutls_aead_cipher_hd_t>(handle);
}

/// A cipher that fails on sizes that we chose is broken, or the memory is gone: there is nothing to go on with.
void must(bool done, const char* what) {
  if (done) return;
  std::fprintf(stderr, "AES-256-GCM: %s failed\n", what);
  std::abort();
}

} // namespace

aead_key::aead_key(const std::array<uint8_t, 32>& key) {
  const gnutls_datum_t datum{const_cast<unsigned char*>(key.data()), static_cast<unsigned>(key.size())};
  gnutls_aead_cipher_hd_t made = nullptr;
  must(gnutls_aead_cipher_init(&made, GNUTLS_CIPHER_AES_256_GCM, &datum) == 0, "setting the key");
  handle_ = made;
}

aead_key::aead_key(aead_key&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

aead_key& aead_key::operator=(aead_key&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

aead_key::~aead_key() {
  if (handle_ != nullptr) gnutls_aead_cipher_deinit(library(handle_)); // wipes the expanded key
}

std::vector<uint8_t> aead_key::seal(const nonce12& nonce, std::span<const uint8_t> associated, std::span<const uint8_t> plaintext) const {
  std::vector<uint8_t> out(plaintext.size() + tag_bytes);
  seal_into(out, nonce, associated, plaintext);
  return out;
}

void aead_key::seal_into(std::span<uint8_t> out, const nonce12& nonce, std::span<const uint8_t> associated,
                         std::span<const uint8_t> plaintext) const {
  must(out.size() == plaintext.size() + tag_bytes, "the size of the output");
  size_t written = out.size();
  must(gnutls_aead_cipher_encrypt(library(handle_), nonce.data(), nonce.size(), associated.data(), associated.size(), tag_bytes,
                                  plaintext.data(), plaintext.size(), out.data(), &written) == 0 && written == out.size(), "sealing");
}

base::result<std::vector<uint8_t>> aead_key::open(const nonce12& nonce, std::span<const uint8_t> associated,
                                                  std::span<const uint8_t> sealed) const {
  if (sealed.size() < tag_bytes) return base::fail(base::errc::malformed, "sealed bytes are shorter than a tag");
  std::vector<uint8_t> out(sealed.size() - tag_bytes);
  EC_TRYV(open_into(out, nonce, associated, sealed));
  return out;
}

base::result<void> aead_key::open_into(std::span<uint8_t> out, const nonce12& nonce, std::span<const uint8_t> associated,
                                       std::span<const uint8_t> sealed) const {
  if (sealed.size() < tag_bytes) return base::fail(base::errc::malformed, "sealed bytes are shorter than a tag");
  must(out.size() == sealed.size() - tag_bytes, "the size of the output");
  size_t written = out.size();
  uint8_t nothing[1]; // the library wants a place even for no bytes
  if (gnutls_aead_cipher_decrypt(library(handle_), nonce.data(), nonce.size(), associated.data(), associated.size(), tag_bytes,
                                 sealed.data(), sealed.size(), out.empty() ? nothing : out.data(), &written) == 0)
    return base::ok();
  wipe(out);
  return base::fail(base::errc::bad_signature, "sealed bytes do not open: they were changed, or the key is another");
}

} // namespace ec::crypto
