#include "ts/internal/pcr_check.hpp"

#include <doctest/doctest.h>

#include <random>

#include "ts/time.hpp"

using namespace ec::ts;
using internal::pcr_check;

namespace {

/// A multiplex of 100 packets to 810,000 ticks (30 ms; 5 Mbit/s) with a PCR in each 100th packet; one packet is 8,100 ticks.
struct sender {
  pcr_check check;
  uint64_t pcr = 0, number = 0;

  /// The next PCR, off by `jitter` ticks, with `lost` packets missing before it.
  bool next(uint64_t lost = 0, int64_t jitter = 0, uint64_t ticks = 810'000) {
    pcr = (pcr + ticks) % pcr_wrap;
    number += 100 - lost;
    return check.push((pcr + pcr_wrap + static_cast<uint64_t>(jitter)) % pcr_wrap, number, number, false);
  }
  void run(size_t steps) {
    for (size_t i = 0; i < steps; ++i) REQUIRE(next());
  }
};

/// PCRs each 35 ms, give or take, in packets with payload of a stream of uneven rate.
struct uneven {
  pcr_check check;
  std::mt19937_64 rng{4};
  uint64_t pcr = 0, number = 0;

  bool next(uint64_t intervals = 1, bool with_payload = true) {
    pcr += intervals * 945'000 + rng() % 10'000;
    number += intervals * (60 + rng() % 60);
    return check.push(pcr, number, number, with_payload);
  }
  void run(size_t steps) {
    for (size_t i = 0; i < steps; ++i) REQUIRE(next());
  }
};

} // namespace

TEST_CASE("at a constant rate sixteen missing packets show, and it is known since when") {
  sender s;
  s.run(pcr_check::steps_to_arm);
  CHECK_FALSE(s.check.armed());
  s.run(1);
  CHECK(s.check.armed());
  for (const uint64_t lost : {16, 32, 48, 80}) {
    CAPTURE(lost);
    const auto proven = s.number;
    CHECK_FALSE(s.next(lost));
    CHECK(s.check.proven() == proven);
    s.run(1);
    CHECK(s.check.proven() == s.number);
    s.run(5);
  }
}

TEST_CASE("a loss around a PCR shows in two steps, and nothing is proven between them") {
  sender s;
  s.run(40);
  const auto proven = s.number;
  CHECK(s.next(8));
  CHECK(s.check.proven() == proven);
  CHECK_FALSE(s.next(8));
  CHECK(s.check.proven() == proven);
}

TEST_CASE("jitter of two packets is no loss") {
  sender s;
  std::mt19937_64 rng(8);
  for (int i = 0; i < 2'000; ++i) REQUIRE(s.next(0, static_cast<int64_t>(rng() % 16'000) - 8'000));
  CHECK(s.check.armed());
  CHECK_FALSE(s.next(16));
}

TEST_CASE("the turn of the clock is a step like any other") {
  sender s;
  s.pcr = pcr_wrap - 50 * 810'000 - 1;
  s.run(100);
  CHECK(s.check.armed());
  CHECK_FALSE(s.next(16));
}

TEST_CASE("another rate is doubted once, then learned") {
  sender s;
  s.run(40);
  CHECK_FALSE(s.next(0, 0, 1'000'000));
  for (size_t i = 0; i < 100; ++i) REQUIRE(s.next(0, 0, 1'000'000));
  CHECK(s.check.armed());
  CHECK_FALSE(s.next(16, 0, 1'000'000));
}

TEST_CASE("a jump of the clock says nothing of packets") {
  sender s;
  s.run(40);
  s.pcr += 20 * pcr_hz;
  CHECK(s.next());
  CHECK_FALSE(s.check.armed());
  s.run(40);
  s.pcr -= pcr_hz;
  CHECK(s.next());
  CHECK_FALSE(s.check.armed());
}

TEST_CASE("after a loss of unknown size the rate is still known") {
  sender s;
  s.run(40);
  s.check.lost();
  CHECK(s.next(70));
  CHECK(s.check.proven() == s.number);
  CHECK_FALSE(s.next(16));
}

TEST_CASE("at an uneven rate missing packets say nothing") {
  uneven s;
  for (int i = 0; i < 2'000; ++i) {
    s.pcr += s.rng() % 200'000; // no cadence either
    REQUIRE(s.next());
    REQUIRE_FALSE(s.check.armed());
  }
}

TEST_CASE("where PCRs come at equal intervals a missing one shows") {
  uneven s;
  s.run(pcr_check::equal_steps_to_arm + 1);
  REQUIRE(s.check.armed());
  for (const uint64_t intervals : {2, 3, 5}) {
    CAPTURE(intervals);
    const auto proven = s.number;
    CHECK_FALSE(s.next(intervals));
    CHECK(s.check.proven() == proven);
    s.run(3);
    CHECK(s.check.proven() == s.number);
  }
}

TEST_CASE("a missing PCR that a counter explains is not counted again") {
  uneven s;
  s.run(40);
  s.check.gap();
  CHECK(s.next(2));
  CHECK_FALSE(s.next(2)); // the next one is not explained
}

TEST_CASE("packets without payload may miss: their PCRs make no cadence") {
  uneven s;
  for (int i = 0; i < 100; ++i) REQUIRE(s.next(1, false));
  CHECK_FALSE(s.check.armed());
  CHECK(s.next(2, false));
}

TEST_CASE("another interval is doubted once, then learned") {
  uneven s;
  s.run(40);
  CHECK_FALSE(s.next(2));
  for (int i = 0; i < 40; ++i) REQUIRE(s.next(2));
  REQUIRE(s.check.armed());
  CHECK_FALSE(s.next(4));
}
