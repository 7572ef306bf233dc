#include "crypto/token_key.hpp"

#include <algorithm>
#include <utility>

#include <nettle/hmac.h>
#include <nettle/sha2.h>

#include "base/base64url.hpp"
#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/limits_access.hpp"
#include "crypto/internal/p256.hpp"
#include "crypto/keys.hpp"
#include "crypto/random.hpp"

namespace ec::crypto {
namespace {

using base::errc, base::fail;
namespace json = base::json;
namespace limits = base::limits;

constexpr size_t shared_bytes_min = 32; // [RFC 7518 3.2]
constexpr size_t shared_bytes_max = 1024;

std::array<uint8_t, 32> first_32(std::span<const uint8_t> in) {
  std::array<uint8_t, 32> out{};
  std::ranges::copy(in.first(out.size()), out.begin());
  return out;
}

/// The member `key`, a string; empty if it is not there.
base::result<std::string> text_of(const json::value& v, std::string_view key, const std::string& about) {
  const auto* found = v.find(key);
  if (found == nullptr) return std::string{};
  const auto* text = found->as_string();
  if (text == nullptr) return fail(errc::malformed, "\"" + std::string(key) + "\" of a key is no string", about);
  return *text;
}

/// The bytes of member `key`, which must be there and have `size` of them, if that is not 0.
base::result<std::vector<uint8_t>> part_of(const json::value& v, std::string_view key, size_t size, const std::string& about) {
  EC_TRY(const auto text, text_of(v, key, about));
  auto raw = base::from_base64url(text);
  if (!raw || raw->empty() || (size != 0 && raw->size() != size))
    return fail(errc::malformed, "\"" + std::string(key) + "\" of a key is not " + (size == 0 ? "bytes" : std::to_string(size) + " bytes") + " in base64url", about);
  return std::move(*raw);
}

json::object members_of(token_algorithm a, std::span<const uint8_t> secret, std::span<const uint8_t> open) {
  switch (a) {
  case token_algorithm::hs256: return {{"k", base::to_base64url(secret)}, {"kty", "oct"}};
  case token_algorithm::eddsa: return {{"crv", "Ed25519"}, {"kty", "OKP"}, {"x", base::to_base64url(open)}};
  case token_algorithm::es256:
    return {{"crv", "P-256"}, {"kty", "EC"}, {"x", base::to_base64url(open.first(32))}, {"y", base::to_base64url(open.subspan(32))}};
  }
  return {};
}

} // namespace

std::string_view name(token_algorithm a) {
  switch (a) {
  case token_algorithm::hs256: return "HS256";
  case token_algorithm::eddsa: return "EdDSA";
  case token_algorithm::es256: return "ES256";
  }
  return "";
}

std::optional<token_algorithm> token_algorithm_of(std::string_view text) {
  for (const auto a : {token_algorithm::hs256, token_algorithm::eddsa, token_algorithm::es256})
    if (name(a) == text) return a;
  return std::nullopt;
}

token_key::token_key(token_algorithm a, std::string id, std::vector<uint8_t> secret, std::vector<uint8_t> open) :
  algorithm_(a), id_(std::move(id)), secret_(std::move(secret)), open_(std::move(open)) {}

token_key::token_key(token_key&& other) noexcept :
  algorithm_(other.algorithm_), id_(std::move(other.id_)), secret_(std::exchange(other.secret_, {})), open_(std::move(other.open_)) {}

token_key& token_key::operator=(token_key&& other) noexcept {
  std::swap(algorithm_, other.algorithm_);
  std::swap(id_, other.id_);
  std::swap(secret_, other.secret_);
  std::swap(open_, other.open_);
  return *this;
}

token_key::~token_key() {
  wipe(secret_);
}

base::result<token_key> token_key::generate(token_algorithm a, std::string id) {
  if (a == token_algorithm::hs256) return token_key(a, std::move(id), random_bytes(shared_bytes_min), {});
  if (a == token_algorithm::eddsa) {
    auto seed = random_bytes(32);
    const auto pair = signing_key::from_seed(first_32(seed));
    const auto& open = pair.public_key().bytes();
    return token_key(a, std::move(id), std::move(seed), {open.begin(), open.end()});
  }
  EC_TRY(auto made, internal::p256_generate());
  return token_key(a, std::move(id), std::move(made.secret), std::move(made.open));
}

base::result<token_key> token_key::parse(std::string_view text, const std::string& about) {
  if (text.size() > limits::token_key_bytes_max) return fail(errc::too_large, "a key of over " + std::to_string(limits::token_key_bytes_max) + " bytes", about);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  if (text.starts_with("-----BEGIN ")) return token_key_from_pem(text, about);
  std::vector<uint8_t> unfolded;
  if (!text.starts_with('{')) {
    auto raw = base::from_base64url(text);
    if (!raw || raw->empty() || raw->front() != '{') return fail(errc::malformed, "neither a JSON Web Key nor a key in PEM: make one with ec-node token key", about);
    unfolded = std::move(*raw);
    text = {reinterpret_cast<const char*>(unfolded.data()), unfolded.size()};
  }
  const auto read = json::parse(text, {.bytes_max = limits::token_key_bytes_max, .depth_max = 4, .members_max = 64});
  wipe(unfolded);
  if (!read) return fail(read.error().code, read.error().text, about); // of a secret nothing is quoted
  return from_jwk(read.value(), about);
}

base::result<token_key> token_key::from_jwk(const json::value& v, const std::string& about) {
  EC_TRY(auto type, text_of(v, "kty", about));
  EC_TRY(const auto said, text_of(v, "alg", about));
  EC_TRY(const auto curve, text_of(v, "crv", about));
  EC_TRY(const auto use, text_of(v, "use", about));
  EC_TRY(auto id, text_of(v, "kid", about));
  if (id.size() > limits::token_text_bytes_max) return fail(errc::too_large, "the \"kid\" of a key is too long", about);
  if (type.empty() && v.find("k") != nullptr) type = "oct"; // moq-token of 2025 leaves it out
  std::optional<token_algorithm> a;
  if (type == "oct") a = token_algorithm::hs256;
  if (type == "OKP" && curve == "Ed25519") a = token_algorithm::eddsa;
  if (type == "EC" && curve == "P-256") a = token_algorithm::es256;
  if (!a) return fail(errc::unsupported, "a key of another kind: expected oct, OKP with Ed25519, or EC with P-256", about);
  if (!said.empty() && said != name(*a)) return fail(errc::unsupported, "a key for " + said.substr(0, 16) + ": expected " + std::string(name(*a)), about);
  if (!use.empty() && use != "sig") return fail(errc::malformed, "a key that is not for signatures (\"use\")", about);
  bool may_sign = true;
  if (const auto* ops = v.find("key_ops"); ops != nullptr) {
    const auto* list = ops->as_array();
    const auto has = [&](const char* what) { return list != nullptr && std::ranges::find(*list, json::value(what)) != list->end(); };
    may_sign = has("sign");
    if (!may_sign && !has("verify")) return fail(errc::malformed, "a key that may neither sign nor verify (\"key_ops\")", about);
  }
  std::vector<uint8_t> secret, open;
  if (*a == token_algorithm::hs256) {
    EC_TRY(secret, part_of(v, "k", 0, about));
    if (secret.size() < shared_bytes_min || secret.size() > shared_bytes_max)
      return fail(errc::malformed, "a shared secret has 32 to 1024 bytes, not " + std::to_string(secret.size()), about);
  } else {
    EC_TRY(open, part_of(v, "x", 32, about));
    if (*a == token_algorithm::es256) {
      EC_TRY(const auto y, part_of(v, "y", 32, about));
      open.insert(open.end(), y.begin(), y.end());
    }
    if (v.find("d") != nullptr && may_sign) {
      EC_TRY(secret, part_of(v, "d", 32, about));
    }
  }
  token_key out(*a, std::move(id), std::move(secret), std::move(open));
  EC_TRYV(out.check(about));
  return out;
}

base::result<void> token_key::check(const std::string& about) const {
  if (algorithm_ == token_algorithm::eddsa) {
    if (const auto point = verifying_key::from_bytes(open_); !point) return fail(point.error().code, point.error().text, about);
    if (!secret_.empty() && !std::ranges::equal(signing_key::from_seed(first_32(secret_)).public_key().bytes(), open_))
      return fail(errc::malformed, "\"x\" of the key is not the public part of its \"d\"", about);
  }
  if (algorithm_ == token_algorithm::es256) {
    if (!internal::p256_is_point(open_)) return fail(errc::malformed, "\"x\" and \"y\" of the key are no point of P-256", about);
    if (secret_.empty()) return base::ok();
    static constexpr std::array<uint8_t, 4> probe{'t', 'e', 's', 't'};
    const auto made = internal::p256_sign(secret_, open_, probe);
    if (!made || !internal::p256_verify(open_, probe, made.value())) return fail(errc::malformed, "\"x\" and \"y\" of the key are not the public part of its \"d\"", about);
  }
  return base::ok();
}

base::result<token_key> token_key::load(const std::string& path) {
  EC_TRY(auto raw, base::read_secret_file(path, limits::token_key_bytes_max, base::secret_rights::as_it_is));
  auto out = parse({reinterpret_cast<const char*>(raw.data()), raw.size()}, path);
  wipe(raw);
  if (!out || !out.value().can_sign()) return out;
  EC_TRY(auto again, base::read_secret_file(path, limits::token_key_bytes_max)); // it has a secret: whose is it?
  wipe(again);
  return out;
}

base::result<std::vector<uint8_t>> token_key::sign(std::span<const uint8_t> message) const {
  if (!can_sign()) return fail(errc::invalid_argument, "this is the public part of a key: it verifies, and cannot sign", id_);
  if (algorithm_ == token_algorithm::es256) return internal::p256_sign(secret_, open_, message);
  if (algorithm_ == token_algorithm::eddsa) {
    const auto made = signing_key::from_seed(first_32(secret_)).sign(message);
    return std::vector<uint8_t>(made.bytes.begin(), made.bytes.end());
  }
  std::vector<uint8_t> out(SHA256_DIGEST_SIZE);
  hmac_sha256_ctx ctx;
  hmac_sha256_set_key(&ctx, secret_.size(), secret_.data());
  hmac_sha256_update(&ctx, message.size(), message.data());
  hmac_sha256_digest(&ctx, out.size(), out.data());
  wipe({reinterpret_cast<uint8_t*>(&ctx), sizeof ctx});
  return out;
}

bool token_key::verify(std::span<const uint8_t> message, std::span<const uint8_t> given) const {
  switch (algorithm_) {
  case token_algorithm::hs256: {
    const auto right = sign(message);
    return right && equal_constant_time(right.value(), given);
  }
  case token_algorithm::eddsa: {
    if (given.size() != signature::size) return false;
    signature s;
    std::ranges::copy(given, s.bytes.begin());
    const auto by = verifying_key::from_bytes(open_);
    return by && crypto::verify(by.value(), message, s);
  }
  case token_algorithm::es256: return internal::p256_verify(open_, message, given);
  }
  return false;
}

json::object token_key::jwk() const {
  auto out = members_of(algorithm_, secret_, open_);
  if (algorithm_ != token_algorithm::hs256 && can_sign()) out.emplace_back("d", base::to_base64url(secret_));
  out.emplace_back("alg", name(algorithm_));
  out.emplace_back("key_ops", can_sign() ? json::array{"sign", "verify"} : json::array{"verify"});
  if (!id_.empty()) out.emplace_back("kid", id_);
  return out;
}

base::result<json::object> token_key::public_jwk() const {
  if (is_shared()) return fail(errc::invalid_argument, "a shared secret has no public part: who verifies with it may sign", id_);
  return token_key(algorithm_, id_, {}, open_).jwk();
}

std::string token_key::thumbprint() const {
  const auto text = json::canonical(members_of(algorithm_, secret_, open_));
  std::array<uint8_t, SHA256_DIGEST_SIZE> out;
  sha256_ctx ctx;
  sha256_init(&ctx);
  sha256_update(&ctx, text.size(), reinterpret_cast<const uint8_t*>(text.data()));
  sha256_digest(&ctx, out.size(), out.data());
  return base::to_base64url(out);
}

} // namespace ec::crypto
