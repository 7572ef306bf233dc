#include "ts/clock_agreement.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "ts/broadcast_clock.hpp"

using namespace ec;
using namespace ec::ts;
using namespace std::chrono_literals;

namespace {

constexpr uint64_t own = 900'000'000;
constexpr int64_t quantum_chunks = broadcast_clock::quantum / 180'000; // 1491.3: counts of two quanta apart differ by 2982 or 2983
using step = clock_agreement::step;

struct node {
  clock_agreement with{clock_agreement::settings{}};
  base::mono_time now{};
  step hears(const std::string& signer, bool trusted, std::optional<uint64_t> here, uint64_t index) { return with.on_chunk({signer, trusted, index}, here, now); }
};

} // namespace

TEST_SUITE("ts/clock_agreement") {

TEST_CASE("who is late by seconds counts alike, and who is whole quanta away does not") {
  const clock_agreement with{clock_agreement::settings{}};
  for (const int64_t late : {-30, -1, 0, 1, 30}) CHECK(with.quanta_between(own, own + static_cast<uint64_t>(late)) == 0);
  for (const int64_t n : {-3, -1, 1, 2, 40})
    for (const int64_t late : {-20, 0, 20})
      CHECK(with.quanta_between(own, own + static_cast<uint64_t>(n * broadcast_clock::quantum / 180'000 + late)) == n);
  // A node that is away by minutes, or without broadcast time.
  for (const int64_t apart : {-700, -100, 100, 700, 1200, 123'456'789}) CHECK_FALSE(with.quanta_between(own, own + static_cast<uint64_t>(apart)).has_value());
  CHECK_FALSE(with.quanta_between(0, (uint64_t{1} << 53)).has_value());
  CHECK_FALSE(with.quanta_between(uint64_t{1} << 53, 0).has_value());
}

TEST_CASE("the count of a trusted signer that is ahead is looked at, again only after a while, and one that is behind is told once") {
  node n;
  CHECK(n.hears("a", true, own, own + 2) == step::none);
  CHECK(n.hears("a", true, own, own + quantum_chunks) == step::look);
  n.now += 10s;
  CHECK(n.hears("a", true, own + 5, own + quantum_chunks + 5) == step::none);
  CHECK(n.hears("b", true, own + 5, own + quantum_chunks + 5) == step::look); // each for himself
  n.now += 6s;
  CHECK(n.hears("a", true, own + 8, own + quantum_chunks + 8) == step::look);
  CHECK(n.hears("c", true, own, own - quantum_chunks) == step::tell);
  CHECK(n.hears("c", true, own + 1, own - quantum_chunks + 1) == step::none);
  // Ahead by what is no whole quantum: the look tells what it is. Behind by it: he is late.
  CHECK(n.hears("d", true, own, own + 500) == step::look);
  CHECK(n.hears("e", true, own, own - 500) == step::none);
}

TEST_CASE("before its first chunk a node looks at any count that it trusts") {
  node n;
  CHECK(n.hears("stranger", false, std::nullopt, own) == step::none);
  CHECK(n.hears("a", true, std::nullopt, own) == step::look);
  CHECK(n.hears("a", true, std::nullopt, own + 1) == step::none);
}

TEST_CASE("a stranger's count is never looked at, and told once if it is another") {
  node n;
  CHECK(n.hears("stranger", false, own, own + 700) == step::none); // no count of this clock, or a recording
  CHECK(n.hears("stranger", false, own, own + quantum_chunks) == step::tell);
  n.now += 1h;
  CHECK(n.hears("stranger", false, own + 1800, own + 1800 + 2 * quantum_chunks) == step::none);
}

TEST_CASE("any number of strangers keeps no trusted signer out") {
  node n;
  for (int i = 0; i < 1000; ++i) n.hears("stranger " + std::to_string(i), false, own, own + quantum_chunks);
  CHECK(n.hears("a", true, own, own + quantum_chunks) == step::look);
  CHECK(n.with.misfits("a"));
  CHECK_FALSE(n.with.misfits("a"));
  CHECK_FALSE(n.with.misfits("never heard of"));
}

TEST_CASE("a trusted signer whose count never fits is looked at less and less often, and as before once it fits") {
  node n;
  std::vector<int64_t> at;
  for (; n.now.time_since_epoch() < 3h; n.now += 1s)
    if (n.hears("a", true, own, own + 500) == step::look) {
      at.push_back(std::chrono::duration_cast<std::chrono::seconds>(n.now.time_since_epoch()).count());
      CHECK(n.with.misfits("a") == (at.size() == 1));
    }
  REQUIRE(at.size() >= 8);
  CHECK(std::vector(at.begin(), at.begin() + 5) == std::vector<int64_t>{0, 30, 90, 210, 450});
  CHECK(at.back() - at[at.size() - 2] == 900); // no longer than that
  n.with.fits("a");
  CHECK(n.hears("a", true, own, own + 500) == step::none); // the last wait stands
  n.now += 15min;
  CHECK(n.hears("a", true, own, own + 500) == step::look);
  n.now += 15s;
  CHECK(n.hears("a", true, own, own + 500) == step::look);
}

TEST_CASE("strangers can make as many keys as they like: of eight it is told in ten minutes, of the others it is counted") {
  node n;
  size_t told = 0;
  for (int i = 0; i < 1000; ++i, n.now += 100ms) told += n.hears("stranger " + std::to_string(i), false, own, own + quantum_chunks) == step::tell ? 1 : 0;
  CHECK(told == 8);
  CHECK(n.with.untold() == 992);
  // One who comes later is told of, though all places were taken by them.
  n.now += 10min;
  CHECK(n.hears("late", false, own, own + quantum_chunks) == step::tell);
  CHECK(n.hears("late", false, own, own + quantum_chunks) == step::none);
}

}
