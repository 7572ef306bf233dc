// The receiver over the real verifier: signed manifests in, chunks out.
#include "object/verifier_judge.hpp"

#include <doctest/doctest.h>

#include "tests/unit/object/leader.hpp"

namespace ec::object {
namespace {

using namespace test;

receiver make(manifest::trust_set trust, size_t signers_required = 1, receiver_config config = {}, manifest::verifier_config rules = {}) {
  rules.signers_required = signers_required;
  receiver r(stream_cipher::make(stream_id).value(),
             std::make_unique<verifier_judge>(manifest::verifier(stream_id, std::move(trust), rules)), config);
  REQUIRE(r.on_source_added(0));
  REQUIRE(r.on_source_added(1));
  return r;
}

size_t feed(receiver& r, const made_chunk& c, track on = track::chunks) {
  size_t delivered = 0;
  for (size_t id = 0; id < c.objects.size(); ++id)
    for (const auto& a : r.on_object(0, on, c.index, id, c.objects[id], at(0)))
      if (const auto* d = std::get_if<deliver>(&a)) delivered += std::ranges::equal(d->plaintext, c.plaintext) ? 1 : 0;
  return delivered;
}

template <class Action>
const Action* first(const actions& all) {
  for (const auto& a : all)
    if (const auto* found = std::get_if<Action>(&a)) return found;
  return nullptr;
}

TEST_CASE("a chunk that a trusted leader signed is delivered with his key") {
  leader l(1);
  manifest::trust_set trust;
  REQUIRE(trust.add(l.s.key()));
  auto r = make(trust);
  const auto c = make_chunk(40, 1880);
  CHECK(feed(r, c) == 0);
  const auto done = r.on_manifest_object(1, 40, 0, l.sign(c), at(1), wall_at(1));
  const auto* accepted = first<manifest_accepted>(done);
  REQUIRE(accepted != nullptr);
  CHECK(accepted->signer == l.s.key());
  CHECK(accepted->first_index == 40);
  CHECK(accepted->chunks == 1);
  CHECK_FALSE(accepted->new_key);
  const auto* d = first<deliver>(done);
  REQUIRE(d != nullptr);
  CHECK(d->signer == l.s.key());
  CHECK(d->digest == c.facts.digest);
}

TEST_CASE("an untrusted leader's manifest delivers nothing and is named") {
  leader l(1);
  leader stranger(2);
  manifest::trust_set trust;
  REQUIRE(trust.add(l.s.key()));
  auto r = make(trust);
  const auto c = make_chunk(40, 1880);
  feed(r, c);
  const auto done = r.on_manifest_object(1, 40, 0, stranger.sign(c), at(1), wall_at(1));
  CHECK(first<deliver>(done) == nullptr);
  const auto* no = first<reject>(done);
  REQUIRE(no != nullptr);
  CHECK(no->reason == refusal::manifest_untrusted);
  CHECK(r.counters().of(refusal::manifest_untrusted) == 1);
}

TEST_CASE("what a revoked key signs is named once, and counted each time") {
  leader l(1);
  manifest::trust_set trust;
  REQUIRE(trust.add(l.s.key()));
  REQUIRE(trust.revoke(l.s.key()));
  auto r = make(trust);
  size_t named = 0;
  for (uint64_t index = 40; index < 45; ++index) {
    const auto c = make_chunk(index, 1880);
    CHECK(feed(r, c) == 0);
    for (const auto& a : r.on_manifest_object(0, index, 0, l.sign(c), at(0), wall_at(0)))
      if (const auto* no = std::get_if<reject>(&a)) named += no->reason == refusal::manifest_key_revoked ? 1 : 0;
  }
  CHECK(named == 1);
  CHECK(r.counters().of(refusal::manifest_key_revoked) == 5);
}

TEST_CASE("a manifest in another group than that of its epoch delivers nothing and is named") {
  leader l(1);
  manifest::trust_set trust;
  REQUIRE(trust.add(l.s.key()));
  auto r = make(trust);
  const auto c = make_chunk(40, 1880);
  feed(r, c);
  const auto payload = l.sign(c);
  const auto done = r.on_manifest_object(1, 41, 0, payload, at(1), wall_at(1));
  CHECK(first<deliver>(done) == nullptr);
  REQUIRE(first<reject>(done) != nullptr);
  CHECK(first<reject>(done)->reason == refusal::manifest_wrong_group);
  CHECK(r.counters().of(refusal::manifest_wrong_group) == 1);
  CHECK(first<deliver>(r.on_manifest_object(1, 40, 0, payload, at(2), wall_at(2))) != nullptr);
}

TEST_CASE("one changed byte anywhere in a manifest delivers nothing") {
  leader l(1);
  const auto c = make_chunk(40, 188);
  const auto payload = l.sign(c);
  for (size_t byte = 0; byte < payload.size(); ++byte) {
    manifest::trust_set trust;
    REQUIRE(trust.add(l.s.key()));
    auto r = make(trust);
    feed(r, c);
    std::vector<uint8_t> changed(payload.begin(), payload.end());
    changed[byte] ^= 1;
    CHECK(first<deliver>(r.on_manifest_object(1, 40, 0, base::bytes::adopt(std::move(changed)), at(1), wall_at(1))) == nullptr);
  }
}

TEST_CASE("trust on first use says that the key is new") {
  leader l(1);
  auto r = make(manifest::trust_set::first_use());
  const auto c = make_chunk(40, 1880);
  feed(r, c);
  const auto done = r.on_manifest_object(1, 40, 0, l.sign(c), at(1), wall_at(1));
  REQUIRE(first<manifest_accepted>(done) != nullptr);
  CHECK(first<manifest_accepted>(done)->new_key);
  CHECK(first<deliver>(done) != nullptr);
}

TEST_CASE("a leader that signs two whole versions of one chunk is caught and neither is delivered") {
  leader l(1);
  leader twin(1, 5000); // the same key with a state of its own: a copied machine
  manifest::trust_set trust;
  REQUIRE(trust.add(l.s.key()));
  auto r = make(trust);
  const auto one = make_chunk(40, 1880);
  const auto two = make_chunk(40, 1880, 3);
  r.on_manifest_object(1, 40, 0, l.sign(one), at(1), wall_at(1));
  const auto done = r.on_manifest_object(1, 40, 0, twin.sign(two), at(2), wall_at(2));
  REQUIRE(first<evidence>(done) != nullptr);
  CHECK(first<evidence>(done)->signer == l.s.key());
  CHECK(feed(r, one) == 0);
  CHECK(r.counters().equivocations >= 1);
}

TEST_CASE("a damaged version that the leader signed is delivered late, the whole one that follows at once") {
  for (const bool whole_follows : {false, true}) {
    leader l(1);
    manifest::trust_set trust;
    REQUIRE(trust.add(l.s.key()));
    auto r = make(trust);
    const auto broken = make_damaged(40, 1880, "ed25519:aa");
    const auto whole = make_chunk(40, 1880);
    feed(r, broken, track::damaged);
    CHECK(first<deliver>(r.on_manifest_object(1, 40, 0, l.sign(broken), at(0), wall_at(0))) == nullptr);
    if (whole_follows) {
      CHECK(feed(r, whole) == 0);
      const auto done = r.on_manifest_object(1, 40, 1, l.sign(whole), at(10), wall_at(10));
      REQUIRE(first<deliver>(done) != nullptr);
      CHECK_FALSE(first<deliver>(done)->damage);
    } else {
      const auto done = r.tick(at(6000));
      REQUIRE(first<deliver>(done) != nullptr);
      CHECK(first<deliver>(done)->damage);
      CHECK(first<deliver>(done)->verified);
    }
  }
}

TEST_CASE("where two signers are required, the second one's word delivers the chunk, whichever way it comes") {
  leader a(1);
  leader b(2);
  leader stranger(3);
  manifest::trust_set trust;
  REQUIRE(trust.add(a.s.key()));
  REQUIRE(trust.add(b.s.key()));
  auto r = make(trust, 2);
  for (const uint64_t index : {40, 41}) {
    const auto c = make_chunk(index, 1880);
    CHECK(feed(r, c) == 0);
    CHECK(first<deliver>(r.on_manifest_object(0, index, 0, a.sign(c), at(1), wall_at(1))) == nullptr);
    CHECK(first<deliver>(r.on_manifest_object(0, index, 1, stranger.sign(c), at(1), wall_at(1))) == nullptr);
    // A manifest of the same content from another source; an attestation alone.
    const auto second = index == 40 ? b.sign(c) : b.attest(c);
    const auto done = r.on_manifest_object(1, index, 1, second, at(2), wall_at(2));
    REQUIRE(first<deliver>(done) != nullptr);
    CHECK(first<deliver>(done)->verified);
  }
  CHECK(r.counters().chunks_too_few_signers == 0);
}

TEST_CASE("chunks that one of two required signers lists are not delivered: said once after a patience, counted each") {
  leader a(1);
  leader b(2);
  manifest::trust_set trust;
  REQUIRE(trust.add(a.s.key()));
  REQUIRE(trust.add(b.s.key()));
  receiver_config config;
  config.patience = std::chrono::milliseconds(6000);
  auto r = make(trust, 2, config);
  std::vector<too_few_signers> told;
  std::vector<skip> skips;
  size_t delivered = 0;
  const auto note = [&](const actions& all) {
    for (const auto& one : all) {
      if (const auto* t = std::get_if<too_few_signers>(&one)) told.push_back(*t);
      if (const auto* s = std::get_if<skip>(&one)) skips.push_back(*s);
      if (std::holds_alternative<deliver>(one)) ++delivered;
    }
  };
  for (const uint64_t index : {40, 41, 42}) {
    const auto c = make_chunk(index, 1880);
    CHECK(feed(r, c) == 0);
    note(r.on_manifest_object(0, index, 0, a.sign(c), at(1), wall_at(1)));
  }
  REQUIRE(r.deadline().has_value());
  CHECK(*r.deadline() <= at(6001));
  note(r.tick(at(6000)));
  CHECK(told.empty());
  note(r.tick(at(6001)));
  REQUIRE(told.size() == 1);
  CHECK(told[0].index == 40);
  CHECK(told[0].signers == 1);
  CHECK(told[0].required == 2);
  CHECK(r.counters().chunks_too_few_signers == 3);
  CHECK(delivered == 0);
  // The second signer is back, with the newest chunk only: what it did not see is skipped for that reason.
  note(r.on_manifest_object(1, 42, 0, b.sign(make_chunk(42, 1880)), at(7000), wall_at(7000)));
  note(r.tick(at(14'000)));
  CHECK(delivered == 1);
  CHECK(r.counters().chunks_too_few_signers == 3);
  // And when it is gone again, that is said again.
  const auto c = make_chunk(43, 1880);
  CHECK(feed(r, c) == 0);
  note(r.on_manifest_object(0, 43, 0, a.sign(c), at(15'000), wall_at(15'000)));
  note(r.tick(at(21'000)));
  CHECK(told.size() == 2);
  CHECK(r.counters().chunks_too_few_signers == 4);
}

TEST_CASE("a trusted signer that floods manifests of the far future does not stop the chunks of an honest one") {
  leader honest(1);
  leader insider(2);
  manifest::trust_set trust;
  REQUIRE(trust.add(honest.s.key()));
  REQUIRE(trust.add(insider.s.key()));
  manifest::verifier_config rules;
  rules.manifests_max = 16;
  auto r = make(trust, 1, {}, rules);
  size_t delivered = 0;
  std::vector<crowding> told;
  uint64_t future = 1'000'000;
  for (uint64_t index = 40; index < 60; ++index) {
    const auto c = make_chunk(index, 1880);
    // Its manifest comes first, then what pushes it out, then the chunk.
    for (const auto& a : r.on_manifest_object(0, index, 0, honest.sign(c), at(0), wall_at(0)))
      if (std::holds_alternative<deliver>(a)) ++delivered;
    for (int n = 0; n < 20; ++n, ++future)
      for (const auto& a : r.on_manifest_object(1, future, 0, insider.sign(make_chunk(future, 188)), at(0), wall_at(0)))
        if (const auto* t = std::get_if<crowding>(&a)) told.push_back(*t);
    delivered += feed(r, c);
    CHECK(delivered == index - 39);
  }
  REQUIRE(told.size() == 1);
  CHECK(told[0].signer == insider.s.key());
  CHECK(told[0].source == 1);
  CHECK(r.counters().manifests_crowded_out > 200);
}

} // namespace
} // namespace ec::object
