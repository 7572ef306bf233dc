#include "tuner/lineup.hpp"

#include <doctest/doctest.h>

#include "base/limits.hpp"
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
  CHECK(tuner::parse_lineup("{\"a\":1}").error().code == base::errc::malformed);
  CHECK(tuner::parse_lineup("[").error().code == base::errc::malformed);
}

TEST_CASE("a legacy device's lineup is an empty object and has no channels") {
  CHECK(tuner::parse_lineup("{}").value().empty());
  CHECK(tuner::parse_discover(R"({"DeviceID":"10121314","Legacy":1,"BaseURL":"http://192.0.2.3:80"})").value().legacy == true);
}

TEST_CASE("?tuning gives where a channel is on the air, and what makes no sense is unknown") {
  const auto got = tuner::parse_lineup(R"([
    {"GuideNumber":"9.10","GuideName":"KULX","TransportStreamID":8161,"Modulation":"8vsb","Frequency":473000000,"ProgramNumber":3},
    {"GuideNumber":"9.1","GuideName":"KULX","TransportStreamID":"8161","ProgramID":"4","OriginalNetworkID":9018},
    {"GuideNumber":"109.1","ATSC3":1,"DRM":1,"PLPConfig":"0","AudioCodec":"AC4","ProgramNumber":0,"TransportStreamID":-1,"Frequency":1.5}])").value();
  REQUIRE(got.size() == 3);
  CHECK(got[0].guide_number == "9.10");
  CHECK(got[0].transport_stream_id == 8161);
  CHECK(got[0].modulation == "8vsb");
  CHECK(got[0].frequency_hz == 473000000u);
  CHECK(got[0].program_number == 3);
  CHECK(got[1].guide_number == "9.1");
  CHECK(got[1].transport_stream_id == 8161);
  CHECK(got[1].program_number == 4);
  CHECK(got[1].original_network_id == 9018);
  CHECK(got[2].atsc3 == true);
  CHECK(got[2].drm == true);
  CHECK_FALSE(got[2].program_number.has_value());
  CHECK_FALSE(got[2].transport_stream_id.has_value());
  CHECK_FALSE(got[2].frequency_hz.has_value());
}

TEST_CASE("unknown fields are kept and printed again; the device's secret is not") {
  const auto d = tuner::parse_discover(R"({"DeviceID":"10611b4c","DeviceAuth":"REDACTED","UpgradeAvailable":"20260326","BaseURL":"http://hdhr-10611b4c.local","TunerCount":"many"})").value();
  CHECK(d.base_url == "http://hdhr-10611b4c.local");
  CHECK_FALSE(d.tuner_count.has_value());
  REQUIRE(d.other.size() == 2);
  CHECK(d.other[0] == base::json::member{"UpgradeAvailable", "20260326"});
  CHECK(d.other[1] == base::json::member{"TunerCount", "many"});
  const auto text = tuner::print_discover(d);
  CHECK(text.find("UpgradeAvailable") != text.npos);
  CHECK(text.find("REDACTED") == text.npos);

  const auto l = tuner::parse_lineup(R"([{"GuideNumber":"1","Next":{"a":[1]},"Tags":"favorite,new"}])").value();
  REQUIRE(l.size() == 1);
  CHECK(*l[0].other[0].second.find("a") == base::json::array{1});
  CHECK(tuner::print_lineup(l).find("favorite,new") != std::string::npos);
  const auto s = tuner::parse_lineup_status(R"({"ScanInProgress":1,"NetworkID":7})").value();
  CHECK(s.other == base::json::object{{"NetworkID", 7}});
}

TEST_CASE("status.json: tuners in use and idle ones") {
  const auto got = tuner::parse_status(R"([
    {"Resource":"tuner0","VctNumber":"5.1","VctName":"WPTV-TV","Frequency":575000000,"ProgramNumber":3,"SignalStrengthPercent":96,
     "SignalQualityPercent":100,"SymbolQualityPercent":100,"TargetIP":"192.0.2.9","NetworkRate":6400000},
    {"Resource":"tuner1"},{"VctNumber":"7.1"}])").value();
  REQUIRE(got.size() == 2);
  CHECK(got[0].guide_number == "5.1");
  CHECK(got[0].guide_name == "WPTV-TV");
  CHECK(got[0].frequency_hz == 575000000u);
  CHECK(got[0].program_number == 3);
  CHECK(got[0].signal_strength == 96u);
  CHECK(got[0].target == "192.0.2.9");
  CHECK(got[0].other == base::json::object{{"NetworkRate", 6400000}});
  CHECK_FALSE(got[0].idle());
  CHECK(got[1].idle());
  CHECK(tuner::parse_status("{}").error().code == base::errc::malformed);
  CHECK(tuner::parse_status("[" + std::string(64 * 3, ' ') + "]").value().empty());
  std::string many = "[";
  for (int i = 0; i < 65; ++i) many += i == 0 ? "{}" : ",{}";
  CHECK(tuner::parse_status(many + "]").error().code == base::errc::too_large);
}

TEST_CASE("a document of 10 MB, and one that is no JSON, are refused with the document's name") {
  std::string big = "[";
  while (big.size() < 10'000'000) big += R"({"GuideNumber":"5.1","GuideName":"EC-DT"},)";
  big.back() = ']';
  const auto large = tuner::parse_lineup(big);
  REQUIRE_FALSE(large.has_value());
  CHECK(large.error().code == base::errc::too_large);
  CHECK(large.error().about == "lineup.json");
  std::string many = "[";
  for (size_t i = 0; i <= base::limits::lineup_entries_max; ++i) many += R"({"GuideNumber":"5.1"},)";
  many.back() = ']';
  CHECK(tuner::parse_lineup(many).error().code == base::errc::too_large);
  for (const char* bad : {"", "<html>", "[{\"GuideNumber\":\"5.1\"", "[{\"GuideNumber\":\"\xff\"}]", "[] []"}) {
    CAPTURE(bad);
    const auto got = tuner::parse_lineup(bad);
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error().code == base::errc::malformed);
    CHECK(got.error().about == "lineup.json");
  }
  CHECK(tuner::parse_discover("<html>").error().about == "discover.json");
  CHECK(tuner::parse_lineup_status("<html>").error().about == "lineup_status.json");
  CHECK(tuner::parse_status("<html>").error().about == "status.json");
}

TEST_CASE("every document that a real device sent is read, and printed so that it reads the same") {
  const auto root = test_data("hdhomerun");
  if (!root) return;
  size_t documents = 0;
  for (const auto& e : std::filesystem::recursive_directory_iterator(*root)) {
    if (e.path().extension() != ".json") continue;
    const auto file = e.path().filename().string();
    if (file.starts_with("cloud-")) continue; // the maker's, not a device's
    CAPTURE(e.path().string());
    const auto text = read_text(e.path());
    ++documents;
    std::string once, twice;
    if (file.starts_with("discover")) {
      const auto got = tuner::parse_discover(text);
      REQUIRE(got.has_value());
      once = tuner::print_discover(got.value());
      twice = tuner::print_discover(tuner::parse_discover(once).value());
    } else if (file.starts_with("lineup_status")) {
      const auto got = tuner::parse_lineup_status(text);
      REQUIRE(got.has_value());
      CHECK(got.value().source == "Antenna");
      once = tuner::print_lineup_status(got.value());
      twice = tuner::print_lineup_status(tuner::parse_lineup_status(once).value());
    } else {
      const auto got = tuner::parse_lineup(text);
      REQUIRE(got.has_value());
      for (const auto& c : got.value()) {
        CHECK(tuner::normal_channel(c.guide_number) == c.guide_number);
        CHECK_FALSE(c.guide_name.empty());
        CHECK(c.other.empty());
      }
      once = tuner::print_lineup(got.value());
      twice = tuner::print_lineup(tuner::parse_lineup(once).value());
    }
    CHECK(once == twice);
  }
  CHECK(documents == 12);
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

TEST_CASE("a flag that is 0 stays 0 beside a tag of its name") {
  const auto once = tuner::parse_lineup(R"([{"GuideNumber":"5.1","DRM":"0","Enabled":0,"Tags":"favorite,drm"}])").value();
  REQUIRE(once.size() == 1);
  CHECK(once[0].drm == false);
  CHECK(once[0].favorite == true);
  const auto again = tuner::parse_lineup(tuner::print_lineup(once)).value();
  REQUIRE(again.size() == 1);
  CHECK(again[0].drm == false);
  CHECK(again[0].enabled == false);
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
