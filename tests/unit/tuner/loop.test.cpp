// The loop over every capture that has a picture or sound and PCR, judged by a reader of its own.
#include "tuner/loop.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <unistd.h>

#include <doctest/doctest.h>

#include "media/test_broadcast.hpp"
#include "tests/support/data.hpp"
#include "tuner/internal/grid.hpp"
#include "tuner/internal/sections.hpp"

using namespace ec;

namespace {

struct stamp {
  uint64_t packet;
  uint64_t pts;
  uint64_t dts;
};

struct judged {
  std::map<int, std::vector<uint64_t>> counter_errors; ///< by PID: the packets at which the counter broke
  std::map<int, std::vector<std::pair<uint64_t, uint64_t>>> pcr; ///< by PID: packet and value
  std::map<int, std::vector<stamp>> stamps;
  std::map<int, uint64_t> packets;
  std::vector<std::pair<uint64_t, uint32_t>> stt;
  std::vector<std::pair<uint64_t, uint64_t>> utc; ///< TDT or TOT as BCD
  size_t bad_crc = 0;
};

uint64_t stamp_at(const uint8_t* p) {
  return uint64_t{(p[0] >> 1) & 7u} << 30 | uint64_t{p[1]} << 22 | uint64_t{p[2] & 0xfeu} << 14 | uint64_t{p[3]} << 7 | p[4] >> 1;
}

uint32_t crc(const uint8_t* in, size_t size) {
  uint32_t c = ~0u;
  for (size_t k = 0; k < size; ++k)
    for (int i = 7; i >= 0; --i) c = c << 1 ^ ((((c >> 31) ^ (in[k] >> i & 1u)) & 1u) != 0 ? 0x04c11db7u : 0u);
  return c;
}

judged judge(const std::vector<uint8_t>& ts) {
  judged out;
  std::map<int, int> counters;
  REQUIRE(ts.size() % 188 == 0);
  for (uint64_t i = 0; i < ts.size() / 188; ++i) {
    const uint8_t* p = ts.data() + i * 188;
    REQUIRE(p[0] == 0x47);
    const int pid = (p[1] & 0x1f) << 8 | p[2];
    ++out.packets[pid];
    if (pid == 0x1fff || (p[1] & 0x80) != 0) continue;
    const bool payload = (p[3] & 0x10) != 0;
    const int counter = p[3] & 15;
    if (counters.count(pid) != 0 && counter != ((counters[pid] + 1) & 15) && payload && counter != counters[pid]) out.counter_errors[pid].push_back(i);
    if (payload || counters.count(pid) == 0) counters[pid] = counter;
    size_t at = 4;
    if ((p[3] & 0x20) != 0) {
      at = 5u + p[4];
      if (p[4] >= 7 && (p[5] & 0x10) != 0) {
        const uint64_t base = uint64_t{p[6]} << 25 | uint64_t{p[7]} << 17 | uint64_t{p[8]} << 9 | uint64_t{p[9]} << 1 | p[10] >> 7;
        out.pcr[pid].emplace_back(i, base * 300 + ((p[10] & 1u) << 8 | p[11]));
      }
    }
    if (!payload || (p[1] & 0x40) == 0 || at + 19 > 188) continue;
    if (p[at] == 0 && p[at + 1] == 0 && p[at + 2] == 1) {
      if ((p[at + 6] & 0xc0) == 0x80 && (p[at + 7] & 0x80) != 0) {
        const uint64_t pts = stamp_at(p + at + 9);
        out.stamps[pid].push_back({i, pts, (p[at + 7] & 0x40) != 0 ? stamp_at(p + at + 14) : pts});
      }
      continue;
    }
    size_t s = at + 1u + p[at];
    while (s + 8 <= 188 && p[s] != 0xff) {
      const size_t length = 3u + ((p[s + 1] & 0x0fu) << 8 | p[s + 2]);
      if (s + length > 188) break;
      if (pid == 0x1ffb && p[s] == 0xcd) {
        out.bad_crc += crc(p + s, length) != 0 ? 1 : 0;
        out.stt.emplace_back(i, uint32_t{p[s + 9]} << 24 | uint32_t{p[s + 10]} << 16 | uint32_t{p[s + 11]} << 8 | p[s + 12]);
      }
      if (pid == 0x14 && (p[s] == 0x70 || p[s] == 0x73)) {
        if (p[s] == 0x73) out.bad_crc += crc(p + s, length) != 0 ? 1 : 0;
        uint64_t t = 0;
        for (size_t k = 3; k < 8; ++k) t = t << 8 | p[s + k];
        out.utc.emplace_back(i, t);
      }
      s += length;
    }
  }
  return out;
}

/// `rounds` rounds of the loop in one piece, and where each burst said it ended.
std::vector<uint8_t> play(tuner::loop& l, int rounds) {
  std::vector<uint8_t> out;
  std::chrono::nanoseconds last{0};
  const double round_s = static_cast<double>(l.facts().round_pts) / 90000;
  while (true) {
    const auto burst = l.next();
    REQUIRE(!burst.packets.empty());
    REQUIRE(burst.until >= last);
    last = burst.until;
    out.insert(out.end(), burst.packets.begin(), burst.packets.end());
    if (std::chrono::duration<double>(last).count() >= rounds * round_s) return out;
  }
}

int64_t step33(uint64_t from, uint64_t to) {
  const auto d = static_cast<int64_t>((to - from) & 0x1ffffffff);
  return d >= int64_t{1} << 32 ? d - (int64_t{1} << 33) : d;
}

struct expectation {
  const char* file;
  uint16_t video;
  bool whole;      ///< the capture itself has no losses: then nothing may be amiss
  bool at_random;  ///< there is a second random access point to end before
  bool even = true; ///< the capture's own frame steps are even
};

} // namespace

TEST_SUITE("tuner/loop") {

TEST_CASE("every capture with a clock loops without a seam in counters, PCR and stamps") {
  for (const auto& e : {
         expectation{"ts/atsc/ksaz-10_720p60_first-half.ts", 0x100, true, true},
         expectation{"ts/atsc/mp3ac325-4864-small.ts", 0x31, true, false},
         expectation{"ts/atsc/scte20_480i.ts", 0x100, true, true},
         expectation{"ts/dvb/uk-sd_mpeg2_5s.ts", 0x1f5, true, true},
         expectation{"ts/dvb/fr-hd_h264_ac3_losses.ts", 0x3f2, false, true},
         expectation{"ts/dvb/fr-hd_h264_eac3.ts", 0x78, true, false},
         expectation{"ts/dvb/sd_mpeg2_mp2.ts", 0x1000, true, true},
         expectation{"ts/dvb/h264_intra_first-small.ts", 0x12b5, true, false},
         expectation{"ts/dvb/no-initial-keyframe.ts", 0x101, true, false, false},
         expectation{"ts/bad/fuzzed.ts", 0x65, false, true},
         expectation{"ts/dvb/pcr-wrap_eac3.ts", 0x76c, true, true},
         expectation{"ts/dvb/gr-digea-12_tei_losses.ts", 0x28d, false, true},
         expectation{"ts/dvb/gr-digea-32_tei_losses_a.ts", 0x2a0, false, true},
       }) {
    CAPTURE(e.file);
    const auto path = test::test_data(e.file);
    if (!path) return;
    auto opened = tuner::loop::open_file(path->string());
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message()));
    auto& l = opened.value();
    const auto& f = l.facts();
    std::printf("%s: round %lld, frame %lld, ends at random access %d, joins %d, sound off by %lld\n", e.file, static_cast<long long>(f.round_pts),
                static_cast<long long>(f.frame_pts), f.ends_at_random_access, f.frames_join, static_cast<long long>(f.audio_step_pts));
    CHECK(f.video_pid == e.video);
    constexpr int rounds = 4;
    const auto ts = play(l, rounds);
    const auto j = judge(ts);

    // The same capture gives the same bytes, also from memory.
    auto again = tuner::loop::open(base::bytes::adopt(test::read_file(*path)));
    REQUIRE(again.has_value());
    CHECK((play(again.value(), rounds) == ts));

    if (e.whole) CHECK(j.counter_errors.empty());
    REQUIRE(j.pcr.count(f.pcr_pid) == 1);
    const auto& pcr = j.pcr.at(f.pcr_pid);
    REQUIRE(pcr.size() >= 4);
    const auto wrap = (uint64_t{1} << 33) * 300;
    uint64_t total = 0;
    uint64_t largest = 0;
    for (size_t i = 1; i < pcr.size(); ++i) {
      const uint64_t step = (pcr[i].second + wrap - pcr[i - 1].second) % wrap;
      REQUIRE(step < wrap / 2); // never back
      total += step;
      largest = std::max(largest, step);
    }
    // Four rounds of PCR are about four rounds of picture.
    const double pcr_s = static_cast<double>(total) / 27e6;
    const double round_s = static_cast<double>(f.round_pts) / 90000;
    CHECK(pcr_s > round_s * (rounds - 1) - 0.01);
    CHECK(pcr_s < round_s * (rounds + 1) + 0.01);
    CHECK(static_cast<double>(largest) / 27e6 < 3.1);

    const auto& video = j.stamps.at(f.video_pid);
    uint64_t previous = video.front().dts;
    size_t odd = 0;
    for (const auto& s : video) {
      const auto step = step33(previous, s.dts);
      REQUIRE(step >= 0);
      if (&s != &video.front() && e.whole && e.even && std::abs(step - f.frame_pts) > 2 && step % f.frame_pts > 2 && f.frame_pts - step % f.frame_pts > 2) ++odd;
      previous = s.dts;
    }
    if (e.whole) CHECK(odd == 0);
    if (f.frames_join && e.whole) {
      // All pictures of two rounds in the middle: each PTS once, evenly.
      std::vector<int64_t> shown;
      for (const auto& s : video) shown.push_back(step33(video.front().pts, s.pts));
      std::sort(shown.begin(), shown.end());
      CHECK(std::adjacent_find(shown.begin(), shown.end()) == shown.end());
      int64_t widest = 0;
      for (size_t i = 1; i < shown.size(); ++i)
        if (shown[i] > f.round_pts / 2 && shown[i] < f.round_pts * 3) widest = std::max(widest, shown[i] - shown[i - 1]);
      CHECK(widest <= f.frame_pts * 2 + 2); // captures with two fields in a PES step by two
    }
    CHECK(f.ends_at_random_access == e.at_random);
  }
}

TEST_CASE("what has no program, no clock or no packets is refused with the reason") {
  const auto code = [](const char* file) {
    const auto path = test::data_root() / file;
    auto got = tuner::loop::open_file(path.string());
    return got ? base::errc::internal : got.error().code;
  };
  if (!test::test_data("ts/atsc/whdh-7_psip.ts")) return;
  CHECK(code("ts/atsc/whdh-7_psip.ts") == base::errc::malformed);
  CHECK(code("ts/atsc/kulx-10_ac3_pat_pmt.ts") == base::errc::unsupported);
  CHECK(code("ts/dvb/pat-version-churn.ts") == base::errc::unsupported);
  CHECK(code("ts/README.md") == base::errc::malformed);
  CHECK(code("ts/none.ts") == base::errc::not_found);
  CHECK(code("ts") == base::errc::io);
  CHECK(tuner::loop::open({}).error().code == base::errc::malformed);
}

TEST_CASE("the broadcast's own time goes on with the rounds") {
  const auto path = test::test_data("ts/dvb/uk-sd_mpeg2_5s.ts");
  if (!path) return;
  auto l = std::move(tuner::loop::open_file(path->string())).value();
  const auto j = judge(play(l, 5));
  REQUIRE(j.utc.size() > 4);
  CHECK(j.bad_crc == 0);
  const auto seconds = [](uint64_t t) {
    const auto bcd = [](uint64_t b) { return (b >> 4 & 15) * 10 + (b & 15); };
    return (t >> 24) * 86400 + bcd(t >> 16) * 3600 + bcd(t >> 8) * 60 + bcd(t);
  };
  for (size_t i = 1; i < j.utc.size(); ++i) CHECK(seconds(j.utc[i].second) >= seconds(j.utc[i - 1].second));
  const auto gone = seconds(j.utc.back().second) - seconds(j.utc.front().second);
  const auto length = static_cast<double>(l.facts().round_pts) / 90000;
  CHECK(static_cast<double>(gone) > 3 * length - 1);
  CHECK(static_cast<double>(gone) < 5 * length + 1);
}

TEST_CASE("a looped broadcast of our own keeps STT right and decodes over the seams without a complaint") {
  for (const auto codec : {media::test_codec::mpeg2, media::test_codec::h264}) {
    media::test_broadcast_config config;
    config.codec = codec;
    config.start = base::wall_time(std::chrono::milliseconds(1'792'000'000'250));
    auto b = std::move(media::test_broadcast::create(config)).value();
    auto l = std::move(tuner::loop::open(b.next(static_cast<size_t>(3.2 * static_cast<double>(b.bit_rate()) / 1504)))).value();
    const auto& f = l.facts();
    CHECK(f.ends_at_random_access);
    CHECK(f.frames_join);
    CHECK(f.audio_step_pts <= 1440); // half a frame: ours is one frame in a PES
    CHECK(f.round_pts % 45045 == 0); // whole groups of 30 pictures
    const auto ts = play(l, 4);
    const auto j = judge(ts);
    CHECK(j.counter_errors.empty());
    CHECK(j.bad_crc == 0);
    REQUIRE(j.stt.size() >= 8);
    const auto& pcr = j.pcr.at(f.pcr_pid);
    // At the seam the rests of two PCR intervals add up.
    for (size_t i = 1; i < pcr.size(); ++i) CHECK(pcr[i].second - pcr[i - 1].second < 80 * 27000);
    // STT moves in step with PCR, to the second that a whole-second clock cannot be better than.
    const auto pcr_before = [&](uint64_t packet) {
      uint64_t last = pcr.front().second;
      for (const auto& [at, value] : pcr)
        if (at <= packet) last = value;
      return static_cast<double>(last) / 27e6;
    };
    for (const auto& [packet, time] : j.stt) {
      const double off = static_cast<double>(time - j.stt.front().second) - (pcr_before(packet) - pcr_before(j.stt.front().first));
      CHECK(std::abs(off) <= 1.05);
    }
    if (std::system("command -v ffmpeg >/dev/null") != 0) {
      std::printf("SKIPPED: %s: no ffmpeg\n", test::current_test());
      return;
    }
    std::string path = (std::filesystem::temp_directory_path() / "ec-loop-XXXXXX").string();
    close(mkstemp(path.data()));
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(ts.data()), static_cast<std::streamsize>(ts.size()));
    FILE* ffmpeg = popen(("ffmpeg -v warning -err_detect explode+crccheck -xerror -i " + path + " -t 7 -f null - 2>&1").c_str(), "r");
    REQUIRE(ffmpeg);
    char said[2000] = {};
    const size_t length = fread(said, 1, sizeof said - 1, ffmpeg);
    CHECK_MESSAGE(length == 0, said);
    pclose(ffmpeg);
    std::filesystem::remove(path);
  }
}

TEST_CASE("times of real stations are moved with a right CRC, across midnight too") {
  const auto path = test::test_data("ts/atsc/wbz-4_psip.ts");
  if (!path) return;
  const auto packets = tuner::internal::grid::find(base::bytes::adopt(test::read_file(*path)));
  REQUIRE(packets.has_value());
  tuner::internal::section_finder finder;
  size_t found = 0;
  for (uint64_t i = 0; i < packets.value().count(); ++i) {
    const auto p = packets.value().packet(i);
    if (p[1] != 0x5f && p[1] != 0x1f) continue;
    if (p[2] != 0xfb) continue;
    for (const auto& s : finder.push(i, p)) {
      if (s.bytes[0] != 0xcd) {
        CHECK_FALSE(tuner::internal::advance_time(s.bytes, 5).has_value());
        continue;
      }
      ++found;
      const auto moved = tuner::internal::advance_time(s.bytes, 256);
      REQUIRE(moved.has_value());
      CHECK(crc(moved->data(), moved->size()) == 0);
      CHECK((*moved)[12] == s.bytes[12]); // 256 s more
      auto broken = s.bytes;
      broken[15] ^= 1;
      CHECK_FALSE(tuner::internal::advance_time(broken, 5).has_value());
    }
  }
  CHECK(found == 16); // as the capture's description says
  const std::vector<uint8_t> evening{0x70, 0x70, 0x05, 0xe7, 0x12, 0x23, 0x59, 0x58};
  CHECK(tuner::internal::advance_time(evening, 3) == std::vector<uint8_t>{0x70, 0x70, 0x05, 0xe7, 0x13, 0x00, 0x00, 0x01});
}

}
