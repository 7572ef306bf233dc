#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace ec::crypto {

/// A server's certificate chain and its private key. The key is wiped when the pair goes and is never printed.
class certificate_pair {
public:
  /// Reads a PEM chain (leaf first) and a PEM key. not_found or io with the file's name; malformed when they cannot be
  /// read; mismatch when the key is not the certificate's.
  static base::result<certificate_pair> load(const std::filesystem::path& chain_file, const std::filesystem::path& key_file);
  /// The same from text.
  static base::result<certificate_pair> from_pem(std::string chain_pem, std::string key_pem);

  /// The node's own, self-signed: an ECDSA P-256 key in `dir`/endpoint.key (mode 0600), made at the first call and kept
  /// for ever, and a certificate for it in `dir`/endpoint.crt, valid for 13 days (browsers accept 14 by digest) and made
  /// anew when less than 3 days are left, when it lies in the future or when `names` changed. The key outlives the
  /// certificates: `spki` stays the same. `names` are DNS names and numeric addresses.
  /// Errors: io; permission when the key file can be read by others; malformed when a file there is not ours.
  static base::result<certificate_pair> load_or_make(const std::filesystem::path& dir, base::wall_time now,
                                                     const std::vector<std::string>& names);

  certificate_pair(certificate_pair&& other) noexcept;
  certificate_pair& operator=(certificate_pair&& other) noexcept;
  certificate_pair(const certificate_pair&) = delete;
  certificate_pair& operator=(const certificate_pair&) = delete;
  ~certificate_pair();

  const std::string& chain_pem() const { return chain_pem_; }
  /// Secret. Hand it to a TLS library, nowhere else.
  const std::string& key_pem() const { return key_pem_; }
  /// SHA-256 of the leaf's SubjectPublicKeyInfo (DER): what a pin names.
  const std::array<uint8_t, 32>& spki() const { return spki_; }
  /// SHA-256 of the leaf certificate (DER): what a browser's serverCertificateHashes takes.
  const std::array<uint8_t, 32>& certificate_digest() const { return digest_; }
  base::wall_time not_before() const { return not_before_; }
  base::wall_time not_after() const { return not_after_; }
  /// True when less than 3 days are left: call load_or_make again and give the new pair to the endpoint.
  bool renewal_due(base::wall_time now) const;

private:
  certificate_pair() = default;

  std::string chain_pem_;
  std::string key_pem_;
  std::array<uint8_t, 32> spki_{};
  std::array<uint8_t, 32> digest_{};
  base::wall_time not_before_{};
  base::wall_time not_after_{};
};

} // namespace ec::crypto
