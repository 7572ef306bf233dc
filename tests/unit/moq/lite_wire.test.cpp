#include "moq/lite_wire.hpp"

#include <doctest/doctest.h>

#include "base/hex.hpp"

using namespace ec;
namespace lite = moq::lite;
using lite::version;

namespace {

std::vector<uint8_t> bytes(std::string_view hex) {
  std::string tight;
  for (const char c : hex) {
    if (c != ' ') tight += c;
  }
  return base::from_hex(tight).value();
}

template <class Message, class... V>
std::string hex_of(const Message& m, V... v) {
  base::byte_writer out;
  lite::encode(out, m, v...);
  return base::to_hex(out.span());
}

/// The value of `hex`, all of it. Fails the test if it is none.
template <class Decode, class... V>
auto read(Decode decode, std::string_view hex, V... v) {
  const auto raw = bytes(hex);
  base::byte_reader in(raw);
  auto m = decode(in, v...);
  REQUIRE(m.has_value());
  CHECK(in.done());
  return m.value();
}

template <class Decode, class... V>
bool refused(Decode decode, std::string_view hex, V... v) {
  const auto raw = bytes(hex);
  base::byte_reader in(raw);
  const auto m = decode(in, v...);
  CHECK(in.position() == 0);
  return !m && !m.error().need_more;
}

} // namespace

// The bytes are those of the peers that browsers run (docs/interop.md), but for the origin ids, which are drawn by lot.
TEST_CASE("draft 05 reads what a browser's client writes") {
  const auto setup = read(lite::decode_setup, "0b 01 05 08 c000000000000007");
  CHECK(setup.origin == 7);
  CHECK(!setup.path);
  const auto older = read(lite::decode_setup, "0e 02 01 01 01 05 08 c000000000000009");
  CHECK(older.probe == 1);
  CHECK(older.origin == 9);
  const auto request = read(lite::decode_announce_request, "09 00 c000000000000007", version::v05);
  CHECK(request == lite::announce_request{"", 7});
  CHECK(read(lite::decode_announce_ok, "09 c000000000000009 01") == lite::announce_ok{9, 1});
  CHECK(read(lite::decode_announce, "0c 01 09 6c6976652e68616e67 00", version::v05) == lite::announce{true, "live.hang", {}});
  CHECK(read(lite::decode_track_request, "17 09 6c6976652e68616e67 0c 636174616c6f672e6a736f6e") == lite::track_request{"live.hang", "catalog.json"});
  CHECK(read(lite::decode_track_info, "06 64 00 5388 43e8") == lite::track_info{100, false, 5000, 1000});
  const auto subscribe = read(lite::decode_subscribe, "1d 00 09 6c6976652e68616e67 0c 636174616c6f672e6a736f6e 64 00 00 00 00");
  CHECK(subscribe == lite::subscribe{0, "live.hang", "catalog.json", {100, false, 0, {}, {}}});
  CHECK(read(lite::decode_subscribe_update, "05 3d 00 00 00 00") == lite::delivery{61, false, 0, {}, {}});
  CHECK(read(lite::decode_group, "02 00 00") == lite::group{0, 0});
  const auto fetch = read(lite::decode_fetch, "06 01 78 01 76 09 00");
  CHECK(fetch == lite::fetch{{"x", "v"}, 9, 0});
  CHECK(read(lite::decode_frame, "43ba 02", version::v05) == lite::frame{477, 2});
  CHECK(read(lite::decode_frame, "40ee 02", version::v05) == lite::frame{119, 2});
}

TEST_CASE("draft 05 writes what a browser's client reads") {
  using reply = lite::subscribe_reply;
  CHECK(hex_of(lite::setup{.probe = {}, .path = "/a", .role = {}, .origin = 7}) == "0802" "02022f61" "050107");
  CHECK(hex_of(lite::setup{}) == "0100");
  CHECK(hex_of(lite::announce_request{"a/b", 7}, version::v05) == "05" "03612f62" "07");
  CHECK(hex_of(lite::announce_ok{9, 1}) == "020901");
  CHECK(hex_of(lite::announce{true, "live.hang", {}}, version::v05) == "0c01096c6976652e68616e6700");
  CHECK(hex_of(lite::announce{false, "x", {}}, version::v05) == "0400017800");
  CHECK(hex_of(lite::announce{true, "x", {3, 300}}, version::v05) == "0701017802" "03" "412c");
  CHECK(hex_of(lite::track_info{100, false, 5000, 1000}) == "066400538843e8");
  CHECK(hex_of(reply{.what = reply::kind::start, .how = {}, .group = 0}, version::v05) == "000100");
  CHECK(hex_of(reply{.what = reply::kind::end, .how = {}, .group = 2}, version::v05) == "010102");
  CHECK(hex_of(reply{.what = reply::kind::drop, .how = {}, .group = 0, .first = 4, .last = 6, .error = 31}, version::v05) == "020304061f");
  CHECK(hex_of(lite::frame{477, 2}, version::v05) == "43ba02");
  CHECK(hex_of(lite::frame{-1, 0}, version::v05) == "0100");
  CHECK(hex_of(lite::datagram{1, 2, 3}) == "010203");
  CHECK(hex_of(lite::goaway{""}) == "0100");
  CHECK(hex_of(lite::probe{1000, 20}, version::v05) == "0343e814");
  base::byte_writer types;
  lite::put_type(types, lite::bidi_type::track);
  lite::put_type(types, lite::uni_type::setup);
  CHECK(base::to_hex(types.span()) == "0601");
}

TEST_CASE("drafts 04 and 03 differ where they should") {
  using reply = lite::subscribe_reply;
  CHECK(hex_of(reply{.what = reply::kind::ok, .how = {100, false, 0, {}, {}}}, version::v04) == "00056400000000");
  CHECK(read(lite::decode_subscribe_reply, "00 05 64 00 00 00 00", version::v04).how.priority == 100);
  CHECK(read(lite::decode_subscribe_reply, "01 03 04 06 1f", version::v03).what == reply::kind::drop);
  CHECK(read(lite::decode_frame, "02", version::v04) == lite::frame{0, 2});
  CHECK(hex_of(lite::frame{477, 2}, version::v03) == "02");
  CHECK(hex_of(lite::announce_request{"a", 7}, version::v03) == "020161");
  CHECK(hex_of(lite::announce_request{"a", 7}, version::v04) == "03016107");
  CHECK(hex_of(lite::announce{true, "x", {3, 4}}, version::v03) == "0401017802");
  CHECK(read(lite::decode_announce, "04 01 01 78 02", version::v03).hops == std::vector<uint64_t>{0, 0});
  CHECK(read(lite::decode_announce, "0601017802 03 04", version::v04).hops == std::vector<uint64_t>{3, 4});
  CHECK(hex_of(lite::probe{1000, 20}, version::v03) == "0243e8");
  CHECK(lite::version_named("moq-lite-04") == version::v04);
  CHECK(!lite::version_named("moqt-18"));
}

TEST_CASE("what is malformed is refused, and what is cut off is waited for") {
  CHECK(refused(lite::decode_setup, "0502" "010100" "01"));              // ends within the second parameter
  CHECK(refused(lite::decode_setup, "07" "02" "010100" "010100"));       // the same one twice
  CHECK(refused(lite::decode_setup, "04" "01" "020161"));                // a path without its slash
  CHECK(refused(lite::decode_announce_ok, "03" "0901" "00"));            // longer than its fields
  CHECK(refused(lite::decode_announce, "0401017821", version::v05));     // more hops than may be
  CHECK(refused(lite::decode_announce, "0402017800", version::v04));     // no such status there
  CHECK(refused(lite::decode_track_info, "04" "64000000"));              // no timescale
  CHECK(refused(lite::decode_track_request, "04" "01ff" "0161"));        // no UTF-8
  CHECK(refused(lite::decode_subscribe_reply, "020100", version::v04));
  CHECK(refused(lite::decode_subscribe_reply, "0203060400", version::v05)); // ends before it begins
  CHECK(refused(lite::decode_subscribe_update, "05" "0002000000"));      // a flag of 2
  CHECK(refused(lite::decode_group, "80010000"));                        // longer than any message
  const auto whole = bytes("1d00096c6976652e68616e670c636174616c6f672e6a736f6e6400000000");
  for (size_t n = 0; n < whole.size(); ++n) {
    base::byte_reader in{std::span<const uint8_t>(whole).first(n)};
    const auto m = lite::decode_subscribe(in);
    REQUIRE(!m.has_value());
    CHECK(m.error().need_more);
    CHECK(in.position() == 0);
  }
}

TEST_CASE("a broadcast path is a namespace, one field for each segment") {
  using fields = std::vector<std::string>;
  CHECK(lite::to_namespace("live.hang")->fields == fields{"live.hang"});
  CHECK(lite::to_namespace("a/b/c")->fields == fields{"a", "b", "c"});
  CHECK(lite::to_namespace("/a//b/")->fields == fields{"a", "b"});
  CHECK(lite::to_namespace("")->fields.empty());
  CHECK(!lite::to_namespace("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33"));
  CHECK(lite::to_path({{"a", "b"}}) == "a/b");
  CHECK(lite::to_path({}) == "");
  CHECK(!lite::to_path({{"a/b"}}));
  CHECK(!lite::to_path({{"\xff"}}));
}

TEST_CASE("UTF-8 is told from other bytes") {
  for (const std::string_view good : {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) CHECK(lite::is_utf8(good));
  for (const std::string_view bad : {"\x80", "\xc0\x80", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80"}) CHECK(!lite::is_utf8(bad));
}
