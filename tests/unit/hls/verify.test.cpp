#include "hls/verify.hpp"

#include "hls/sidecar.hpp"
#include "tests/unit/hls/fixture.hpp"

using namespace ec;
using namespace ec::test;
using base::errc;
using hls::fault;

namespace {

/// A directory of five good segments, the third marked damaged.
struct good_directory {
  temp_dir dir;
  good_directory() {
    auto writer = open_writer({.dir = dir.path(), .kind = hls::playlist_kind::event, .sync = hls::sync_policy::process});
    for (uint64_t i = 0; i < 5; ++i) {
      auto s = make_segment(i);
      s.damaged = i == 2;
      append(writer, s);
    }
  }
  std::string file(uint64_t i) const { return dir / hls::segment_file_name(i, i); }
  void edit(const std::string& name, const std::string& from, const std::string& to) const {
    auto text = read_text(dir / name);
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    write_text(dir / name, text.replace(at, from.size(), to));
  }
  hls::directory_report report(const hls::verify_options& options = {}) const {
    const auto done = hls::verify_directory(dir.path(), toy_digest, options);
    REQUIRE(done.has_value());
    return done.value();
  }
  /// Checks that exactly this is found.
  void finds(fault what, const std::string& about) const {
    const auto r = report();
    CHECK_FALSE(r.ok());
    REQUIRE(r.findings.size() == 1);
    CHECK(hls::name(r.findings[0].what) == hls::name(what));
    CHECK(r.findings[0].about == about);
    CHECK_FALSE(r.findings[0].text.empty());
  }
};

} // namespace

TEST_CASE("a directory as it was written is right") {
  const good_directory good;
  const auto r = good.report();
  CHECK(r.ok());
  CHECK(r.listed == 5);
  CHECK(r.right == 5);
  CHECK(r.verified == 5);
  CHECK(r.damaged == 1);
  CHECK(r.unlisted == 0);
  CHECK_FALSE(r.ended);
}

TEST_CASE("one flipped byte is found in its file, and the others stay right") {
  const good_directory bad;
  auto raw = read_text(bad.file(3));
  raw[200] = static_cast<char>(raw[200] ^ 1);
  write_text(bad.file(3), raw);
  bad.finds(fault::wrong_digest, "segment-00000003-3.ts");
  CHECK(bad.report().right == 4);
}

TEST_CASE("a file that is gone, cut or grown is found") {
  const good_directory gone;
  std::filesystem::remove(gone.file(1));
  gone.finds(fault::missing_file, "segment-00000001-1.ts");
  const good_directory cut;
  write_text(cut.file(1), read_text(cut.file(1)).substr(188));
  cut.finds(fault::wrong_size, "segment-00000001-1.ts");
  const good_directory grown;
  write_text(grown.file(1), read_text(grown.file(1)) + "x");
  grown.finds(fault::wrong_size, "segment-00000001-1.ts");
}

TEST_CASE("playlist and sidecar that tell different things are found") {
  const good_directory longer;
  longer.edit("index.m3u8", "2.00200", "2.50000");
  longer.finds(fault::contradiction, "segment-00000000-0.ts");
  const good_directory swapped;
  swapped.edit("segments.jsonl", "\"index\":4", "\"index\":9");
  swapped.finds(fault::contradiction, "segment-00000004-4.ts");
  const good_directory broken;
  broken.edit("index.m3u8", "#EXTINF", "#EXT-X-DISCONTINUITY\n#EXTINF");
  broken.finds(fault::contradiction, "segment-00000000-0.ts");
}

TEST_CASE("a segment without a trusted manifest is found, unless that is allowed") {
  const good_directory bad;
  bad.edit("segments.jsonl", "\"verified\":true", "\"verified\":false");
  bad.finds(fault::not_verified, "segment-00000000-0.ts");
  CHECK(bad.report().verified == 4);
  CHECK(bad.report({.allow_unverified = true}).ok());
}

TEST_CASE("a lost or broken sidecar is found") {
  const good_directory lost;
  std::filesystem::remove(lost.dir / "segments.jsonl");
  const auto r = lost.report();
  CHECK(r.right == 0);
  CHECK(r.findings.size() == 5);
  CHECK(r.findings[0].what == fault::no_record);
  const good_directory torn;
  write_text(torn.dir / "segments.jsonl", read_text(torn.dir / "segments.jsonl") + "{\"sequ");
  torn.finds(fault::sidecar_malformed, "segments.jsonl");
}

TEST_CASE("a playlist that is none of ours is a finding, none at all an error") {
  const good_directory bad;
  bad.edit("index.m3u8", "#EXT-X-VERSION:3", "#EXT-X-VERSION:7");
  bad.finds(fault::playlist_malformed, "index.m3u8");
  const temp_dir empty;
  CHECK(hls::verify_directory(empty.path(), toy_digest).error().code == errc::not_found);
}

TEST_CASE("a file that left the window may be gone, but if it is there it is checked") {
  const temp_dir dir;
  auto writer = open_writer({.dir = dir.path(), .window_segments = 3, .target_duration_s = 2});
  for (uint64_t i = 0; i < 6; ++i) append(writer, make_segment(i));
  const auto check = [&] { return hls::verify_directory(dir.path(), toy_digest).value(); };
  CHECK(check().ok());
  CHECK(check().listed == 3);
  CHECK(check().unlisted == 3);
  std::filesystem::remove(dir / hls::segment_file_name(1, 1));
  CHECK(check().ok());
  write_text(dir / hls::segment_file_name(2, 2), "no such bytes");
  REQUIRE(check().findings.size() == 1);
  CHECK(check().findings[0].what == fault::wrong_size);
  CHECK(check().right == 3);
}
