// Thousands of stations that misbehave, each heard by several receivers that know nothing of each other: who arrives at another count,
// how often, and that one word between them ends it. The figures stand in docs/adr/0002-broadcast-clock.md.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>

#include "ts/broadcast_clock.hpp"

namespace {

using namespace ec::ts;

constexpr int64_t Q = broadcast_clock::quantum;
constexpr int64_t hour_ms = 3'600'000;
constexpr int64_t duration = 2 * pts_hz;
constexpr uint64_t mask = static_cast<uint64_t>(pts_wrap) - 1;

/// One station: its encoder, which may be restarted once, and its clock, which may be wrong, jitter, and be set once.
struct station {
  int64_t unix_ms = 1'700'000'000'000;
  int64_t start = 0;               ///< PTS at time 0
  double drift = 0;                ///< of the encoder against true time
  int64_t restart_at = INT64_MAX;  ///< ms; from then on PTS counts from another start
  int64_t restart_to = 0;
  int64_t wrong_ms = 0;
  int64_t set_at = INT64_MAX;      ///< ms; from then on the clock is wrong by this instead
  int64_t wrong_later_ms = 0;

  uint64_t pts(int64_t t) const {
    const auto from = t >= restart_at ? restart_to : start;
    return static_cast<uint64_t>(from + static_cast<int64_t>(static_cast<double>(t) * 90 * (1 + drift))) & mask;
  }
  /// STT as sent at `t`: whole seconds, late or early by up to one.
  int64_t stt(int64_t t, std::mt19937_64& rng) const {
    const int64_t jitter = static_cast<int64_t>(rng() % 2001) - 1000;
    return (unix_ms + t + (t >= set_at ? wrong_later_ms : wrong_ms) + jitter) / 1000 * 1000;
  }
};

/// A receiver that tunes in at `from` and listens to the end.
struct receiver {
  broadcast_clock clock;
  int64_t at = 0;
  bool fell = false; ///< its count went back

  void listen(const station& s, int64_t from, int64_t to, std::mt19937_64& rng) {
    const int64_t step = std::clamp<int64_t>((to - from) / 50, 500, 600'000);
    int64_t last = INT64_MIN;
    const auto hear = [&](int64_t t) {
      clock.on_pts(s.pts(t));
      clock.on_broadcast_time(s.stt(t, rng), s.pts(t));
      const int64_t now = clock.lift(s.pts(t));
      fell = fell || now < last;
      last = now;
    };
    for (int64_t t = from; t < to; t += step) {
      hear(t);
      // A restart is seen where it happens: before it and after it.
      if (t < s.restart_at && t + step > s.restart_at && s.restart_at < to) {
        hear(s.restart_at - 1);
        hear(s.restart_at);
      }
    }
    hear(to);
    at = to;
  }
  int64_t count(const station& s) const { return clock.lift(s.pts(at)); }
};

/// One hears of the other's newest chunk.
void tell(const receiver& from, receiver& to, const station& s) {
  to.clock.adopt(static_cast<uint64_t>(floor_div(from.count(s), duration)), s.pts(from.at), duration);
}

/// Whether broadcast time and PTS lie half a quantum apart, to within `doubt_ms`: the only place where two may read two counts.
bool doubtful(const station& s, int64_t t, int64_t wrong_ms, double doubt_ms) {
  const int64_t off = (s.unix_ms + t + wrong_ms) * 90 - static_cast<int64_t>(s.pts(t));
  const int64_t in_quantum = off - floor_div(off, Q) * Q;
  return std::abs(static_cast<double>(in_quantum - Q / 2)) <= doubt_ms * 90;
}

const int64_t wrongs[] = {0, 14'000, 15'000, 16'000};

struct tally {
  std::string name;
  uint64_t stations = 0, apart = 0;
  double expected = 0; ///< sum of the computed chances

  void print() const {
    std::printf("clock: %-58s %6llu stations, %5llu receivers apart before they hear of each other (%.3f %%, computed %.3f %%)\n", name.c_str(),
      static_cast<unsigned long long>(stations), static_cast<unsigned long long>(apart), 100.0 * static_cast<double>(apart) / static_cast<double>(stations),
      100.0 * expected / static_cast<double>(stations));
  }
  /// Within five standard deviations of what is computed, and some over for what the formula leaves out.
  bool fits() const {
    return std::abs(static_cast<double>(apart) - expected) <= 5 * std::sqrt(expected) + 0.1 * expected + 3;
  }
};

/// Both count on from what they have, then each hears of the other: one count, and nobody's fell.
void meet(receiver& a, receiver& b, const station& s) {
  const auto x = a.count(s), y = b.count(s);
  tell(a, b, s);
  tell(b, a, s);
  CHECK(a.count(s) == std::max(x, y));
  CHECK(b.count(s) == std::max(x, y));
}

} // namespace

TEST_SUITE("ts/clock_stations") {

TEST_CASE("receivers of stations whose STT is wrong and jitters agree, whenever they tune in and however often PTS wraps") {
  std::mt19937_64 rng(21);
  tally sum{"STT 0, 14, 15 or 16 s wrong, jitter 1 s, drift 30 ppm"};
  for (int n = 0; n < 40'000; ++n) {
    station s;
    s.start = static_cast<int64_t>(rng() & mask);
    s.wrong_ms = wrongs[rng() % 4];
    s.drift = (static_cast<double>(rng() % 61) - 30) * 1e-6;
    const int64_t later = static_cast<int64_t>(rng() % static_cast<uint64_t>(30 * hour_ms)); // over a wrap of 26.5 h now and then
    receiver a, b;
    a.listen(s, 0, later + 5'000, rng);
    b.listen(s, later, later + 5'000, rng);
    CHECK(a.clock.era() == 0);
    CHECK_FALSE(a.fell);
    ++sum.stations;
    // The mean distance of two readings: jitter and whole seconds give 0.74 s; the encoder drifts away from under the first one.
    const double drifted = std::abs(s.drift) * static_cast<double>(later);
    sum.expected += std::max(740.0, drifted) / (static_cast<double>(Q) / 90);
    if (a.count(s) != b.count(s)) {
      ++sum.apart;
      CHECK(std::llabs(a.count(s) - b.count(s)) == Q);
      CHECK(doubtful(s, later, s.wrong_ms, 2'100 + drifted));
    }
    meet(a, b, s);
  }
  sum.print();
  CHECK(sum.fits());
}

TEST_CASE("a station that sets its clock right parts those who locked before from those who lock after, rarely") {
  std::mt19937_64 rng(22);
  tally sum{"STT 14, 15 or 16 s wrong, then right"};
  for (int n = 0; n < 6000; ++n) {
    station s;
    s.start = static_cast<int64_t>(rng() & mask);
    s.wrong_ms = wrongs[1 + rng() % 3];
    s.set_at = hour_ms / 2;
    receiver a, b;
    a.listen(s, 0, hour_ms, rng);
    b.listen(s, hour_ms - 5'000, hour_ms, rng);
    CHECK(a.clock.era() == 0); // nothing happens to who listens
    ++sum.stations;
    sum.expected += static_cast<double>(s.wrong_ms) / (static_cast<double>(Q) / 90);
    if (a.count(s) != b.count(s)) {
      ++sum.apart;
      CHECK(doubtful(s, hour_ms, 0, static_cast<double>(s.wrong_ms) + 2'100));
    }
    meet(a, b, s);
  }
  sum.print();
  CHECK(sum.fits());
}

TEST_CASE("an encoder that restarts in either direction leaves all who saw it with one count, and who tunes in seconds later behind it or with it") {
  std::mt19937_64 rng(23);
  tally back{"encoder restarts backwards; tuned in seconds after"}, ahead{"encoder restarts ahead; tuned in seconds after"};
  for (int n = 0; n < 8000; ++n) {
    station s;
    s.start = static_cast<int64_t>(rng() & mask);
    s.wrong_ms = wrongs[rng() % 4];
    s.restart_at = 60'000 + static_cast<int64_t>(rng() % 1'000'000);
    s.restart_to = static_cast<int64_t>(rng() & mask);
    const int64_t tuned = s.restart_at + 200 + static_cast<int64_t>(rng() % 8'000);
    const int64_t end = s.restart_at + 30'000;
    const int64_t step = pts_step(s.pts(s.restart_at - 1), s.pts(s.restart_at));
    receiver a, saw, late;
    a.listen(s, 0, end, rng);
    saw.listen(s, s.restart_at / 2, end, rng);
    late.listen(s, tuned, end, rng);
    CHECK_FALSE(a.fell);
    CHECK_FALSE(saw.fell);
    // They differ only if they did before.
    if (a.count(s) != saw.count(s)) CHECK(doubtful(s, s.restart_at - 1, s.wrong_ms, 2'200));
    const bool doubt = doubtful(s, s.restart_at - 1, s.wrong_ms, 2'200) || doubtful(s, tuned, s.wrong_ms, 2'200);
    const auto behind = a.count(s) - late.count(s);
    CHECK(behind % Q == 0);
    if (!doubt) CHECK((behind == 0 || behind == Q));
    auto& sum = step < 0 ? back : ahead;
    ++sum.stations;
    sum.expected += 0.5;
    sum.apart += behind != 0;
    meet(late, saw, s);
    if (!doubt) CHECK(saw.count(s) == a.count(s)); // who saw it did not have to move
    tell(saw, a, s);
    tell(a, late, s);
    CHECK(a.count(s) == late.count(s));
  }
  back.print();
  ahead.print();
  CHECK(back.fits());
  CHECK(ahead.fits());
}

TEST_CASE("a receiver that was away during a restart and one that was not agree once they hear of each other") {
  std::mt19937_64 rng(24);
  for (int n = 0; n < 3000; ++n) {
    station s;
    s.start = static_cast<int64_t>(rng() & mask);
    s.wrong_ms = wrongs[rng() % 4];
    s.restart_at = 100'000;
    s.restart_to = static_cast<int64_t>(rng() & mask);
    receiver a, away;
    a.listen(s, 0, 200'000, rng);
    away.listen(s, 0, 50'000, rng);
    away.clock.on_pts(s.pts(150'000), true); // a gap: a step ahead need not be a jump
    away.listen(s, 150'500, 200'000, rng);
    CHECK((a.count(s) - away.count(s)) % Q == 0);
    CHECK_FALSE(away.fell);
    meet(a, away, s);
  }
}

TEST_CASE("a count that is behind is no reason to go back, and no broadcast time is one to take any") {
  std::mt19937_64 rng(25);
  const station s{.start = 5'000'000};
  receiver a, b;
  a.listen(s, 0, 5'000, rng);
  b.listen(s, 0, 5'000, rng);
  const auto here = a.count(s);
  const auto index = [&](int64_t t) { return static_cast<uint64_t>(floor_div(t, duration)); };
  CHECK(a.clock.adopt(index(here - Q), s.pts(5'000), duration) == broadcast_clock::event::none);
  CHECK(a.count(s) == here);
  CHECK(a.clock.era() == 0);
  CHECK(a.clock.adopt(index(here + Q), s.pts(5'000), duration) == broadcast_clock::event::jumped);
  CHECK(a.count(s) == here + Q);
  broadcast_clock unsynced;
  unsynced.on_pts(s.pts(5'000));
  unsynced.lock_unsynced();
  CHECK(unsynced.adopt(index(here), s.pts(5'000), duration) == broadcast_clock::event::jumped);
  CHECK(unsynced.lift(s.pts(5'000)) == here);
}

}
