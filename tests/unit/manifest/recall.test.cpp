#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "manifest/verifier.hpp"
#include "tests/unit/manifest/fixture.hpp"

using namespace ec::manifest;
using namespace ec::test;
namespace limits = ec::base::limits;

namespace {

verifier trusting_one() {
  trust_set t;
  REQUIRE(t.add(key(1).public_key()).has_value());
  return verifier(stream, std::move(t));
}

ec::crypto::digest link(const std::vector<uint8_t>& payload) {
  const auto m = std::get<signed_manifest>(decode(payload).value());
  return m.attestations.front().digest(manifest_id(m.content));
}

/// The verifier of the next process, by way of the file.
verifier restarted(const verifier& v) {
  const auto read = decode_subscriber_state(encode(v.state()));
  REQUIRE(read.has_value());
  auto next = trusting_one();
  next.recall(read.value());
  return next;
}

const auto a = forge(1, epoch(5), 10);
const auto b = forge(1, epoch(6), 11, link(a));

verifier away() {
  auto v = trusting_one();
  REQUIRE(v.accept(a, at(0)).accepted.has_value());
  REQUIRE(v.accept(b, at(0)).accepted.has_value());
  return restarted(v);
}

/// The one piece of evidence in it, which shows what it says to anybody.
evidence proven(const std::vector<evidence>& shown, evidence_kind kind) {
  REQUIRE(shown.size() == 1);
  CHECK(name(shown[0].kind) == name(kind));
  CHECK(fault(decode_evidence(encode(shown[0])).value()).empty());
  return shown[0];
}

} // namespace

TEST_CASE("a chain goes on after a restart as if there had been none") {
  auto v = away();
  const auto o = v.accept(forge(1, epoch(7), 12, link(b)), at(0));
  REQUIRE(o.accepted.has_value());
  CHECK(o.accepted->sequences_missed == 0);
  CHECK_FALSE(o.accepted->chain_restarted);
  CHECK(v.accept(b, at(60'000)).shown.empty());
}

TEST_CASE("what was heard before a restart lists nothing until it comes again, and then it does") {
  auto v = away();
  CHECK_FALSE(v.find(6).has_value());
  const auto o = v.accept(b, at(0));
  CHECK(o.accepted.has_value());
  CHECK(o.refusals.empty());
  CHECK(v.find(6).has_value());
  CHECK(v.accept(b, at(0)).duplicate);
  CHECK(v.counters().sequences_missed == 0);
}

TEST_CASE("a chain that forked while the subscriber was away is found out, with both pieces of evidence") {
  auto v = away();
  const auto o = v.accept(forge(1, epoch(7), 12, link(a)), at(0));
  CHECK_FALSE(o.accepted.has_value());
  const auto e = proven(o.shown, evidence_kind::fork);
  CHECK(e.first.attestation.sequence == 11);
  CHECK(e.second.attestation.sequence == 12);
}

TEST_CASE("a signer that says another thing of a chunk after a restart equivocates") {
  auto v = away();
  const auto o = v.accept(forge(1, epoch(6, 1, 7), 12, link(b)), at(0));
  CHECK_FALSE(o.accepted.has_value());
  proven(o.shown, evidence_kind::equivocation);
  CHECK_FALSE(v.find(6).has_value());
  v.accept(b, at(0)); // the first content, again: it counts no more than the second
  CHECK_FALSE(v.find(6).has_value());
}

TEST_CASE("what a signer attested while the subscriber was away, and never came, is a gap") {
  auto v = away();
  const auto later = forge(1, epoch(9), 14, link(forge(1, epoch(8), 13)));
  const auto o = v.accept(later, at(0));
  REQUIRE(o.accepted.has_value());
  CHECK(o.accepted->sequences_missed == 2);
  const auto e = proven(v.accept(later, at(6'000)).shown, evidence_kind::gap);
  CHECK(e.first.attestation.sequence == 11);
  CHECK(e.second.attestation.sequence == 14);
}

TEST_CASE("an older attestation than all that was kept is a rollback after a restart too") {
  auto v = away();
  const auto o = v.accept(forge(1, epoch(4), 9), at(0));
  CHECK_FALSE(o.accepted.has_value());
  CHECK(v.counters().of(refusal_reason::rollback) == 1);
  proven(o.shown, evidence_kind::rollback);
}

TEST_CASE("nobody can write something into the file that a signer did not say, nor of another stream, nor of whom nobody trusts") {
  auto v = trusting_one();
  REQUIRE(v.accept(b, at(0)).accepted.has_value());
  auto forged = v.state();
  REQUIRE(forged.heard.size() == 1);
  forged.heard[0].attestations[0].sequence = 99;
  auto next = trusting_one();
  next.recall(forged);
  CHECK(next.state().heard.empty());
  CHECK(next.accept(b, at(0)).accepted.has_value()); // no rollback
  auto nobody = verifier(stream, trust_set());
  nobody.recall(v.state());
  CHECK(nobody.state().heard.empty());
}

TEST_CASE("of each signer the newest are kept, within bounds") {
  auto v = trusting_one();
  auto last = a;
  REQUIRE(v.accept(last, at(0)).accepted.has_value());
  for (uint64_t n = 1; n <= 2 * limits::heard_max; ++n) {
    last = forge(1, epoch(5 + n), 10 + n, link(last));
    REQUIRE(v.accept(last, at(0)).accepted.has_value());
  }
  const auto s = v.state();
  REQUIRE(s.heard.size() == limits::heard_max);
  CHECK(s.heard.back().attestations.front().sequence == 10 + 2 * limits::heard_max);
  CHECK(s.heard.front().attestations.front().sequence == 11 + limits::heard_max);
  // One long content is kept alone: it is more than all of the others may be together.
  auto w = trusting_one();
  const auto one = forge(1, epoch(0, limits::manifest_chunks_max), 1);
  REQUIRE(w.accept(one, at(0)).accepted.has_value());
  REQUIRE(w.accept(forge(1, epoch(limits::manifest_chunks_max, limits::manifest_chunks_max), 2, link(one)), at(0)).accepted.has_value());
  CHECK(w.state().heard.size() == 1);
  CHECK(w.state().heard.front().attestations.front().sequence == 2);
}
