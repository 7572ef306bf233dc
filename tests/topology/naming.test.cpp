#include "actors/topology/naming.hpp"

#include <map>
#include <set>

#include <doctest/doctest.h>

#include "tests/support/data.hpp"
#include "tests/support/topology.hpp"

using namespace ec;

namespace {

tuner::device_documents device(const std::string& lineup, std::string firmware = "hdhomerun5_atsc", std::string source = "Antenna") {
  tuner::device_documents out;
  out.from = "http://192.0.2.7:80";
  out.lineup = tuner::parse_lineup(lineup).value();
  out.discover.emplace();
  out.discover->firmware_name = std::move(firmware);
  out.status.emplace();
  out.status->source = std::move(source);
  return out;
}

const std::string boston = R"([{"GuideNumber":"7.1","GuideName":"WHDH-HD","TransportStreamID":1363,"ProgramNumber":3},
  {"GuideNumber":"7.2","GuideName":"This TV","TransportStreamID":1363,"ProgramNumber":4},{"GuideNumber":"12.1","GuideName":"CBS"},
  {"GuideNumber":"38.1","GuideName":"MeTV","TransportStreamID":9},{"GuideNumber":"38.1","GuideName":"WSBK","TransportStreamID":8},
  {"GuideNumber":"105.1","GuideName":"WCVB-TV","ATSC3":1,"AudioCodec":"AC4"}])";

tuner::source_facts facts(const std::string& url) {
  return tuner::open_source(url).value()->facts();
}

/// The name that a source gets, and how often its device was asked.
struct outcome {
  std::optional<actors::stream_name> name;
  base::error error;
  unsigned asked = 0;
  net::url asked_for;
};

outcome named(const std::string& input, base::result<tuner::device_documents> answers, actors::naming_wishes wishes = {}) {
  outcome out;
  if (wishes.profile.empty()) wishes.profile = "ts-v1";
  auto got = actors::name_stream(wishes, facts(input), [&](const net::url& url) {
    ++out.asked;
    out.asked_for = url;
    return answers;
  });
  if (got) out.name = std::move(got).value();
  else out.error = got.error();
  return out;
}

std::string key(const outcome& o) {
  REQUIRE(o.name.has_value());
  const std::string all(o.name->id.key());
  return all.substr(std::string("ec/stream/v1/").size());
}

bool says(const outcome& o, std::string_view what) {
  return o.name && o.name->reason.find(what) != std::string::npos;
}

} // namespace

TEST_CASE("an explicit id wins, and no tuner is asked") {
  const std::string own = "ec/stream/v1/source/kind-file/device-a/channel-1/profile-ts-v1/variant-main";
  const auto got = named("http://192.0.2.7:5004/auto/v7.1", device(boston), {.stream_id = own, .profile = "ts-v1", .program = {}, .channel = {}});
  REQUIRE(got.name.has_value());
  CHECK(got.name->id.text() == own);
  CHECK(got.name->rule == actors::naming_rule::explicit_id);
  CHECK(got.asked == 0);
  const auto bad = named("http://192.0.2.7:5004/auto/v7.1", device(boston), {.stream_id = "x", .profile = "ts-v1", .program = {}, .channel = {}});
  CHECK(bad.error.about == "--stream-id");
}

TEST_CASE("a tuner's channel is named by its broadcast when the lineup says enough") {
  const auto got = named("http://192.0.2.7:5004/auto/v7.2", device(boston));
  CHECK(key(got) == "broadcast/standard-atsc/channel-7.2/callsign-whdh");
  CHECK(got.name->rule == actors::naming_rule::broadcast);
  REQUIRE(got.name->aliases.size() == 1);
  CHECK(got.name->aliases[0].text() == "ec/stream/v1/broadcast/standard-atsc/tsid-1363/channel-7.2/profile-ts-v1/variant-main");
  CHECK(got.name->reason == "station whdh, by the name of channel 7.1; lineup of http://192.0.2.7:80");
  CHECK(got.asked == 1);
  CHECK(got.asked_for.host == "192.0.2.7");
  CHECK(got.asked_for.port == 5004);
  // By whatever URL it is tuned to.
  for (const char* url : {"hdhomerun://192.0.2.7/v7.2", "http://192.0.2.7:5004/tuner1/v7-2", "http://192.0.2.7:5004/auto/v7.2?duration=9"})
    CHECK(key(named(url, device(boston))) == key(got));
}

TEST_CASE("what is not enough leaves the name to the source, and says why") {
  const auto expect = [&](const std::string& url, base::result<tuner::device_documents> answers, std::string_view why, actors::naming_wishes wishes = {}) {
    CAPTURE(url);
    const auto got = named(url, std::move(answers), std::move(wishes));
    CHECK(key(got).starts_with("source/kind-hdhomerun/device-192.0.2.7%3A5004/channel-"));
    CHECK(got.name->rule == actors::naming_rule::source);
    CHECK(got.name->aliases.empty());
    CAPTURE(got.name->reason);
    CHECK(says(got, why));
  };
  const std::string base = "http://192.0.2.7:5004/auto/";
  expect(base + "v12.1", device(boston), "'CBS' is no callsign");
  expect(base + "v9.1", device(boston), "the lineup has no channel 9.1");
  expect(base + "v38.1", device(boston), "more than once");
  expect(base + "v105.1", device(boston), "ATSC 3.0");
  expect(base + "v7.1?transcode=mobile", device(boston), "transcodes");
  expect(base + "v7.1", device(boston, "hdhomerun5_atsc", "Cable"), "cable operator");
  expect(base + "v7.1", device(boston, "hdhomerun3_cablecard"), "cable operator");
  expect(base + "ch473000000-3", device(boston), "no channel ch473000000-3");
  expect(base + "v7.1", device("{}"), "the lineup has no channel 7.1");
  expect(base + "v7.1", base::fail(base::errc::timeout, "no answer", "http://192.0.2.7:80/lineup.json"), "cannot be read: http://192.0.2.7:80/lineup.json: no answer");
  expect(base + "v1", device(R"([{"GuideNumber":"1","GuideName":"BBC ONE Lon"}])", "hdhomerun5_dvbt"), "no original_network_id");
  actors::naming_wishes other{.stream_id = {}, .profile = "ts-v1", .program = 4, .channel = {}};
  expect(base + "v7.1", device(boston), "program 4 is channel 7.1", other);
  other = {.stream_id = {}, .profile = "ts-v1", .program = {}, .channel = "7.2"};
  expect(base + "v7.1", device(boston), "--channel", other);
}

TEST_CASE("a program and a channel that the lineup confirms change nothing") {
  const actors::naming_wishes same{.stream_id = {}, .profile = "ts-v1", .program = 3, .channel = "7.1"};
  CHECK(key(named("http://192.0.2.7:5004/auto/v7.1", device(boston), same)) == "broadcast/standard-atsc/channel-7.1/callsign-whdh");
}

TEST_CASE("sources that are no broadcasts are named as before, and nobody is asked") {
  const auto http = named("http://192.0.2.7:8080/live.ts", device(boston));
  CHECK(key(http) == "source/kind-http/device-192.0.2.7%3A8080/channel-%2Flive.ts");
  CHECK(http.asked == 0);
  const auto in = named("-", device(boston));
  CHECK(key(in) == "source/kind-stdin/device-local/channel-1");
  CHECK(in.asked == 0);
}

TEST_CASE("DVB is named by its numbers when the lineup has them") {
  const auto uk = device(R"([{"GuideNumber":"1","GuideName":"BBC ONE Lon","OriginalNetworkID":9018,"TransportStreamID":4164,"ProgramNumber":4352}])", "hdhomerun5_dvbt");
  CHECK(key(named("http://192.0.2.7:5004/auto/v1", uk)) == "broadcast/standard-dvb/network-9018/tsid-4164/program-4352");
}

TEST_CASE("every channel of the lineups of real devices gets a name or a reason, and no two get one name") {
  struct expected {
    const char* file;
    size_t channels;
    size_t named; ///< by their broadcast
    std::vector<std::pair<const char*, const char*>> some; ///< channel, key behind ".../broadcast/"; empty: none
  };
  for (const auto& e : {expected{"connect-hdhr4-2us_2015/lineup.json", 6, 6,
                          {{"4.1", "standard-atsc/channel-4.1/callsign-wcmh"}, {"4.3", "standard-atsc/channel-4.3/callsign-wcmh"},
                            {"6.1", "standard-atsc/channel-6.1/callsign-wsyx"}, {"6.3", "standard-atsc/channel-6.3/callsign-wsyx"}}},
         expected{"antenna-west-palm-beach/lineup.json", 34, 16,
           {{"5.1", "standard-atsc/channel-5.1/callsign-wptv"}, {"5.3", "standard-atsc/channel-5.3/callsign-wptv"},
             {"9.2", "standard-atsc/channel-9.2/callsign-whdt"}, {"12.1", ""}, {"12.2", ""}, {"17.1", "standard-atsc/channel-17.1/callsign-wlrn"}}},
         expected{"connect-duo-dvbt-hdhr5-2dt_2025/lineup.json", 1, 0, {{"1", ""}}}}) {
    CAPTURE(e.file);
    const auto path = test::test_data("hdhomerun/" + std::string(e.file));
    if (!path) return;
    const tuner::device_documents real{e.file, tuner::parse_lineup(test::read_text(*path)).value(), std::nullopt, std::nullopt};
    CHECK(real.lineup.size() == e.channels);
    std::map<std::string, std::string> keys;
    std::set<std::string> different;
    size_t named = 0;
    for (const auto& entry : real.lineup) {
      const auto got = actors::name_by_lineup(facts(entry.url), real, "ts-v1");
      if (!got) CHECK(got.error().text.size() > 20);
      keys[entry.guide_number] = got ? std::string(got.value().id.key()).substr(std::string("ec/stream/v1/broadcast/").size()) : "";
      if (!got) continue;
      ++named;
      different.insert(got.value().id.text());
    }
    CHECK(different.size() == named);
    for (const auto& [channel, wanted] : e.some) {
      CAPTURE(channel);
      CHECK(keys[channel] == wanted);
    }
    CHECK(named == e.named);
  }
}

TEST_CASE("two publishers of one tuner that were told nothing give one stream, and a subscriber takes from both") {
  test::topology_bench bench;
  auto leading = bench.publish("leader"), relaying = bench.publish("relay");
  leading.stream_id = relaying.stream_id = std::nullopt;
  leading.publish_chunks = false;
  const auto leader = bench.leader(leading);
  const auto relay = bench.relay(relaying);
  CHECK(leader->stream_id() == "ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-kect/profile-ts-v1/variant-main");
  CHECK(relay->stream_id() == leader->stream_id());
  CHECK(leader->topology().naming.rule == "broadcast");
  CHECK(leader->topology().naming.aliases == std::vector<std::string>{"ec/stream/v1/broadcast/standard-atsc/tsid-3777/channel-5.1/profile-ts-v1/variant-main"});
  REQUIRE(leader->log().wait("stream-named"));
  const auto told = leader->log().all("stream-named").front();
  CHECK(test::text_of(told, "stream_id") == leader->stream_id());
  CHECK(test::text_of(told, "rule") == "broadcast");
  CHECK(test::text_of(told, "reason").starts_with("station kect, by its name; lineup of http://127.0.0.1:"));
  auto wanted = bench.subscribe(*leader, *relay);
  wanted.stop_after = 2;
  const auto subscriber = bench.subscriber(wanted);
  REQUIRE_MESSAGE(subscriber->ended(), subscriber->log().text());
  CHECK(bench.verify().verified == 2);
}

TEST_CASE("a tuner that cannot be asked stops nobody: without an explicit id the source names the stream") {
  test::topology_bench bench;
  auto config = bench.publish("relay");
  const auto given = *config.stream_id;
  actors::machine deaf;
  unsigned asked = 0;
  deaf.ask_device = [&](const net::url&) -> base::result<tuner::device_documents> {
    ++asked;
    return base::fail(base::errc::timeout, "no answer");
  };
  {
    test::running_node node(bench.sys, [&](auto observer) { return actors::relay(bench.sys, config, observer, deaf); });
    CHECK(node.stream_id() == given);
    CHECK(node.topology().naming.rule == "explicit");
    CHECK(asked == 0);
  }
  config.stream_id = std::nullopt;
  test::running_node node(bench.sys, [&](auto observer) { return actors::relay(bench.sys, config, observer, deaf); });
  CHECK(asked == 1);
  CHECK(node.stream_id().starts_with("ec/stream/v1/source/kind-hdhomerun/device-127.0.0.1%3A"));
  CHECK(node.topology().naming.rule == "source");
  REQUIRE_MESSAGE(node.log().wait("chunk-cut"), node.log().text());
}
