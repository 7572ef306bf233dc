#include "manifest/evidence.hpp"

#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "manifest/verifier.hpp"
#include "tests/unit/manifest/fixture.hpp"

using namespace ec::manifest;
using namespace ec::test;
using ec::base::errc;

namespace {

verifier trusting_one() {
  trust_set t;
  REQUIRE(t.add(key(1).public_key()).has_value());
  return verifier(stream, std::move(t));
}

signed_manifest made(const std::vector<uint8_t>& payload) {
  return std::get<signed_manifest>(decode(payload).value());
}

evidence::statement statement(const std::vector<uint8_t>& payload) {
  const auto m = made(payload);
  return {manifest_id(m.content), m.attestations.front(), std::make_shared<const content>(m.content)};
}

evidence of(evidence_kind kind, const std::vector<uint8_t>& first, const std::vector<uint8_t>& second) {
  return {kind, key(1).public_key(), statement(first), statement(second)};
}

/// The evidence that a verifier shows when these objects come, all but the last of them without any.
evidence shown_by(std::initializer_list<std::vector<uint8_t>> objects) {
  auto v = trusting_one();
  std::vector<evidence> out;
  for (const auto& o : objects) {
    REQUIRE(out.empty());
    out = v.accept(o, at(0)).shown;
  }
  REQUIRE(out.size() == 1);
  return out.front();
}

/// What is shown when nothing comes between these two for as long as it may take.
evidence gap_after(const std::vector<uint8_t>& first, const std::vector<uint8_t>& second) {
  auto v = trusting_one();
  for (const auto* o : {&first, &second}) REQUIRE(v.accept(*o, at(0)).shown.empty());
  REQUIRE(v.accept(first, at(5'999)).shown.empty());
  auto out = v.accept(first, at(6'000)).shown;
  REQUIRE(out.size() == 1);
  CHECK(v.counters().gaps == 1);
  CHECK(v.accept(first, at(60'000)).shown.empty()); // once
  return out.front();
}

ec::crypto::digest link(const std::vector<uint8_t>& payload) {
  const auto m = made(payload);
  return m.attestations.front().digest(manifest_id(m.content));
}

} // namespace

TEST_CASE("what a verifier shows is read from its file as it was written, and shows what it says") {
  const auto one = forge(1, epoch(5), 10);
  const auto gap = gap_after(one, forge(1, epoch(9), 14, link(forge(1, epoch(8), 13))));
  CHECK(gap.kind == evidence_kind::gap);
  const auto fork = shown_by({one, forge(1, epoch(6), 10)});
  CHECK(fork.kind == evidence_kind::fork);
  const auto twice = shown_by({one, forge(1, epoch(5, 1, 7), 11, link(one))});
  CHECK(twice.kind == evidence_kind::equivocation);
  for (const auto& e : {gap, fork, twice}) {
    CAPTURE(name(e.kind));
    CHECK(fault(e).empty());
    const auto text = encode(e);
    CHECK(text.size() <= ec::base::limits::evidence_bytes_max);
    const auto read = decode_evidence(text);
    REQUIRE(read.has_value());
    CHECK(encode(read.value()) == text);
    CHECK(fault(read.value()).empty());
    CHECK(file_name(read.value()) == file_name(e));
    CHECK(file_name(e).starts_with(name(e.kind)));
  }
  CHECK(file_name(gap) != file_name(fork));
}

TEST_CASE("a replay of what is older than all that is remembered is shown as a rollback") {
  auto v = trusting_one();
  const auto oldest = forge(1, epoch(1), 1);
  std::vector<uint8_t> last;
  for (uint64_t n = 0; n <= ec::base::limits::verifier_chain_max; ++n) {
    const auto next = last.empty() ? forge(1, epoch(2), 2) : forge(1, epoch(2 + n), 2 + n, link(last));
    REQUIRE(v.accept(next, at(0)).accepted.has_value());
    last = next;
  }
  const auto o = v.accept(oldest, at(0));
  REQUIRE(o.shown.size() == 1);
  CHECK(o.shown[0].kind == evidence_kind::rollback);
  CHECK(fault(o.shown[0]).empty());
}

TEST_CASE("an honest signer cannot be accused with what it signed") {
  auto s = signer_of(1);
  const auto a = s.prepare(epoch(5), at(0)).value().payload;
  const auto b = s.prepare(epoch(6), at(1)).value().payload;
  const auto torn = s.prepare(damaged(7), at(2)).value().payload;
  const auto whole = s.prepare(epoch(7), at(3)).value().payload;
  for (const auto kind : {evidence_kind::equivocation, evidence_kind::fork, evidence_kind::gap}) {
    CAPTURE(name(kind));
    CHECK_FALSE(fault(of(kind, a, b)).empty());
    CHECK_FALSE(fault(of(kind, a, a)).empty());
    CHECK_FALSE(fault(of(kind, torn, whole)).empty());
    CHECK_FALSE(fault(of(kind, whole, torn)).empty()); // the numbers say which came first
  }
  CHECK_FALSE(fault(of(evidence_kind::rollback, a, b)).empty());
  CHECK_FALSE(fault(of(evidence_kind::equivocation, a, whole)).empty());
}

TEST_CASE("two streams have two chains: they are no fork, and without the content nobody knows the stream") {
  const auto here = forge(1, epoch(5), 10);
  auto elsewhere = epoch(5, 1, 3);
  elsewhere.stream_id = "ec/stream/v1/source/kind-file/device-b/channel-1/profile-ts-v1/variant-main";
  const auto there = forge(1, elsewhere, 10);
  CHECK(fault(of(evidence_kind::fork, here, there)).find("different streams") != std::string::npos);
  auto e = of(evidence_kind::fork, here, there);
  e.second.content = nullptr;
  CHECK(fault(e).find("may be of another stream") != std::string::npos);
  CHECK(fault(decode_evidence(encode(e)).value()) == fault(e));
}

TEST_CASE("evidence that was changed or forged shows nothing") {
  const auto one = forge(1, epoch(5), 10);
  const auto good = of(evidence_kind::fork, one, forge(1, epoch(6), 10));
  REQUIRE(fault(good).empty());
  auto e = good;
  e.second.attestation.signature.bytes[7] ^= 1;
  CHECK(fault(e).find("second statement is not signed") != std::string::npos);
  e = good;
  e.first.attestation.sequence += 1;
  CHECK(fault(e).find("first statement is not signed") != std::string::npos);
  // Another content under a true attestation.
  e = good;
  e.first.content = std::make_shared<const content>(epoch(8));
  CHECK_FALSE(fault(e).empty());
  // Signed by another key, and called this one's.
  e = good;
  e.second = statement(forge(2, epoch(6), 10));
  CHECK_FALSE(fault(e).empty());
  CHECK(decode_evidence(encode(e)).error().code == errc::malformed);
}

TEST_CASE("an evidence file has a format") {
  const auto text = encode(of(evidence_kind::fork, forge(1, epoch(5), 10), forge(1, epoch(6), 10)));
  const auto changed = [&](const std::string& from, const std::string& to) {
    auto t = text;
    REQUIRE(t.find(from) != t.npos);
    return decode_evidence(t.replace(t.find(from), from.size(), to)).error().code;
  };
  CHECK(changed("\"version\": 1", "\"version\": 2") == errc::unsupported);
  CHECK(changed("\"fork\"", "\"spoon\"") == errc::malformed);
  CHECK(changed("\"first\"", "\"third\"") == errc::malformed);
  CHECK(changed("\"sequence\": 10", "\"sequence\": -10") == errc::malformed);
  CHECK(decode_evidence("[]").error().code == errc::malformed);
  CHECK(decode_evidence(std::string(ec::base::limits::evidence_bytes_max + 1, ' ')).error().code == errc::too_large);
}

TEST_CASE("what overtook an earlier attestation is no gap, and one that closes in part is shown where it is open") {
  const auto a = forge(1, epoch(5), 10);
  const auto b = forge(1, epoch(6), 11, link(a));
  const auto c = forge(1, epoch(7), 12, link(b));
  const auto d = forge(1, epoch(8), 13, link(c));
  auto v = trusting_one();
  for (const auto* o : {&a, &c, &b}) CHECK(v.accept(*o, at(0)).accepted.has_value());
  CHECK(v.accept(a, at(7'000)).shown.empty());
  auto w = trusting_one();
  for (const auto* o : {&a, &d, &b}) CHECK(w.accept(*o, at(0)).accepted.has_value());
  const auto shown = w.accept(a, at(7'000)).shown;
  REQUIRE(shown.size() == 1);
  CHECK(shown[0].first.attestation.sequence == 11);
  CHECK(shown[0].second.attestation.sequence == 13);
  CHECK(fault(shown[0]).empty());
}

TEST_CASE("a key with two users whose chains began apart is shown once what can be shown is there") {
  const auto a = forge(1, epoch(5), 100);
  const auto b = forge(1, epoch(5), 200, {}, 10);
  const auto a_next = forge(1, epoch(6), 101, link(a), 2'000);
  const auto b_next = forge(1, epoch(6), 201, link(b), 2'010);
  auto v = trusting_one();
  // Up to here it may have lost its state and its clock's memory with it.
  for (const auto* o : {&a, &b, &a_next, &b_next}) {
    const auto found = v.accept(*o, at(2'000));
    CHECK(found.accepted.has_value());
    CHECK(found.shown.empty());
  }
  const auto found = v.accept(forge(1, epoch(7), 102, link(a_next), 4'000), at(4'000));
  CHECK_FALSE(found.accepted.has_value());
  REQUIRE(found.shown.size() == 1);
  CHECK(found.shown[0].kind == evidence_kind::fork);
  CHECK(found.shown[0].first.attestation.sequence == 201);
  CHECK(fault(found.shown[0]).empty());
}
