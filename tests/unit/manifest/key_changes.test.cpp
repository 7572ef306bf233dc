// A verifier whose trusted keys rotate and are revoked by what manifests carry.
#include <doctest/doctest.h>

#include "manifest/verifier.hpp"
#include "tests/unit/manifest/fixture.hpp"

using namespace ec::manifest;
using namespace ec::test;
using ec::base::errc;
using reason = refusal_reason;

namespace {

trust_set trusting(std::initializer_list<uint8_t> numbers) {
  trust_set t;
  for (const auto n : numbers) REQUIRE(t.add(key(n).public_key(), "key " + std::to_string(n)).has_value());
  return t;
}

/// A leader with this key whose manifests carry these statements.
signer carrying(uint8_t number, std::vector<key_statement> statements) {
  auto s = signer_of(number);
  REQUIRE(s.carry(std::move(statements)).has_value());
  return s;
}

std::vector<uint8_t> say(signer& s, content c) {
  return s.prepare(std::move(c), at(0)).value().payload;
}

const auto one_to_two = rotation(key(1), key(2), at(0));

} // namespace

TEST_CASE("the first manifest of a new key counts, as it carries the old one's word") {
  verifier v(stream, trusting({1}));
  auto next = carrying(2, {one_to_two});
  const auto o = v.accept(say(next, epoch(5)), at(0));
  REQUIRE(o.accepted.has_value());
  CHECK(o.refusals.empty());
  REQUIRE(o.followed.size() == 1);
  CHECK(o.followed[0] == one_to_two);
  CHECK(v.find(5)->signer == key(2).public_key());
  CHECK(v.counters().keys_rotated == 1);
  // Said with every manifest; news once.
  const auto again = v.accept(say(next, epoch(6)), at(0));
  CHECK(again.accepted.has_value());
  CHECK(again.followed.empty());
  CHECK(v.counters().keys_rotated == 1);
}

TEST_CASE("a stranger's statements change nothing, and are no fault of who carries them") {
  verifier v(stream, trusting({1}));
  auto s = carrying(1, {rotation(key(7), key(8), at(0)), revocation(key(7), at(0))});
  const auto o = v.accept(say(s, epoch(5)), at(0));
  CHECK(o.accepted.has_value());
  CHECK(o.refusals.empty());
  CHECK(o.followed.empty());
  auto stranger = signer_of(8);
  CHECK(v.accept(say(stranger, epoch(6)), at(0)).refusals.at(0).why == reason::untrusted);
}

TEST_CASE("a forged statement in a trusted name is refused, and the manifest beside it still counts") {
  verifier v(stream, trusting({1}));
  auto s = signer_of(1);
  auto m = s.prepare(epoch(5), at(0)).value().manifest;
  auto forged = rotation(key(7), key(8), at(0));
  forged.key = key(1).public_key();
  auto fake = revocation(key(7), at(0));
  fake.key = key(1).public_key();
  m.key_statements = {forged, fake};
  const auto o = v.accept(encode(m), at(0));
  CHECK(o.accepted.has_value());
  CHECK(o.followed.empty());
  REQUIRE_FALSE(o.refusals.empty());
  for (const auto& r : o.refusals) CHECK(r.why == reason::bad_signature);
  CHECK(v.trust().trusts(key(1).public_key()));
  CHECK_FALSE(v.trust().trusts(key(8).public_key()));
}

TEST_CASE("a key and its successor are one signer of the two that are required") {
  verifier v(stream, trusting({1, 5}), {.signers_required = 2, .age_max = {}, .ahead_max = {}});
  auto old = signer_of(1);
  auto next = carrying(2, {one_to_two});
  auto other = signer_of(5);
  REQUIRE(v.accept(say(old, epoch(5)), at(0)).accepted.has_value());
  REQUIRE(v.accept(say(next, epoch(5)), at(0)).accepted.has_value());
  CHECK_FALSE(v.find(5).has_value());
  CHECK(v.signers_of(5) == 1);
  REQUIRE(v.accept(say(other, epoch(5)), at(0)).accepted.has_value());
  CHECK(v.find(5)->signers == 2);
}

TEST_CASE("a second successor of one key is refused: whoever came first stays") {
  verifier v(stream, trusting({1}));
  auto next = carrying(2, {one_to_two});
  REQUIRE(v.accept(say(next, epoch(5)), at(0)).accepted.has_value());
  auto thief = carrying(9, {rotation(key(1), key(9), at(10))});
  const auto o = v.accept(say(thief, epoch(6)), at(0));
  CHECK_FALSE(o.accepted.has_value());
  REQUIRE(o.refusals.size() == 2);
  CHECK(o.refusals[0].why == reason::key_statement);
  CHECK(o.refusals[1].why == reason::untrusted);
}

TEST_CASE("nothing counts that a revoked key signs, or signed, or that its successors sign") {
  verifier v(stream, trusting({1, 5}));
  auto stolen = signer_of(1);
  auto successor = carrying(2, {one_to_two});
  REQUIRE(v.accept(say(stolen, epoch(5)), at(0)).accepted.has_value());
  REQUIRE(v.accept(say(successor, epoch(6)), at(0)).accepted.has_value());
  auto good = carrying(5, {revocation(key(1), at(0))});
  const auto o = v.accept(say(good, epoch(7)), at(0));
  REQUIRE(o.accepted.has_value());
  CHECK(o.followed.size() == 1);
  CHECK(v.counters().keys_revoked == 1);
  CHECK_FALSE(v.find(5).has_value());
  CHECK_FALSE(v.find(6).has_value());
  CHECK(v.find(7).has_value());
  const auto after = v.accept(say(stolen, epoch(8)), at(0));
  CHECK_FALSE(after.accepted.has_value());
  CHECK(after.refusals.at(0).why == reason::key_revoked);
  CHECK(v.accept(say(successor, epoch(9)), at(0)).refusals.at(0).why == reason::untrusted);
  CHECK(v.counters().of(reason::key_revoked) == 1);
}

TEST_CASE("statements of one object are followed in whichever order they stand") {
  verifier v(stream, trusting({1}));
  const auto two_to_three = rotation(key(2), key(3), at(0));
  auto s = carrying(3, {revocation(key(4), at(0)), rotation(key(3), key(4), at(0)), two_to_three, one_to_two});
  const auto o = v.accept(say(s, epoch(5)), at(0));
  CHECK(o.accepted.has_value());
  CHECK(o.followed.size() == 4);
  CHECK(v.trust().trusts(key(3).public_key()));
  CHECK_FALSE(v.trust().trusts(key(4).public_key()));
}

TEST_CASE("a revocation is heard from whoever carries it, also in a manifest that does not count") {
  verifier v(stream, trusting({1}));
  auto stranger = carrying(9, {revocation(key(1), at(0))});
  const auto o = v.accept(say(stranger, epoch(5)), at(0));
  CHECK_FALSE(o.accepted.has_value());
  CHECK_FALSE(o.duplicate);
  CHECK(o.followed.size() == 1);
  CHECK(v.trust().size() == 0);
}

TEST_CASE("a signer carries only what is genuine, and does not sign with a key that it says is revoked") {
  auto s = signer_of(1);
  auto changed = one_to_two;
  changed.signed_unix_ms += 1;
  CHECK(s.carry({changed}).error().code == errc::mismatch);
  CHECK(s.carry({revocation(key(1), at(0))}).error().code == errc::refused);
  CHECK(s.carry(std::vector<key_statement>(ec::base::limits::key_statements_max + 1, one_to_two)).error().code == errc::too_large);
  REQUIRE(s.carry({one_to_two, revocation(key(7), at(0))}).has_value());
  const auto made = s.prepare(epoch(5), at(0)).value();
  CHECK(made.manifest.key_statements.size() == 2);
  CHECK(std::get<signed_manifest>(decode(made.payload).value()) == made.manifest);
  // The content's name does not depend on who says what about keys.
  CHECK(made.manifest_id == manifest_id(epoch(5)));
}
