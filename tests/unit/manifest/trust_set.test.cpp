#include "manifest/trust_set.hpp"

#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "tests/unit/manifest/fixture.hpp"

using namespace ec;
using namespace ec::manifest;
using namespace ec::test;
using base::errc;

namespace {

crypto::verifying_key pub(uint8_t n) {
  return key(n).public_key();
}

trust_set naming(std::initializer_list<uint8_t> numbers) {
  trust_set t;
  for (const auto n : numbers) REQUIRE(t.add(pub(n), "key " + std::to_string(n)).has_value());
  return t;
}

key_statement rotate(uint8_t from, uint8_t to, int64_t ms_later = 0) {
  return rotation(key(from), key(to), at(ms_later));
}

key_statement revoke(uint8_t n) {
  return revocation(key(n), at(0));
}

} // namespace

TEST_CASE("a statement is genuine as it was signed, and not with anything changed") {
  const auto r = rotate(1, 2);
  CHECK(genuine(r));
  CHECK(genuine(revoke(1)));
  auto other = r;
  other.signed_unix_ms += 1;
  CHECK_FALSE(genuine(other));
  other = r;
  other.next = pub(3);
  CHECK_FALSE(genuine(other));
  other = r;
  other.key = pub(3);
  CHECK_FALSE(genuine(other));
  // A key that its owner did not sign with: nobody takes in the key of another.
  other = r;
  other.next_signature = key(1).sign(signed_bytes(r));
  CHECK_FALSE(genuine(other));
  other.next_signature.reset();
  CHECK_FALSE(genuine(other));
  // A rotation is no revocation, whatever it is called.
  other = r;
  other.what = key_statement::kind::revoke;
  CHECK_FALSE(genuine(other));
  other.next.reset();
  other.next_signature.reset();
  CHECK_FALSE(genuine(other));
}

TEST_CASE("a statement has one spelling") {
  for (const auto& s : {rotate(1, 2), revoke(1)}) {
    const auto text = encode(s);
    REQUIRE(decode_key_statement(text).has_value());
    CHECK(decode_key_statement(text).value() == s);
    CHECK(decode_key_statement(text.substr(0, text.size() - 1)).error().code == errc::malformed);
    CHECK(decode_key_statement(text + "\n").error().code == errc::malformed);
    CHECK(decode_key_statement(" " + text).error().code == errc::malformed);
    const auto changed = [&](const std::string& from, const std::string& to) {
      auto t = text;
      REQUIRE(t.find(from) != t.npos);
      return decode_key_statement(t.replace(t.find(from), from.size(), to)).error().code;
    };
    CHECK(changed("\"version\":1", "\"version\":2") == errc::unsupported);
    CHECK(changed("\"version\":1", "\"version\":1,\"x-a\":1") == errc::malformed);
    CHECK(changed("\"signed_unix_ms\":", "\"signed_unix_ms\":-") == errc::malformed);
    CHECK(changed("ed25519:", "ED25519:") == errc::malformed);
    CHECK(changed(s.what == key_statement::kind::rotate ? "\"rotate\"" : "\"revoke\"", "\"retire\"") == errc::malformed);
  }
  CHECK(decode_key_statement(std::string(base::limits::key_statement_bytes_max + 1, ' ')).error().code == errc::too_large);
  // A revocation with a next key, a rotation without one, one to itself.
  auto odd = rotate(1, 2);
  odd.what = key_statement::kind::revoke;
  CHECK(decode_key_statement(encode(odd)).error().code == errc::malformed);
  odd = revoke(1);
  odd.what = key_statement::kind::rotate;
  CHECK(decode_key_statement(encode(odd)).error().code == errc::malformed);
  CHECK(decode_key_statement(encode(rotate(1, 1))).error().code == errc::malformed);
}

TEST_CASE("who trusts a key follows it to the next, under its name, and both are one owner") {
  auto t = naming({1, 5});
  REQUIRE(t.follow(rotate(1, 2)).has_value());
  REQUIRE(t.follow(rotate(2, 3)).has_value());
  CHECK(t.follows(rotate(1, 2)));
  for (const uint8_t n : {1, 2, 3}) {
    CHECK(t.trusts(pub(n)));
    CHECK(t.name(pub(n)) == "key 1");
    CHECK(t.owner(pub(n)) == t.owner(pub(1)));
  }
  CHECK(t.owner(pub(5)) != t.owner(pub(1)));
  CHECK(t.size() == 4);
  CHECK(t.owners() == 2);
  // Keys that were both named and turn out to be one owner's count once from then on.
  REQUIRE(t.follow(rotate(5, 1)).has_value());
  CHECK(t.owners() == 1);
}

TEST_CASE("nobody is followed who is not trusted, nor to two successors") {
  auto t = naming({1});
  CHECK(t.follow(rotate(7, 8)).error().code == errc::untrusted);
  CHECK(t.follow(revoke(7)).error().code == errc::untrusted);
  CHECK_FALSE(t.trusts(pub(8)));
  CHECK_FALSE(t.revoked(pub(7)));
  REQUIRE(t.follow(rotate(1, 2)).has_value());
  REQUIRE(t.follow(rotate(1, 2, 5000)).has_value()); // said again, later: nothing new
  CHECK(t.follow(rotate(1, 3)).error().code == errc::refused);
  CHECK_FALSE(t.trusts(pub(3)));
}

TEST_CASE("a revoked key counts no more, nor does a successor that only it named, in whichever order that is learnt") {
  for (const bool revoked_first : {false, true}) {
    auto t = naming({1, 9});
    if (!revoked_first) {
      REQUIRE(t.follow(rotate(1, 2)).has_value());
      REQUIRE(t.follow(rotate(2, 3)).has_value());
      REQUIRE(t.trusts(pub(3)));
    }
    REQUIRE(t.follow(revoke(1)).has_value());
    if (revoked_first) {
      CHECK(t.follow(rotate(1, 2)).error().code == errc::untrusted);
      CHECK(t.follow(rotate(2, 3)).error().code == errc::untrusted);
    }
    for (const uint8_t n : {1, 2, 3}) CHECK_FALSE(t.trusts(pub(n)));
    CHECK(t.revoked(pub(1)));
    CHECK(t.trusts(pub(9)));
    // Naming it again does not help; naming the successor does.
    REQUIRE(t.add(pub(1)).has_value());
    CHECK_FALSE(t.trusts(pub(1)));
    REQUIRE(t.add(pub(2)).has_value());
    CHECK(t.trusts(pub(2)));
  }
}

TEST_CASE("who retires a successor keeps the key before it") {
  auto t = naming({1});
  REQUIRE(t.follow(rotate(1, 2)).has_value());
  REQUIRE(t.follow(revoke(2)).has_value());
  CHECK(t.trusts(pub(1)));
  CHECK_FALSE(t.trusts(pub(2)));
  CHECK(t.owner(pub(1)) == t.owner(pub(2)));
}

TEST_CASE("a row of rotations has an end, and naming a key of it begins anew") {
  auto t = naming({1});
  constexpr auto most = static_cast<uint8_t>(base::limits::key_rotations_max);
  for (uint8_t n = 1; n <= most; ++n) REQUIRE(t.follow(rotate(n, static_cast<uint8_t>(n + 1))).has_value());
  const auto one_more = rotate(most + 1, most + 2);
  CHECK(t.follow(one_more).error().code == errc::too_large);
  CHECK_FALSE(t.trusts(pub(most + 2)));
  REQUIRE(t.add(pub(most + 1)).has_value());
  REQUIRE(t.follow(one_more).has_value());
  CHECK(t.trusts(pub(most + 2)));
}

TEST_CASE("a ring of rotations is one owner, and ends") {
  auto t = naming({1});
  REQUIRE(t.follow(rotate(1, 2)).has_value());
  REQUIRE(t.follow(rotate(2, 1)).has_value());
  CHECK(t.size() == 2);
  CHECK(t.owners() == 1);
}

TEST_CASE("the first key seen is not taken twice: revoked, nobody is trusted") {
  auto t = trust_set::first_use();
  REQUIRE(t.awaits_first());
  REQUIRE(t.add(pub(1)).has_value());
  REQUIRE(t.follow(revoke(1)).has_value());
  CHECK_FALSE(t.awaits_first());
  CHECK(t.size() == 0);
}
