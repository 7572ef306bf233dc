#include "hls/segment_writer.hpp"

#include "hls/sidecar.hpp"
#include "tests/unit/hls/fixture.hpp"

using namespace ec;
using namespace ec::test;
using base::errc;
using hls::playlist_kind;

TEST_CASE("nothing but the lock stands in the directory before the first segment") {
  const temp_dir dir;
  const auto writer = open_writer({.dir = dir.path() + "/a/b"});
  CHECK(writer.playlist_path() == dir.path() + "/a/b/index.m3u8");
  CHECK_FALSE(std::filesystem::exists(writer.playlist_path()));
  CHECK_FALSE(writer.recovered().resumed);
}

TEST_CASE("a segment is in its file, in the playlist and in the sidecar") {
  const temp_dir dir;
  auto writer = open_writer({.dir = dir.path()});
  auto s = make_segment(886012345);
  s.program_date_time = hls::parse_date_time("2026-03-01T17:04:05.250Z");
  s.damaged = true;
  const auto done = append(writer, s);
  CHECK(done.file == "segment-00000000-886012345.ts");
  CHECK_FALSE(done.discontinuity);
  CHECK(dir.names() == std::vector<std::string>{".lock", "index.m3u8", done.file, "segments.jsonl"});
  CHECK(read_file(dir / done.file) == std::vector<uint8_t>(s.data.begin(), s.data.end()));
  const auto p = playlist_in(dir);
  REQUIRE(p.entries.size() == 1);
  CHECK(p.entries[0] == hls::playlist_entry{done.file, 180'180, false, s.program_date_time});
  CHECK(p.target_duration_s == 6);
  CHECK_FALSE(p.ended);
  const auto sidecar = hls::parse_sidecar(read_text(dir / "segments.jsonl"));
  REQUIRE(sidecar.records.size() == 1);
  CHECK(sidecar.records[0] == hls::segment_record{0, 886012345, done.file, 376, 180'180, false, true, true, s.digest_hex, "ed25519:aa"});
  CHECK(writer.counters().segments == 1);
  CHECK(writer.counters().damaged == 1);
  CHECK(writer.counters().bytes == 376);
}

TEST_CASE("an event playlist only grows, and its sidecar with it") {
  const temp_dir dir;
  auto writer = open_writer({.dir = dir.path(), .kind = playlist_kind::event});
  std::string before;
  for (uint64_t i = 100; i < 140; ++i) {
    append(writer, make_segment(i));
    const auto now = read_text(dir / "index.m3u8");
    CHECK(now.starts_with(before));
    before = now;
  }
  CHECK(playlist_in(dir).entries.size() == 40);
  CHECK(hls::parse_sidecar(read_text(dir / "segments.jsonl")).records.size() == 40);
  REQUIRE(writer.finish().has_value());
  CHECK(read_text(dir / "index.m3u8") == before + "#EXT-X-ENDLIST\n");
}

TEST_CASE("a window slides, and files stay until no player can ask for them") {
  const temp_dir dir;
  auto writer = open_writer({.dir = dir.path(), .window_segments = 5, .target_duration_s = 2});
  for (uint64_t i = 0; i < 40; ++i) {
    auto s = make_segment(i);
    s.discontinuity = i == 7;
    append(writer, s);
    const auto p = playlist_in(dir);
    CHECK(p.entries.size() == std::min<size_t>(i + 1, 5));
    CHECK(p.media_sequence == (i < 5 ? 0 : i - 4));
    // The break before segment 7 is counted when 7 leaves.
    CHECK(p.discontinuity_sequence == (p.media_sequence > 7 ? 1u : 0u));
    for (const auto& entry : p.entries) CHECK(std::filesystem::exists(dir / entry.uri));
    // A segment stays for its own duration and that of the longest playlist that listed it [RFC 8216 6.2.2]: six segments.
    if (i >= 11) {
      CHECK(std::filesystem::exists(dir / hls::segment_file_name(i - 10, i - 10)));
      CHECK_FALSE(std::filesystem::exists(dir / hls::segment_file_name(i - 11, i - 11)));
    }
  }
  CHECK(writer.counters().deleted == 29);
  CHECK(hls::parse_sidecar(read_text(dir / "segments.jsonl")).records.size() <= 13);
}

TEST_CASE("a window never falls under three target durations") {
  const temp_dir dir;
  auto writer = open_writer({.dir = dir.path(), .window_segments = 3, .target_duration_s = 6});
  for (uint64_t i = 0; i < 30; ++i) append(writer, make_segment(i));
  const auto p = playlist_in(dir);
  CHECK(p.entries.size() == 9); // 9 x 2.002 s = 18.018 s
}

TEST_CASE("a hole in the indices is a discontinuity, and so is a marked one, but not before the very first segment") {
  const temp_dir dir;
  auto writer = open_writer({.dir = dir.path()});
  auto first = make_segment(10);
  first.discontinuity = true;
  CHECK_FALSE(append(writer, first).discontinuity);
  CHECK_FALSE(append(writer, make_segment(11)).discontinuity);
  CHECK(append(writer, make_segment(13)).discontinuity);
  auto marked = make_segment(14);
  marked.discontinuity = true;
  CHECK(append(writer, marked).discontinuity);
  CHECK_FALSE(append(writer, make_segment(15)).discontinuity);
  CHECK(writer.counters().discontinuities == 2);
}

TEST_CASE("the target duration holds: a longer segment is refused, and the hole it leaves is marked") {
  const temp_dir dir;
  auto writer = open_writer({.dir = dir.path(), .target_duration_s = 3});
  append(writer, make_segment(1, 314'999)); // 3.49999 s rounds to 3
  const auto over = writer.append(make_segment(2, 315'000));
  REQUIRE_FALSE(over.has_value());
  CHECK(over.error().code == errc::too_large);
  CHECK(over.error().message() == "chunk 2: lasts 3.50000 s, the target duration is 3 s and must not change: start with a longer one");
  CHECK(writer.counters().refused_over_target == 1);
  CHECK(append(writer, make_segment(3)).discontinuity);
  CHECK(playlist_in(dir).target_duration_s == 3);
}

TEST_CASE("a segment comes once and in order") {
  const temp_dir dir;
  auto writer = open_writer({.dir = dir.path()});
  append(writer, make_segment(5));
  CHECK(writer.append(make_segment(5)).error().code == errc::exists);
  CHECK(writer.append(make_segment(4)).error().code == errc::exists);
  CHECK(writer.counters().refused_index == 2);
  CHECK_FALSE(append(writer, make_segment(6)).discontinuity);
  CHECK(writer.last_index() == 6);
}

TEST_CASE("what is no segment is refused before the disk is touched") {
  const temp_dir dir;
  auto writer = open_writer({.dir = dir.path()});
  const auto refusal = [&](auto change) {
    auto s = make_segment(1);
    change(s);
    const auto done = writer.append(s);
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().code == errc::invalid_argument);
    return done.error().about;
  };
  CHECK(refusal([](auto& s) { s.data = {}; }) == "data");
  CHECK(refusal([](auto& s) { s.data = s.data.slice(1); }) == "data");
  CHECK(refusal([](auto& s) { s.duration_pts = 0; }) == "duration_pts");
  CHECK(refusal([](auto& s) { s.duration_pts = -1; }) == "duration_pts");
  CHECK(refusal([](auto& s) { s.digest_hex.clear(); }) == "digest_hex");
  CHECK(refusal([](auto& s) { s.digest_hex = "AB"; }) == "digest_hex");
  CHECK(refusal([](auto& s) { s.signer = "a\nb"; }) == "signer");
  CHECK(refusal([](auto& s) { s.index = uint64_t{1} << 63; }) == "index");
  CHECK(refusal([](auto& s) { s.program_date_time = base::wall_time{std::chrono::milliseconds{-1}}; }) == "program_date_time");
  CHECK(dir.names() == std::vector<std::string>{".lock"});
}

TEST_CASE("a vod playlist is an event until it is finished, then never changes") {
  const temp_dir dir;
  const hls::writer_config cfg{.dir = dir.path(), .kind = playlist_kind::vod, .sync = hls::sync_policy::process};
  {
    auto writer = open_writer(cfg);
    append(writer, make_segment(1));
    CHECK(playlist_in(dir).kind == playlist_kind::event);
    append(writer, make_segment(2));
    REQUIRE(writer.finish().has_value());
    CHECK(writer.append(make_segment(3)).error().code == errc::closed);
    REQUIRE(writer.finish().has_value());
  }
  const auto p = playlist_in(dir);
  CHECK(p.kind == playlist_kind::vod);
  CHECK(p.ended);
  CHECK(p.entries.size() == 2);
  CHECK(hls::segment_writer::open(cfg).error().code == errc::exists);
}

TEST_CASE("a second writer is told that the directory is taken") {
  const temp_dir dir;
  {
    const auto first = open_writer({.dir = dir.path()});
    const auto second = hls::segment_writer::open({.dir = dir.path()});
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().code == errc::busy);
    CHECK(second.error().about == dir / ".lock");
  }
  CHECK(hls::segment_writer::open({.dir = dir.path()}).has_value());
}

TEST_CASE("settings out of range are refused by name") {
  const temp_dir dir;
  CHECK(hls::segment_writer::open({.dir = ""}).error().about == "dir");
  CHECK(hls::segment_writer::open({.dir = dir.path(), .window_segments = 2}).error().about == "window_segments");
  CHECK(hls::segment_writer::open({.dir = dir.path(), .target_duration_s = 0}).error().about == "target_duration_s");
  CHECK(hls::segment_writer::open({.dir = "/dev/null/x"}).error().code == errc::io);
}

TEST_CASE("a full disk is told, lists nothing half-written, and writing goes on when there is room") {
  for (const auto kind : {playlist_kind::window, playlist_kind::event}) {
    // 100 bytes: the segment (376 bytes) does not fit; 400: it fits, the sidecar does not; 900: the sidecar's fifth line
    // is torn.
    for (const rlim_t room : {rlim_t{100}, rlim_t{400}, rlim_t{900}}) {
      CAPTURE(room);
      const temp_dir dir;
      auto writer = open_writer({.dir = dir.path(), .kind = kind, .sync = hls::sync_policy::process});
      for (uint64_t i = 0; i < 4; ++i) append(writer, make_segment(i));
      const auto before = read_text(dir / "index.m3u8");
      const auto names = dir.names();
      {
        const full_disk full(room);
        const auto refused = writer.append(make_segment(4));
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().code == errc::io);
        CHECK_FALSE(refused.error().text.empty());
      }
      CHECK(read_text(dir / "index.m3u8") == before);
      CHECK(dir.names() == names);
      CHECK(hls::parse_sidecar(read_text(dir / "segments.jsonl")).unreadable_lines == 0);
      CHECK(writer.counters().write_errors == 1);
      const auto done = append(writer, make_segment(4));
      CHECK(done.sequence == 4);
      CHECK(done.discontinuity);
      CHECK(playlist_in(dir).entries.size() == 5);
      CHECK(hls::parse_sidecar(read_text(dir / "segments.jsonl")).records.size() == 5);
    }
  }
}

TEST_CASE("a playlist that cannot be written leaves the old one, and the file of the new segment goes with the next") {
  const temp_dir dir;
  auto writer = open_writer({.dir = dir.path(), .kind = playlist_kind::event, .sync = hls::sync_policy::process});
  for (uint64_t i = 0; i < 30; ++i) append(writer, make_segment(i));
  const auto before = read_text(dir / "index.m3u8");
  std::filesystem::remove(dir / "segments.jsonl"); // so that only the playlist is over the limit
  {
    const full_disk full(1000);
    CHECK(writer.append(make_segment(30)).error().code == errc::io);
  }
  CHECK(read_text(dir / "index.m3u8") == before);
  append(writer, make_segment(31));
  CHECK_FALSE(std::filesystem::exists(dir / hls::segment_file_name(30, 30)));
  CHECK(playlist_in(dir).entries.back().uri == hls::segment_file_name(30, 31));
  CHECK(playlist_in(dir).entries.back().discontinuity);
}
