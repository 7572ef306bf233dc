#include "hls/segment_writer.hpp"
#include "hls/sidecar.hpp"
#include "tests/unit/hls/fixture.hpp"

using namespace ec;
using namespace ec::test;
using base::errc;
using hls::playlist_kind;

namespace {

void write_some(const temp_dir& dir, playlist_kind kind, uint64_t from, uint64_t count, bool finish = false) {
  auto writer = open_writer({.dir = dir.path(), .kind = kind, .sync = hls::sync_policy::process});
  for (uint64_t i = from; i < from + count; ++i) append(writer, make_segment(i));
  if (finish) REQUIRE(writer.finish().has_value());
}

std::vector<std::string> segment_names(const temp_dir& dir) {
  std::vector<std::string> out;
  for (const auto& name : dir.names())
    if (hls::parse_segment_file_name(name)) out.push_back(name);
  return out;
}

} // namespace

TEST_CASE("a restarted writer goes on numbering, with a discontinuity") {
  for (const auto kind : {playlist_kind::window, playlist_kind::event}) {
    for (const bool finished : {false, true}) {
      const temp_dir dir;
      write_some(dir, kind, 100, 4, finished);
      auto writer = open_writer({.dir = dir.path(), .kind = kind});
      CHECK(writer.recovered().resumed);
      CHECK(writer.recovered().next_sequence == 4);
      CHECK(writer.recovered().last_index == 103);
      const auto done = append(writer, make_segment(104));
      CHECK(done.sequence == 4);
      CHECK(done.discontinuity);
      const auto p = playlist_in(dir);
      CHECK(p.entries.size() == 5);
      CHECK_FALSE(p.ended);
      CHECK(hls::parse_sidecar(read_text(dir / "segments.jsonl")).records.size() == 5);
    }
  }
}

TEST_CASE("after a restart the same chunk is not listed twice, but a stream that counts anew is taken") {
  const temp_dir dir;
  write_some(dir, playlist_kind::window, 0, 4);
  auto writer = open_writer({.dir = dir.path()});
  CHECK(writer.append(make_segment(3)).error().code == errc::exists);
  CHECK(writer.append(make_segment(1)).error().code == errc::exists);
  auto other = make_segment(0, 180'180, 3); // same index, other bytes: another count
  CHECK(append(writer, other).file == "segment-00000004-0.ts");
  CHECK(append(writer, make_segment(1)).file == "segment-00000005-1.ts");
}

TEST_CASE("a writer that was killed at any step leaves a playlist of whole segments, and the next cleans up") {
  const temp_dir dir;
  write_some(dir, playlist_kind::event, 0, 3);
  const auto before = read_text(dir / "index.m3u8");
  // Killed while the segment was written; after it; while its record was written; while the playlist was.
  write_text(dir / ".segment-00000003-3.ts.a1B2c3.tmp", "half");
  write_text(dir / "segment-00000003-3.ts", "whole, but not listed");
  write_text(dir / "segments.jsonl", read_text(dir / "segments.jsonl") + "{\"sequence\":3,\"ind");
  write_text(dir / ".index.m3u8.Zz9yX8.tmp", "#EXTM3U\n#EXT");
  write_text(dir / "holiday.ts", "not ours");
  CHECK(hls::parse(before).has_value());
  auto writer = open_writer({.dir = dir.path(), .kind = playlist_kind::event});
  CHECK(writer.recovered().orphans == 3);
  CHECK(writer.recovered().torn_bytes == 18);
  CHECK(read_text(dir / "segments.jsonl.torn") == "{\"sequence\":3,\"ind\n");
  CHECK(read_text(dir / "index.m3u8") == before);
  CHECK(segment_names(dir).size() == 3);
  CHECK(std::filesystem::exists(dir / "holiday.ts"));
  append(writer, make_segment(4));
  const auto sidecar = hls::parse_sidecar(read_text(dir / "segments.jsonl"));
  CHECK(sidecar.unreadable_lines == 0);
  CHECK(sidecar.records.size() == 4);
  CHECK(sidecar.records.back().sequence == 3);
}

TEST_CASE("a writer killed before its first playlist starts over at 0") {
  const temp_dir dir;
  write_text(dir / "segment-00000000-77.ts", "whole, but not listed");
  write_text(dir / "segments.jsonl", "{\"seq");
  auto writer = open_writer({.dir = dir.path()});
  CHECK_FALSE(writer.recovered().resumed);
  CHECK(append(writer, make_segment(80)).file == "segment-00000000-80.ts");
  CHECK(segment_names(dir) == std::vector<std::string>{"segment-00000000-80.ts"});
}

TEST_CASE("segments without a playlist are somebody's: refused, not deleted") {
  const temp_dir dir;
  write_some(dir, playlist_kind::event, 0, 3);
  std::filesystem::remove(dir / "index.m3u8");
  CHECK(hls::segment_writer::open({.dir = dir.path()}).error().code == errc::exists);
  CHECK(segment_names(dir).size() == 3);
}

TEST_CASE("a playlist of another program or another kind is never overwritten") {
  const temp_dir dir;
  const std::string foreign = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.000000,\nindex0.ts\n";
  write_text(dir / "index.m3u8", foreign);
  const auto refused = hls::segment_writer::open({.dir = dir.path()});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == errc::malformed);
  CHECK(refused.error().about == dir / "index.m3u8");
  CHECK(read_text(dir / "index.m3u8") == foreign);

  const temp_dir other;
  write_some(other, playlist_kind::event, 0, 3);
  CHECK(hls::segment_writer::open({.dir = other.path(), .kind = playlist_kind::window}).error().code == errc::exists);
}

TEST_CASE("the target duration of a playlist outlives a restart with another setting") {
  const temp_dir dir;
  write_some(dir, playlist_kind::window, 0, 3);
  auto writer = open_writer({.dir = dir.path(), .target_duration_s = 10});
  CHECK(writer.recovered().target_duration_s == 6);
  CHECK(writer.append(make_segment(3, 9 * 90'000)).error().code == errc::too_large);
}

TEST_CASE("a window whose files a power cut took starts behind them") {
  const temp_dir dir;
  write_some(dir, playlist_kind::window, 0, 5);
  write_text(dir / hls::segment_file_name(2, 2), ""); // listed, but its bytes never reached the disk
  auto writer = open_writer({.dir = dir.path()});
  CHECK(writer.recovered().missing == 1);
  append(writer, make_segment(5));
  const auto p = playlist_in(dir);
  CHECK(p.media_sequence == 3);
  CHECK(p.entries.size() == 3);
  CHECK(p.entries.front().uri == hls::segment_file_name(3, 3));
}

TEST_CASE("a window whose playlist a power cut tore goes on with what is whole of it") {
  const temp_dir dir;
  write_some(dir, playlist_kind::window, 0, 5);
  const auto whole = read_text(dir / "index.m3u8");
  // Cut anywhere; and the length that came to the disk without the bytes.
  for (size_t size = 0; size < whole.size(); size += size < 90 ? 1 : 11) {
    for (const size_t zeros : {size_t{0}, whole.size() - size}) {
      CAPTURE(size);
      CAPTURE(zeros);
      const temp_dir torn;
      write_some(torn, playlist_kind::window, 0, 5);
      write_text(torn / "index.m3u8", whole.substr(0, size) + std::string(zeros, '\0'));
      auto opened = hls::segment_writer::open({.dir = torn.path()});
      REQUIRE_MESSAGE(opened.has_value(), (opened.has_value() ? "" : opened.error().message()));
      const auto done = append(opened.value(), make_segment(5));
      CHECK(done.sequence <= 5);
      const auto p = playlist_in(torn);
      CHECK(p.entries.back().uri == done.file);
      for (const auto& e : p.entries) CHECK(std::filesystem::file_size(torn / e.uri) > 0);
    }
  }
}

TEST_CASE("an event keeps an entry whose file is gone: numbers never move") {
  const temp_dir dir;
  write_some(dir, playlist_kind::event, 0, 5);
  std::filesystem::remove(dir / hls::segment_file_name(2, 2));
  auto writer = open_writer({.dir = dir.path(), .kind = playlist_kind::event});
  CHECK(writer.recovered().missing == 1);
  append(writer, make_segment(5));
  CHECK(playlist_in(dir).entries.size() == 6);
}

TEST_CASE("files that left the window are remembered over a restart and deleted in their time") {
  const temp_dir dir;
  const hls::writer_config cfg{.dir = dir.path(), .window_segments = 5, .target_duration_s = 2};
  uint64_t index = 0;
  for (int run = 0; run < 10; ++run) {
    auto writer = open_writer(cfg);
    for (int i = 0; i < 4; ++i) append(writer, make_segment(index++));
  }
  CHECK(segment_names(dir).size() <= 16);
  CHECK(playlist_in(dir).media_sequence == 35);
  CHECK(playlist_in(dir).discontinuity_sequence + 1 >= 8);
}

TEST_CASE("a lost sidecar costs what only it knew, not the playlist") {
  const temp_dir dir;
  write_some(dir, playlist_kind::window, 50, 4);
  std::filesystem::remove(dir / "segments.jsonl");
  auto writer = open_writer({.dir = dir.path()});
  CHECK(writer.recovered().last_index == 53);
  append(writer, make_segment(54));
  const auto sidecar = hls::parse_sidecar(read_text(dir / "segments.jsonl"));
  REQUIRE(sidecar.records.size() == 5);
  CHECK_FALSE(sidecar.records[0].verified);
  CHECK(sidecar.records[0].bytes == 376);
  CHECK(sidecar.records[4].verified);
}
