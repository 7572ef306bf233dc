#include "hls/sidecar.hpp"

#include <doctest/doctest.h>

using namespace ec;
using base::errc;

namespace {

const hls::segment_record sample{.sequence = 41, .index = 886012345, .file = "segment-00000041-886012345.ts", .bytes = 376,
  .duration_pts = 180'180, .discontinuity = true, .damaged = false, .verified = true, .digest = "00ff", .signer = "ed25519:aa"};

constexpr std::string_view golden =
  R"({"sequence":41,"index":886012345,"file":"segment-00000041-886012345.ts","bytes":376,"duration_pts":180180,)"
  R"("discontinuity":true,"damaged":false,"verified":true,"digest":"00ff","signer":"ed25519:aa"})"
  "\n";

std::string with(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

} // namespace

TEST_CASE("a segment's record is one golden line and reads back") {
  CHECK(hls::render(sample) == golden);
  CHECK(hls::parse_segment_record(golden.substr(0, golden.size() - 1)).value() == sample);
}

TEST_CASE("a record with a field missing or of another kind is refused by the field's name") {
  const std::string line(golden.substr(0, golden.size() - 1));
  const auto refusal = [](const std::string& text) {
    const auto parsed = hls::parse_segment_record(text);
    REQUIRE_FALSE_MESSAGE(parsed.has_value(), text);
    return parsed.error();
  };
  for (const char* key : {"sequence", "index", "file", "bytes", "duration_pts", "discontinuity", "damaged", "verified", "digest", "signer"}) {
    const auto why = refusal(with(line, std::string("\"") + key + "\"", "\"other\""));
    CHECK(why.code == errc::malformed);
    CHECK(why.about == key);
  }
  CHECK(refusal(with(line, "376", "-376")).about == "bytes");
  CHECK(refusal(with(line, "180180", "0")).about == "duration_pts");
  CHECK(refusal(with(line, "segment-", "../segment-")).about == "file");
  CHECK(refusal(with(line, "00ff", "00FF")).about == "digest");
  CHECK(refusal(with(line, "00ff", "")).about == "digest");
  CHECK(refusal("[]").code == errc::malformed);
}

TEST_CASE("a torn last line is told apart and never glued to the next") {
  const std::string two = std::string(golden) + with(std::string(golden), "41", "42");
  for (size_t n = golden.size(); n < two.size(); ++n) {
    const auto read = hls::parse_sidecar(std::string_view(two).substr(0, n));
    REQUIRE(read.records.size() == 1);
    CHECK(read.unreadable_lines == (n == golden.size() ? 0 : 1));
  }
  CHECK(hls::parse_sidecar(two).records.size() == 2);
}

TEST_CASE("a broken line in the middle costs that line only") {
  const auto read = hls::parse_sidecar(std::string(golden) + "{\"sequence\":42\xff\n" + std::string(golden));
  CHECK(read.records.size() == 2);
  CHECK(read.unreadable_lines == 1);
  CHECK(read.unreadable == "{\"sequence\":42\xff\n");
}

TEST_CASE("segment names carry sequence number and chunk index in one spelling") {
  CHECK(hls::segment_file_name(41, 886012345) == "segment-00000041-886012345.ts");
  CHECK(hls::segment_file_name(123456789, 0) == "segment-123456789-0.ts");
  const auto name = hls::parse_segment_file_name("segment-00000041-886012345.ts");
  REQUIRE(name.has_value());
  CHECK(name->sequence == 41);
  CHECK(name->index == 886012345);
  for (const char* other : {"", "segment-.ts", "segment-1-2.ts", "segment-00000041-0886.ts", "segment-00000041.ts", "segment-00000041-.ts",
         "segment-00000041-8.ts.tmp", "segment--0000041-8.ts", "segment-99999999999999999999-8.ts"})
    CHECK_FALSE_MESSAGE(hls::parse_segment_file_name(other).has_value(), other);
}
