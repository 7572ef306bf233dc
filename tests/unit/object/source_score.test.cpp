#include "object/source_score.hpp"

#include <doctest/doctest.h>

#include "tests/unit/object/broadcast.hpp"

namespace ec::object {
namespace {

using test::at;
using enum source_score::fault;
using std::chrono::milliseconds, std::chrono::seconds;

/// When the source is barred that gives one such fault each `step_ms`; nothing if not within `count` of them.
std::optional<int64_t> barred_after(source_score& s, source_score::fault what, int64_t step_ms, int count, int64_t from_ms = 0) {
  for (int i = 0; i < count; ++i) {
    const auto now = at(from_ms + i * step_ms);
    s.add(what, now);
    if (!s.over(now)) continue;
    s.bar(now);
    return i + 1;
  }
  return std::nullopt;
}

TEST_CASE("a source that lies about each chunk is barred at the third") {
  source_score s;
  CHECK(barred_after(s, bad_chunk, 2000, 10) == 3);
  CHECK(s.penalty() == seconds(30));
}

TEST_CASE("a source that is wrong about a chunk each half minute is never barred, and its rank recovers in between") {
  source_score s;
  for (int i = 0; i < 1000; ++i) {
    CHECK(s.rank(at(i * 30'000)) == 0);
    s.add(bad_chunk, at(i * 30'000));
    REQUIRE_FALSE(s.over(at(i * 30'000)));
    CHECK(s.rank(at(i * 30'000)) > 0);
  }
}

TEST_CASE("objects that no honest source sends bar it sooner than manifests of unknown signers") {
  source_score objects, manifests;
  CHECK(barred_after(objects, bad_object, 0, 1000) == source_score::points_max / 8 + 1);
  CHECK(barred_after(manifests, doubtful, 0, 1000) == source_score::points_max + 1);
}

TEST_CASE("a relay of manifests by four keys a second that are not trusted here is never barred") {
  source_score s;
  CHECK_FALSE(barred_after(s, doubtful, 250, 100'000));
}

TEST_CASE("each relapse costs twice the time, up to ten minutes") {
  source_score s;
  int64_t now = 0;
  for (const int64_t expected : {30, 60, 120, 240, 480, 600, 600}) {
    REQUIRE(barred_after(s, bad_chunk, 0, 10, now));
    CHECK(s.penalty() == seconds(expected));
    now += expected * 1000;
  }
}

TEST_CASE("it comes back on probation: one more false chunk is allowed, not two") {
  source_score s;
  REQUIRE(barred_after(s, bad_chunk, 0, 10) == 3);
  CHECK(s.rank(at(30'000)) == 2);
  CHECK(barred_after(s, bad_chunk, 0, 10, 30'000) == 2);
}

TEST_CASE("ten minutes of good conduct after a penalty make it a first offender again") {
  source_score s;
  REQUIRE(barred_after(s, bad_chunk, 0, 10));
  CHECK_FALSE(s.clean(at(0)));
  const auto good = 30'000 + 600'000;
  CHECK_FALSE(s.clean(at(good - 1)));
  CHECK(s.clean(at(good)));
  REQUIRE(barred_after(s, bad_chunk, 0, 10, good) == 3);
  CHECK(s.penalty() == seconds(30));
}

TEST_CASE("a clock that stands or falls gives no credit") {
  source_score s;
  s.add(bad_chunk, at(1000));
  CHECK(s.rank(at(0)) == s.rank(at(1000)));
  s.add(bad_chunk, at(0));
  CHECK_FALSE(s.over(at(1000)));
  s.add(bad_chunk, at(1000));
  CHECK(s.over(at(1000)));
}

TEST_CASE("what one that could not be spared did weighs for two minutes, not for ever") {
  source_score s;
  for (int i = 0; i < 1'000'000; ++i) s.add(bad_chunk, at(0));
  CHECK(s.rank(at(0)) == 4);
  CHECK(s.over(at(63'000)));
  CHECK_FALSE(s.over(at(64'000)));
  CHECK(s.rank(at(128'000)) == 0);
}

} // namespace
} // namespace ec::object
