#include "manifest/verifier.hpp"

#include <doctest/doctest.h>

#include "tests/unit/manifest/fixture.hpp"

/// Who may push out whose word when there is no room: a trusted signer that signs without end takes nothing from the others.
using namespace ec::manifest;
using namespace ec::test;
using reason = refusal_reason;

namespace {

constexpr uint64_t near_by = 100;
constexpr uint64_t far_off = 1'000'000;

trust_set trusting(std::initializer_list<uint8_t> numbers) {
  trust_set t;
  for (const auto n : numbers) REQUIRE(t.add(key(n).public_key(), "key " + std::to_string(n)).has_value());
  return t;
}

verifier small(trust_set trust, size_t signers = 1) {
  return {stream, std::move(trust), {.signers_required = signers, .age_max = {}, .ahead_max = {}, .manifests_max = 10, .entries_max = 64}};
}

outcome take(verifier& v, signer& s, content c) {
  return v.accept(s.prepare(std::move(c), at(0)).value().payload, at(0));
}

/// The newest `count` chunks up to `last` are all known, on the word of `s`.
bool knows(const verifier& v, uint64_t last, uint64_t count, const signer& s) {
  for (auto i = last - count + 1; i <= last; ++i)
    if (const auto found = v.find(i); !found || found->signer != s.key()) return false;
  return true;
}

} // namespace

TEST_CASE("a signer of the far future does not push out the present") {
  auto v = small(trusting({1, 2}));
  auto honest = signer_of(1);
  auto insider = signer_of(2);
  uint64_t told = 0, left = 0;
  for (uint64_t i = 0; i < 40; ++i) {
    REQUIRE(take(v, honest, epoch(near_by + i)).accepted.has_value());
    for (uint64_t n = 0; n < 7; ++n) {
      const auto o = take(v, insider, epoch(far_off + 7 * i + n));
      REQUIRE(o.accepted.has_value());
      told += o.crowding.size();
      left += o.crowded_out;
      CHECK((o.crowding.empty() || o.crowding[0] == insider.key()));
    }
    CHECK(knows(v, near_by + i, std::min<uint64_t>(i + 1, 5), honest));
    CHECK(v.manifests_held() <= 10);
  }
  CHECK(told == 1);
  CHECK(left > 200);
  CHECK(v.counters().crowded_out >= left); // where the honest one needs room, too
}

TEST_CASE("nor does it with the longest epochs") {
  auto v = small(trusting({1, 2}));
  auto honest = signer_of(1);
  auto insider = signer_of(2);
  for (uint64_t i = 0; i < 40; ++i) {
    REQUIRE(take(v, honest, epoch(near_by + i)).accepted.has_value());
    REQUIRE(take(v, insider, epoch(far_off + 60 * i - far_off % 60, 60)).accepted.has_value());
    CHECK(knows(v, near_by + i, std::min<uint64_t>(i + 1, 4), honest));
  }
}

TEST_CASE("nor with a head start, nor when it first says what the others say") {
  auto v = small(trusting({1, 2}));
  auto honest = signer_of(1);
  auto insider = signer_of(2);
  for (uint64_t n = 0; n < 30; ++n) REQUIRE(take(v, insider, epoch(far_off + n)).accepted.has_value());
  for (uint64_t i = 0; i < 4; ++i) {
    const auto old = take(v, insider, epoch(near_by + i)); // older than all that it stands for
    REQUIRE(old.refusals.size() == 1);
    CHECK(old.refusals[0].why == reason::rollback);
    REQUIRE(take(v, honest, epoch(near_by + i)).accepted.has_value());
  }
  auto w = small(trusting({1, 2}));
  for (uint64_t i = 0; i < 4; ++i) {
    REQUIRE(take(w, insider, epoch(near_by + 10 + i)).accepted.has_value());
    REQUIRE(take(w, honest, epoch(near_by + 10 + i)).accepted.has_value());
  }
  for (uint64_t n = 0; n < 30; ++n) REQUIRE(take(w, insider, epoch(far_off + 100 + n)).accepted.has_value());
  CHECK(knows(v, near_by + 3, 4, honest));
  CHECK(knows(w, near_by + 13, 4, honest));
  CHECK(w.manifests_held() <= 10);
}

TEST_CASE("a signer and its successors have one share") {
  trust_set trust = trusting({1, 2});
  for (uint8_t n = 2; n < 6; ++n) REQUIRE(trust.follow(rotation(key(n), key(n + 1), at(0))).has_value());
  auto v = small(std::move(trust));
  auto honest = signer_of(1);
  std::vector<signer> insiders;
  for (uint8_t n = 2; n <= 6; ++n) insiders.push_back(signer_of(n));
  for (uint64_t i = 0; i < 30; ++i) {
    REQUIRE(take(v, honest, epoch(near_by + i)).accepted.has_value());
    for (auto& insider : insiders) take(v, insider, epoch(far_off + i));
    for (uint64_t n = 0; n < insiders.size(); ++n) take(v, insiders[n], epoch(2 * far_off + 5 * i + n));
    CHECK(knows(v, near_by + i, std::min<uint64_t>(i + 1, 5), honest));
  }
}

TEST_CASE("two honest signers of one broadcast keep as much as one, and the oldest leave") {
  auto v = small(trusting({1, 2}), 2);
  auto a = signer_of(1);
  auto b = signer_of(2);
  for (uint64_t i = 0; i < 40; ++i) {
    REQUIRE(take(v, a, epoch(near_by + i)).accepted.has_value());
    REQUIRE(take(v, b, epoch(near_by + i)).accepted.has_value());
    CHECK(v.signers_of(near_by + i) == 2);
  }
  CHECK(v.manifests_held() == 10);
  CHECK(v.counters().evicted == 30);
  CHECK(v.counters().crowded_out == 0);
  for (uint64_t i = 31; i < 40; ++i) CHECK(v.signers_of(near_by + i) == 2);
}
