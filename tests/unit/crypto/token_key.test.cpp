#include "crypto/token_key.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>

#include "base/base64url.hpp"
#include "base/bytes.hpp"
#include "base/file.hpp"
#include "crypto/keys.hpp"
#include "tests/support/temp_dir.hpp"

using namespace ec::crypto;
using ec::base::as_span;
using ec::base::errc;
namespace json = ec::base::json;

namespace {

// RFC 7515 A.1, A.3 and RFC 8037 A.1.
constexpr auto hs_key = R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})";
constexpr auto es_key = R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"})";
constexpr auto es_public = R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
constexpr auto ed_key = R"({"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";

constexpr auto a1_text = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
constexpr auto a1_signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
constexpr auto a3_text = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
constexpr auto a3_signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
constexpr auto a4_text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
constexpr auto a4_signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

token_key key_of(std::string_view text) {
  auto key = token_key::parse(text);
  REQUIRE(key.has_value());
  return std::move(key).value();
}

std::vector<uint8_t> bytes_of(std::string_view spelled) {
  return ec::base::from_base64url(spelled).value();
}

errc refused(std::string_view text) {
  const auto key = token_key::parse(text);
  REQUIRE_FALSE(key.has_value());
  return key.error().code;
}

} // namespace

TEST_CASE("the signatures of RFC 7515 and RFC 8037 are right, and made again where they are always the same") {
  const auto hs = key_of(hs_key), es = key_of(es_key), ed = key_of(ed_key);
  CHECK(hs.verify(as_span(a1_text), bytes_of(a1_signature)));
  CHECK(hs.sign(as_span(a1_text)).value() == bytes_of(a1_signature));
  CHECK(es.verify(as_span(a3_text), bytes_of(a3_signature)));
  CHECK(key_of(es_public).verify(as_span(a3_text), bytes_of(a3_signature)));
  CHECK(ed.verify(as_span(a4_text), bytes_of(a4_signature)));
  CHECK(ed.sign(as_span(a4_text)).value() == bytes_of(a4_signature));
}

TEST_CASE("a key's thumbprint is the one of RFC 8037 A.3, with or without the secret part") {
  CHECK(key_of(ed_key).thumbprint() == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
  CHECK(key_of(es_key).thumbprint() == key_of(es_public).thumbprint());
}

TEST_CASE("new keys of each algorithm sign, verify, and come back from what they print") {
  for (const auto a : {token_algorithm::hs256, token_algorithm::eddsa, token_algorithm::es256}) {
    CAPTURE(name(a));
    CHECK(token_algorithm_of(name(a)) == a);
    const auto made = token_key::generate(a, "first");
    REQUIRE(made.has_value());
    const auto& key = made.value();
    const auto again = key_of(json::dump(key.jwk()));
    CHECK(again.id() == "first");
    CHECK(again.can_sign());
    CHECK(again.thumbprint() == key.thumbprint());
    const auto signature = again.sign(as_span("said")).value();
    CHECK(key.verify(as_span("said"), signature));
    CHECK_FALSE(key.verify(as_span("sajd"), signature));
    auto other = signature;
    other[5] ^= 1;
    CHECK_FALSE(key.verify(as_span("said"), other));
    other = signature;
    other.pop_back();
    CHECK_FALSE(key.verify(as_span("said"), other));
    CHECK_FALSE(key.verify(as_span("said"), {}));
    CHECK_FALSE(token_key::generate(a).value().verify(as_span("said"), signature));
  }
}

TEST_CASE("the public part verifies and cannot sign; a shared secret has none") {
  for (const auto* text : {es_key, ed_key}) {
    const auto key = key_of(text);
    const auto open = key_of(json::dump(key.public_jwk().value()));
    CHECK_FALSE(open.can_sign());
    CHECK(open.sign(as_span("said")).error().code == errc::invalid_argument);
    CHECK(open.verify(as_span("said"), key.sign(as_span("said")).value()));
    CHECK(json::dump(open.jwk()).find("\"d\"") == std::string::npos);
  }
  CHECK(key_of(hs_key).public_jwk().error().code == errc::invalid_argument);
}

TEST_CASE("a key in the form that moq-token of 2025 writes is read: base64url around JSON, without kty") {
  const std::string plain = R"({"alg":"HS256","key_ops":["verify","sign"],"k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow","kid":"root"})";
  const auto key = key_of(ec::base::to_base64url(as_span(plain)) + "\n");
  CHECK(key.id() == "root");
  CHECK(key.verify(as_span(a1_text), bytes_of(a1_signature)));
}

TEST_CASE("keys that are broken, weak, or of another kind are refused") {
  CHECK(refused("") == errc::malformed);
  CHECK(refused("hello world") == errc::malformed);
  CHECK(refused("{}") == errc::unsupported);
  CHECK(refused("[]") == errc::malformed);
  CHECK(refused(std::string(20'000, ' ')) == errc::too_large);
  CHECK(refused(R"({"kty":"oct","k":"c2hvcnQ"})") == errc::malformed);
  CHECK(refused(R"({"kty":"oct"})") == errc::malformed);
  CHECK(refused(R"({"kty":"oct","k":7})") == errc::malformed);
  CHECK(refused(R"({"kty":"oct","kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})") == errc::malformed);
  CHECK(refused(R"({"kty":"RSA","n":"AQAB","e":"AQAB"})") == errc::unsupported);
  CHECK(refused(R"({"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})") == errc::unsupported);
  CHECK(refused(R"({"kty":"OKP","crv":"Ed25519","alg":"HS256","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})") == errc::unsupported);
  CHECK(refused(R"({"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})") == errc::malformed);
  CHECK(refused(R"({"kty":"OKP","crv":"Ed25519","key_ops":["deriveBits"],"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})") == errc::malformed);
  // A point of small order, a pair whose parts do not belong together, no point of the curve.
  CHECK(refused(R"({"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})") == errc::malformed);
  CHECK(refused(R"({"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2E","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})") == errc::malformed);
  CHECK(refused(R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4"})") == errc::malformed);
  CHECK(refused(R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LM"})") == errc::malformed);
}

TEST_CASE("an Ed25519 key of ec-node keygen, in PEM, is a token key") {
  ec::test::temp_dir dir;
  const auto pair = signing_key::generate();
  const auto path = dir.path() + "/leader.key";
  REQUIRE(pair.save(path).has_value());
  const auto key = token_key::load(path);
  REQUIRE(key.has_value());
  CHECK(key.value().algorithm() == token_algorithm::eddsa);
  const auto said = key.value().sign(as_span("said")).value();
  signature s;
  std::ranges::copy(said, s.bytes.begin());
  CHECK(verify(pair.public_key(), as_span("said"), s));
}

TEST_CASE("P-256 in PEM is read, private and public; other curves are not") {
  // The pair of RFC 7515 A.3, as `openssl pkey` writes it.
  constexpr auto open = "-----BEGIN PUBLIC KEY-----\n"
                        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
                        "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
                        "-----END PUBLIC KEY-----\n";
  CHECK(key_of(open).thumbprint() == key_of(es_key).thumbprint());
  CHECK(key_of(open).verify(as_span(a3_text), bytes_of(a3_signature)));
  CHECK(refused("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n") == errc::malformed);
  CHECK(refused("-----BEGIN PRIVATE KEY-----\n") == errc::malformed);
}

TEST_CASE("a key file with a secret must be its owner's alone, one without may be everybody's") {
  ec::test::temp_dir dir;
  const auto write = [&](const char* file, std::string_view text, unsigned mode) {
    const auto path = dir.path() + "/" + file;
    REQUIRE(ec::base::write_new_file(path, as_span(text), mode).has_value());
    return path;
  };
  CHECK(token_key::load(write("a", es_key, 0600)).has_value());
  CHECK(token_key::load(write("b", es_key, 0644)).error().code == errc::permission);
  CHECK(token_key::load(write("c", es_public, 0644)).has_value());
  CHECK(token_key::load(dir.path() + "/none").error().code == errc::not_found);
}
