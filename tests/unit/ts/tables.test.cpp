#include <doctest/doctest.h>

#include <vector>

#include "tests/support/data.hpp"
#include "tests/support/ts_sections.hpp"
#include "ts/packet_reader.hpp"
#include "ts/pes.hpp"
#include "ts/section.hpp"
#include "ts/tables.hpp"

namespace {

using namespace ec;
using namespace ec::ts;

using test::sections_of;

/// A section as one may be sent: its length and CRC are right, whatever stands in its body.
std::vector<uint8_t> section_of(uint8_t table, std::vector<uint8_t> body) {
  const size_t length = body.size() + 9;
  std::vector<uint8_t> out{table, static_cast<uint8_t>(0xb0 | length >> 8), static_cast<uint8_t>(length), 0x12, 0x34, 0xc1, 0, 0};
  out.insert(out.end(), body.begin(), body.end());
  append_crc(out);
  return out;
}

} // namespace

TEST_CASE("CRC-32 of a section over itself is nothing") {
  std::vector<uint8_t> s{'1', '2', '3', '4', '5', '6', '7', '8', '9'};
  CHECK(crc32_mpeg(s) == 0x0376e6e7); // the check value of CRC-32/MPEG-2
  s.insert(s.end(), {0x03, 0x76, 0xe6, 0xe7});
  CHECK(crc32_mpeg(s) == 0);
}

TEST_CASE("STT, MGT and VCT of a real station decode as its README says") {
  const auto path = test::test_data("ts/atsc/wbz-4_psip.ts");
  if (!path) return;
  const auto data = test::read_file(*path);
  const auto stt = sections_of(data, 0x1ffb, 0xcd);
  REQUIRE(stt.size() == 16);
  CHECK(decode_stt(stt.back()).value().system_time == 1074590706);
  CHECK(decode_stt(stt.back()).value().gps_utc_offset == 15);
  CHECK(decode_stt(stt.back()).value().unix_ms() == 1390555491000); // 2014-01-24 09:24:51 UTC, a second late: the true offset was 16
  const auto mgt = sections_of(data, 0x1ffb, 0xc7);
  const auto guide = decode_mgt({mgt.data(), 1});
  REQUIRE(guide);
  REQUIRE(guide.value().entries.size() == 14);
  CHECK(guide.value().entries[1].type == 0x200);
  CHECK(guide.value().entries[1].pid == 0x1e00);
  const auto vct = sections_of(data, 0x1ffb, 0xc8);
  const auto channels = decode_vct({vct.data(), 1});
  REQUIRE(channels);
  REQUIRE(channels.value().channels.size() == 1);
  CHECK(channels.value().channels[0].short_name == "WBZ-TV");
  CHECK(channels.value().channels[0].major == 4);
  CHECK(channels.value().channels[0].minor == 1);
  CHECK(channels.value().channels[0].program_number == 1);
  CHECK(channels.value().transport_stream_id == 1359);
}

TEST_CASE("TDT and SDT of a real multiplex decode") {
  const auto path = test::test_data("ts/dvb/uk-sd_mpeg2_5s.ts");
  if (!path) return;
  const auto data = test::read_file(*path);
  const auto tdt = sections_of(data, 0x14, 0x70), tot = sections_of(data, 0x14, 0x73), sdt = sections_of(data, 0x11, 0x42);
  REQUIRE(!tdt.empty());
  REQUIRE(!tot.empty());
  const int64_t time = decode_tdt(tdt[0]).value();
  CHECK(time / 86'400'000 == 18'610); // 2020-12-14
  CHECK(std::abs(decode_tdt(tot[0]).value() - time) <= 1000);
  REQUIRE(!sdt.empty());
  CHECK(decode_sdt({sdt.data(), 1}).value().services.at(0).id == 4352);
}

TEST_CASE("a table cut short anywhere is an error and no crash") {
  const auto path = test::test_data("ts/atsc/wbz-4_psip.ts");
  if (!path) return;
  const auto vct = sections_of(test::read_file(*path), 0x1ffb, 0xc8)[0];
  for (size_t n = 12; n < vct.size(); ++n) {
    std::vector<uint8_t> cut(vct.begin(), vct.begin() + static_cast<ptrdiff_t>(n));
    cut[1] = static_cast<uint8_t>(0xf0 | (n - 3) >> 8), cut[2] = static_cast<uint8_t>(n - 3);
    cut.resize(n - 4);
    append_crc(cut);
    (void)decode_vct(std::vector<std::vector<uint8_t>>{cut});
    (void)decode_mgt(std::vector<std::vector<uint8_t>>{cut});
    (void)decode_pmt(std::vector<std::vector<uint8_t>>{cut});
    (void)decode_pat(std::vector<std::vector<uint8_t>>{cut});
  }
}

TEST_CASE("a section with a right CRC whose inner lengths are wrong is refused, and not read past its end") {
  using sections_t = std::vector<std::vector<uint8_t>>;
  const auto one = [](uint8_t table, std::vector<uint8_t> body) { return sections_t{section_of(table, std::move(body))}; };
  const std::vector<uint8_t> clock{0, 0x40, 0, 0, 0, 18, 0x60, 0};
  CHECK(decode_stt(section_of(0xcd, clock)).value().system_time == 0x40000000);
  CHECK_FALSE(decode_stt(section_of(0xcd, {0})));
  CHECK_FALSE(decode_stt(section_of(0xcd, {clock.begin(), clock.end() - 1})));
  auto more = clock;
  more.insert(more.end(), {0xaa, 2, 1});
  CHECK_FALSE(decode_stt(section_of(0xcd, more)));
  more.push_back(2);
  CHECK(decode_stt(section_of(0xcd, more)));

  CHECK(decode_pat(one(0x00, {0, 3, 0xe0, 0x30})).value().programs.size() == 1);
  CHECK_FALSE(decode_pat(one(0x00, {0, 3, 0xe0})));

  CHECK(decode_pmt(one(0x02, {0xe0, 0x31, 0xf0, 0, 2, 0xe0, 0x31, 0xf0, 0})).value().streams.size() == 1);
  CHECK_FALSE(decode_pmt(one(0x02, {0xe0, 0x31, 0xf0, 9, 2, 0xe0, 0x31, 0xf0, 0})));
  CHECK_FALSE(decode_pmt(one(0x02, {0xe0, 0x31, 0xf0, 0, 2, 0xe0, 0x31, 0xf0, 1})));
  CHECK_FALSE(decode_pmt(one(0x02, {0xe0})));

  const std::vector<uint8_t> guide{0, 0, 1, 0, 0, 0xe0, 0x31, 0xe0, 0, 0, 0, 0, 0xf0, 0};
  auto whole = guide;
  whole.insert(whole.end(), {0xf0, 0});
  CHECK(decode_mgt(one(0xc7, whole)).value().entries.size() == 1);
  CHECK_FALSE(decode_mgt(one(0xc7, guide))); // the table's own descriptors are missing
  whole[2] = 2;
  CHECK_FALSE(decode_mgt(one(0xc7, whole)));

  std::vector<uint8_t> channels{0, 1};
  channels.resize(2 + 30);
  channels.insert(channels.end(), {0xfc, 0, 0xfc, 0});
  CHECK(decode_vct(one(0xc8, channels)).value().channels.size() == 1);
  channels[1] = 2;
  CHECK_FALSE(decode_vct(one(0xc8, channels)));

  CHECK(decode_sdt(one(0x42, {0, 1, 0xff, 0, 7, 0xfc, 0x80, 0})).value().services.size() == 1);
  CHECK_FALSE(decode_sdt(one(0x42, {0, 1, 0xff, 0, 7, 0xfc, 0x80, 1})));
  CHECK_FALSE(decode_pat(one(0x42, {0, 3, 0xe0, 0x30}))); // another table

  const std::vector<uint8_t> network{0xf0, 5, 0x40, 3, 'E', 'R', 'T', 0xf0, 6, 0, 2, 0x21, 0x2c, 0xf0, 0};
  const auto nit = decode_nit(one(0x40, network));
  REQUIRE(nit);
  CHECK(nit.value().name == "ERT");
  REQUIRE(nit.value().transport_streams.size() == 1);
  CHECK(nit.value().network_of(2) == 8492);
  CHECK_FALSE(nit.value().network_of(3).has_value());
  for (const auto& [at, value] : {std::pair<size_t, uint8_t>{1, 4}, {1, 6}, {1, 200}, {8, 5}, {8, 7}, {8, 0}, {14, 1}}) {
    CAPTURE(at);
    auto wrong = network;
    wrong[at] = value;
    CHECK_FALSE(decode_nit(one(0x40, wrong)));
  }
  CHECK_FALSE(decode_nit(one(0x41, network))); // of another network
}

TEST_CASE("a PES header is read, waited for, or refused") {
  const std::vector<uint8_t> head{0, 0, 1, 0xe0, 0, 0, 0x80, 0xc0, 10, 0x31, 0x00, 0x07, 0xd8, 0x61, 0x11, 0x00, 0x05, 0xbf, 0x21, 0xff};
  pes_header out;
  REQUIRE(parse_pes_header(head, out) == pes_parse::ok);
  CHECK(out.pts == 126000u);
  CHECK(out.header_bytes == 19);
  CHECK(out.decode_time() == out.dts);
  for (size_t n = 0; n < 19; ++n) CHECK(parse_pes_header(std::span(head).first(n), out) == pes_parse::need_more);
  auto bad = head;
  bad[2] = 2;
  CHECK(parse_pes_header(bad, out) == pes_parse::malformed);
  bad = head;
  bad[9] &= 0xfe; // a marker bit
  CHECK(parse_pes_header(bad, out) == pes_parse::malformed);
  bad = head;
  bad[8] = 4; // no room for the stamps that it promises
  CHECK(parse_pes_header(bad, out) == pes_parse::malformed);
}
