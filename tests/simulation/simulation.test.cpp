#include <cstdlib>
#include <string>

#include <doctest/doctest.h>

#include "actors/moq_link.hpp"
#include "base/log.hpp"
#include "tests/simulation/scenario.hpp"

using namespace ec;
using simulation::mutation;

namespace {

bool sanitized() {
  const char* v = std::getenv("EC_SANITIZED");
  return v != nullptr && std::string(v) == "1";
}

simulation::outcome run(uint64_t seed, mutation broken = mutation::none) {
  base::log::set_up(base::log::format::text, base::log::level::off); // faults are wanted here
  auto s = simulation::scenario_of(seed);
  s.broken = broken;
  return simulation::run(s);
}

/// Runs seeds until one breaks an invariant in these words.
void must_be_caught(mutation broken, std::string_view words) {
  const uint64_t tries = 40;
  for (uint64_t seed = 1; seed <= tries; ++seed) {
    const auto out = run(seed, broken);
    if (out.failure && out.failure->find(words) != std::string::npos) return;
  }
  FAIL_CHECK("no seed up to " << tries << " says: " << words);
}

/// A quarter of the seeds, so that they run side by side.
void seeds_hold(unsigned quarter) {
  const uint64_t count = sanitized() ? 3 : 30;
  simulation::invariants::totals sum;
  for (uint64_t i = 0; i < count; ++i) {
    const auto out = run(1 + quarter * count + i);
    CHECK_MESSAGE(!out.failure, out.text() << "\n  again: build/tests/simulation/simulate --seed " << out.of.seed);
    sum.promised += out.counted.promised;
    sum.restarts += out.counted.restarts;
    sum.rejected += out.counted.rejected;
  }
  // A run that checks nothing would hold too.
  CHECK(sum.promised > 5 * count);
  if (sanitized()) return;
  CHECK(sum.restarts > count / 4);
  CHECK(sum.rejected > count);
}

} // namespace

TEST_CASE("a first quarter of the seeds holds") { seeds_hold(0); }
TEST_CASE("a second quarter of the seeds holds") { seeds_hold(1); }
TEST_CASE("a third quarter of the seeds holds") { seeds_hold(2); }
TEST_CASE("a fourth quarter of the seeds holds") { seeds_hold(3); }

TEST_CASE("a seed gives the same run each time, bit for bit, and another seed another") {
  const auto first = run(6), again = run(6), other = run(7);
  CHECK(first.digest == again.digest);
  CHECK(first.steps == again.steps);
  CHECK(first.messages == again.messages);
  CHECK(first.digest != other.digest);
}

TEST_CASE("a failure replays to the same step with the same words") {
  const auto first = run(1, mutation::overfull_cache), again = run(1, mutation::overfull_cache);
  REQUIRE(first.failure.has_value());
  CHECK(first.failure == again.failure);
  CHECK(first.step == again.step);
  CHECK(first.digest == again.digest);
  CHECK(first.text().starts_with("seed 1: FAILED at "));
}

TEST_CASE("without faults every subscriber has every chunk") {
  auto s = simulation::scenario_of(1);
  s.faults = false;
  s.relays = 2;
  s.subscribers = 3;
  s.length = std::chrono::minutes(2);
  const auto out = simulation::run(s);
  CHECK_MESSAGE(!out.failure, out.text());
  CHECK(out.counted.chunks_broadcast > 50);
  CHECK(out.counted.segments >= 3 * (out.counted.chunks_broadcast - 2));
  CHECK(out.counted.damaged == 0);
  CHECK(out.counted.skipped == 0);
}

TEST_CASE("each version that subscribers may speak holds too, with faults and without") {
  base::log::set_up(base::log::format::text, base::log::level::off); // faults are wanted here
  for (const auto& version : actors::moq_protocols()) {
    CAPTURE(version);
    if (!sanitized()) {
      auto calm = simulation::scenario_of(1);
      calm.faults = false;
      calm.moq_version = version;
      const auto all = simulation::run(calm);
      CHECK_MESSAGE(!all.failure, all.text());
      CHECK(all.counted.chunks_broadcast > 30);
      CHECK(all.counted.segments >= calm.subscribers * (all.counted.chunks_broadcast - 2));
      CHECK(all.counted.skipped == 0);
    }
    uint64_t promised = 0;
    const uint64_t count = sanitized() ? 1 : 6;
    for (uint64_t seed = 1; seed <= count; ++seed) {
      auto s = simulation::scenario_of(seed);
      s.moq_version = version;
      const auto out = simulation::run(s);
      CHECK_MESSAGE(!out.failure, out.text() << "\n  again: build/tests/simulation/simulate --moq-version " << version << " --seed " << seed);
      promised += out.counted.promised;
    }
    if (!sanitized()) CHECK(promised > 5 * count);
  }
}

TEST_CASE("a subscriber that shows what no manifest lists is caught") { must_be_caught(mutation::accepts_unlisted, "unverified"); }
TEST_CASE("a signature that leaves before the signer's state is on the disk is caught") {
  must_be_caught(mutation::state_not_written, "left before the signer's state was on the disk");
}
TEST_CASE("a cache that is too full is caught") { must_be_caught(mutation::overfull_cache, "caches 7 groups"); }
TEST_CASE("chunks that never come are caught") { must_be_caught(mutation::lossy_streams, "which was signed and to be had"); }
TEST_CASE("a playlist that is not replaced in one step is caught") { must_be_caught(mutation::torn_playlist, "index.m3u8"); }
