#include "crypto/keys.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/hex.hpp"
#include "base/json.hpp"
#include "tests/support/data.hpp"
#include "tests/support/temp_dir.hpp"

using namespace ec::crypto;
using ec::base::as_span;
using ec::base::errc;
namespace json = ec::base::json;

namespace {

std::vector<uint8_t> bytes_of(std::string_view hex) {
  return ec::base::from_hex(hex).value();
}

signing_key key_of(std::string_view seed_hex) {
  std::array<uint8_t, 32> seed;
  std::ranges::copy(bytes_of(seed_hex), seed.begin());
  return signing_key::from_seed(seed);
}

constexpr auto rfc_seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
constexpr auto rfc_public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

} // namespace

TEST_CASE("Ed25519 gives the keys and signatures of RFC 8032 7.1") {
  const std::array<const char*, 4> vectors[] = {
    {rfc_seed, rfc_public, "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"}};
  for (const auto& [seed, expected, message, expected_signature] : vectors) {
    const auto key = key_of(seed);
    CHECK(key.public_key().to_string() == std::string("ed25519:") + expected);
    const auto made = key.sign(bytes_of(message));
    CHECK(made.hex() == expected_signature);
    CHECK(verify(key.public_key(), bytes_of(message), made));
  }
}

TEST_CASE("verification agrees with every Wycheproof vector") {
  const auto path = ec::test::test_data("crypto-vectors/wycheproof-ed25519.json");
  if (!path) return;
  const auto all = json::parse(ec::test::read_text(*path)).value();
  size_t count = 0;
  for (const auto& group : *all.find("testGroups")->as_array()) {
    const auto key = verifying_key::from_bytes(bytes_of(*group.find("publicKey")->find("pk")->as_string()));
    for (const auto& test : *group.find("tests")->as_array()) {
      ++count;
      CAPTURE(*test.find("tcId")->as_int());
      const auto given = signature::from_hex(*test.find("sig")->as_string());
      const bool good = key && given && verify(key.value(), bytes_of(*test.find("msg")->as_string()), *given);
      CHECK(good == (*test.find("result")->as_string() == "valid"));
    }
  }
  CHECK(count == 151);
}

TEST_CASE("a key of small order or spelled in a second way is no key") {
  const std::string refused[] = {
    "0100000000000000000000000000000000000000000000000000000000000000", // order 1
    "0100000000000000000000000000000000000000000000000000000000000080", // order 1, x = -0
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
    "0000000000000000000000000000000000000000000000000000000000000000", // order 4
    "0000000000000000000000000000000000000000000000000000000000000080", // order 4
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p + 1
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", // y = p + 3
  };
  for (const auto& hex : refused) {
    CAPTURE(hex);
    CHECK(verifying_key::parse("ed25519:" + hex).error().code == errc::malformed);
    // The same point as R: with a key of our choice this would sign many messages at once.
    auto forged = bytes_of(hex);
    forged.resize(64);
    signature given;
    std::ranges::copy(forged, given.bytes.begin());
    CHECK_FALSE(verify(key_of(rfc_seed).public_key(), as_span("x"), given));
  }
}

TEST_CASE("a signature has one spelling: S plus the group order is refused") {
  const auto key = key_of(rfc_seed);
  auto given = key.sign(as_span("hello"));
  REQUIRE(verify(key.public_key(), as_span("hello"), given));
  const auto order = bytes_of("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (size_t i = 0; i < 32; ++i) {
    carry += given.bytes[32 + i] + order[i];
    given.bytes[32 + i] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  CHECK_FALSE(verify(key.public_key(), as_span("hello"), given));
}

TEST_CASE("a public key is written in one way only") {
  const std::string good = std::string("ed25519:") + rfc_public;
  const auto key = verifying_key::parse(good);
  REQUIRE(key.has_value());
  CHECK(key.value().to_string() == good);
  std::string upper = good;
  upper.back() = 'A';
  for (const std::string& bad : {upper, good.substr(8), good + "0", good + "\n", " " + good, std::string("Ed25519:") + rfc_public, std::string()})
    CHECK(verifying_key::parse(bad).error().code == errc::malformed);
}

TEST_CASE("a signature by another key, over another message, or with one bit changed does not verify") {
  const auto key = signing_key::generate();
  const auto other = signing_key::generate();
  CHECK(key.public_key() != other.public_key());
  const auto given = key.sign(as_span("message"));
  CHECK(verify(key.public_key(), as_span("message"), given));
  CHECK_FALSE(verify(other.public_key(), as_span("message"), given));
  CHECK_FALSE(verify(key.public_key(), as_span("messag"), given));
  for (size_t bit = 0; bit < 512; bit += 7) {
    auto changed = given;
    changed.bytes[bit / 8] = static_cast<uint8_t>(changed.bytes[bit / 8] ^ 1u << bit % 8);
    CHECK_FALSE(verify(key.public_key(), as_span("message"), changed));
  }
}

TEST_CASE("a key file is private, is never overwritten, and reads back") {
  const ec::test::temp_dir dir;
  const auto key = signing_key::generate();
  REQUIRE(key.save(dir / "key").has_value());
  struct stat facts {};
  REQUIRE(::stat((dir / "key").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0600);
  CHECK(signing_key::load(dir / "key").value().public_key() == key.public_key());
  CHECK(signing_key::generate().save(dir / "key").error().code == errc::exists);
  CHECK(signing_key::load(dir / "key").value().public_key() == key.public_key());
  REQUIRE(::chmod((dir / "key").c_str(), 0644) == 0);
  const auto open_to_all = signing_key::load(dir / "key");
  REQUIRE_FALSE(open_to_all.has_value());
  CHECK(open_to_all.error().code == errc::permission);
  CHECK(open_to_all.error().message() ==
        (dir / "key") + ": others than its owner may use this secret file (mode 0644): run chmod 600 on it");
}

TEST_CASE("key files of RFC 8410 are read, one with a foreign public key is refused") {
  // The example key of RFC 8410 10.3 in version 1.
  const std::string v1 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
  const auto key = parse_signing_key(as_span(v1));
  REQUIRE(key.has_value());
  CHECK(key.value().public_key().to_string() == "ed25519:19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
  // Version 2 of the key of RFC 8032 7.1, with its own public key and with the one above.
  const std::string good = "-----BEGIN PRIVATE KEY-----\n"
                           "MFECAQEwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9ggSEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                           "-----END PRIVATE KEY-----\n";
  CHECK(parse_signing_key(as_span(good)).value().public_key().to_string() == std::string("ed25519:") + rfc_public);
  const std::string foreign = "-----BEGIN PRIVATE KEY-----\n"
                              "MFECAQEwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9ggSEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
                              "-----END PRIVATE KEY-----\n";
  CHECK(parse_signing_key(as_span(foreign)).error().code == errc::malformed);
  for (const char* bad : {"", "hello", "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n"})
    CHECK(parse_signing_key(as_span(bad), "file").error().about == "file");
}
