// Every fault of the simulated tuner, in virtual time, through the cutter: what it says, and whether what it calls whole is what
// another receiver has.
#include "tuner/faulted_broadcast.hpp"

#include <doctest/doctest.h>

#include "media/test_broadcast.hpp"
#include "tests/support/ts_runs.hpp"
#include "ts/broadcast_clock.hpp"
#include "tuner/fault_plan.hpp"

using namespace ec;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using tuner::played_fault;

namespace {

constexpr auto length = 14s;
constexpr uint32_t chunk_ms = 1000;
/// How long a node waits before it opens a source again, as the supervisor does at first.
constexpr auto reopen_after = 250ms;

/// One seed: a broadcast that begins at another fraction of a second, and a fault at another place in it.
struct airtime {
  uint64_t seed;
  std::vector<tuner::broadcast_burst> bursts;
  std::chrono::milliseconds fault_at;
};

airtime on_air(uint64_t seed) {
  media::test_broadcast_config c;
  c.codec = media::test_codec::h264;
  c.start = base::wall_time(std::chrono::milliseconds(1'785'000'000'000 + static_cast<int64_t>(seed) * 3'217'371));
  auto made = media::test_broadcast::create(c);
  REQUIRE(made.has_value());
  auto& broadcast = made.value();
  auto next = tuner::constant_rate([&] { return broadcast.next(); }, broadcast.bit_rate());
  airtime out{seed, {}, 6000ms + std::chrono::milliseconds(seed * 131 % 1000)};
  do out.bursts.push_back(next().value());
  while (out.bursts.back().until < length);
  return out;
}

/// All seeds; made once.
const std::vector<airtime>& seeds() {
  static const auto all = [] {
    std::vector<airtime> out;
    for (uint64_t seed = 1; seed <= 4; ++seed) out.push_back(on_air(seed));
    return out;
  }();
  return all;
}

ts::cutter_config config() {
  ts::cutter_config out;
  out.profile = {"test", chunk_ms};
  out.require_broadcast_time = true;
  return out;
}

/// What one node makes of the channel: it tunes in at `from` and opens the stream again when the device ends it.
test::cut_result receive(const airtime& air, std::vector<tuner::planned_fault> faults, nanoseconds from = 0s) {
  const tuner::fault_plan plan(std::move(faults));
  tuner::faulted_broadcast device(
    [&, n = size_t{0}]() mutable -> base::result<tuner::broadcast_burst> {
      if (n == air.bursts.size()) return base::fail(base::errc::closed, "over");
      return air.bursts[n++];
    },
    plan, air.seed);
  ts::chunk_cutter cutter(config());
  std::vector<ts::cut_event> events;
  bool connected = false, began = false;
  uint64_t ends = 0, resets = 0;
  nanoseconds open_at = from;
  while (const auto got = device.next()) {
    const auto& burst = got.value();
    if (connected && plan.ends(burst.until) != ends) {
      connected = false;
      open_at = burst.until + reopen_after;
      if (plan.resets(burst.until) != resets) cutter.push(burst.packets.slice(0, 188 * 3 + 94), {}, events); // in mid-packet
    }
    if (!connected && burst.until >= open_at && plan.answers(burst.until) == tuner::fault_plan::answer::stream) {
      connected = true;
      ends = plan.ends(burst.until);
      resets = plan.resets(burst.until);
      if (began) cutter.source_gap({}, events);
      began = true;
    }
    if (connected && !plan.silent(burst.until)) cutter.push(burst.packets, {}, events);
  }
  cutter.finish({}, events);
  return test::collect(std::move(events), cutter);
}

test::cut_result unfaulted(const airtime& air) {
  return receive(air, std::vector<tuner::planned_fault>{});
}

/// One fault of this kind at the seed's moment.
test::cut_result receive(const airtime& air, played_fault kind, nanoseconds from = 0s) {
  auto fault = tuner::parse_fault(std::string(tuner::name(kind)) + "@" + std::to_string(air.fault_at.count()) + "ms").value();
  if (kind == played_fault::encoder_restart) fault.amount = 40min; // over half a quantum: one who did not see it counts the same
  return receive(air, {fault}, from);
}

uint64_t notes(const test::cut_result& r, std::string_view event) {
  uint64_t n = 0;
  for (const auto& e : r.events)
    if (const auto* note = std::get_if<ts::note>(&e); note && note->event == event) ++n;
  return n;
}

uint64_t damaged_by(const test::cut_result& r, ts::damage why) {
  return r.counters.damaged_by[static_cast<size_t>(why)];
}

/// Whole chunks that end before the fault's index, and from two behind its end on.
void check_both_sides(const test::cut_result& r, uint64_t first_hit, uint64_t last_hit) {
  size_t before = 0, behind = 0;
  for (const auto& [index, data] : r.whole) {
    before += index < first_hit;
    behind += index > last_hit;
  }
  CHECK(before >= 3);
  CHECK(behind >= 2);
  CHECK(r.order_fault == "");
}

/// Indices of the damaged chunks and of the holes: from the first to the last that is not whole, without the last one of all,
/// which the end of the input always damages.
std::pair<uint64_t, uint64_t> hit(const test::cut_result& full, const test::cut_result& r) {
  uint64_t first = UINT64_MAX, last = 0;
  for (const auto& [index, data] : full.whole)
    if (!r.whole.contains(index)) {
      first = std::min(first, index);
      last = std::max(last, index);
    }
  return {first, last};
}

/// A fault of the connection or the signal: whatever is called whole is what a receiver without the fault has.
void check_reception(const airtime& air, const test::cut_result& full, const test::cut_result& r, uint64_t lost_max) {
  const auto c = test::compare(full, r);
  CHECK(c.wrong == 0);
  CHECK(c.wrong_pieces == 0);
  const auto [first, last] = hit(full, r);
  REQUIRE(first <= last);
  CHECK(last - first + 1 <= lost_max);
  check_both_sides(r, first, last);
  // Around the fault, not elsewhere: chunk 0 is the first whole one, about a second after the start.
  CHECK(first + 2 >= full.whole.begin()->first + static_cast<uint64_t>(air.fault_at.count()) / chunk_ms - 2);
}

} // namespace

TEST_SUITE("ts/faulted broadcast") {

TEST_CASE("a broadcast without a fault comes out as it went in") {
  const auto& air = seeds().front();
  tuner::faulted_broadcast device([&, n = size_t{0}]() mutable -> base::result<tuner::broadcast_burst> {
    if (n == air.bursts.size()) return base::fail(base::errc::closed, "over");
    return air.bursts[n++];
  }, tuner::fault_plan(), 1);
  for (const auto& burst : air.bursts) {
    const auto got = device.next();
    REQUIRE(got.has_value());
    CHECK(got.value().until == burst.until);
    REQUIRE(std::ranges::equal(got.value().packets.span(), burst.packets.span()));
  }
  CHECK_FALSE(device.next().has_value());
}

TEST_CASE("the same plan and seed give the same bytes, another seed gives others") {
  const auto& air = seeds().front();
  const auto play = [&](uint64_t seed) {
    tuner::faulted_broadcast device([&, n = size_t{0}]() mutable -> base::result<tuner::broadcast_burst> {
      if (n == air.bursts.size()) return base::fail(base::errc::closed, "over");
      return air.bursts[n++];
    }, tuner::fault_plan({{played_fault::fade, 1s, 4s}, {played_fault::garbage, 6s, 100ms}}), seed);
    std::vector<uint8_t> out;
    while (const auto got = device.next()) out.insert(out.end(), got.value().packets.begin(), got.value().packets.end());
    return out;
  };
  const auto one = play(7);
  CHECK(one == play(7));
  CHECK(one != play(8));
}

TEST_CASE("a stall is a loss: the chunks that it touches are damaged, and no other") {
  for (const auto& air : seeds()) {
    CAPTURE(air.seed);
    const auto full = unfaulted(air);
    REQUIRE(full.whole.size() >= 10);
    const auto r = receive(air, played_fault::stall);
    check_reception(air, full, r, 5);
    CHECK(r.counters.chunks_damaged >= 2); // and the last one of all
    CHECK(damaged_by(r, ts::damage::continuity) + damaged_by(r, ts::damage::stream_check) + damaged_by(r, ts::damage::neighbour_loss) >= 1);
    CHECK(r.counters.continuity_errors > 0);
  }
}

TEST_CASE("a reset in mid-packet, a 503 and a page end the chunk under way, and the next one says that it does not continue it") {
  for (const auto kind : {played_fault::reset, played_fault::http_503, played_fault::content_type})
    for (const auto& air : seeds()) {
      CAPTURE(tuner::name(kind));
      CAPTURE(air.seed);
      const auto full = unfaulted(air);
      const auto r = receive(air, kind);
      check_reception(air, full, r, kind == played_fault::reset ? 3 : 6);
      CHECK(damaged_by(r, ts::damage::source_gap) == 1);
      CHECK(notes(r, "source-gap") == 1);
      const auto [first, last] = hit(full, r);
      CHECK(r.opened.upper_bound(last)->second.discontinuity);
    }
}

TEST_CASE("garbage out of step is found, counted, and costs the chunks that it touches") {
  for (const auto& air : seeds()) {
    CAPTURE(air.seed);
    const auto full = unfaulted(air);
    const auto r = receive(air, played_fault::garbage);
    check_reception(air, full, r, 3);
    CHECK(damaged_by(r, ts::damage::resync) >= 1);
    CHECK(notes(r, "resync") >= 1);
    CHECK(r.counters.reader.resyncs >= 1);
    CHECK(r.counters.reader.skipped_bytes > 188 * 100);
    CHECK(r.counters.reader.skipped_bytes < 188 * 8'000'000 / 1504);
  }
}

TEST_CASE("a signal that fades damages what it touches; continuity errors and marked packets rise and are counted") {
  for (const auto& air : seeds()) {
    CAPTURE(air.seed);
    const auto full = unfaulted(air);
    const auto r = receive(air, played_fault::fade);
    check_reception(air, full, r, 6);
    CHECK(r.counters.transport_errors > 100);
    CHECK(r.counters.continuity_errors > 100);
    CHECK(damaged_by(r, ts::damage::continuity) + damaged_by(r, ts::damage::transport_error) + damaged_by(r, ts::damage::uncertain_boundary) >= 3);
    CHECK(r.counters.reader.resyncs == 0);
  }
}

TEST_CASE("a PMT with a new version that says the same changes nothing, and is noted") {
  for (const auto& air : seeds()) {
    CAPTURE(air.seed);
    const auto full = unfaulted(air);
    const auto r = receive(air, played_fault::pmt_version);
    CHECK(r.whole == full.whole);
    CHECK(r.counters.chunks_damaged == full.counters.chunks_damaged);
    CHECK(notes(r, "pmt-version") == 1);
    CHECK(r.counters.pmt_versions == 1);
    CHECK(notes(full, "pmt-version") == 0);
    CHECK(notes(r, "program-changed") == 0);
  }
}

TEST_CASE("streams that move to other PIDs end the chunk under way; two receivers go on alike") {
  for (const auto& air : seeds()) {
    CAPTURE(air.seed);
    const auto full = unfaulted(air);
    const auto r = receive(air, played_fault::pids);
    const auto late = receive(air, played_fault::pids, 1700ms);
    const auto after = receive(air, played_fault::pids, air.fault_at + 700ms);
    CHECK(notes(r, "program-changed") == 1);
    CHECK(damaged_by(r, ts::damage::program_change) == 1);
    const auto [first, last] = hit(full, r);
    check_both_sides(r, first, last);
    CHECK(last - first + 1 <= 3);
    CHECK(r.opened.upper_bound(last)->second.discontinuity);
    for (const auto& [index, data] : r.whole) {
      if (index < first) CHECK(full.whole.at(index) == data);
      if (index > last) CHECK(full.whole.at(index) != data); // the PIDs are part of a chunk
    }
    for (const auto* other : {&late, &after}) {
      REQUIRE(other->whole.size() >= 3);
      CHECK(test::compare(r, *other).wrong == 0);
      CHECK(other->order_fault == "");
    }
  }
}

TEST_CASE("the clock comes round: nothing is damaged, no index is left out, and one who tunes in afterwards agrees") {
  for (const auto& air : seeds()) {
    CAPTURE(air.seed);
    const auto r = receive(air, played_fault::pts_wrap);
    const auto late = receive(air, played_fault::pts_wrap, 1700ms);
    const auto after = receive(air, played_fault::pts_wrap, air.fault_at + 700ms);
    CHECK(r.counters.chunks_damaged == 1); // the last one
    CHECK(r.counters.chunks_whole >= 10);
    CHECK(r.whole.rbegin()->first - r.whole.begin()->first + 1 == r.whole.size());
    uint64_t falls = 0;
    for (auto o = r.opened.begin(); std::next(o) != r.opened.end(); ++o) falls += std::next(o)->second.first_pts < o->second.first_pts;
    CHECK(falls == 1);
    CHECK(notes(r, "clock-jump") == 0);
    for (const auto* other : {&late, &after}) {
      REQUIRE(other->whole.size() >= 4);
      CHECK(test::compare(r, *other).wrong == 0);
      CHECK(other->opened.begin()->second.synced);
    }
  }
}

TEST_CASE("an encoder that restarts begins a new era: a damaged chunk, a discontinuity, indices that rise, and receivers that agree") {
  for (const auto& air : seeds()) {
    CAPTURE(air.seed);
    const auto full = unfaulted(air);
    const auto r = receive(air, played_fault::encoder_restart);
    const auto late = receive(air, played_fault::encoder_restart, 1700ms);
    const auto after = receive(air, played_fault::encoder_restart, air.fault_at + 700ms);
    CHECK(notes(r, "clock-jump") == 1);
    CHECK(damaged_by(r, ts::damage::clock_jump) + damaged_by(r, ts::damage::stream_check) >= 1);
    CHECK(r.order_fault == "");
    uint64_t eras = 0, before = 0, behind = 0;
    for (auto o = r.opened.begin(); o != r.opened.end(); ++o) {
      if (r.whole.contains(o->first)) ++(o->second.era == 0 ? before : behind);
      if (o == r.opened.begin() || o->second.era == std::prev(o)->second.era) continue;
      ++eras;
      CHECK(o->second.discontinuity);
      // At most a quantum ahead.
      CHECK(o->first - std::prev(o)->first <= static_cast<uint64_t>(ts::broadcast_clock::quantum / 90 / chunk_ms) + 1);
    }
    CHECK(eras == 1);
    CHECK(before >= 3);
    CHECK(behind >= 3);
    for (const auto& [index, data] : r.whole)
      if (r.opened.at(index).era == 0) CHECK(full.whole.at(index) == data);
    for (const auto* other : {&late, &after}) {
      REQUIRE(other->whole.size() >= 3);
      CHECK(test::compare(r, *other).wrong == 0);
    }
  }
}

TEST_CASE("a short step back may leave one who did not see it with another count, never with other bytes under an index") {
  for (const auto& air : seeds()) {
    CAPTURE(air.seed);
    const tuner::planned_fault fault{played_fault::encoder_restart, air.fault_at, 10min};
    const auto r = receive(air, {fault});
    const auto after = receive(air, {fault}, air.fault_at + 700ms);
    REQUIRE(after.whole.size() >= 3);
    for (const auto& [index, data] : after.whole)
      if (r.whole.contains(index)) CHECK(r.whole.at(index) == data);
    CHECK(after.whole.begin()->first < r.whole.rbegin()->first); // it counts on from where the clock was
  }
}

TEST_CASE("a station whose time goes 14 s wrong keeps its chunks, one who tunes in afterwards has the same, and it is said") {
  for (const auto& air : seeds()) {
    CAPTURE(air.seed);
    const auto full = unfaulted(air);
    const auto r = receive(air, played_fault::stt_wrong);
    CHECK(r.whole == full.whole);
    CHECK(r.counters.chunks_damaged == full.counters.chunks_damaged);
    CHECK(notes(r, "station-clock") == 1);
    CHECK(r.counters.station_clock_steps == 1);
    CHECK(notes(full, "station-clock") == 0);
    const auto after = receive(air, played_fault::stt_wrong, air.fault_at + 700ms);
    REQUIRE(after.whole.size() >= 4);
    CHECK(test::compare(full, after).wrong == 0);
    CHECK(notes(after, "station-clock") == 0); // it knows no other time
    const auto from_start = receive(air, {{played_fault::stt_wrong, 0s, 14s}});
    CHECK(from_start.whole == full.whole);
  }
}

}
