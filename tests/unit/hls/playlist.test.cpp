#include "hls/playlist.hpp"

#include <chrono>
#include <cstdlib>

#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "tests/support/data.hpp"

using namespace ec;
using base::errc;

namespace {

std::string vector_text(const std::string& name) {
  const char* root = std::getenv("EC_SOURCE_ROOT");
  REQUIRE(root != nullptr);
  return test::read_text(std::filesystem::path(root) / "tests/vectors/hls" / name);
}

std::string with(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

base::error refusal(const std::string& text) {
  const auto parsed = hls::parse(text);
  REQUIRE_FALSE_MESSAGE(parsed.has_value(), text);
  return parsed.error();
}

} // namespace

TEST_CASE("a sliding window is written as the golden playlist") {
  using namespace std::chrono;
  hls::media_playlist p{.target_duration_s = 6, .media_sequence = 41, .discontinuity_sequence = 2};
  const base::wall_time aired = sys_days{2026y / 3 / 1} + 17h + 4min + 5s + 250ms;
  p.entries = {{"segment-00000041-886012345.ts", 180'180, false, aired},
    {"segment-00000042-886012349.ts", 584'999, true, {}},
    {"segment-00000043-886012350.ts", 1, false, {}}};
  CHECK(hls::render(p) == vector_text("window.m3u8"));
  CHECK(hls::parse(vector_text("window.m3u8")).value() == p);
}

TEST_CASE("a finished recording is written as the golden playlist") {
  hls::media_playlist p{.kind = hls::playlist_kind::vod, .target_duration_s = 2, .ended = true};
  p.entries = {{"segment-00000000-7.ts", 180'180, false, {}}, {"segment-00000001-8.ts", 90'000, false, {}}};
  CHECK(hls::render(p) == vector_text("vod.m3u8"));
  CHECK(hls::parse(vector_text("vod.m3u8")).value() == p);
}

TEST_CASE("every tick survives EXTINF and back") {
  for (int64_t ticks = 0; ticks < 90'000; ++ticks) REQUIRE(hls::parse_extinf(hls::extinf(ticks)) == ticks);
  for (const int64_t ticks : {90'000LL, 180'180LL, 5'399'999LL, 8'589'934'591LL}) CHECK(hls::parse_extinf(hls::extinf(ticks)) == ticks);
  CHECK(hls::extinf(180'180) == "2.00200");
  CHECK(hls::extinf(1) == "0.00001");
  CHECK(hls::extinf(89'999) == "0.99999");
}

TEST_CASE("an EXTINF that we would not write is refused") {
  for (const char* text : {"", ".", "2", "2.0", "2.002", "2.0020", "2.002000", "02.00200", "-2.00200", "+2.00200", "2.00200 ", "2,00200",
         "2.0020x", "0.00005", "99999999999.00000", "18446744073709551616.00000", "1e3.00000"})
    CHECK_FALSE_MESSAGE(hls::parse_extinf(text).has_value(), text);
}

TEST_CASE("durations round as EXT-X-TARGETDURATION asks") {
  CHECK(hls::rounded_seconds(1) == 0);
  CHECK(hls::rounded_seconds(44'999) == 0);
  CHECK(hls::rounded_seconds(45'000) == 1);
  CHECK(hls::rounded_seconds(584'999) == 6);
  CHECK(hls::rounded_seconds(585'000) == 7);
}

TEST_CASE("dates are written to the millisecond in UTC and read back") {
  const base::wall_time t{std::chrono::milliseconds{1'772'384'645'250}};
  CHECK(hls::date_time(t) == "2026-03-01T17:04:05.250Z");
  CHECK(hls::parse_date_time(hls::date_time(t)) == t);
  CHECK(hls::date_time(base::wall_time{}) == "1970-01-01T00:00:00.000Z");
  for (const char* text : {"", "2026-03-01T17:04:05Z", "2026-02-29T17:04:05.250Z", "2026-03-01T24:00:00.000Z", "2026-03-01T17:60:05.250Z",
         "2026-03-01 17:04:05.250Z", "2026-03-01T17:04:05.250+", "1969-12-31T23:59:59.999Z", "2026-13-01T17:04:05.250Z"})
    CHECK_FALSE_MESSAGE(hls::parse_date_time(text).has_value(), text);
}

TEST_CASE("a name that leads out of the directory never enters a playlist") {
  CHECK(hls::is_plain_file_name("segment-00000041-886012345.ts"));
  for (const char* name : {"", ".", "..", ".lock", "../a.ts", "a/b.ts", "/etc/passwd", "http://host/a.ts", "a b.ts", "a\\b.ts", "#EXTINF"})
    CHECK_FALSE_MESSAGE(hls::is_plain_file_name(name), name);
  CHECK_FALSE(hls::is_plain_file_name(std::string(base::limits::hls_file_name_bytes_max + 1, 'a')));
}

TEST_CASE("a playlist that breaks a rule is refused with its line") {
  const auto window = vector_text("window.m3u8");
  const auto vod = vector_text("vod.m3u8");
  // A duration that rounds to more than the target: the rule that must never be broken.
  CHECK(refusal(with(window, "6.49999", "6.50000")).text == "line 10: expected no duration over EXT-X-TARGETDURATION");
  CHECK(refusal(with(window, "#EXT-X-TARGETDURATION:6\n", "")).text.starts_with("line 3: "));
  CHECK(refusal(with(window, "#EXTM3U", "EXTM3U")).text.starts_with("line 1: "));
  CHECK(refusal(with(window, "VERSION:3", "VERSION:7")).text.starts_with("line 2: "));
  CHECK(refusal(with(window, "SEQUENCE:41", "SEQUENCE:041")).text.starts_with("line 4: "));
  CHECK(refusal(with(window, "SEQUENCE:2", "SEQUENCE:-2")).text.starts_with("line 5: "));
  CHECK(refusal(with(window, "segment-00000042", "../segment-00000042")).text.starts_with("line 11: "));
  CHECK(refusal(with(window, "0.00001,", "0.00000,")).text.starts_with("line 12: "));
  CHECK(refusal(with(window, "\nsegment-00000043-886012350.ts", "")).text.starts_with("line 13: "));
  CHECK(refusal(with(window, "\n", "\r\n")).code == errc::malformed);
  CHECK(refusal(with(vod, "#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\nsegment-1-1.ts\n")).text.starts_with("line 10: "));
  CHECK(refusal(with(vod, "VOD", "EVENT\n#EXT-X-MEDIA-SEQUENCE:0")).code == errc::malformed);
  CHECK(refusal(with(vod, "#EXTINF:1.0", "#EXT-X-KEY:METHOD=NONE\n#EXTINF:1.0")).code == errc::malformed);
  CHECK(refusal("").code == errc::malformed);
}

TEST_CASE("a playlist that was cut anywhere is refused or is a shorter whole one") {
  const auto window = vector_text("window.m3u8");
  for (size_t n = 0; n < window.size(); ++n) {
    const auto parsed = hls::parse(std::string_view(window).substr(0, n));
    if (parsed.has_value()) CHECK(hls::render(parsed.value()) == window.substr(0, n));
  }
}

TEST_CASE("bounds hold on reading") {
  CHECK(refusal(std::string(base::limits::hls_playlist_bytes_max + 1, '\n')).code == errc::too_large);
  CHECK(refusal("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3601\n#EXT-X-PLAYLIST-TYPE:VOD\n").code == errc::malformed);
}
