#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/support/data.hpp"
#include "ts/chunk_cutter.hpp"

/// The facts of every capture as its README states them, made there by another counter.
namespace {

using namespace ec;
using namespace ec::ts;

struct facts {
  const char* file;
  uint64_t packets;
  std::map<uint16_t, uint64_t> pids; ///< those that the README lists
  uint64_t transport_errors, continuity_errors, pcrs;
  std::map<std::pair<uint16_t, uint8_t>, uint64_t> tables;
};

const std::vector<facts>& all() {
  static const std::vector<facts> list{
    {"atsc/whdh-7_psip.ts", 770, {{0x1fff, 556}, {0x1ffb, 214}}, 0, 0, 0, {{{0x1ffb, 0xcd}, 10}, {{0x1ffb, 0xc7}, 86}, {{0x1ffb, 0xc8}, 26}}},
    {"atsc/whdh-7_psip_b.ts", 1141, {{0x1fff, 829}, {0x1ffb, 312}}, 0, 0, 0, {{{0x1ffb, 0xcd}, 15}, {{0x1ffb, 0xc7}, 129}, {{0x1ffb, 0xc8}, 39}}},
    {"atsc/wbz-4_psip.ts", 1148, {{0x1fff, 975}, {0x1ffb, 173}}, 0, 0, 0, {{{0x1ffb, 0xcd}, 16}, {{0x1ffb, 0xc7}, 115}, {{0x1ffb, 0xc8}, 42}}},
    {"atsc/wgbh-2_eit.ts", 658, {{0x1fff, 405}, {0x1d00, 144}, {0x1d01, 57}, {0x1d02, 32}, {0x1d03, 20}}, 0, 0, 0, {}},
    {"atsc/kulx-10_rrt.ts", 50, {{0x31, 26}, {0x51, 6}, {0x1ffb, 6}, {0x41, 5}, {0x61, 4}, {0x34, 2}, {0x64, 1}}, 0, 0, 0, {}},
    {"atsc/kulx-10_ac3_pat_pmt.ts", 2240, {{0x34, 2135}, {0x0, 81}, {0x30, 24}}, 0, 0, 0, {{{0, 0}, 81}, {{0x30, 2}, 24}}},
    {"atsc/ksaz-10_720p60_first-half.ts", 11822, {{0x100, 10806}, {0x101, 941}, {0, 34}, {0x1000, 34}, {0x11, 7}}, 0, 0, 31, {{{0, 0}, 34}, {{0x1000, 2}, 34}}},
    {"atsc/mp3ac325-4864-small.ts", 2723, {{0x31, 2620}, {0x34, 67}, {0x35, 34}, {0, 1}, {0x84, 1}}, 0, 0, 8, {{{0, 0}, 1}, {{0x84, 2}, 1}}},
    {"atsc/scte20_480i.ts", 6585, {{0x100, 6237}, {0, 158}, {0x1000, 158}, {0x11, 32}}, 0, 0, 5, {{{0, 0}, 158}, {{0x1000, 2}, 158}}},
    {"dvb/uk-sd_mpeg2_5s.ts", 10790, {{0x1f5, 6997}, {0x1c21, 3075}, {0x1f6, 440}, {0x1f9, 102}, {0x14, 10}}, 0, 0, 142, {{{0, 0}, 50}, {{0x1f4, 2}, 49}}},
    {"dvb/fr-hd_h264_ac3_losses.ts", 9116, {{0x3f2, 8604}, {0x3fd, 443}, {0, 35}, {0x3e8, 34}}, 0, 2, 97, {{{0, 0}, 35}, {{0x3e8, 2}, 34}}},
    {"dvb/fr-hd_h264_eac3.ts", 5320, {{0x78, 4964}, {0x82, 99}, {0x83, 98}, {0x84, 98}, {0x8c, 33}}, 0, 0, 32, {{{0, 0}, 12}, {{0x6e, 2}, 12}}},
    {"dvb/sd_mpeg2_mp2.ts", 9751, {{0x1000, 9077}, {0x1001, 493}, {0x100, 87}, {0x11, 32}}, 0, 0, 87, {{{0, 0}, 31}, {{0x810, 2}, 31}}},
    {"dvb/h264_intra_first-small.ts", 8170, {{0x12b5, 7822}, {0x12b2, 167}, {0x12b4, 166}, {0, 12}, {0x12ac, 3}}, 0, 0, 63, {{{0, 0}, 12}, {{0x12ac, 2}, 3}}},
    {"dvb/pat-version-churn.ts", 19221, {{0x1fff, 18797}, {0, 97}, {0x20, 87}, {0x40, 50}, {0x14, 14}}, 0, 0, 0, {{{0, 0}, 97}, {{0x40, 2}, 49}, {{0x20, 2}, 86}}},
    {"dvb/si-only_eit.ts", 6170, {{0x12, 5326}, {0, 615}, {0x10, 124}, {0x11, 71}, {0x14, 34}}, 0, 0, 0, {{{0, 0}, 615}}},
    {"dvb/gr-digea-12_tei_losses.ts", 10175, {{0x12, 6641}, {0x28d, 3057}, {0, 245}, {0x105, 106}, {0x11, 88}}, 134, 61, 752, {{{0, 0}, 243}, {{0x105, 2}, 103}}},
    {"dvb/gr-digea-32_tei_losses_a.ts", 10428, {{0x12, 7364}, {0x2a0, 2542}, {0, 272}, {0x109, 116}, {0x11, 91}}, 36, 9, 846, {{{0, 0}, 271}, {{0x109, 2}, 115}}},
    {"dvb/pcr-wrap_eac3.ts", 1233, {{0x76c, 1180}, {0x1fff, 47}, {0, 3}, {0x66, 3}}, 0, 0, 5, {{{0, 0}, 3}, {{0x66, 2}, 3}}},
    {"dvb/no-initial-keyframe.ts", 2852, {{0x101, 2656}, {0x102, 192}, {0, 2}, {0x100, 2}}, 0, 0, 78, {}},
    {"bad/tei-and-losses_si.ts", 1145, {{0x12, 760}, {0x112, 315}, {0, 35}, {1, 35}}, 9, 12, 0, {{{0, 0}, 35}}},
    {"bad/bdav-192-byte.mts", 7, {{0x1011, 2}, {0, 1}, {0x1f, 1}, {0x100, 1}, {0x1001, 1}, {0x1100, 1}}, 0, 0, 1, {{{0, 0}, 1}, {{0x100, 2}, 1}}},
    {"bad/fuzzed.ts", 9692, {{0x65, 8540}, {0x64, 1129}, {0x1365, 2}}, 7, 30, 301, {{{0, 0}, 1}, {{0x63, 2}, 1}}},
  };
  return list;
}

} // namespace

TEST_CASE("counters say of every capture what its README says") {
  if (!test::test_data("ts/atsc")) return;
  for (const auto& f : all()) {
    CAPTURE(f.file);
    const auto path = test::test_data(std::string("ts/") + f.file);
    REQUIRE(path);
    const auto data = test::read_file(*path);
    chunk_cutter cutter({});
    std::vector<cut_event> events;
    cutter.push(data, {}, events);
    cutter.finish({}, events);
    const auto& c = cutter.counters();
    CHECK(c.packets == f.packets);
    CHECK(c.transport_errors == f.transport_errors);
    CHECK(c.continuity_errors == f.continuity_errors);
    CHECK(c.pcrs == f.pcrs);
    const auto pids = cutter.pid_packets();
    for (const auto& [pid, count] : f.pids) {
      CAPTURE(pid);
      REQUIRE(pids.contains(pid));
      CHECK(pids.at(pid) == count);
    }
    for (const auto& [table, count] : f.tables) {
      CAPTURE(table.first);
      REQUIRE(cutter.tables().contains(table));
      CHECK(cutter.tables().at(table) == count);
    }
  }
}
