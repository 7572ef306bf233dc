// The test broadcast, judged by a small reader of its own here and by ffprobe.
#include "media/test_broadcast.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <unistd.h>

#include <doctest/doctest.h>

#include "media/test_picture.hpp"
#include "tests/support/data.hpp"

using namespace ec;

namespace {

constexpr int64_t start_ms = 1'792'000'000'250;

media::test_broadcast make(media::test_codec codec) {
  media::test_broadcast_config c;
  c.codec = codec;
  c.start = base::wall_time(std::chrono::milliseconds(start_ms));
  auto got = media::test_broadcast::create(c);
  REQUIRE_MESSAGE(got.has_value(), (got ? "" : got.error().message()));
  return std::move(got).value();
}

base::bytes seconds(media::test_broadcast& b, double s) {
  return b.next(static_cast<size_t>(s * static_cast<double>(b.bit_rate()) / 1504));
}

struct pcr_seen {
  size_t packet;
  uint64_t value;
};

uint32_t crc(std::span<const uint8_t> in) {
  uint32_t c = ~0u;
  for (const uint8_t byte : in)
    for (int i = 7; i >= 0; --i) {
      const bool top = ((c >> 31) ^ (byte >> i & 1u)) != 0;
      c = c << 1 ^ (top ? 0x04c11db7u : 0u);
    }
  return c;
}

/// A file that is gone at the end of the test.
struct scratch_file {
  std::string path = (std::filesystem::temp_directory_path() / "ec-broadcast-XXXXXX").string();
  explicit scratch_file(const base::bytes& content) {
    close(mkstemp(path.data()));
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  }
  ~scratch_file() { std::filesystem::remove(path); }
};

std::string run(const std::string& command) {
  std::string out;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe);
  char part[4096];
  while (const size_t got = fread(part, 1, sizeof part, pipe)) out.append(part, got);
  pclose(pipe);
  return out;
}

bool have_ffmpeg() {
  if (std::system("command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null") == 0) return true;
  std::printf("SKIPPED: %s: no ffmpeg\n", test::current_test());
  return false;
}

} // namespace

TEST_SUITE("media/test_broadcast") {

TEST_CASE("the multiplex has a constant rate, unbroken counters, PCR every 40 ms and its tables in time") {
  for (const auto codec : {media::test_codec::mpeg2, media::test_codec::h264}) {
    auto b = make(codec);
    const auto ts = seconds(b, 2.5);
    std::vector<pcr_seen> pcrs;
    std::map<int, int> counters;
    std::map<std::pair<int, int>, std::vector<size_t>> tables;
    std::vector<std::pair<size_t, uint32_t>> stt;
    for (size_t i = 0; i < ts.size() / 188; ++i) {
      const auto* p = ts.data() + i * 188;
      REQUIRE(p[0] == 0x47);
      const int pid = (p[1] & 0x1f) << 8 | p[2];
      if (pid == 0x1fff) continue;
      const bool payload = (p[3] & 0x10) != 0;
      if (counters.count(pid) != 0) CHECK((p[3] & 15) == ((counters[pid] + (payload ? 1 : 0)) & 15));
      counters[pid] = p[3] & 15;
      if ((p[3] & 0x20) != 0 && p[4] >= 7 && (p[5] & 0x10) != 0) {
        CHECK(pid == 0x31);
        const uint64_t base = uint64_t{p[6]} << 25 | uint64_t{p[7]} << 17 | uint64_t{p[8]} << 9 | uint64_t{p[9]} << 1 | p[10] >> 7;
        pcrs.push_back({i, base * 300 + ((p[10] & 1u) << 8 | p[11])});
      }
      if (pid == 0 || pid == 0x30 || pid == 0x1ffb) {
        REQUIRE((p[1] & 0x40) != 0);
        REQUIRE(p[4] == 0);
        const size_t length = 3u + ((p[6] & 0x0fu) << 8 | p[7]);
        CHECK(crc({p + 5, length}) == 0);
        tables[{pid, p[5]}].push_back(i);
        if (p[5] == 0xcd) stt.emplace_back(i, uint32_t{p[14]} << 24 | uint32_t{p[15]} << 16 | uint32_t{p[16]} << 8 | p[17]);
      }
    }
    REQUIRE(pcrs.size() > 60);
    const double packet_27mhz = 1504.0 * 27e6 / static_cast<double>(b.bit_rate());
    CHECK(pcrs[0].packet * packet_27mhz < 40 * 27000);
    const double start_pcr = static_cast<double>(static_cast<uint64_t>(start_ms) * 27000 % ((uint64_t{1} << 33) * 300));
    const double first_sent = static_cast<double>(pcrs[0].value) - static_cast<double>(pcrs[0].packet) * packet_27mhz;
    CHECK(first_sent >= start_pcr - 1);
    CHECK(first_sent <= start_pcr + packet_27mhz + 1);
    for (size_t i = 1; i < pcrs.size(); ++i) {
      CHECK(pcrs[i].value - pcrs[i - 1].value <= 40 * 27000);
      const double expected = static_cast<double>(pcrs[0].value) + static_cast<double>(pcrs[i].packet - pcrs[0].packet) * packet_27mhz;
      CHECK(std::abs(static_cast<double>(pcrs[i].value) - expected) < 3);
    }
    const auto at_most = [&](int pid, int table, double limit_ms) {
      const auto& seen = tables[{pid, table}];
      REQUIRE(seen.size() > 1);
      for (size_t i = 1; i < seen.size(); ++i) CHECK(static_cast<double>(seen[i] - seen[i - 1]) * packet_27mhz / 27000 <= limit_ms);
    };
    at_most(0, 0x00, 101);
    at_most(0x30, 0x02, 101);
    at_most(0x1ffb, 0xc7, 151);
    at_most(0x1ffb, 0xc8, 401);
    at_most(0x1ffb, 0xcd, 1002);
    REQUIRE(stt.size() == 2);
    // 2026-10-14 17:46:41 UTC: seconds since the Unix epoch, less those up to 1980-01-06, and 18 leap seconds more.
    CHECK(stt[0].second == 1'792'000'001 - 315'964'800 + 18);
    CHECK(stt[1].second == stt[0].second + 1);
    CHECK(static_cast<double>(stt[0].first) * packet_27mhz / 27000 == doctest::Approx(750).epsilon(0.01));
  }
}

TEST_CASE("the same start gives the same bytes, however they are fetched, and another one others") {
  auto a = make(media::test_codec::mpeg2);
  auto b = make(media::test_codec::mpeg2);
  const auto whole = a.next(5000);
  std::vector<uint8_t> parts;
  while (parts.size() < whole.size()) {
    const auto part = b.next(125);
    parts.insert(parts.end(), part.begin(), part.end());
  }
  CHECK(base::bytes::adopt(std::move(parts)) == whole);
  media::test_broadcast_config later;
  later.start = base::wall_time(std::chrono::milliseconds(start_ms + 1));
  CHECK_FALSE(media::test_broadcast::create(later).value().next(5000) == whole);
}

TEST_CASE("broadcasts started at different moments give the same packets at the same time of day") {
  media::test_broadcast_config tight; // as little room beside the picture as there may be
  tight.video_bit_rate = 10'000'000;
  tight.bit_rate = 12'250'000;
  media::test_broadcast_config full;
  full.video_bit_rate = 16'300'000;
  media::test_broadcast_config h264;
  h264.codec = media::test_codec::h264;
  media::test_broadcast_config slow = h264; // both coders at their least
  slow.bit_rate = 4'000'000;
  slow.callsign = "W9";
  for (auto config : {media::test_broadcast_config{}, tight, full, h264, slow}) {
    const auto starting = [&](int64_t after_ms) {
      config.start = base::wall_time(std::chrono::milliseconds(start_ms + after_ms));
      auto made = media::test_broadcast::create(config);
      REQUIRE(made.has_value());
      return std::move(made).value();
    };
    auto first = starting(0);
    const auto rate = first.bit_rate();
    CAPTURE(rate);
    // By packet number since the epoch, as the header has it.
    const auto number = [&](int64_t after_ms) {
      const auto time = static_cast<uint64_t>(start_ms + after_ms);
      return (time / 1000 * rate + (time % 1000 * rate + 999) / 1000 + 1503) / 1504;
    };
    uint64_t at = number(0);
    const bool usual = config.bit_rate == 0 && config.video_bit_rate == 0;
    for (const int64_t later_ms : usual ? std::vector<int64_t>{1, 1'497, 9'119, 37'000} : std::vector<int64_t>{1'497, 6'119}) {
      CAPTURE(later_ms);
      while (at < number(later_ms)) {
        const auto step = std::min<uint64_t>(10'000, number(later_ms) - at);
        first.next(step);
        at += step;
      }
      auto later = starting(later_ms);
      const size_t count = rate / 1504 * 12 / 10;
      const auto a = first.next(count);
      const auto b = later.next(count);
      at += count;
      size_t left_out = 0, last_left_out = 0, differ = 0;
      for (size_t i = 0; i < count; ++i) {
        const auto* pa = a.data() + i * 188;
        const auto* pb = b.data() + i * 188;
        if (std::memcmp(pa, pb, 188) == 0) continue;
        const int pid = (pa[1] & 0x1f) << 8 | pa[2];
        const bool null = (pb[1] & 0x1f) == 0x1f && pb[2] == 0xff;
        const bool no_payload = (pb[3] & 0x10) == 0;
        if ((pid == 0x31 || pid == 0x34) && (null || no_payload)) {
          ++left_out;
          last_left_out = i;
        } else {
          ++differ;
        }
      }
      CHECK(differ == 0);
      if (later_ms > 1) CHECK(left_out > 0); // what is compared is what the first one had long under way
      // Up to the next group of pictures, half a second and what it is late by.
      CHECK(static_cast<double>(last_left_out) * 1504 / static_cast<double>(rate) < 0.62);
    }
  }
}

TEST_CASE("ffprobe finds picture and sound, decodes all of it without a complaint, and they are in step") {
  if (!have_ffmpeg()) return;
  for (const auto codec : {media::test_codec::mpeg2, media::test_codec::h264}) {
    auto b = make(codec);
    const scratch_file file(seconds(b, 3));
    const auto streams = run("ffprobe -v error -show_entries stream=codec_name,width,height,r_frame_rate,channels -of compact=p=0 " + file.path);
    if (codec == media::test_codec::mpeg2) {
      CHECK(streams.find("codec_name=mpeg2video|width=1280|height=720|r_frame_rate=60000/1001") != std::string::npos);
      CHECK(streams.find("codec_name=ac3|channels=6") != std::string::npos);
    } else {
      CHECK(streams.find("codec_name=h264|width=1280|height=720|r_frame_rate=60000/1001") != std::string::npos);
      CHECK(streams.find("codec_name=aac|channels=2") != std::string::npos);
    }
    // The last picture of the file is cut, so only two seconds of it are judged.
    CHECK(run("ffmpeg -v warning -err_detect explode+crccheck -xerror -i " + file.path + " -t 2 -f null -") == "");
  }
}

TEST_CASE("a decoder reads every picture's number from its bars, one by one, and PTS agrees") {
  if (!have_ffmpeg()) return;
  for (const auto codec : {media::test_codec::mpeg2, media::test_codec::h264}) {
    auto b = make(codec);
    const scratch_file file(seconds(b, 2.6));
    const scratch_file grey{base::bytes{}};
    run("ffmpeg -v error -y -i " + file.path + " -an -vf crop=1280:16:0:0,format=gray -fps_mode passthrough -frames:v 90 -f rawvideo " + grey.path);
    const auto raw = test::read_file(grey.path);
    REQUIRE(raw.size() == 90u * 1280 * 16);
    const auto first_pts = std::stoull(run("ffprobe -v error -select_streams v -show_entries packet=pts -of csv=p=0 -read_intervals %+#1 " + file.path));
    // Unwrapped: the broadcast began at a known time.
    const uint64_t start_pts = static_cast<uint64_t>(start_ms) * 90;
    const uint64_t pts = start_pts + ((first_pts - start_pts) & 0x1ffffffff);
    for (size_t i = 0; i < 90; ++i) {
      std::array<uint8_t, media::picture_columns> luma{};
      for (size_t x = 0; x < luma.size(); ++x) luma[x] = raw[i * 1280 * 16 + 8 * 1280 + x * 16 + 8];
      CHECK(media::read_bars(luma) == static_cast<uint32_t>(media::picture_at(pts) + i));
    }
  }
}

TEST_CASE("a config that makes no broadcast is refused") {
  const auto code = [](auto change) {
    media::test_broadcast_config c;
    c.start = base::wall_time(std::chrono::milliseconds(start_ms));
    change(c);
    const auto got = media::test_broadcast::create(c);
    return got ? std::optional<base::errc>() : got.error().code;
  };
  CHECK_FALSE(code([](auto&) {}).has_value());
  CHECK(code([](auto& c) { c.callsign = "ec"; }) == base::errc::invalid_argument);
  CHECK(code([](auto& c) { c.callsign = "TOOLONGNAME"; }) == base::errc::invalid_argument);
  CHECK(code([](auto& c) { c.major = 0; }) == base::errc::invalid_argument);
  CHECK(code([](auto& c) { c.bit_rate = 6'000'000; }) == base::errc::invalid_argument);
  CHECK(code([](auto& c) { c.start = {}; }) == base::errc::invalid_argument);
}

}
