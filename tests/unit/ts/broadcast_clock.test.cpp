#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "ts/broadcast_clock.hpp"

namespace {

using namespace ec::ts;

constexpr int64_t second = pts_hz;
constexpr uint64_t mask = static_cast<uint64_t>(pts_wrap) - 1;

/// A station: its encoder counts from `start` at Unix time 0 of the test; its STT is wrong by `wrong` seconds and jitters.
struct station {
  int64_t start;
  int64_t epoch_ms = 1'700'000'000'000;
  int64_t wrong_ms = 0;
  double drift = 0; ///< of the encoder, parts of one

  uint64_t pts(int64_t t_ms) const { return static_cast<uint64_t>(start + static_cast<int64_t>(static_cast<double>(t_ms) * 90 * (1 + drift))) & mask; }
  int64_t stt(int64_t t_ms, int64_t jitter_ms) const { return (epoch_ms + t_ms + wrong_ms + jitter_ms) / 1000 * 1000; }
};

/// A receiver from `from_ms` to `to_ms`; answers T of the PTS at `to_ms`.
int64_t listen(const station& s, int64_t from_ms, int64_t to_ms, std::mt19937_64& rng, broadcast_clock& clock) {
  for (int64_t t = from_ms; t <= to_ms; t += std::clamp<int64_t>((to_ms - from_ms) / 500, 500, 20'000)) {
    clock.on_pts(s.pts(t));
    clock.on_broadcast_time(s.stt(t, static_cast<int64_t>(rng() % 2000) - 1000), s.pts(t));
  }
  clock.on_pts(s.pts(to_ms));
  return clock.lift(s.pts(to_ms));
}

} // namespace

TEST_CASE("PTS steps go the short way around the wrap") {
  CHECK(pts_step(mask, 0) == 1);
  CHECK(pts_step(0, mask) == -1);
  CHECK(pts_step(5, 5 + 90'000) == 90'000);
  CHECK(pcr_step(static_cast<uint64_t>(pcr_wrap) - 1, 0) == 1);
  CHECK(pcr_step(0, static_cast<uint64_t>(pcr_wrap) - 300) == -300);
  CHECK(floor_div(-1, 180'000) == -1);
  CHECK(floor_div(180'000, 180'000) == 1);
}

TEST_CASE("the quantum divides the wrap, so that a wrap does not show") {
  CHECK(pts_wrap % broadcast_clock::quantum == 0);
}

TEST_CASE("a receiver that locks before a PTS wrap and one that locks after it agree") {
  std::mt19937_64 rng(3);
  for (int run = 0; run < 200; ++run) {
    // The wrap comes within the first hour.
    const station s{pts_wrap - static_cast<int64_t>(rng() % (3600 * static_cast<uint64_t>(second)))};
    broadcast_clock early, late;
    const int64_t a = listen(s, 0, 3'700'000, rng, early);
    const int64_t b = listen(s, 3'690'000, 3'700'000, rng, late);
    CHECK(early.era() == 0);
    CHECK((a - b) % broadcast_clock::quantum == 0);
    // They differ only where broadcast time and PTS are half a quantum apart, give or take the jitter of STT.
    const int64_t unix_ticks = (s.epoch_ms + 3'700'000) * 90;
    const int64_t off = ((unix_ticks - static_cast<int64_t>(s.pts(3'700'000))) % broadcast_clock::quantum + broadcast_clock::quantum) % broadcast_clock::quantum;
    const bool doubtful = std::llabs(off - broadcast_clock::quantum / 2) <= 3 * second;
    if (!doubtful) CHECK(a == b);
  }
}

TEST_CASE("isolated receivers disagree as rarely as the record of the decision says") {
  std::mt19937_64 rng(4);
  int disagree = 0;
  constexpr int runs = 20'000;
  for (int run = 0; run < runs; ++run) {
    const station s{static_cast<int64_t>(rng() & mask), 1'700'000'000'000, static_cast<int64_t>(rng() % 9) * 1000 - 4000};
    broadcast_clock a, b;
    const int64_t ta = listen(s, 0, 2'000, rng, a), tb = listen(s, 1'000, 2'000, rng, b);
    if (ta != tb) {
      ++disagree;
      CHECK(std::llabs(ta - tb) == broadcast_clock::quantum);
    }
  }
  CHECK(disagree < runs / 500); // 2 s of doubt in 2,982.6 s: one in 1,500
}

TEST_CASE("one that adopts the published count agrees at once and stays") {
  std::mt19937_64 rng(5);
  for (int run = 0; run < 500; ++run) {
    const station s{static_cast<int64_t>(rng() & mask)};
    broadcast_clock published, joiner;
    const int64_t t = listen(s, 0, 4'000, rng, published);
    const int64_t duration = 2 * second;
    const auto index = static_cast<uint64_t>(floor_div(t, duration));
    joiner.adopt(index, s.pts(4'000), duration);
    REQUIRE(joiner.locked());
    CHECK(joiner.lift(s.pts(4'000)) == t);
    CHECK(listen(s, 4'000, 60'000, rng, joiner) == listen(s, 4'000, 60'000, rng, published));
  }
}

TEST_CASE("a reference that no chunk of this profile can be is refused") {
  broadcast_clock clock;
  // T would begin far behind the index: PTS 90,000 s into its quantum, index at the quantum's start.
  CHECK(clock.adopt(0, 1'000 * second, 2 * second) == broadcast_clock::event::none);
  CHECK_FALSE(clock.locked());
}

TEST_CASE("drift of the encoder and jitter of STT move nothing for a month") {
  std::mt19937_64 rng(6);
  const station s{12'345'678, 1'700'000'000'000, 3'000, 30e-6};
  broadcast_clock clock;
  int64_t last = 0;
  for (int64_t t = 0; t < 31LL * 86'400'000; t += 600'000) {
    clock.on_pts(s.pts(t));
    clock.on_broadcast_time(s.stt(t, static_cast<int64_t>(rng() % 2000) - 1000), s.pts(t));
    const int64_t now = clock.lift(s.pts(t));
    CHECK(now >= last);
    last = now;
  }
  CHECK(clock.era() == 0);
}

TEST_CASE("a PTS jump backwards begins an era, ids never fall, and all that saw it agree") {
  std::mt19937_64 rng(7);
  for (int run = 0; run < 500; ++run) {
    const station before{static_cast<int64_t>(rng() & mask)}, after{static_cast<int64_t>(rng() & mask)};
    if (pts_step(before.pts(10'000), after.pts(10'500)) > 0) continue; // forward: no jump to a node that may have missed input
    broadcast_clock a, b;
    listen(before, 0, 10'000, rng, a);
    const int64_t tb = listen(before, 0, 10'000, rng, b);
    if (a.lift(before.pts(10'000)) != tb) continue; // the one in 1,500
    CHECK(a.on_pts(after.pts(10'500)) == broadcast_clock::event::jumped);
    b.on_pts(after.pts(10'500));
    CHECK(a.lift(after.pts(10'500)) > tb);
    CHECK(a.lift(after.pts(10'500)) <= tb + broadcast_clock::quantum);
    CHECK(a.lift(after.pts(10'500)) == b.lift(after.pts(10'500)));
    CHECK(a.era() == 1);
    // Broadcast time goes on; the lift does not go back to it.
    const int64_t later = listen(after, 10'500, 40'000, rng, a);
    CHECK(later > tb);
    CHECK(a.era() == 1);
  }
}

TEST_CASE("without broadcast time the PTS itself counts, wraps included") {
  broadcast_clock clock;
  clock.on_pts(mask - 1'000);
  clock.lock_unsynced();
  clock.on_pts(500);
  CHECK(clock.lift(500) == pts_wrap + 500);
  CHECK_FALSE(clock.synced());
}

TEST_CASE("who adopts before the first PTS of an input that lags behind the others has their count, and no jump") {
  const station s{12'345'678};
  const int64_t duration = 2 * second;
  for (const int64_t lag : {0, 300, 2'000, 30'000, 100'000}) {
    broadcast_clock clock;
    const uint64_t theirs = s.pts(200'000), ours = s.pts(200'000 - lag);
    const auto index = static_cast<uint64_t>((static_cast<int64_t>(theirs) + 50'000 * broadcast_clock::quantum) / duration);
    CHECK(clock.adopt(index, theirs, duration) == broadcast_clock::event::locked);
    CHECK(clock.on_pts(ours) == broadcast_clock::event::none);
    CHECK(clock.era() == 0);
    CHECK(clock.lift(theirs) == static_cast<int64_t>(theirs) + 50'000 * broadcast_clock::quantum);
    // From then on a step back is a jump again.
    CHECK(clock.on_pts(ours - second) == broadcast_clock::event::jumped);
  }
}

TEST_CASE("an index from elsewhere that is beyond every count is no chunk of the clock") {
  CHECK_FALSE(broadcast_clock::lift_of(uint64_t{1} << 62, 0, 2 * second).has_value());
  CHECK_FALSE(broadcast_clock::lift_of(~uint64_t{0}, 0, 2 * second).has_value());
  CHECK_FALSE(broadcast_clock::lift_of(5, ~uint64_t{0}, 2 * second).has_value());
  CHECK_FALSE(broadcast_clock::lift_of(5, 0, 0).has_value());
}

TEST_CASE("every order of meeting ends with one count, the greatest, and no count ever falls") {
  // Groups of nodes that locked apart meet pairwise in any order; each tells the other of its count.
  std::mt19937_64 rng(8);
  for (int run = 0; run < 300; ++run) {
    const station s{static_cast<int64_t>(rng() & mask)};
    std::vector<broadcast_clock> nodes(6);
    const uint64_t pts = s.pts(5'000);
    for (auto& n : nodes) {
      // Three seconds of doubt around half a quantum: the worst case on purpose.
      const int64_t base = (static_cast<int64_t>(pts) + 50'000 * broadcast_clock::quantum + broadcast_clock::quantum / 2) / 90;
      n.on_pts(pts);
      n.on_broadcast_time(base + static_cast<int64_t>(rng() % 3000) - 1500, pts);
    }
    int64_t most = nodes[0].lift(pts);
    for (auto& n : nodes) most = std::max(most, n.lift(pts));
    const int64_t duration = 2 * second;
    std::vector<std::pair<size_t, size_t>> meetings;
    for (size_t i = 0; i < nodes.size(); ++i)
      for (size_t j = 0; j < i; ++j) meetings.emplace_back(i, j);
    std::shuffle(meetings.begin(), meetings.end(), rng);
    for (auto [i, j] : meetings) {
      const auto before_i = nodes[i].lift(pts), before_j = nodes[j].lift(pts);
      nodes[i].adopt(static_cast<uint64_t>(floor_div(before_j, duration)), pts, duration);
      nodes[j].adopt(static_cast<uint64_t>(floor_div(before_i, duration)), pts, duration);
      CHECK(nodes[i].lift(pts) >= before_i);
      CHECK(nodes[j].lift(pts) >= before_j);
    }
    for (auto& n : nodes) CHECK(n.lift(pts) == most);
  }
}
