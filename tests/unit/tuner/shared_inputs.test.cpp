// Several readers of one input: one device, one tuner, the same bytes.
#include "tuner/shared_inputs.hpp"

#include <thread>

#include <doctest/doctest.h>

#include "base/clock.hpp"
#include "base/limits_tuner.hpp"
#include "net/url.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/tuner/numbered.hpp"
#include "tuner/simulator.hpp"

using namespace ec;
using namespace std::chrono_literals;
using test::numbered;

namespace {

std::unique_ptr<tuner::simulator> device(double speed = 10) {
  tuner::simulator_config config;
  config.listen = "127.0.0.1:0";
  config.tuners = 1;
  config.speed = speed;
  config.channels.push_back({.number = "5.1", .broadcast = numbered()});
  return tuner::simulator::start(std::move(config)).value();
}

std::unique_ptr<tuner::source> open(tuner::shared_inputs& all, const tuner::simulator& d) {
  return all.open("http://" + d.address() + "/auto/v5.1", {.timeouts = {.connect = 2s, .header = 2s, .stall = 5s}, .pace = 0}).value();
}

/// Waits until the device has noticed that nobody reads it any more.
bool is_free(const tuner::simulator& d) {
  for (const auto until = base::mono_now() + 10s; base::mono_now() < until; std::this_thread::yield())
    if (d.counters().streams_open == 0) return true;
  return false;
}

/// What one reader got: numbers of whole packets, with marks.
struct taker {
  std::unique_ptr<tuner::source> from;
  std::vector<uint8_t> rest;
  std::vector<uint64_t> numbers;
  bool gap = false;

  bool take(size_t wanted) {
    while (numbers.size() < wanted) {
      auto got = from->read(1000ms);
      if (!got) return false;
      gap = gap || from->gap_before();
      rest.insert(rest.end(), got.value().begin(), got.value().end());
      // One that joins begins anywhere in a packet. No other byte is the same in two packets in a row and of this value.
      size_t at = 0;
      while (at + 188 < rest.size() && (rest[at] != 0x47 || rest[at + 188] != 0x47)) ++at;
      if (at + 188 >= rest.size() && numbers.empty()) continue;
      for (; at + 188 <= rest.size(); at += 188) {
        uint64_t n = 0;
        for (size_t k = 0; k < 8; ++k) n = n << 8 | rest[at + 4 + k];
        numbers.push_back(n);
      }
      rest.erase(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(at));
    }
    return true;
  }
};

} // namespace

TEST_SUITE("tuner/shared_inputs") {

TEST_CASE("two readers of one channel share one tuner and get the same packets") {
  const auto d = device();
  tuner::shared_inputs all;
  taker a{open(all, *d), {}, {}, false};
  REQUIRE(a.take(100));
  taker b{open(all, *d), {}, {}, false};
  std::thread other([&] { b.take(3000); });
  REQUIRE(a.take(4000));
  other.join();
  CHECK(b.numbers.size() >= 3000);
  CHECK(d->counters().streams_opened == 1);
  CHECK(d->counters().refused_busy == 0);
  for (const auto* t : {&a, &b})
    for (size_t i = 1; i < t->numbers.size(); ++i) REQUIRE(t->numbers[i] == t->numbers[i - 1] + 1);
  CHECK(b.numbers.front() > a.numbers.front());
  // The one who came first goes, the other goes on; with the last the device is free.
  a.from.reset();
  const auto size = b.numbers.size();
  CHECK(b.take(size + 500));
  CHECK(d->counters().streams_opened == 1);
  b.from.reset();
  CHECK(is_free(*d));
}

TEST_CASE("a failure is everybody's, and whoever opens the input again opens it for all") {
  const auto d = device();
  tuner::shared_inputs all;
  taker a{open(all, *d), {}, {}, false}, b{open(all, *d), {}, {}, false};
  REQUIRE(a.take(10));
  REQUIRE(b.take(10));
  d->play(tuner::simulator_trouble::drop);
  while (a.take(a.numbers.size() + 1)) {}
  while (b.take(b.numbers.size() + 1)) {}
  REQUIRE(a.from->fault());
  REQUIRE(b.from->fault());
  CHECK(a.from->fault()->kind == tuner::fault_kind::ended);
  CHECK(b.from->fault()->text == a.from->fault()->text);
  REQUIRE(is_free(*d));
  taker c{open(all, *d), {}, {}, false}; // while the others still hold what failed
  CHECK(c.take(10));
  a.from = open(all, *d);
  a.rest.clear();
  CHECK(a.take(a.numbers.size() + 10));
  CHECK(d->counters().streams_opened == 2);
}

TEST_CASE("one that does not read loses the oldest bytes, and is told where") {
  const auto d = device(100);
  tuner::shared_inputs all;
  taker a{open(all, *d), {}, {}, false}, b{open(all, *d), {}, {}, false};
  REQUIRE(b.take(10));
  const auto before = b.numbers.back();
  REQUIRE(a.take(base::limits::shared_source_bytes_max / 188 + 5000));
  CHECK_FALSE(b.gap);
  const auto kept = b.numbers.size();
  REQUIRE(b.take(kept + 10));
  CHECK(b.gap);
  CHECK(b.numbers[kept + 5] > before + 1000);
}

TEST_CASE("a stop wakes a reader, alone or with others, and the others go on") {
  const auto d = device();
  tuner::shared_inputs all;
  taker a{open(all, *d), {}, {}, false}, b{open(all, *d), {}, {}, false};
  REQUIRE(a.take(10));
  b.from->stop();
  CHECK(b.from->read(1000ms).error().code == base::errc::closed);
  CHECK(b.from->fault()->kind == tuner::fault_kind::stopped);
  CHECK(a.take(500));
  b.from.reset();
  d->play(tuner::simulator_trouble::silent);
  std::thread other([&] { a.from->stop(); });
  while (a.take(a.numbers.size() + 1)) {}
  other.join();
  CHECK(a.from->fault()->kind == tuner::fault_kind::stopped);
  d->play(tuner::simulator_trouble::none);
  REQUIRE(is_free(*d));
  taker c{open(all, *d), {}, {}, false}; // not with the one that was stopped
  a.from.reset();
  CHECK(c.take(10));
}

TEST_CASE("a file is not shared: each reader gets it whole") {
  test::temp_dir dir;
  const auto path = dir / "a.ts";
  REQUIRE(std::system(("printf abc > " + path).c_str()) == 0);
  tuner::shared_inputs all;
  for (int i = 0; i < 2; ++i) {
    const auto s = all.open(path).value();
    CHECK(s->read(1000ms).value().text() == "abc");
  }
}

} // TEST_SUITE
