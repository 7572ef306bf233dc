#include "tuner/backoff.hpp"

#include <doctest/doctest.h>

using namespace ec;
using namespace std::chrono_literals;

TEST_SUITE("tuner/backoff") {

TEST_CASE("waits double up to the cap") {
  tuner::backoff b({.first = 500ms, .cap = 3000ms, .factor = 2, .jitter = 0});
  const base::mono_time now{};
  CHECK(b.next(now) == now + 500ms);
  CHECK(b.next(now) == now + 1000ms);
  CHECK(b.next(now) == now + 2000ms);
  CHECK(b.next(now) == now + 3000ms);
  for (int i = 0; i < 5000; ++i) CHECK(b.next(now) == now + 3000ms);
  b.reset();
  CHECK(b.next(now) == now + 500ms);
}

TEST_CASE("jitter stays in its band, never passes the cap, and follows the seed") {
  const tuner::backoff_config config{.first = 1000ms, .cap = 1000ms, .factor = 2, .jitter = 0.25};
  tuner::backoff a(config, 7), again(config, 7), other(config, 8);
  const base::mono_time now{};
  bool differs = false;
  bool below = false;
  for (int i = 0; i < 200; ++i) {
    const auto wait = a.next(now) - now;
    CHECK(wait >= 750ms);
    CHECK(wait <= 1000ms);
    below = below || wait < 900ms;
    CHECK(again.next(now) - now == wait);
    differs = differs || other.next(now) - now != wait;
  }
  CHECK(differs);
  CHECK(below);
}

TEST_CASE("only a success that lasts forgets the failures") {
  tuner::backoff b({.first = 1s, .cap = 60s, .factor = 2, .jitter = 0, .settled = 60s});
  base::mono_time now{};
  b.next(now);
  b.next(now);
  b.succeeded(now);
  CHECK(b.next(now + 59s) == now + 59s + 4s);
  b.succeeded(now + 70s);
  b.succeeded(now + 100s); // still the same success
  CHECK(b.next(now + 130s) == now + 130s + 1s);
}

}
