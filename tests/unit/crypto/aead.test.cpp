#include "crypto/aead.hpp"

#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "base/hex.hpp"
#include "base/json.hpp"
#include "crypto/random.hpp"
#include "tests/support/data.hpp"

using namespace ec::crypto;
using ec::base::as_span;
namespace json = ec::base::json;

namespace {

std::vector<uint8_t> hex_of(const json::value& test, const char* key) {
  return ec::base::from_hex(*test.find(key)->as_string()).value();
}

std::array<uint8_t, 32> random_key() {
  std::array<uint8_t, 32> key;
  fill_random(key);
  return key;
}

} // namespace

TEST_CASE("AES-256-GCM agrees with every Wycheproof vector of its key, nonce and tag size") {
  const auto path = ec::test::test_data("crypto-vectors/wycheproof-aes-gcm.json");
  if (!path) return;
  const auto all = json::parse(ec::test::read_text(*path)).value();
  size_t valid = 0;
  size_t invalid = 0;
  for (const auto& group : *all.find("testGroups")->as_array()) {
    if (*group.find("keySize")->as_int() != 256 || *group.find("ivSize")->as_int() != 96 || *group.find("tagSize")->as_int() != 128) continue;
    for (const auto& test : *group.find("tests")->as_array()) {
      CAPTURE(*test.find("tcId")->as_int());
      std::array<uint8_t, 32> key;
      std::ranges::copy(hex_of(test, "key"), key.begin());
      nonce12 nonce;
      std::ranges::copy(hex_of(test, "iv"), nonce.begin());
      const auto aad = hex_of(test, "aad");
      const auto message = hex_of(test, "msg");
      auto sealed = hex_of(test, "ct");
      const auto tag = hex_of(test, "tag");
      sealed.insert(sealed.end(), tag.begin(), tag.end());
      const aead_key cipher(key);
      const auto opened = cipher.open(nonce, aad, sealed);
      if (*test.find("result")->as_string() == "valid") {
        ++valid;
        REQUIRE(opened.has_value());
        CHECK(opened.value() == message);
        CHECK(cipher.seal(nonce, aad, message) == sealed);
      } else {
        ++invalid;
        REQUIRE_FALSE(opened.has_value());
        CHECK(opened.error().code == ec::base::errc::bad_signature);
      }
    }
  }
  CHECK(valid == 39);
  CHECK(invalid == 27);
}

TEST_CASE("one changed bit anywhere keeps sealed bytes shut and the output empty") {
  const aead_key cipher(random_key());
  const nonce12 nonce{1, 2, 3};
  const auto sealed = cipher.seal(nonce, as_span("place 1"), as_span("plain"));
  REQUIRE(sealed.size() == 5 + aead_key::tag_bytes);
  CHECK(ec::base::as_text(cipher.open(nonce, as_span("place 1"), sealed).value()) == "plain");
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    auto changed = sealed;
    changed[bit / 8] = static_cast<uint8_t>(changed[bit / 8] ^ 1u << bit % 8);
    std::array<uint8_t, 5> out;
    out.fill(0xaa);
    CHECK_FALSE(cipher.open_into(out, nonce, as_span("place 1"), changed).has_value());
    CHECK(out == std::array<uint8_t, 5>{});
  }
  CHECK_FALSE(cipher.open(nonce, as_span("place 2"), sealed).has_value());
  CHECK_FALSE(cipher.open(nonce12{1, 2, 4}, as_span("place 1"), sealed).has_value());
  CHECK_FALSE(aead_key(random_key()).open(nonce, as_span("place 1"), sealed).has_value());
  CHECK(cipher.open(nonce, as_span("place 1"), std::span(sealed).first(15)).error().code == ec::base::errc::malformed);
}

TEST_CASE("nothing and a full piece can be sealed, and a moved key goes on") {
  aead_key first(random_key());
  const auto nothing = first.seal({}, {}, {});
  CHECK(nothing.size() == aead_key::tag_bytes);
  CHECK(first.open({}, {}, nothing).value().empty());
  const aead_key moved = std::move(first);
  const std::vector<uint8_t> piece(ec::base::limits::piece_bytes, 0x47);
  CHECK(moved.open({}, {}, moved.seal({}, {}, piece)).value() == piece);
  CHECK(moved.open({}, {}, nothing).has_value());
}
