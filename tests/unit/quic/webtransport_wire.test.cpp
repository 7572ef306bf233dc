#include "quic/internal/webtransport_wire.hpp"

#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "base/hex.hpp"
#include "base/limits_webtransport.hpp"
#include "quic/webtransport.hpp"

using namespace ec;
using namespace ec::quic::internal;
using base::errc;

namespace {

std::vector<uint8_t> hex(std::string_view text) {
  std::vector<uint8_t> out(text.size() / 2);
  REQUIRE(base::from_lower_hex(text, out));
  return out;
}

std::string told(const std::vector<capsule>& all) {
  std::string out;
  for (const auto& c : all) out += c.what == capsule::kind::drain ? "drain;" : "close " + std::to_string(c.code) + " " + c.reason + ";";
  return out;
}

} // namespace

TEST_CASE("application codes have the places that the draft gives them") {
  CHECK(to_http3_code(0) == 0x52e4a40fa8db);
  CHECK(to_http3_code(0x1d) == 0x52e4a40fa8f8);
  CHECK(to_http3_code(0x1e) == 0x52e4a40fa8fa); // one was left out
  CHECK(to_http3_code(0xffffffff) == 0x52e5ac983162);
  CHECK(to_http3_code(uint64_t{1} << 40) == 0x52e5ac983162);
  for (uint64_t n = 0; n < 100'000; ++n) {
    const auto wire = to_http3_code(n);
    if ((wire - 0x21) % 0x1f == 0 || from_http3_code(wire) != n) FAIL(n);
  }
  CHECK_FALSE(from_http3_code(0x52e4a40fa8da));
  CHECK_FALSE(from_http3_code(0x52e4a40fa8f9));
  CHECK_FALSE(from_http3_code(0x52e5ac983163));
  CHECK_FALSE(from_http3_code(0x100));
}

TEST_CASE("SETTINGS take more entries, at every length of what is there") {
  // The bytes that nghttp3 writes for a client by itself, and what foreign relays were dialled with.
  const auto own = hex("00040f06ffffffffffffffff0100070033" "01");
  const http3_settings extra{{0x2b603742, 1}, {0xc671706a, 1}};
  const auto golden = hex("00041d06ffffffffffffffff010007003301ab60374201c0000000c671706a01");
  CHECK(with_settings(own, extra).value() == golden);
  for (size_t cut = 0; cut < own.size(); ++cut) CHECK(with_settings(std::span(own).first(cut), extra).error().code == errc::need_more);
  auto more = own;
  more.push_back(0x0d); // a frame behind it stays
  CHECK(with_settings(more, extra).value().back() == 0x0d);
  // An entry that is there gets the value.
  CHECK(with_settings(hex("0004023301"), {{0x33, 0}}).value() == hex("0004023300"));
}

TEST_CASE("what is no SETTINGS frame is not rewritten") {
  CHECK(with_settings(hex("0204020000"), {}).error().code == errc::malformed);
  CHECK(with_settings(hex("0005020000"), {}).error().code == errc::malformed);
  CHECK(with_settings(hex("00040133"), {}).error().code == errc::malformed);
  CHECK(with_settings(hex("0004ffffffffffffffff"), {}).error().code == errc::too_large);
}

TEST_CASE("streams begin with the bytes that peers look for") {
  CHECK(stream_prefix(false, 0) == hex("405400"));
  CHECK(stream_prefix(true, 0) == hex("404100"));
  CHECK(stream_prefix(true, 68) == hex("40414044"));
}

TEST_CASE("capsules are read however they are cut") {
  CHECK(write_close_capsule(7, "bye") == hex("68430700000007627965"));
  CHECK(write_drain_capsule() == hex("800078ae00"));
  auto all = hex("1700" "190401020304");
  const auto add = [&](const std::vector<uint8_t>& part) { all.insert(all.end(), part.begin(), part.end()); };
  add(write_drain_capsule());
  add(hex("40191f" "00000000000000000000000000000000000000000000000000000000000000"));
  add(write_close_capsule(0xffffffff, "gone fishing, back soon"));
  const std::string expected = "drain;close 4294967295 gone fishing, back soon;";
  for (size_t step = 1; step <= all.size(); ++step) {
    CAPTURE(step);
    capsule_reader reader;
    std::string out;
    for (size_t at = 0; at < all.size(); at += step) {
      const auto got = reader.push(std::span(all).subspan(at, std::min(step, all.size() - at)));
      REQUIRE(got);
      out += told(got.value());
    }
    CHECK(out == expected);
    CHECK(reader.at_boundary());
  }
}

TEST_CASE("a capsule's length is judged before memory is taken") {
  CHECK(capsule_reader().push(hex("6843ffffffffffffffff")).error().code == errc::too_large);
  CHECK(capsule_reader().push(hex("684303")).error().code == errc::too_large);
  CHECK(capsule_reader().push(hex("68434405")).error().code == errc::too_large); // 1029: a reason of 1025
  CHECK(capsule_reader().push(hex("68434404")));
  CHECK(capsule_reader().push(hex("800078ae01")).error().code == errc::malformed);
  // An unknown one may say any length: its bytes are passed over as they come.
  capsule_reader reader;
  CHECK(reader.push(hex("17ffffffffffffffff")).value().empty());
  CHECK(reader.push(std::vector<uint8_t>(100'000)).value().empty());
  CHECK_FALSE(reader.at_boundary());
  CHECK(write_close_capsule(1, std::string(5000, 'x')).size() == 4 + 4 + base::limits::webtransport_close_reason_bytes_max);
}

TEST_CASE("protocol lists are read as strings and as words") {
  using names = std::vector<std::string>;
  CHECK(protocol_names(R"("moqt-18", "moqt-16")") == names{"moqt-18", "moqt-16"});
  CHECK(protocol_names(R"("moqt-18";q=1 ,"b")") == names{"moqt-18", "b"});
  CHECK(protocol_names("moqt-18,moq-lite-05") == names{"moqt-18", "moq-lite-05"});
  CHECK(protocol_names(R"("a\"b\\", c)") == names{"a\"b\\", "c"});
  CHECK(protocol_names("").empty());
  CHECK(protocol_names(" ,, ").empty());
  CHECK(protocol_names(R"("moqt-18", "no end)") == names{"moqt-18"});
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "\"p\", ";
  CHECK(protocol_names(many).size() == base::limits::webtransport_protocols_max);
  CHECK(protocol_list({"moqt-18", "a\"b"}) == R"("moqt-18", "a\"b")");
  CHECK(protocol_names(protocol_list({"x\\y", "z"})) == names{"x\\y", "z"});
}
