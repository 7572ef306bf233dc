#include "object/object_file.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/hex.hpp"
#include "base/json.hpp"
#include "object/object_file_writer.hpp"
#include "tests/support/data.hpp"
#include "tests/support/temp_dir.hpp"

namespace ec::object {
namespace {

namespace json = base::json;
using base::errc;

const std::string stream = "ec/stream/v1/source/kind-file/device-demo/channel-5.1/profile-ts-v1/variant-main";

file_record record(record_track on, uint64_t group, uint64_t object, std::string_view text) {
  return {on, group, object, base::bytes::copy(text)};
}

const std::vector<file_record> some = {
  record(record_track::manifests, 7, 0, "{\"not\":\"looked at here\"}"),
  record(record_track::chunks, 7, 0, "head"),
  record(record_track::chunks, 7, 1, "piece"),
  record(record_track::damaged, (uint64_t{1} << 62) - 1, 2, "tail"),
};

std::vector<uint8_t> file_of(const std::vector<file_record>& records) {
  auto out = encode_file_front(stream);
  for (const auto& r : records) {
    const auto front = encode(record_front{r.on, r.group, r.object, static_cast<uint32_t>(r.payload.size())});
    out.insert(out.end(), front.begin(), front.end());
    out.insert(out.end(), r.payload.begin(), r.payload.end());
  }
  return out;
}

/// Everything that can be read when the file comes in parts of `part` bytes.
std::vector<file_record> read(std::span<const uint8_t> in, object_file_reader& reader, size_t part) {
  std::vector<file_record> out;
  for (size_t at = 0; at < in.size(); at += part) {
    reader.push(in.subspan(at, std::min(part, in.size() - at)));
    while (true) {
      auto r = reader.next();
      REQUIRE(r);
      if (!r.value()) break;
      out.push_back(std::move(*r.value()));
    }
  }
  return out;
}

base::error fault_of(std::span<const uint8_t> in) {
  object_file_reader reader;
  reader.push(in);
  while (true) {
    auto r = reader.next();
    if (!r) return r.error();
    REQUIRE_MESSAGE(r.value().has_value(), "no fault was found");
  }
}

TEST_CASE("records come back as they were written, in parts of any size") {
  const auto file = file_of(some);
  for (const size_t part : {size_t{1}, size_t{7}, size_t{64}, file.size()}) {
    object_file_reader reader;
    CHECK(read(file, reader, part) == some);
    CHECK(reader.stream_id() == stream);
    CHECK(reader.position() == file.size());
    CHECK_FALSE(reader.cut_short());
  }
}

TEST_CASE("a file cut anywhere gives its whole records and says where the last one is cut") {
  const auto file = file_of(some);
  std::vector<size_t> ends = {object_file_front_bytes_min + stream.size()};
  for (const auto& r : some) ends.push_back(ends.back() + record_front_bytes + r.payload.size());
  for (size_t size = 0; size < file.size(); ++size) {
    object_file_reader reader;
    const auto here = read(std::span(file).first(size), reader, 64);
    const auto whole = static_cast<size_t>(std::ranges::upper_bound(ends, size) - ends.begin());
    CHECK(here.size() == (whole == 0 ? 0 : whole - 1));
    const auto cut = reader.cut_short();
    const bool at_end = whole > 0 && ends[whole - 1] == size;
    REQUIRE(cut.has_value() != at_end);
    if (!cut) continue;
    const size_t begin = whole == 0 ? 0 : ends[whole - 1];
    CHECK(cut->position == begin);
    CHECK(cut->bytes == size - begin);
    if (whole > 0 && cut->bytes >= record_front_bytes) CHECK(cut->wanted == ends[whole] - begin);
    else CHECK_FALSE(cut->wanted);
  }
}

TEST_CASE("what is no object file, or of another version, is refused at its first bytes") {
  CHECK(fault_of(base::as_span("#EXTM3U")).code == errc::malformed);
  auto file = file_of(some);
  file[9] = 2;
  CHECK(fault_of(file).code == errc::unsupported);
  file[9] = 1;
  file[10] = 0xff;
  CHECK(fault_of(file).code == errc::too_large);
  file[10] = file[11] = 0;
  CHECK(fault_of(file).code == errc::malformed);
}

TEST_CASE("a record over its limit is refused before its payload is waited for, and names its byte") {
  const auto front = [](record_track on, uint64_t object, size_t size) {
    auto out = encode_file_front(stream);
    const auto f = encode(record_front{on, 1, object, static_cast<uint32_t>(size)});
    out.insert(out.end(), f.begin(), f.end());
    return out;
  };
  namespace limits = base::limits;
  for (const auto& [on, object, most] : {std::tuple{record_track::manifests, uint64_t{0}, limits::manifest_bytes_max},
                                         std::tuple{record_track::chunks, uint64_t{0}, limits::object_head_bytes_max},
                                         std::tuple{record_track::damaged, uint64_t{9}, limits::object_tail_bytes_max}}) {
    const auto why = fault_of(front(on, object, most + 1));
    CHECK(why.code == errc::too_large);
    CHECK(why.about == "byte " + std::to_string(object_file_front_bytes_min + stream.size()));
    object_file_reader reader;
    reader.push(front(on, object, most));
    CHECK_FALSE(reader.next().value());
  }
  CHECK(fault_of(front(record_track::chunks, 1, 0)).code == errc::malformed);
  CHECK(fault_of(front(static_cast<record_track>(0), 1, 1)).code == errc::malformed);
  CHECK(fault_of(front(static_cast<record_track>(4), 1, 1)).code == errc::malformed);
  CHECK(fault_of(front(record_track::chunks, uint64_t{1} << 62, 1)).code == errc::malformed);
}

TEST_CASE("after a fault nothing more is read") {
  auto file = file_of(some);
  file[object_file_front_bytes_min + stream.size()] = 9;
  object_file_reader reader;
  reader.push(file);
  CHECK_FALSE(reader.next());
  reader.push(file_of(some));
  CHECK_FALSE(reader.next());
}

TEST_CASE("the golden file is read record by record, and written again byte for byte") {
  const char* root = std::getenv("EC_SOURCE_ROOT");
  const auto text = test::read_text(std::filesystem::path(root != nullptr ? root : ".") / "tests/vectors/object/file-v1.json");
  const auto doc = json::parse(text);
  REQUIRE(doc);
  const auto file = *base::from_hex(*doc.value().find("file")->as_string());
  object_file_reader reader;
  const auto records = read(file, reader, 100);
  CHECK(reader.stream_id() == *doc.value().find("stream_id")->as_string());
  const auto& want = *doc.value().find("records")->as_array();
  REQUIRE(records.size() == want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    CHECK(name(records[i].on) == *want[i].find("track")->as_string());
    CHECK(records[i].group == static_cast<uint64_t>(*want[i].find("group")->as_int()));
    CHECK(records[i].object == static_cast<uint64_t>(*want[i].find("object")->as_int()));
    CHECK(base::to_hex(records[i].payload) == *want[i].find("hex")->as_string());
  }
  CHECK(records.size() == 4);
  CHECK(file_of(records) == file);
  size_t refused = 0;
  for (const auto& v : *doc.value().find("refused")->as_array()) {
    INFO(*v.find("why")->as_string());
    CHECK(base::name(fault_of(*base::from_hex(*v.find("file")->as_string())).code) == *v.find("error")->as_string());
    ++refused;
  }
  CHECK(refused >= 7);
}

// --- on the disk

std::vector<uint8_t> bytes_at(const std::string& path) {
  const auto b = base::read_file(path, 1 << 20);
  REQUIRE(b);
  return {b.value().begin(), b.value().end()};
}

TEST_CASE("a writer goes on with its file, and drops a record that a crash cut short") {
  const test::temp_dir dir;
  const auto path = dir / "objects";
  const auto file = file_of(some);
  const auto before_last = file.size() - record_front_bytes - some.back().payload.size();
  for (size_t size = 0; size <= file.size(); ++size) {
    REQUIRE(base::write_file_atomic(path, std::span(file).first(size), 0644, base::durability::process));
    uint64_t kept = 0;
    {
      auto w = object_file_writer::open(path, stream);
      REQUIRE(w);
      kept = w.value().bytes();
      CHECK(w.value().bytes_dropped() == (size < object_file_front_bytes_min + stream.size() ? size : size - kept));
      REQUIRE(w.value().append({&some.back(), 1}));
    }
    auto want = std::vector(file.begin(), file.begin() + static_cast<ptrdiff_t>(kept));
    want.insert(want.end(), file.begin() + static_cast<ptrdiff_t>(before_last), file.end());
    CHECK(bytes_at(path) == want);
    object_file_reader reader;
    CHECK_FALSE(read(bytes_at(path), reader, 4096).empty());
    CHECK_FALSE(reader.cut_short());
  }
}

TEST_CASE("a file of another stream, a broken one and a foreign one are not touched") {
  const test::temp_dir dir;
  const auto path = dir / "objects";
  const auto refused = [&](std::vector<uint8_t> content, errc code) {
    REQUIRE(base::write_file_atomic(path, content, 0644, base::durability::process));
    const auto w = object_file_writer::open(path, stream);
    REQUIRE_FALSE(w);
    CHECK(w.error().code == code);
    CHECK(w.error().about == path);
    CHECK(bytes_at(path) == content);
  };
  auto other = encode_file_front("ec/stream/v1/another");
  refused(other, errc::mismatch);
  auto broken = file_of(some);
  broken[object_file_front_bytes_min + stream.size() + record_front_bytes + some[0].payload.size()] = 77;
  refused(broken, errc::malformed);
  refused({'#', '!', '/', 'b', 'i', 'n', '/', 's', 'h'}, errc::malformed);
}

TEST_CASE("two writers never share a file") {
  const test::temp_dir dir;
  const auto first = object_file_writer::open(dir / "objects", stream);
  REQUIRE(first);
  const auto second = object_file_writer::open(dir / "objects", stream);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == errc::busy);
}

} // namespace
} // namespace ec::object
