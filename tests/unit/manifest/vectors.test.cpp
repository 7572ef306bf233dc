// The golden vectors of tests/vectors/manifest, which another implementation made.
#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "base/hex.hpp"
#include "base/json.hpp"
#include "manifest/attestation.hpp"
#include "manifest/proof.hpp"
#include "manifest/repaired.hpp"
#include "tests/support/data.hpp"

using namespace ec::manifest;
using ec::base::as_span;
using ec::base::as_text;
namespace crypto = ec::crypto;
namespace json = ec::base::json;

namespace {

const json::value& vectors() {
  static const auto all = [] {
    const char* root = std::getenv("EC_SOURCE_ROOT");
    return json::parse(ec::test::read_text(std::filesystem::path(root == nullptr ? "." : root) / "tests/vectors/manifest/manifest.json")).value();
  }();
  return all;
}

const json::array& list(const char* key) {
  return *vectors().find(key)->as_array();
}

std::string text_of(const json::value& v, const char* key) {
  return *v.find(key)->as_string();
}

uint64_t number_of(const json::value& v, const char* key) {
  return static_cast<uint64_t>(*v.find(key)->as_int());
}

crypto::digest digest_of(const json::value& v, const char* key) {
  return crypto::digest::from_hex(text_of(v, key)).value();
}

crypto::signing_key key(size_t number) {
  std::array<uint8_t, 32> seed;
  seed.fill(static_cast<uint8_t>(number));
  return crypto::signing_key::from_seed(seed);
}

const attestation& only(const manifest_object& o) {
  return std::visit([](const auto& m) -> const attestation& { return m.attestations.front(); }, o);
}

} // namespace

TEST_CASE("golden contents are read, written and named as they stand") {
  REQUIRE(list("contents").size() == 3);
  for (const auto& v : list("contents")) {
    CAPTURE(text_of(v, "name"));
    const auto read = content_from_json(json::parse(text_of(v, "canonical")).value());
    REQUIRE_MESSAGE(read.has_value(), read.error().message());
    CHECK(canonical(read.value()) == text_of(v, "canonical"));
    CHECK(manifest_id(read.value()) == digest_of(v, "manifest_id"));
    CHECK(merkle_root(read.value()) == digest_of(v, "merkle_root"));
    CHECK(fault(read.value()).empty());
  }
}

TEST_CASE("golden proofs are made and verified as they stand") {
  const auto c = content_from_json(json::parse(text_of(list("contents")[1], "canonical")).value()).value();
  REQUIRE(list("proofs").size() == 5);
  for (const auto& v : list("proofs")) {
    membership_proof p{number_of(v, "chunk_index"), {digest_of(v, "digest"), static_cast<chunk_state>(number_of(v, "state"))},
                       number_of(v, "chunk_start_index"), number_of(v, "total_chunks"), {}};
    for (const auto& one : *v.find("path")->as_array()) p.path.push_back(crypto::digest::from_hex(*one.as_string()).value());
    CHECK(chunk_leaf(p.chunk_index, p.chunk) == digest_of(v, "leaf"));
    CHECK(verify(p, digest_of(v, "merkle_root")));
    CHECK(prove(c, p.chunk_index) == p);
  }
}

TEST_CASE("golden attestations sign the bytes that they should") {
  REQUIRE(list("attestations").size() == 4);
  size_t signed_here = 0;
  for (const auto& v : list("attestations")) {
    CAPTURE(text_of(v, "name"));
    const auto id = digest_of(v, "manifest_id");
    const json::value object(json::object{{"attestations", json::array{*v.find("attestation")}}, {"manifest_id", id.hex()}});
    const auto read = decode(as_span(json::canonical(object)));
    REQUIRE_MESSAGE(read.has_value(), read.error().message());
    auto a = only(read.value());
    const auto bytes = signed_bytes(a, id);
    CHECK(ec::base::to_hex(bytes) == text_of(v, "signed_bytes"));
    CHECK(crypto::verify(a.signer, bytes, a.signature));
    CHECK(a.digest(id) == digest_of(v, "digest"));
    for (const size_t n : {1, 2}) {
      if (key(n).public_key() != a.signer) continue;
      const auto expected = a.signature;
      a.signature = {};
      sign(a, id, key(n));
      CHECK(a.signature == expected);
      ++signed_here;
    }
  }
  CHECK(signed_here == 4);
}

TEST_CASE("golden key statements are genuine, and written as they stand") {
  REQUIRE(list("key_statements").size() == 2);
  for (const auto& v : list("key_statements")) {
    CAPTURE(text_of(v, "name"));
    const auto read = decode_key_statement(text_of(v, "file"));
    REQUIRE_MESSAGE(read.has_value(), read.error().message());
    CHECK(genuine(read.value()));
    CHECK(encode(read.value()) == text_of(v, "file"));
    CHECK(ec::base::to_hex(signed_bytes(read.value())) == text_of(v, "signed_bytes"));
  }
}

TEST_CASE("golden objects are written as they were read") {
  REQUIRE(list("objects").size() == 6);
  for (const auto& v : list("objects")) {
    CAPTURE(text_of(v, "name"));
    const auto read = decode(as_span(text_of(v, "payload")));
    REQUIRE_MESSAGE(read.has_value(), read.error().message());
    const auto again = std::visit([](const auto& m) { return encode(m); }, read.value());
    CHECK(as_text(again) == text_of(v, "payload"));
  }
}

TEST_CASE("what golden attestations say of repaired chunks is read as they mean it, or not at all") {
  const auto c = content_from_json(json::parse(text_of(list("contents")[1], "canonical")).value()).value();
  REQUIRE(list("repaired").size() >= 18);
  size_t good = 0;
  for (const auto& v : list("repaired")) {
    CAPTURE(text_of(v, "name"));
    attestation a{.signer = key(1).public_key()};
    a.extra.emplace_back("x-note", "before it");
    a.extra.emplace_back(repaired_member, *v.find("member"));
    const auto read = repaired_in(a, c);
    if (v.find("error")->is_null()) {
      REQUIRE_MESSAGE(read.has_value(), read.error().message());
      ++good;
      CHECK(valid(read.value(), c));
      CHECK(json::canonical(to_json(read.value())) == json::canonical(*v.find("member")));
    } else {
      REQUIRE_FALSE(read.has_value());
      CHECK(ec::base::name(read.error().code) == text_of(v, "error"));
    }
  }
  CHECK(good == 3);
  CHECK(repaired_in(attestation{.signer = key(1).public_key()}, c).value().empty());
  // As it travels, and after the signature was looked at.
  const auto whole = decode(as_span(text_of(list("objects")[3], "payload"))).value();
  const auto& m = std::get<signed_manifest>(whole);
  const auto said = repaired_in(m.attestations.front(), m.content).value();
  REQUIRE(said.size() == 2);
  CHECK(said[0] == repaired_chunk{885300005, 12, 13340});
  CHECK(said[1] == repaired_chunk{885300008, 0, 900});
}

TEST_CASE("every golden payload that breaks the format is refused for the right reason") {
  CHECK(list("refused").size() >= 43);
  for (const auto& v : list("refused")) {
    CAPTURE(text_of(v, "why"));
    const auto read = decode(as_span(text_of(v, "payload")));
    REQUIRE_FALSE(read.has_value());
    CHECK(ec::base::name(read.error().code) == text_of(v, "error"));
  }
}

TEST_CASE("an object over its limit is refused before it is parsed") {
  const std::vector<uint8_t> huge(ec::base::limits::manifest_bytes_max + 1, '[');
  CHECK(decode(huge).error().code == ec::base::errc::too_large);
}

TEST_CASE("no change of one character of a golden object goes unnoticed") {
  const auto good = text_of(list("objects")[0], "payload");
  const auto parsed = decode(as_span(good)).value();
  const auto& m = std::get<signed_manifest>(parsed);
  const auto id = manifest_id(m.content);
  size_t still_read = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    auto changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    const auto read = decode(as_span(changed));
    if (!read) continue;
    ++still_read;
    const auto& other = std::get<signed_manifest>(read.value());
    const auto& a = other.attestations.front();
    const auto other_id = manifest_id(other.content);
    CHECK_FALSE(crypto::verify(a.signer, signed_bytes(a, other_id), a.signature));
    CHECK((other_id != id || !(a == m.attestations.front())));
  }
  CHECK(still_read > 100); // digits of numbers, signature, key: it is the signature that catches these
}
