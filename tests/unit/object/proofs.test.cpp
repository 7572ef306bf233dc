#include "object/proofs.hpp"

#include <doctest/doctest.h>

#include "tests/unit/object/leader.hpp"

namespace ec::object {
namespace {

using namespace test;

TEST_CASE("the manifest that lists a chunk is kept with its place and the broadcast's time") {
  leader l(1);
  const auto c = make_chunk(40, 188);
  const auto m = base::bytes::adopt(l.s.prepare(content_of(c), wall_at(0), 1'234'567).value().payload);
  proofs p;
  p.keep(40, 3, m, true);
  const auto found = p.of(40, c.facts.digest);
  REQUIRE(found.size() == 1);
  CHECK(found[0].group == 40);
  CHECK(found[0].object == 3);
  CHECK(found[0].payload == m);
  CHECK(found[0].alone);
  CHECK(found[0].first_index == 40);
  CHECK(found[0].broadcast_unix_ms == 1'234'567);
  CHECK(p.of(41, c.facts.digest).empty());
  CHECK(p.of(39, c.facts.digest).empty());
  CHECK(p.of(40, make_chunk(40, 188, 5).facts.digest).empty());
}

TEST_CASE("where the whole chunk replaced a damaged one, each version has the manifest that lists it") {
  leader l(1);
  const auto torn = make_damaged(40, 188, "ed25519:aa");
  const auto whole = make_chunk(40, 188);
  const auto first = l.sign(torn);
  const auto second = l.sign(whole);
  proofs p;
  p.keep(40, 0, first, true);
  p.keep(40, 1, second, true);
  REQUIRE(p.of(40, torn.facts.digest).size() == 1);
  CHECK(p.of(40, torn.facts.digest)[0].payload == first);
  REQUIRE(p.of(40, whole.facts.digest).size() == 1);
  CHECK(p.of(40, whole.facts.digest)[0].payload == second);
}

TEST_CASE("a stranger's manifest vouches for nothing until an attestation that counts names it") {
  leader l(1);
  leader stranger(2);
  const auto c = make_chunk(40, 188);
  const auto content = stranger.sign(c);
  const auto late = l.attest(c);
  proofs p;
  p.keep(40, 0, content, false);
  CHECK(p.of(40, c.facts.digest).empty());
  p.keep(40, 1, late, true);
  const auto found = p.of(40, c.facts.digest);
  REQUIRE(found.size() == 2);
  CHECK(found[0].payload == content);
  CHECK_FALSE(found[0].alone);
  CHECK(found[1].payload == late);

  // A manifest that counts alone stands before those that need another object.
  leader third(3);
  const auto other = base::bytes::adopt(manifest::encode([&] {
    auto m = third.said(c).manifest;
    m.content.chunk_duration_ms = 2001;
    return m;
  }()));
  p.keep(40, 2, other, true);
  REQUIRE(p.of(40, c.facts.digest).size() == 3);
  CHECK(p.of(40, c.facts.digest)[0].payload == other);
}

TEST_CASE("what a signer took from another source is told of that chunk, and under his signature only") {
  leader l(1);
  leader other(2);
  const auto c = make_chunk(40, 188);
  const std::vector<manifest::repaired_chunk> said{{40, 1, 900}};
  auto pending = l.s.prepare(content_of(c), wall_at(0), std::nullopt, said).value();
  proofs p;
  p.keep(40, 0, other.sign(c), true);
  CHECK_FALSE(p.repaired(40, c.facts.digest, l.s.key()));
  p.keep(40, 1, base::bytes::copy(pending.payload), true);
  const auto told = p.repaired(40, c.facts.digest, l.s.key());
  REQUIRE(told);
  CHECK(*told == said.front());
  CHECK_FALSE(p.repaired(40, c.facts.digest, other.s.key())); // he received it
  CHECK_FALSE(p.repaired(41, c.facts.digest, l.s.key()));
  CHECK_FALSE(p.repaired(40, make_chunk(40, 188, 5).facts.digest, l.s.key()));

  auto forged = pending.manifest;
  forged.attestations.front().extra.front().second = manifest::to_json(std::vector<manifest::repaired_chunk>{{40, 900, 900}});
  proofs q;
  q.keep(40, 0, base::bytes::adopt(manifest::encode(forged)), true);
  CHECK_FALSE(q.repaired(40, c.facts.digest, l.s.key()));
}

TEST_CASE("strangers cannot push out what counts") {
  leader l(1);
  leader stranger(2);
  const auto c = make_chunk(40, 188);
  proofs p;
  p.keep(40, 0, l.sign(c), true);
  for (uint64_t index = 1000; index < 1000 + 2 * base::limits::proofs_max; ++index)
    p.keep(index, 0, stranger.sign(make_chunk(index, 188)), false);
  CHECK(p.of(40, c.facts.digest).size() == 1);
  CHECK(p.size() == 1 + base::limits::verifier_waiting_max);
}

TEST_CASE("the oldest manifests leave at the bound") {
  leader l(1);
  proofs p;
  for (uint64_t index = 0; index <= base::limits::proofs_max; ++index) p.keep(index, 0, l.sign(make_chunk(index, 188)), true);
  CHECK(p.size() == base::limits::proofs_max);
  CHECK(p.of(0, make_chunk(0, 188).facts.digest).empty());
  CHECK_FALSE(p.of(1, make_chunk(1, 188).facts.digest).empty());
}

TEST_CASE("what is no manifest is not kept") {
  proofs p;
  p.keep(1, 0, base::bytes::copy(std::string_view("{}")), true);
  CHECK(p.size() == 0);
}

TEST_CASE("one proof carries everybody whose word counts: once, verified, nobody else") {
  leader a(1);
  leader b(2);
  leader stranger(3);
  const auto c = make_chunk(40, 188);
  const auto counts = [&](const crypto::verifying_key& k) { return k == a.s.key() || k == b.s.key(); };
  proofs p;
  CHECK_FALSE(p.merged(40, c.facts.digest, counts));
  // A relay's object: a trusted name over a signature that is none, a stranger, and one that counts.
  auto m = a.said(c).manifest;
  m.attestations.push_back(stranger.said(c).manifest.attestations.front());
  auto forged = b.said(c).manifest.attestations.front();
  forged.signature.bytes[3] ^= 1;
  m.attestations.push_back(forged);
  p.keep(40, 0, base::bytes::adopt(manifest::encode(m)), true);
  REQUIRE(p.merged(40, c.facts.digest, counts));
  const auto read = [&] { return std::get<manifest::signed_manifest>(manifest::decode(p.merged(40, c.facts.digest, counts)->payload).value()); };
  REQUIRE(read().attestations.size() == 1);
  CHECK(read().attestations[0].signer == a.s.key());
  p.keep(40, 1, b.sign(c), true);   // the second leader's own object
  p.keep(40, 2, b.attest(c), true); // and once more, alone
  REQUIRE(read().attestations.size() == 2);
  CHECK(read().attestations[1].signer == b.s.key());
  CHECK(read().content == content_of(c));
  CHECK_FALSE(p.merged(41, c.facts.digest, counts));
}

} // namespace
} // namespace ec::object
