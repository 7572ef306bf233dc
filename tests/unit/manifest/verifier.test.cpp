#include "manifest/verifier.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "base/bytes.hpp"
#include "tests/unit/manifest/fixture.hpp"

using namespace ec::manifest;
using namespace ec::test;
using reason = refusal_reason;

namespace {

trust_set trusting(std::initializer_list<uint8_t> numbers) {
  trust_set t;
  for (const auto n : numbers) REQUIRE(t.add(key(n).public_key(), "key " + std::to_string(n)).has_value());
  return t;
}

reason why(const outcome& o) {
  REQUIRE(o.refusals.size() == 1);
  CHECK_FALSE(o.accepted.has_value());
  return o.refusals.front().why;
}

/// The next manifest of an honest signer.
std::vector<uint8_t> say(signer& s, content c, int64_t ms_later = 0) {
  return s.prepare(std::move(c), at(ms_later)).value().payload;
}

} // namespace

TEST_CASE("a manifest of a trusted key makes its chunks known, and no others") {
  verifier v(stream, trusting({1}));
  CHECK_FALSE(v.find(8).has_value());
  CHECK_FALSE(v.newest_index().has_value());
  auto s = signer_of(1);
  const auto o = v.accept(say(s, epoch(8, 4)), at(0));
  REQUIRE(o.accepted.has_value());
  CHECK(o.refusals.empty());
  CHECK(*o.accepted->content == epoch(8, 4));
  CHECK(o.accepted->manifest_id == manifest_id(epoch(8, 4)));
  CHECK(o.accepted->signers == std::vector{s.key()});
  CHECK_FALSE(o.accepted->new_key);
  for (uint64_t i = 8; i < 12; ++i) {
    REQUIRE(v.find(i).has_value());
    CHECK(v.find(i)->digest == chunk(i));
    CHECK_FALSE(v.find(i)->damaged);
    CHECK(v.find(i)->signer == s.key());
    CHECK(v.find(i)->epoch_id == 2);
  }
  CHECK_FALSE(v.find(7).has_value());
  CHECK_FALSE(v.find(12).has_value());
  CHECK(v.newest_index() == 11);
  CHECK(v.newest_signed_unix_ms() == static_cast<uint64_t>(start_ms));
}

TEST_CASE("no signature, another key, another stream: nothing becomes known") {
  verifier v(stream, trusting({1}));
  auto stranger = signer_of(2);
  CHECK(why(v.accept(say(stranger, epoch(1)), at(0))) == reason::untrusted);

  auto s = signer_of(1);
  auto m = s.prepare(epoch(2), at(0)).value().manifest;
  m.attestations.front().signature.bytes[5] ^= 1;
  CHECK(why(v.accept(encode(m), at(0))) == reason::bad_signature);

  // The signature of one content moved to another.
  m = s.prepare(epoch(3), at(0)).value().manifest;
  m.content = epoch(3, 1, 7);
  CHECK(why(v.accept(encode(m), at(0))) == reason::bad_signature);

  // A trusted name over a stranger's signature.
  m = stranger.prepare(epoch(4), at(0)).value().manifest;
  m.attestations.front().signer = s.key();
  CHECK(why(v.accept(encode(m), at(0))) == reason::bad_signature);

  auto foreign = epoch(5);
  foreign.stream_id = "ec/stream/v1/source/kind-file/device-b/channel-1/profile-ts-v1/variant-main";
  CHECK(why(v.accept(forge(1, foreign, 1), at(0))) == reason::wrong_stream);

  CHECK(why(v.accept(ec::base::as_span("{}"), at(0))) == reason::malformed);
  CHECK(why(v.accept(std::vector<uint8_t>(ec::base::limits::manifest_bytes_max + 1, ' '), at(0))) == reason::too_large);
  for (uint64_t i = 0; i < 6; ++i) CHECK_FALSE(v.find(i).has_value());
  CHECK(v.counters().of(reason::untrusted) == 1);
  CHECK(v.counters().of(reason::bad_signature) == 3);
  CHECK(v.counters().of(reason::wrong_stream) == 1);
  CHECK(v.counters().of(reason::malformed) == 1);
  CHECK(v.counters().of(reason::too_large) == 1);
  CHECK(v.counters().accepted == 0);
  CHECK(v.manifests_held() == 0);
}

TEST_CASE("a live subscriber gets on with clocks an hour off and refuses yesterday's stream") {
  constexpr int64_t hour = 3'600'000;
  constexpr int64_t four_epochs = 4 * 1024 * 2000;
  for (const auto& [now, expected] : std::vector<std::pair<int64_t, std::optional<reason>>>{
         {0, {}}, {2 * hour, {}}, {-2 * hour, {}}, {2 * hour + four_epochs, {}}, {24 * hour, reason::stale}, {6 * hour + 1, reason::stale},
         {-2 * hour - 1, reason::from_future}}) {
    CAPTURE(now);
    auto s = signer_of(1);
    verifier v(stream, trusting({1}), live_rules());
    const auto o = v.accept(say(s, epoch(1)), at(now));
    CHECK(o.accepted.has_value() != expected.has_value());
    CHECK(v.find(1).has_value() != expected.has_value());
    if (!expected) continue;
    CHECK(why(o) == *expected);
    CHECK(v.counters().of(*expected) == 1);
    CHECK(o.refusals.front().text.find("allowed") != std::string::npos);
  }
}

TEST_CASE("a manifest counts only in the group of its epoch, and so do attestations that come later") {
  auto s = signer_of(1);
  auto other = signer_of(2);
  const auto m = s.prepare(epoch(40, 4), at(0)).value();
  verifier v(stream, trusting({1, 2}));
  CHECK(why(v.accept(m.payload, at(0), 11)) == reason::wrong_group);
  CHECK_FALSE(v.find(40).has_value());
  CHECK(v.accept(m.payload, at(0), 10).accepted.has_value());
  const auto late = encode(late_attestations{m.manifest_id, other.prepare(epoch(40, 4), at(0)).value().manifest.attestations});
  CHECK(why(v.accept(late, at(0), 40)) == reason::wrong_group);
  CHECK(v.find(40)->signers == 1);
  CHECK(v.accept(late, at(0), 10).accepted.has_value());
  CHECK(v.find(40)->signers == 2);
  CHECK(v.counters().of(reason::wrong_group) == 2);
}

TEST_CASE("a bad signature is not remembered against the content: the good one still counts") {
  verifier v(stream, trusting({1}));
  auto s = signer_of(1);
  const auto good = s.prepare(epoch(2), at(0)).value().manifest;
  auto bad = good;
  bad.attestations.front().signature.bytes[5] ^= 1;
  CHECK(why(v.accept(encode(bad), at(0))) == reason::bad_signature);
  CHECK(v.accept(encode(good), at(0)).accepted.has_value());
}

TEST_CASE("the first signer is trusted on first use, said once, and the second is not") {
  verifier v(stream, trust_set::first_use());
  auto first = signer_of(1);
  auto second = signer_of(2);
  auto forged = second.prepare(epoch(1), at(0)).value().manifest;
  forged.attestations.front().signature.bytes[9] ^= 1;
  CHECK(why(v.accept(encode(forged), at(0))) == reason::bad_signature);
  const auto o = v.accept(say(first, epoch(1)), at(0));
  REQUIRE(o.accepted.has_value());
  CHECK(o.accepted->new_key);
  CHECK(why(v.accept(say(second, epoch(2)), at(0))) == reason::untrusted);
  const auto next = v.accept(say(first, epoch(2)), at(0));
  REQUIRE(next.accepted.has_value());
  CHECK_FALSE(next.accepted->new_key);
}

TEST_CASE("a copy is a duplicate and costs nothing more than its parsing") {
  verifier v(stream, trusting({1}));
  auto s = signer_of(1);
  const auto payload = say(s, epoch(1));
  REQUIRE(v.accept(payload, at(0)).accepted.has_value());
  for (int i = 0; i < 3; ++i) {
    const auto o = v.accept(payload, at(0));
    CHECK(o.duplicate);
    CHECK_FALSE(o.accepted.has_value());
    CHECK(o.refusals.empty());
  }
  CHECK(v.counters().duplicates == 3);
  CHECK(v.counters().attestations == 1);
}

TEST_CASE("two contents of one epoch by one signer: both are kept as evidence, neither counts") {
  for (const bool turned : {false, true}) {
    CAPTURE(turned);
    verifier v(stream, trusting({1}));
    auto payloads = std::array{forge(1, epoch(5), 10), forge(1, epoch(5, 1, 7), 12)};
    if (turned) std::swap(payloads[0], payloads[1]);
    REQUIRE(v.accept(payloads[0], at(0)).accepted.has_value());
    REQUIRE(v.find(5).has_value());
    CHECK(why(v.accept(payloads[1], at(0))) == reason::equivocation);
    CHECK_FALSE(v.find(5).has_value());
    REQUIRE(v.evidence_kept().size() == 1);
    const auto& e = v.evidence_kept().front();
    CHECK(e.kind == evidence_kind::equivocation);
    CHECK(e.signer == key(1).public_key());
    for (const auto* side : {&e.first, &e.second}) {
      REQUIRE(side->content != nullptr);
      CHECK(manifest_id(*side->content) == side->manifest_id);
      CHECK(ec::crypto::verify(e.signer, signed_bytes(side->attestation, side->manifest_id), side->attestation.signature));
    }
    CHECK(e.first.manifest_id != e.second.manifest_id);
    // Saying either again changes nothing, and what this signer says of other epochs still counts.
    CHECK(v.accept(payloads[0], at(0)).duplicate);
    CHECK(v.accept(payloads[1], at(0)).duplicate);
    CHECK_FALSE(v.find(5).has_value());
    CHECK(v.accept(forge(1, epoch(6), 14, ec::crypto::digest{}), at(0)).accepted.has_value());
    CHECK(v.find(6).has_value());
  }
}

TEST_CASE("another trusted signer still vouches for what one contradicted") {
  verifier v(stream, trusting({1, 2}));
  auto honest = signer_of(2);
  REQUIRE(v.accept(forge(1, epoch(5), 10), at(0)).accepted.has_value());
  REQUIRE(v.accept(say(honest, epoch(5)), at(0)).accepted.has_value());
  CHECK(v.find(5)->signers == 2);
  CHECK(why(v.accept(forge(1, epoch(5, 1, 7), 12), at(0))) == reason::equivocation);
  REQUIRE(v.find(5).has_value());
  CHECK(v.find(5)->digest == chunk(5));
  CHECK(v.find(5)->signer == key(2).public_key());
  CHECK(v.find(5)->signers == 1);
}

TEST_CASE("equivocation shows through epochs of another length, too") {
  verifier v(stream, trusting({1}));
  REQUIRE(v.accept(forge(1, epoch(4, 4), 10), at(0)).accepted.has_value());
  CHECK(why(v.accept(forge(1, epoch(6, 1, 7), 12), at(0))) == reason::equivocation);
  REQUIRE(v.accept(forge(1, epoch(9), 14), at(0)).accepted.has_value());
  CHECK(why(v.accept(forge(1, epoch(8, 4, 7), 16), at(0))) == reason::equivocation);
  CHECK_FALSE(v.find(9).has_value());
  // Equal chunks in an epoch of another length contradict nothing.
  REQUIRE(v.accept(forge(1, epoch(16, 4), 18), at(0)).accepted.has_value());
  CHECK(v.accept(forge(1, epoch(17), 20), at(0)).accepted.has_value());
  CHECK(v.find(17)->signers == 1);
}

TEST_CASE("a damaged version gives way to the whole one, in whichever order they come") {
  for (const bool turned : {false, true}) {
    CAPTURE(turned);
    verifier v(stream, trusting({1}));
    auto s = signer_of(1);
    auto payloads = std::array{say(s, damaged(8, 4, 1)), say(s, epoch(8, 4))};
    if (turned) std::swap(payloads[0], payloads[1]);
    REQUIRE(v.accept(payloads[0], at(0)).accepted.has_value());
    CHECK(v.find(9)->damaged == !turned);
    REQUIRE(v.accept(payloads[1], at(0)).accepted.has_value());
    CHECK_FALSE(v.find(9)->damaged);
    CHECK(v.find(9)->digest == chunk(9));
    REQUIRE(v.versions(9).size() == 2);
    CHECK(v.versions(9)[1].damaged);
    CHECK(v.versions(8).size() == 1);
    CHECK(v.counters().of(reason::equivocation) == 0);
  }
}

TEST_CASE("a damaged content that is signed after the whole one is equivocation") {
  verifier v(stream, trusting({1}));
  REQUIRE(v.accept(forge(1, epoch(8), 10), at(0)).accepted.has_value());
  CHECK(why(v.accept(forge(1, damaged(8), 12), at(0))) == reason::equivocation);
}

TEST_CASE("a missing chunk is not known, its neighbours are") {
  verifier v(stream, trusting({1}));
  auto c = epoch(8, 4);
  c.chunks[2] = {{}, chunk_state::missing};
  REQUIRE(v.accept(forge(1, c, 1), at(0)).accepted.has_value());
  CHECK(v.find(9).has_value());
  CHECK_FALSE(v.find(10).has_value());
  CHECK(v.find(11).has_value());
}

TEST_CASE("signers that disagree are counted; a whole chunk that more attest wins") {
  verifier v(stream, trusting({1, 2, 3}));
  auto a = signer_of(1);
  auto b = signer_of(2);
  auto c = signer_of(3);
  REQUIRE(v.accept(say(a, epoch(5, 1, 7)), at(0)).accepted.has_value());
  REQUIRE(v.accept(say(b, epoch(5)), at(0)).accepted.has_value());
  CHECK(v.counters().disagreements == 1);
  CHECK(v.find(5)->digest == chunk(5, 7)); // the first, while they are even
  REQUIRE(v.accept(say(c, epoch(5)), at(0)).accepted.has_value());
  CHECK(v.find(5)->digest == chunk(5));
  CHECK(v.find(5)->signers == 2);
  CHECK(v.versions(5).size() == 2);
  CHECK(v.evidence_kept().empty());
}

TEST_CASE("where two signers are required one is not enough, nor one that speaks twice") {
  verifier v(stream, trusting({1, 2}), {.signers_required = 2, .age_max = {}, .ahead_max = {}});
  auto a = signer_of(1);
  auto b = signer_of(2);
  REQUIRE(v.accept(say(a, epoch(5)), at(0)).accepted.has_value());
  REQUIRE(v.accept(say(a, epoch(5)), at(1)).accepted.has_value());
  CHECK_FALSE(v.find(5).has_value());
  CHECK(v.signers_of(5) == 1);
  CHECK(v.signers_of(6) == 0);
  const auto said = b.prepare(epoch(5), at(1)).value();
  const auto late = encode(late_attestations{said.manifest_id, said.manifest.attestations});
  REQUIRE(v.accept(late, at(1)).accepted.has_value());
  CHECK(v.find(5)->signers == 2);
}

TEST_CASE("two signers add up in whichever object they come, and a stranger adds nothing") {
  verifier v(stream, trusting({1, 2}), {.signers_required = 2, .age_max = {}, .ahead_max = {}});
  auto a = signer_of(1);
  auto b = signer_of(2);
  auto stranger = signer_of(3);
  REQUIRE(v.accept(say(a, epoch(5)), at(0)).accepted.has_value());
  CHECK(why(v.accept(say(stranger, epoch(5)), at(0))) == reason::untrusted);
  CHECK_FALSE(v.find(5).has_value());
  // The second leader's own manifest of the same content.
  REQUIRE(v.accept(say(b, epoch(5)), at(0)).accepted.has_value());
  CHECK(v.find(5)->signers == 2);
  // Epochs of another length: the chunk is what must be agreed on.
  REQUIRE(v.accept(say(a, epoch(8)), at(0)).accepted.has_value());
  REQUIRE(v.accept(say(b, epoch(8, 4)), at(0)).accepted.has_value());
  CHECK(v.find(8)->signers == 2);
  CHECK_FALSE(v.find(9).has_value());
  // Two that differ do not add up.
  REQUIRE(v.accept(say(a, epoch(12)), at(0)).accepted.has_value());
  REQUIRE(v.accept(say(b, epoch(12, 1, 7)), at(0)).accepted.has_value());
  CHECK_FALSE(v.find(12).has_value());
  CHECK(v.signers_of(12) == 1);
}

TEST_CASE("a signer that contradicts itself takes its share of the required signers away") {
  verifier v(stream, trusting({1, 2}), {.signers_required = 2, .age_max = {}, .ahead_max = {}});
  auto a = signer_of(1);
  auto b = signer_of(2);
  REQUIRE(v.accept(say(a, epoch(5)), at(0)).accepted.has_value());
  REQUIRE(v.accept(say(b, epoch(5)), at(0)).accepted.has_value());
  REQUIRE(v.find(5).has_value());
  auto twin = signer_of(2, 5);
  CHECK(why(v.accept(say(twin, epoch(5, 1, 9)), at(0))) == reason::equivocation);
  CHECK_FALSE(v.find(5).has_value());
}

TEST_CASE("a late attestation finds its manifest, also one that only a stranger signed so far") {
  verifier v(stream, trusting({1}));
  auto stranger = signer_of(2);
  auto s = signer_of(1);
  const auto said = s.prepare(epoch(5), at(0)).value();
  const auto late = encode(late_attestations{said.manifest_id, said.manifest.attestations});
  CHECK(why(v.accept(late, at(0))) == reason::unknown_manifest);
  CHECK(why(v.accept(say(stranger, epoch(5)), at(0))) == reason::untrusted);
  CHECK_FALSE(v.find(5).has_value());
  const auto o = v.accept(late, at(0));
  REQUIRE(o.accepted.has_value());
  CHECK(*o.accepted->content == epoch(5));
  CHECK(v.find(5).has_value());
  CHECK(v.accept(late, at(0)).duplicate);
}

TEST_CASE("one object with good and bad attestations: the good ones count, each bad one is named") {
  verifier v(stream, trusting({1, 3}));
  auto m = signer_of(1).prepare(epoch(5), at(0)).value().manifest;
  m.attestations.push_back(signer_of(2).prepare(epoch(5), at(0)).value().manifest.attestations.front());
  m.attestations.push_back(signer_of(3).prepare(epoch(5), at(0)).value().manifest.attestations.front());
  m.attestations.back().signature.bytes[0] ^= 1;
  const auto o = v.accept(encode(m), at(0));
  REQUIRE(o.accepted.has_value());
  CHECK(o.accepted->signers == std::vector{key(1).public_key()});
  REQUIRE(o.refusals.size() == 2);
  CHECK(o.refusals[0].why == reason::untrusted);
  CHECK(o.refusals[1].why == reason::bad_signature);
  CHECK(v.find(5)->signers == 1);
}

TEST_CASE("a fork of a signer's chain is refused and kept as evidence") {
  verifier v(stream, trusting({1}));
  auto s = signer_of(1);
  const auto first = s.prepare(epoch(1), at(0)).value();
  REQUIRE(v.accept(first.payload, at(0)).accepted.has_value());
  const auto sequence = first.manifest.attestations.front().sequence;
  // The state was restored from a backup: the same number again, over another epoch.
  CHECK(why(v.accept(forge(1, epoch(2), sequence), at(0))) == reason::fork);
  // The next number, but not behind the one that is known.
  CHECK(why(v.accept(forge(1, epoch(3), sequence + 1, chunk(0)), at(0))) == reason::fork);
  CHECK(why(v.accept(forge(1, epoch(3), sequence + 1), at(0))) == reason::fork);
  // Signed before the one that it follows.
  CHECK(why(v.accept(forge(1, epoch(3), sequence + 5, chunk(0), -1000), at(0))) == reason::fork);
  CHECK(v.evidence_kept().size() == 4);
  CHECK(v.counters().of(reason::fork) == 4);
  CHECK_FALSE(v.find(2).has_value());
  CHECK_FALSE(v.find(3).has_value());
  CHECK(v.find(1).has_value());
  CHECK(v.accept(say(s, epoch(2), 10), at(0)).accepted.has_value());
}

TEST_CASE("two contents of one epoch under one sequence number: a fork, and neither counts") {
  verifier v(stream, trusting({1}));
  REQUIRE(v.accept(forge(1, epoch(5), 10), at(0)).accepted.has_value());
  REQUIRE(v.find(5).has_value());
  const auto second = v.accept(forge(1, epoch(5, 1, 7), 10), at(0));
  CHECK_FALSE(second.accepted.has_value());
  REQUIRE_FALSE(second.refusals.empty());
  CHECK(second.refusals.front().why == reason::fork);
  CHECK_FALSE(v.find(5).has_value());
  CHECK(v.evidence_kept().size() == 2);
}

TEST_CASE("missed manifests are counted, and may still come") {
  verifier v(stream, trusting({1}));
  auto s = signer_of(1);
  std::vector<std::vector<uint8_t>> payloads;
  for (uint64_t i = 0; i < 6; ++i) payloads.push_back(say(s, epoch(i), static_cast<int64_t>(i)));
  REQUIRE(v.accept(payloads[0], at(0)).accepted.has_value());
  const auto o = v.accept(payloads[4], at(0));
  REQUIRE(o.accepted.has_value());
  CHECK(o.accepted->sequences_missed == 3);
  CHECK_FALSE(v.find(2).has_value());
  for (const size_t i : {2, 1, 3, 5}) CHECK(v.accept(payloads[i], at(0)).accepted.has_value());
  CHECK(v.counters().sequences_missed == 3);
  for (uint64_t i = 0; i < 6; ++i) CHECK(v.find(i)->digest == chunk(i));
}

TEST_CASE("a signer that lost its state is heard, and the new chain is reported") {
  verifier v(stream, trusting({1}));
  auto before = signer_of(1, 0);
  auto after = signer_of(1, 60000);
  REQUIRE_FALSE(v.accept(say(before, epoch(1)), at(0)).accepted->chain_restarted);
  const auto o = v.accept(say(after, epoch(2), 60000), at(0));
  REQUIRE(o.accepted.has_value());
  CHECK(o.accepted->chain_restarted);
  CHECK(v.counters().chains_restarted == 1);
  // It cannot take back what it said in its earlier life.
  CHECK(why(v.accept(say(after, epoch(1, 1, 7), 61000), at(0))) == reason::equivocation);
}

TEST_CASE("what is older than the bound, or from the future, is refused where bounds are set") {
  verifier v(stream, trusting({1}), {.age_max = std::chrono::seconds(60), .ahead_max = std::chrono::seconds(5)});
  auto s = signer_of(1);
  const auto payload = say(s, epoch(1));
  CHECK(why(v.accept(payload, at(60001))) == reason::stale);
  CHECK(why(v.accept(payload, at(-5001))) == reason::from_future);
  CHECK(v.accept(payload, at(60000)).accepted.has_value());
  verifier patient(stream, trusting({1}));
  CHECK(patient.accept(payload, at(1'000'000'000)).accepted.has_value());
}

TEST_CASE("memory is bounded: the oldest manifests leave, and a replay of them is refused") {
  verifier v(stream, trusting({1}), {.age_max = {}, .ahead_max = {}, .manifests_max = 10, .entries_max = 32});
  auto s = signer_of(1);
  std::vector<std::vector<uint8_t>> payloads;
  for (uint64_t i = 0; i < 40; ++i) {
    payloads.push_back(say(s, epoch(i * 4, 4)));
    REQUIRE(v.accept(payloads.back(), at(0)).accepted.has_value());
    CHECK(v.manifests_held() <= 8);
  }
  CHECK(v.counters().evicted == 32);
  CHECK_FALSE(v.find(0).has_value());
  CHECK(v.find(159).has_value());
  CHECK(why(v.accept(forge(1, epoch(0, 4), 1), at(0))) == reason::rollback);
  CHECK(v.find(159).has_value());
}

TEST_CASE("a chain that is longer than what is remembered refuses what lies behind") {
  verifier v(stream, trusting({1}));
  auto s = signer_of(1);
  const auto old = forge(1, epoch(3), static_cast<uint64_t>(start_ms) - 5);
  for (uint64_t i = 0; i < ec::base::limits::verifier_chain_max + 1; ++i) REQUIRE(v.accept(say(s, epoch(10 + i)), at(0)).accepted.has_value());
  CHECK(why(v.accept(old, at(0))) == reason::rollback);
}

TEST_CASE("a flood of strangers' manifests leaves no trace but counters") {
  verifier v(stream, trusting({1}));
  for (uint64_t i = 0; i < 200; ++i) CHECK(why(v.accept(forge(2, epoch(i), i + 1), at(0))) == reason::untrusted);
  CHECK(v.manifests_held() == 0);
  CHECK(v.counters().of(reason::untrusted) == 200);
  CHECK(v.evidence_kept().empty());
}

TEST_CASE("evidence is bounded, its count is not") {
  verifier v(stream, trusting({1}));
  for (uint64_t i = 0; i < 50; ++i) {
    REQUIRE(v.accept(forge(1, epoch(i), 10 * i + 1, chunk(0)), at(0)).accepted.has_value());
    CHECK(why(v.accept(forge(1, epoch(i, 1, 7), 10 * i + 3, chunk(0)), at(0))) == reason::equivocation);
  }
  CHECK(v.evidence_kept().size() == ec::base::limits::verifier_evidence_max);
  CHECK(v.counters().of(reason::equivocation) == 50);
}

TEST_CASE("whatever the order of honest manifests of three signers, the same chunks are known in the end") {
  std::vector<std::vector<uint8_t>> payloads;
  for (uint8_t n = 1; n <= 3; ++n) {
    auto s = signer_of(n);
    for (uint64_t i = 0; i < 20; ++i) {
      if ((i + n) % 5 == 0) payloads.push_back(say(s, damaged(i), static_cast<int64_t>(i)));
      payloads.push_back(say(s, epoch(i), static_cast<int64_t>(i)));
    }
  }
  for (unsigned seed = 0; seed < 30; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::ranges::shuffle(payloads, random);
    verifier v(stream, trusting({1, 2, 3}));
    for (const auto& p : payloads) {
      const auto o = v.accept(p, at(0));
      REQUIRE(o.accepted.has_value());
      CHECK(o.refusals.empty());
    }
    for (uint64_t i = 0; i < 20; ++i) {
      REQUIRE(v.find(i).has_value());
      CHECK(v.find(i)->digest == chunk(i));
      CHECK(v.find(i)->signers == 3);
      CHECK_FALSE(v.find(i)->damaged);
    }
    CHECK(v.evidence_kept().empty());
  }
}

TEST_CASE("trusted keys are read from text, named, and bounded") {
  trust_set t;
  const auto text = key(1).public_key().to_string();
  REQUIRE(t.add(text).has_value());
  CHECK(t.name(key(1).public_key()) == text);
  REQUIRE(t.add("roof=" + text).has_value());
  CHECK(t.name(key(1).public_key()) == "roof");
  CHECK(t.size() == 1);
  CHECK(t.trusts(key(1).public_key()));
  CHECK_FALSE(t.trusts(key(2).public_key()));
  CHECK_FALSE(t.awaits_first());
  CHECK(t.add("roof").error().code == ec::base::errc::malformed);
  for (uint8_t n = 2; n <= ec::base::limits::trusted_keys_max; ++n) REQUIRE(t.add(key(n).public_key()).has_value());
  CHECK(t.add(key(200).public_key()).error().code == ec::base::errc::too_large);
}

TEST_CASE("every counter has a name of its own") {
  const auto all = verifier_counters{}.list();
  CHECK(all.size() == 11 + refusal_reason_count);
  for (size_t i = 0; i < all.size(); ++i)
    for (size_t j = 0; j < i; ++j) CHECK(all[i].first != all[j].first);
}
