// The receiver over the real verifier: signed manifests in, chunks out.
#include "object/verifier_judge.hpp"

#include <doctest/doctest.h>

#include "tests/unit/object/leader.hpp"

namespace ec::object {
namespace {

using namespace test;

receiver make(manifest::trust_set trust) {
  receiver r(stream_cipher::make(stream_id).value(),
             std::make_unique<verifier_judge>(manifest::verifier(stream_id, std::move(trust))), {});
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

} // namespace
} // namespace ec::object
