#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/data.hpp"
#include "tests/support/ts_mux.hpp"
#include "tests/support/ts_runs.hpp"
#include "ts/broadcast_clock.hpp"

namespace {

using namespace ec;
using namespace ec::ts;
using test::cut;
using test::mux_options;
using test::ts_mux;

cutter_config one_second() {
  cutter_config c;
  c.profile = {"test", 1000};
  c.time_wait_ms = 0;
  return c;
}

/// `in` without the packets whose numbers are listed.
std::vector<uint8_t> without(const std::vector<uint8_t>& in, const std::vector<size_t>& numbers) {
  std::vector<uint8_t> out;
  for (size_t n = 0; n * 188 < in.size(); ++n)
    if (std::find(numbers.begin(), numbers.end(), n) == numbers.end()) out.insert(out.end(), in.begin() + static_cast<ptrdiff_t>(n * 188), in.begin() + static_cast<ptrdiff_t>((n + 1) * 188));
  return out;
}

/// Numbers of `count` packets of a PID from packet `from` on.
std::vector<size_t> packets_of(const ts_mux& mux, uint16_t pid, size_t from, size_t count) {
  std::vector<size_t> out;
  for (size_t n = from; n < mux.packets() && out.size() < count; ++n)
    if (mux.packet(n).pid() == pid) out.push_back(n);
  return out;
}

bool has_note(const test::cut_result& r, std::string_view event) {
  return std::any_of(r.events.begin(), r.events.end(), [&](const cut_event& e) {
    const auto* n = std::get_if<note>(&e);
    return n && n->event == event;
  });
}

damage why_of(const test::cut_result& r, uint64_t index) {
  for (const auto& e : r.events)
    if (const auto* d = std::get_if<chunk_damaged>(&e); d && d->index == index) return d->why;
  return damage::none;
}

/// Ten seconds: pictures 30 a second, a random access point each half second, the first at PTS 10 s.
ts_mux ten_seconds(mux_options o = {}) {
  ts_mux mux(o);
  mux.run(300);
  return mux;
}

} // namespace

TEST_CASE("a clean stream gives consecutive whole chunks of the nominal duration") {
  const auto mux = ten_seconds();
  const auto r = cut(one_second(), mux.bytes());
  CHECK(r.order_fault.empty());
  CHECK(r.whole.size() == 8); // 11..18; 10 is dropped, 19 is open at the end
  CHECK(r.whole.begin()->first == 11);
  CHECK(why_of(r, 19) == damage::end_of_input);
  for (const auto& e : r.events)
    if (const auto* w = std::get_if<chunk_whole>(&e)) CHECK(w->duration_pts == 90'000);
  for (const auto& [index, o] : r.opened) {
    CHECK(o.first_pts == index * 90'000);
    CHECK(o.certain);
    CHECK_FALSE(o.synced);
  }
}

TEST_CASE("a chunk opens with our PAT and PMT and then the packet of its random access point") {
  const auto mux = ten_seconds();
  const auto r = cut(one_second(), mux.bytes());
  const auto& chunk = r.whole.at(12);
  REQUIRE(chunk.size() % 188 == 0);
  const packet_view pat(chunk.data()), pmt(chunk.data() + 188), first(chunk.data() + 376);
  CHECK(pat.pid() == 0);
  CHECK(pmt.pid() == 0x1ff0);
  CHECK(first.pid() == 0x100);
  CHECK(first.payload_unit_start());
  CHECK(first.has_pcr());
}

TEST_CASE("law 1: after tuning in everything is dropped until a certain boundary") {
  const auto mux = ten_seconds();
  const auto full = cut(one_second(), mux.bytes());
  for (const size_t picture : {1, 14, 15, 16, 29, 31, 44, 46}) {
    CAPTURE(picture);
    const size_t at = mux.pictures()[picture] * 188;
    const auto part = cut(one_second(), std::span(mux.bytes()).subspan(at));
    REQUIRE(!part.opened.empty());
    // Tables come each ten pictures, points each fifteen: the chunk that the first seen point lies in is never opened.
    const size_t table = (picture + 9) / 10 * 10, point = (table + 14) / 15 * 15;
    CHECK(part.opened.begin()->first > 10 + point / 30);
    CHECK(test::compare(full, part).wrong == 0);
    CHECK(part.whole.size() >= 5);
  }
}

TEST_CASE("law 2: a boundary is certain only if nothing was missed since the random access point before it") {
  const auto mux = ten_seconds();
  // The whole picture that opens chunk 13 is gone: picture 90. The next point is picture 105, still in 13.
  std::vector<size_t> numbers;
  for (size_t n = mux.pictures()[90]; n < mux.pictures()[91]; ++n)
    if (mux.packet(n).pid() == 0x100) numbers.push_back(n);
  const auto r = cut(one_second(), without(mux.bytes(), numbers));
  CHECK(why_of(r, 12) != damage::none);
  REQUIRE(r.opened.contains(13));
  CHECK_FALSE(r.opened.at(13).certain);
  CHECK(why_of(r, 13) == damage::uncertain_boundary);
  CHECK(r.whole.contains(11));
  CHECK(r.whole.contains(14));
  for (const auto& [key, piece] : r.pieces) CHECK(key.first != 13); // nothing of it was released
}

TEST_CASE("law 3: a gap reaches back across the boundary to the last packet of its PID") {
  const auto mux = ten_seconds();
  // The first audio packet behind the boundary of chunk 13: it might have stood before it.
  const auto r = cut(one_second(), without(mux.bytes(), packets_of(mux, 0x101, mux.pictures()[90], 1)));
  CHECK(why_of(r, 12) == damage::continuity);
  CHECK(why_of(r, 13) == damage::continuity);
  CHECK(r.whole.contains(11));
  CHECK(r.whole.contains(14));
}

TEST_CASE("law 4: packets without payload leave no trace, lost or not") {
  mux_options o;
  o.pcr_in_video = false;
  const auto mux = ten_seconds(o);
  const auto with = cut(one_second(), mux.bytes());
  const auto pcrs = packets_of(mux, 0x200, 0, 10'000);
  REQUIRE(pcrs.size() == 300);
  const auto bare = cut(one_second(), without(mux.bytes(), pcrs));
  CHECK(with.whole.size() == 8);
  CHECK(with.whole == bare.whole);
  // PCR is written anew, on the PID that the PMT names, at most 100 ms apart, rising.
  std::optional<uint64_t> last;
  size_t written = 0;
  const auto& chunk = with.whole.at(12);
  for (size_t at = 0; at < chunk.size(); at += 188) {
    const packet_view p(chunk.data() + at);
    const auto pcr = p.pcr();
    if (!pcr) continue;
    CHECK(p.pid() == 0x100);
    CHECK_FALSE(p.has_payload());
    if (last) CHECK(pcr_step(*last, *pcr) == pcr_hz / 10);
    last = pcr;
    ++written;
  }
  CHECK(written == 10);
}

TEST_CASE("law 5: the loss of sixteen packets of one PID shows though its counter is right") {
  const auto mux = ten_seconds();
  for (const uint16_t pid : {uint16_t{0x100}, uint16_t{0x101}})
    for (const size_t many : {16, 32, 64})
      for (size_t picture = 91; picture < 118; picture += 4) {
        if (pid == 0x100 && many == 16) continue; // inside one slice of 33 packets: only a decoder could tell
        CAPTURE(pid);
        CAPTURE(many);
        CAPTURE(picture);
        // Video: from the middle of a picture on, so that the loss takes the start of at least one more.
        const auto r = cut(one_second(), without(mux.bytes(), packets_of(mux, pid, mux.pictures()[picture] + (pid == 0x100 ? 20 : 0), many)));
        CHECK(r.counters.continuity_errors == 0);
        CHECK(r.counters.check_failures > 0);
        CHECK(why_of(r, 13) == damage::stream_check);
        CHECK_FALSE(r.whole.contains(13));
      }
}

TEST_CASE("law 5: at a constant rate the clock shows the loss of sixteen packets inside a slice") {
  mux_options o;
  o.picture_packets = 64;
  const auto mux = ten_seconds(o);
  const auto full = cut(one_second(), mux.bytes());
  CHECK(full.whole.size() == 8);
  CHECK(full.counters.check_failures == 0);
  // The clock is the picture's first packet, so that these are all between two of them.
  for (size_t picture = 91; picture < 118; ++picture) {
    CAPTURE(picture);
    const auto r = cut(one_second(), without(mux.bytes(), packets_of(mux, 0x100, mux.pictures()[picture] + 5, 16)));
    CHECK(r.counters.continuity_errors == 0);
    CHECK(why_of(r, 13) == damage::stream_check);
    CHECK(test::compare(full, r).wrong == 0);
    CHECK(test::compare(full, r).wrong_pieces == 0);
    CHECK(r.whole.contains(11));
    CHECK(r.whole.contains(15));
  }
  // Sixteen packets of another program, or null packets, that counters do not show either: nobody can know that.
  const auto r = cut(one_second(), without(mux.bytes(), packets_of(mux, null_pid, mux.pictures()[100], 16)));
  CHECK(why_of(r, 13) == damage::stream_check);
  // A loss that counters do show says no more than they do.
  const auto one = cut(one_second(), without(mux.bytes(), packets_of(mux, 0x100, mux.pictures()[100] + 5, 3)));
  CHECK(one.counters.check_failures == 0);
  CHECK(why_of(one, 13) == damage::continuity);
  CHECK(one.whole.size() == 7);
}

TEST_CASE("repeated packets change nothing") {
  const auto mux = ten_seconds();
  const auto full = cut(one_second(), mux.bytes());
  std::vector<uint8_t> twice;
  for (size_t n = 0; n < mux.packets(); ++n)
    for (int i = 0; i < (n % 7 == 0 ? 2 : 1); ++i) twice.insert(twice.end(), mux.bytes().begin() + static_cast<ptrdiff_t>(n * 188), mux.bytes().begin() + static_cast<ptrdiff_t>(n * 188 + 188));
  CHECK(cut(one_second(), twice).whole == full.whole);
}

TEST_CASE("a packet that repeats the counter with other bytes is a loss of fifteen") {
  const auto mux = ten_seconds();
  const auto r = cut(one_second(), without(mux.bytes(), packets_of(mux, 0x100, mux.pictures()[100] + 2, 15)));
  CHECK(why_of(r, 13) == damage::continuity);
}

TEST_CASE("a marked packet and a scrambled one damage their chunk") {
  const auto mux = ten_seconds();
  auto marked = mux.bytes(), scrambled = mux.bytes();
  marked[(mux.pictures()[100] + 3) * 188 + 1] |= 0x80;
  scrambled[(mux.pictures()[100] + 3) * 188 + 3] |= 0x80;
  const auto a = cut(one_second(), marked), b = cut(one_second(), scrambled);
  CHECK(why_of(a, 13) == damage::transport_error);
  CHECK(a.counters.transport_errors == 1);
  CHECK(why_of(b, 13) == damage::scrambled);
  CHECK(b.counters.scrambled == 1);
  CHECK(a.whole.contains(14));
  CHECK(b.whole.contains(14));
}

TEST_CASE("chunks do not depend on how the bytes are split") {
  const auto mux = ten_seconds();
  const auto full = cut(one_second(), mux.bytes());
  for (const size_t step : {188, 1000, 1316, 7777, 10'000'000}) CHECK(cut(one_second(), mux.bytes(), step).whole == full.whole);
}

TEST_CASE("indices rise through a PTS wrap") {
  mux_options o;
  o.first_pts = static_cast<uint64_t>(pts_wrap) - 4 * 90'000;
  const auto mux = ten_seconds(o);
  const auto r = cut(one_second(), mux.bytes());
  CHECK(r.order_fault.empty());
  CHECK(r.whole.size() >= 8);
  uint64_t last = 0;
  for (const auto& [index, data] : r.whole) {
    if (last) CHECK(index == last + 1);
    last = index;
  }
}

TEST_CASE("a PTS jump backwards begins an era with higher indices, and both sides are marked") {
  mux_options o;
  o.unix_ms = 1'700'000'000'000;
  ts_mux mux(o);
  mux.run(200);
  mux.jump(-3600LL * 90'000);
  mux.run(200);
  auto config = one_second();
  config.require_broadcast_time = true;
  const auto r = cut(config, mux.bytes());
  CHECK(r.order_fault.empty());
  CHECK(has_note(r, "clock-jump"));
  CHECK(has_note(r, "clock-locked"));
  std::vector<chunk_opened> marked;
  for (const auto& [index, opened] : r.opened) {
    CHECK(opened.synced);
    if (opened.discontinuity) marked.push_back(opened);
  }
  REQUIRE(marked.size() == 1);
  CHECK(marked[0].era == 1);
  CHECK(r.whole.contains(marked[0].index));
}

TEST_CASE("indices are near Unix time where the station sends it") {
  mux_options o;
  o.unix_ms = 1'700'000'000'000;
  const auto mux = ten_seconds(o);
  auto config = one_second();
  config.require_broadcast_time = true;
  const auto r = cut(config, mux.bytes());
  REQUIRE(!r.whole.empty());
  const auto index = static_cast<int64_t>(r.whole.begin()->first);
  CHECK(std::llabs(index - 1'700'000'000) <= broadcast_clock::quantum / pts_hz / 2 + 2);
  for (const auto& e : r.events)
    if (const auto* w = std::get_if<chunk_whole>(&e)) {
      REQUIRE(w->broadcast_unix_ms);
      CHECK(std::llabs(*w->broadcast_unix_ms - 1'700'000'000'000) < 12'000);
    }
  // And without it, if it is required, there are none.
  CHECK(cut(config, ten_seconds().bytes()).opened.empty());
}

TEST_CASE("an interrupted source damages what is open and marks what follows") {
  const auto mux = ten_seconds();
  chunk_cutter cutter(one_second());
  std::vector<cut_event> events;
  const size_t half = mux.pictures()[140] * 188;
  cutter.push(std::span(mux.bytes()).first(half), {}, events);
  cutter.source_gap({}, events);
  cutter.push(std::span(mux.bytes()).subspan(half), {}, events);
  cutter.finish({}, events);
  const auto r = test::collect(std::move(events), cutter);
  CHECK(r.order_fault.empty());
  CHECK(why_of(r, 14) == damage::source_gap);
  REQUIRE(r.opened.contains(16));
  CHECK(r.opened.at(16).discontinuity);
  CHECK(test::compare(cut(one_second(), mux.bytes()), r).wrong == 0);
}

TEST_CASE("a change of the program's streams ends the chunk, and the next one carries the new streams") {
  mux_options o;
  ts_mux mux(o);
  mux.run(100);
  mux.options().audio_pid = 0x102;
  mux.run(200);
  const auto r = cut(one_second(), mux.bytes());
  CHECK(r.order_fault.empty());
  CHECK(has_note(r, "program-changed"));
  CHECK_FALSE(r.whole.contains(13));
  REQUIRE(r.whole.contains(15));
  const auto& chunk = r.whole.at(15);
  bool seen = false;
  for (size_t at = 0; at < chunk.size(); at += 188) seen |= packet_view(chunk.data() + at).pid() == 0x102;
  CHECK(seen);
  // One that tunes in behind the change has the same.
  const auto late = cut(one_second(), std::span(mux.bytes()).subspan(mux.pictures()[115] * 188));
  CHECK(test::compare(r, late).wrong == 0);
  CHECK(late.whole.size() >= 2);
}

TEST_CASE("several programs without a choice are not guessed") {
  const auto path = test::test_data("ts/dvb/gr-digea-12_tei_losses.ts");
  if (!path) return;
  const auto r = cut(one_second(), test::read_file(*path));
  CHECK(r.opened.empty());
  REQUIRE(has_note(r, "no-choice"));
}

TEST_CASE("the channel that a viewer picks is found by the VCT") {
  const auto path = test::test_data("ts/atsc/whdh-7_psip.ts");
  if (!path) return;
  chunk_cutter cutter({});
  std::vector<cut_event> events;
  cutter.push(test::read_file(*path), {}, events);
  REQUIRE(cutter.program().channels.size() == 2);
  CHECK(cutter.program().channels[0].name == "WHDH-HD");
  CHECK(cutter.program().channels[0].channel == virtual_channel{7, 1});
  CHECK(cutter.program().channels[0].program_number == 3);
  CHECK(cutter.program().channels[1].name == "This TV");
}

TEST_CASE("a chunk over the bound ends damaged and takes no more memory") {
  const auto mux = ten_seconds();
  auto config = one_second();
  config.chunk_bytes_max = 50'000;
  chunk_cutter cutter(config);
  std::vector<cut_event> events;
  size_t most = 0;
  for (size_t at = 0; at < mux.bytes().size(); at += 1880) {
    cutter.push(std::span(mux.bytes()).subspan(at, std::min<size_t>(1880, mux.bytes().size() - at)), {}, events);
    most = std::max(most, cutter.bytes_held());
  }
  cutter.finish({}, events);
  const auto r = test::collect(std::move(events), cutter);
  CHECK(r.order_fault.empty());
  CHECK(r.whole.empty());
  CHECK(why_of(r, 13) == damage::too_large);
  CHECK(most < 3 * 50'000);
}

TEST_CASE("profiles have one spelling each") {
  CHECK(find_profile("ts-v1").value().duration_ms == 2000);
  CHECK(find_profile("ts-v1-500ms").value().duration_ms == 500);
  for (const char* bad : {"", "ts-v2", "ts-v1-2000ms", "ts-v1-0500ms", "ts-v1-99ms", "ts-v1-60001ms", "ts-v1-5s", "ts-v1-ms", "ts-v1-1000", "ts-v1-99999999999ms"})
    CHECK_FALSE(find_profile(bad));
}

// ---- real captures

TEST_CASE("receivers that tune in at 50 moments have the same chunks") {
  if (!test::test_data("ts/atsc")) return;
  for (const auto& c : test::chunk_captures()) {
    CAPTURE(c.file);
    const auto path = test::test_data(std::string("ts/") + c.file);
    REQUIRE(path);
    const auto data = test::read_file(*path);
    const auto full = cut(test::config_of(c), data);
    CHECK(full.order_fault.empty());
    CHECK(!full.whole.empty());
    std::mt19937_64 rng(50);
    uint64_t compared = 0;
    for (int run = 0; run < 50; ++run) {
      // Any byte, not only the start of a packet.
      const size_t at = rng() % data.size() / (run % 5 ? 2 : 1);
      CAPTURE(at);
      const auto part = cut(test::config_of(c), std::span(data).subspan(at));
      CHECK(part.order_fault.empty());
      const auto got = test::compare(full, part);
      CHECK(got.wrong == 0);
      CHECK(got.wrong_pieces == 0);
      compared += got.compared;
    }
    CHECK(compared > 0);
  }
}

TEST_CASE("no chunk of a copy with lost, marked, garbled or doubled packets is taken for whole that is not") {
  if (!test::test_data("ts/atsc")) return;
  uint64_t seed = 900'000, compared = 0;
  for (const auto& c : test::chunk_captures()) {
    CAPTURE(c.file);
    const auto path = test::test_data(std::string("ts/") + c.file);
    REQUIRE(path);
    const auto data = test::read_file(*path);
    const auto full = cut(test::config_of(c), data);
    for (int run = 0; run < 45; ++run) {
      CAPTURE(++seed);
      std::mt19937_64 rng(seed);
      const auto m = test::draw_any(rng, data.size() / 188);
      const auto what = m.text();
      CAPTURE(what);
      const auto part = cut(test::config_of(c), test::apply(data, m, rng));
      CHECK(part.order_fault.empty());
      const auto got = test::compare(full, part);
      CHECK(got.wrong == 0);
      CHECK(got.wrong_pieces == 0);
      compared += got.compared;
    }
  }
  CHECK(compared > 1'000);
}

TEST_CASE("law 5: a loss inside a slice that takes a PCR shows where PCRs come at equal intervals") {
  if (!test::test_data("ts/dvb")) return;
  const auto& c = test::chunk_captures().at(4);
  REQUIRE(std::string(c.file) == "dvb/fr-hd_h264_ac3_losses.ts"); // one slice to a picture, a PCR each 35 ms, no null packets
  const auto data = test::read_file(*test::test_data(std::string("ts/") + c.file));
  const auto full = cut(test::config_of(c), data);
  for (const auto& [at, count] : {std::pair<size_t, size_t>{7289, 128}, {6422, 96}, {7209, 128}, {6247, 112}, {6077, 96}, {6192, 96}, {6441, 112}}) {
    CAPTURE(at);
    std::mt19937_64 rng;
    const auto r = cut(test::config_of(c), test::apply(data, {test::mishap::hidden, at, count, 0x3f2}, rng));
    CHECK(r.counters.continuity_errors == full.counters.continuity_errors);
    CHECK(r.counters.check_failures > full.counters.check_failures);
    const auto got = test::compare(full, r);
    CHECK(got.wrong == 0);
    CHECK(got.wrong_pieces == 0);
  }
}

TEST_CASE("corrupt input neither crashes nor grows") {
  if (!test::test_data("ts/bad")) return;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(test::data_root() / "ts")) {
    if (!entry.is_regular_file() || entry.path().extension() == ".md") continue;
    CAPTURE(entry.path().string());
    const auto data = test::read_file(entry.path());
    for (const size_t step : {17, 70'000}) {
      if (step == 17 && data.size() > 300'000) continue;
      const auto r = cut(one_second(), data, step);
      CHECK(r.order_fault.empty());
      CHECK(r.counters.reader.bytes == data.size());
    }
  }
}
