#include "tuner/lineup.hpp"

#include <doctest/doctest.h>

#include "tests/support/data.hpp"

using namespace ec;
using test::read_text;
using test::test_data;

TEST_SUITE("tuner/lineup") {

TEST_CASE("discover.json of every device generation is read") {
  struct expected {
    const char* file;
    const char* model;
    const char* id;
    std::optional<unsigned> tuners;
  };
  for (const auto& e : {expected{"connect-hdhr4-2us_2015", "HDHR4-2US", "10439EFD", std::nullopt},
                        expected{"prime-hdhr3-cc_2016", "HDHR3-CC", "FFFFFFFF", 3},
                        expected{"connect-duo-dvbt-hdhr5-2dt_2025", "HDHR5-2DT", "124205A5", 2},
                        expected{"connect-duo-hdhr5-2us_2025", "HDHR5-2US", "10611B4C", 2},
                        expected{"flex-4k_2022", "HDFX-4K", "10A369BB", 4}}) {
    CAPTURE(e.file);
    const auto path = test_data("hdhomerun/" + std::string(e.file) + "/discover.json");
    if (!path) return;
    const auto got = tuner::parse_discover(read_text(*path));
    REQUIRE(got.has_value());
    CHECK(got.value().model_number == e.model);
    CHECK(got.value().device_id == e.id);
    CHECK(got.value().tuner_count == e.tuners);
    CHECK(got.value().is_tuner());
    CHECK(tuner::device_id_valid(*got.value().device_id));
  }
}

TEST_CASE("the recording engine answers discover.json too, and is no tuner") {
  const auto path = test_data("hdhomerun/record-engine_2016/discover.json");
  if (!path) return;
  const auto got = tuner::parse_discover(read_text(*path));
  REQUIRE(got.has_value());
  CHECK_FALSE(got.value().is_tuner());
  CHECK(got.value().friendly_name == "HDHomeRun RECORD");
}

TEST_CASE("the maker's cloud answer is no discover.json") {
  const auto path = test_data("hdhomerun/cloud-discover_2016.json");
  if (!path) return;
  CHECK(tuner::parse_discover(read_text(*path)).error().code == base::errc::malformed);
}

TEST_CASE("lineups of several generations are read, and an absent flag is unknown") {
  const auto old = test_data("hdhomerun/connect-hdhr4-2us_2015/lineup.json");
  if (!old) return;
  const auto columbus = tuner::parse_lineup(read_text(*old)).value();
  REQUIRE(columbus.size() == 6);
  CHECK(columbus[0].guide_number == "4.1");
  CHECK(columbus[0].guide_name == "WCMH-DT");
  CHECK(columbus[0].url == "http://192.168.1.111:5004/auto/v4.1");
  CHECK(columbus[0].hd == true);
  CHECK(columbus[0].favorite == true);
  CHECK_FALSE(columbus[1].hd.has_value());
  CHECK_FALSE(columbus[1].video_codec.has_value());

  const auto many = tuner::parse_lineup(read_text(*test_data("hdhomerun/antenna-west-palm-beach/lineup.json"))).value();
  CHECK(many.size() == 34);
  CHECK(many[0].video_codec == "MPEG2");
  CHECK(many[0].audio_codec == "AC3");

  const auto dvb = tuner::parse_lineup(read_text(*test_data("hdhomerun/connect-duo-dvbt-hdhr5-2dt_2025/lineup.json"))).value();
  REQUIRE(dvb.size() == 1);
  CHECK(dvb[0].guide_number == "1");
  CHECK(dvb[0].signal_quality == 100u);

  CHECK(tuner::parse_lineup(read_text(*test_data("hdhomerun/connect-hdhr4-2us_2015/lineup_before-scan.json"))).value().empty());
}

TEST_CASE("a scan in progress shows") {
  const auto idle = test_data("hdhomerun/connect-hdhr4-2us_2015/lineup_status.json");
  if (!idle) return;
  CHECK_FALSE(tuner::parse_lineup_status(read_text(*idle)).value().scanning);
  const auto busy = tuner::parse_lineup_status(read_text(*test_data("hdhomerun/connect-duo-dvbt-hdhr5-2dt_2025/lineup_status_scanning.json")));
  CHECK(busy.value().scanning);
  CHECK(busy.value().source == "Antenna");
}

TEST_CASE("odd spellings are taken as they are meant") {
  const auto got = tuner::parse_lineup(R"([{"GuideNumber":5,"HD":"1","DRM":0,"Tags":"favorite,drm"},{"GuideName":"no number"},7])").value();
  REQUIRE(got.size() == 1);
  CHECK(got[0].guide_number == "5");
  CHECK(got[0].hd == true);
  CHECK(got[0].drm == false);
  CHECK(got[0].favorite == true);
  CHECK(tuner::parse_lineup("{}").error().code == base::errc::malformed);
  CHECK(tuner::parse_lineup("[").error().code == base::errc::malformed);
}

TEST_CASE("what is printed is read back") {
  tuner::lineup_entry e;
  e.guide_number = "5.1";
  e.guide_name = "EC-DT";
  e.url = "http://127.0.0.1:5004/auto/v5.1";
  e.video_codec = "MPEG2";
  e.hd = true;
  const auto back = tuner::parse_lineup(tuner::print_lineup({e})).value();
  REQUIRE(back.size() == 1);
  CHECK(back[0].guide_number == e.guide_number);
  CHECK(back[0].url == e.url);
  CHECK(back[0].hd == true);
  CHECK_FALSE(back[0].favorite.has_value());
}

TEST_CASE("channel numbers have one spelling") {
  CHECK(tuner::normal_channel("v5.1") == "5.1");
  CHECK(tuner::normal_channel("5-1") == "5.1");
  CHECK(tuner::normal_channel("1") == "1");
  CHECK(tuner::normal_channel("100.0") == "100.0");
  for (const char* bad : {"", "v", "0.1", "05.1", "5.", ".1", "5.1.2", "5.x", "65536", "-1"}) CHECK_FALSE(tuner::normal_channel(bad).has_value());
}

TEST_CASE("a mistyped device id shows") {
  CHECK(tuner::device_id_valid("10A1B2C7"));
  CHECK(tuner::device_id_valid("10a1b2c7"));
  CHECK_FALSE(tuner::device_id_valid("10A1B2C8"));
  CHECK_FALSE(tuner::device_id_valid("01A1B2C7"));
  CHECK_FALSE(tuner::device_id_valid("10A1B2C"));
}

}
