#include "access/token.hpp"

#include <doctest/doctest.h>

#include "base/base64url.hpp"
#include "base/bytes.hpp"
#include "base/limits_access.hpp"

using namespace ec;
using access::prove_token, access::read_token, access::token_keys;
using base::as_span, base::errc, base::to_base64url;
using crypto::token_algorithm, crypto::token_key;

namespace {

// RFC 7515 A.1.
constexpr auto a1_key = R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})";
constexpr auto a1_token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
                          "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

std::shared_ptr<const token_key> new_key(token_algorithm a, std::string id = {}) {
  return std::make_shared<const token_key>(token_key::generate(a, std::move(id)).value());
}

std::shared_ptr<const token_key> read_key(std::string_view text) {
  return std::make_shared<const token_key>(token_key::parse(text).value());
}

/// Signed rightly, whatever it says.
std::string signed_by(const token_key& key, std::string_view header, std::string_view claims) {
  const auto text = to_base64url(as_span(header)) + "." + to_base64url(as_span(claims));
  return text + "." + to_base64url(key.sign(as_span(text)).value());
}

errc refused(std::string_view text, const token_keys& keys) {
  const auto t = prove_token(text, keys);
  REQUIRE_FALSE(t.has_value());
  return t.error().code;
}

} // namespace

TEST_CASE("the token of RFC 7515 A.1 is proven by its key, and has long expired") {
  const auto t = prove_token(a1_token, {read_key(a1_key)});
  REQUIRE(t.has_value());
  CHECK(base::unix_ms(t.value().claims.expires.value()) == 1'300'819'380'000);
  CHECK(t.value().claims.publish.empty());
}

TEST_CASE("what a key of each algorithm signs is proven by it alone") {
  access::token_claims c;
  c.publish = {{{"demo", "me"}}};
  c.subscribe = {{{"demo"}}};
  c.subject = "anna";
  c.expires = base::wall_time(std::chrono::seconds(2000));
  const token_keys keys{new_key(token_algorithm::hs256), new_key(token_algorithm::eddsa), new_key(token_algorithm::es256), new_key(token_algorithm::hs256)};
  for (const auto& key : keys) {
    const auto text = access::make_token(c, *key).value();
    const auto t = prove_token(text, keys);
    REQUIRE(t.has_value());
    CHECK(t.value().key == key);
    CHECK(t.value().claims == c);
    token_keys others;
    for (const auto& k : keys)
      if (k != key) others.push_back(k);
    CHECK(refused(text, others) == (key->is_shared() ? errc::bad_signature : errc::untrusted));
  }
}

TEST_CASE("the key, not the token, says the algorithm: no 'none', and no public key as a shared secret") {
  const auto ed = new_key(token_algorithm::eddsa);
  const auto claims = R"({"put":""})";
  CHECK(refused(to_base64url(as_span(R"({"alg":"none"})")) + "." + to_base64url(as_span(claims)) + ".", {ed}) == errc::untrusted);
  CHECK(refused(signed_by(*ed, R"({"alg":"none"})", claims), {ed}) == errc::untrusted);
  CHECK(refused(signed_by(*ed, R"({"alg":"HS256"})", claims), {ed}) == errc::untrusted);
  CHECK(refused(signed_by(*ed, R"({"alg":"eddsa"})", claims), {ed}) == errc::untrusted);
  // Whoever knows the public key signs with it as if it were a secret.
  base::json::object forged{{"kty", "oct"}, {"k", to_base64url(as_span(base::json::dump(ed->public_jwk().value())))}};
  const auto thief = read_key(base::json::dump(forged));
  CHECK(refused(signed_by(*thief, R"({"alg":"HS256"})", claims), {ed}) == errc::untrusted);
  CHECK(refused(signed_by(*thief, R"({"alg":"EdDSA"})", claims), {ed}) == errc::bad_signature);
}

TEST_CASE("a key id narrows down which keys are tried") {
  const auto first = new_key(token_algorithm::hs256, "first"), second = new_key(token_algorithm::hs256, "second"), plain = new_key(token_algorithm::hs256);
  const token_keys keys{first, second, plain};
  CHECK(prove_token(access::make_token({}, *second).value(), keys).value().key == second);
  CHECK(prove_token(access::make_token({}, *plain).value(), keys).value().key == plain);
  CHECK(refused(signed_by(*second, R"({"alg":"HS256","kid":"first"})", "{}"), keys) == errc::bad_signature);
  CHECK(refused(signed_by(*second, R"({"alg":"ES256","kid":"first"})", "{}"), keys) == errc::untrusted);
  // An id that no key of ours has tells nothing: its maker may call the key otherwise.
  CHECK(prove_token(signed_by(*plain, R"({"alg":"HS256","kid":"third"})", "{}"), keys).value().key == plain);
}

TEST_CASE("one bit anywhere breaks a token") {
  const auto key = new_key(token_algorithm::es256);
  access::token_claims c;
  c.subscribe = {{{"a"}}};
  const auto text = access::make_token(c, *key).value();
  for (size_t i = 0; i < text.size(); ++i) {
    auto other = text;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(prove_token(other, {key}).has_value());
  }
  CHECK(prove_token(text, {key}).has_value());
}

TEST_CASE("a form that is not exactly the compact one is refused before any signature is looked at") {
  const auto key = new_key(token_algorithm::hs256);
  const auto good = access::make_token({}, *key).value();
  REQUIRE(prove_token(good, {key}).has_value());
  CHECK(refused("", {key}) == errc::malformed);
  CHECK(refused("..", {key}) == errc::malformed);
  CHECK(refused("a.b", {key}) == errc::malformed);
  CHECK(refused(good + ".x", {key}) == errc::malformed);
  CHECK(refused(good + "=", {key}) == errc::malformed);
  CHECK(refused(good + "\n", {key}) == errc::malformed);
  CHECK(refused(" " + good, {key}) == errc::malformed);
  CHECK(refused(signed_by(*key, R"({"alg":"HS256","alg":"HS256"})", "{}"), {key}) == errc::malformed);
  CHECK(refused(signed_by(*key, R"({"alg":"HS256","crit":["exp"]})", "{}"), {key}) == errc::malformed);
  CHECK(refused(signed_by(*key, R"({"alg":["HS256"]})", "{}"), {key}) == errc::malformed);
  CHECK(refused(signed_by(*key, R"({"typ":"JWT"})", "{}"), {key}) == errc::malformed);
  CHECK(refused(signed_by(*key, R"({"alg":"HS256","kid":1})", "{}"), {key}) == errc::malformed);
  CHECK(refused(signed_by(*key, R"({"alg":"HS256"})", R"({"exp":1,"exp":9999999999})"), {key}) == errc::malformed);
  CHECK(refused(signed_by(*key, R"({"alg":"HS256"})", "[]"), {key}) == errc::malformed);
  CHECK(refused(std::string(base::limits::token_bytes_max + 1, 'a'), {key}) == errc::too_large);
}

TEST_CASE("a token that would be too long is not made") {
  access::token_claims c;
  for (int i = 0; i < 60; ++i) c.publish.push_back({{std::string(100, 'x')}});
  CHECK(access::make_token(c, *new_key(token_algorithm::hs256)).error().code == errc::too_large);
}
