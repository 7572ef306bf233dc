#pragma once

#include <span>
#include <string>
#include <vector>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "base/result.hpp"

/// What GnuTLS hands out, owned. Only sources of this room include this.
namespace ec::crypto::internal {

template <class T, void (*Free)(T)>
struct owned_handle {
  T raw = nullptr;
  owned_handle() = default;
  owned_handle(const owned_handle&) = delete;
  owned_handle& operator=(const owned_handle&) = delete;
  ~owned_handle() {
    if (raw) Free(raw);
  }
};
using owned_privkey = owned_handle<gnutls_privkey_t, gnutls_privkey_deinit>;
using owned_pubkey = owned_handle<gnutls_pubkey_t, gnutls_pubkey_deinit>;

/// Memory that GnuTLS allocated; wiped, as it may be secret.
struct owned_datum {
  gnutls_datum_t raw{nullptr, 0};
  owned_datum() = default;
  owned_datum(const owned_datum&) = delete;
  owned_datum& operator=(const owned_datum&) = delete;
  ~owned_datum() {
    if (raw.data == nullptr) return;
    gnutls_memset(raw.data, 0, raw.size);
    gnutls_free(raw.data);
  }
  std::span<const uint8_t> span() const { return {raw.data, raw.size}; }
  std::string text() const { return {reinterpret_cast<const char*>(raw.data), raw.size}; }
};

inline gnutls_datum_t lend(std::span<const uint8_t> in) {
  return {const_cast<unsigned char*>(in.data()), static_cast<unsigned>(in.size())};
}

/// A number as exactly `size` bytes, big-endian; empty if it has more.
inline std::vector<uint8_t> padded(std::span<const uint8_t> number, size_t size) {
  while (!number.empty() && number.front() == 0) number = number.subspan(1);
  if (number.size() > size) return {};
  std::vector<uint8_t> out(size - number.size(), 0);
  out.insert(out.end(), number.begin(), number.end());
  return out;
}

} // namespace ec::crypto::internal
