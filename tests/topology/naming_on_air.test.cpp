// What real stations say of themselves on the air gives the names that a lineup of them gives.
#include <doctest/doctest.h>

#include "actors/topology/naming.hpp"
#include "tests/support/data.hpp"
#include "tests/support/ts_sections.hpp"
#include "ts/tables.hpp"

using namespace ec;
using test::sections_of;

namespace {

/// The channels of a multiplex of ATSC, by its TVCT.
std::vector<identity::channel_facts> on_air(const ts::vct_table& vct) {
  std::vector<identity::channel_facts> out;
  for (const auto& c : vct.channels) {
    identity::channel_facts facts;
    facts.standard = identity::broadcast_standard::atsc;
    facts.tsid = c.channel_tsid;
    facts.program_number = c.program_number;
    facts.virtual_channel = std::to_string(c.major) + "-" + std::to_string(c.minor);
    facts.name = c.short_name;
    out.push_back(std::move(facts));
  }
  return out;
}

std::string key(const identity::broadcast_scope& scope) {
  const std::string all(identity::stream_id::make(scope, "ts-v1").value().key());
  return all.substr(std::string("ec/stream/v1/broadcast/").size());
}

} // namespace

TEST_CASE("the TVCT of real stations and a lineup that says no more than number and name give one key") {
  struct expected {
    const char* capture;
    const char* lineup;
    std::vector<std::pair<const char*, const char*>> names; ///< key, alias
  };
  for (const auto& e : {expected{"ts/atsc/whdh-7_psip.ts", R"([{"GuideNumber":"7.1","GuideName":"WHDH-HD"},{"GuideNumber":"7.2","GuideName":"This TV"}])",
                          {{"standard-atsc/channel-7.1/callsign-whdh", "standard-atsc/tsid-1363/channel-7.1"},
                            {"standard-atsc/channel-7.2/callsign-whdh", "standard-atsc/tsid-1363/channel-7.2"}}},
         expected{"ts/atsc/whdh-7_psip_b.ts", R"([{"GuideNumber":"7.2","GuideName":"This TV"},{"GuideNumber":"7.1","GuideName":"WHDH"}])",
           {{"standard-atsc/channel-7.1/callsign-whdh", "standard-atsc/tsid-1363/channel-7.1"},
             {"standard-atsc/channel-7.2/callsign-whdh", "standard-atsc/tsid-1363/channel-7.2"}}},
         expected{"ts/atsc/wbz-4_psip.ts", R"([{"GuideNumber":"4.1","GuideName":"WBZ-TV"}])",
           {{"standard-atsc/channel-4.1/callsign-wbz", "standard-atsc/tsid-1359/channel-4.1"}}}}) {
    CAPTURE(e.capture);
    const auto path = test::test_data(e.capture);
    if (!path) return;
    const auto found = sections_of(test::read_file(*path), 0x1ffb, 0xc8);
    REQUIRE_FALSE(found.empty());
    const auto air = on_air(ts::decode_vct({found.data(), 1}).value());
    REQUIRE(air.size() == e.names.size());
    const tuner::device_documents device{"http://192.0.2.7:80", tuner::parse_lineup(e.lineup).value(), std::nullopt, std::nullopt};
    for (size_t i = 0; i < air.size(); ++i) {
      const auto got = identity::identify(air[i], air);
      REQUIRE(got.has_value());
      CHECK(key(got.value().key) == e.names[i].first);
      REQUIRE(got.value().aliases.size() == 1);
      CHECK(key(got.value().aliases[0]) == e.names[i].second);
      tuner::source_facts tuned;
      tuned.channel = *identity::normal_virtual_channel(air[i].virtual_channel);
      CHECK(actors::name_by_lineup(tuned, device, "ts-v1").value().id == identity::stream_id::make(got.value().key, "ts-v1").value());
    }
  }
}

TEST_CASE("PAT and SDT of a real DVB multiplex give the name of its service") {
  const auto path = test::test_data("ts/dvb/uk-sd_mpeg2_5s.ts");
  if (!path) return;
  const auto data = test::read_file(*path);
  const auto pat_sections = sections_of(data, 0, 0x00);
  const auto sdt_sections = sections_of(data, 0x11, 0x42);
  REQUIRE_FALSE(pat_sections.empty());
  REQUIRE_FALSE(sdt_sections.empty());
  const auto pat = ts::decode_pat({pat_sections.data(), 1}).value();
  const auto sdt = ts::decode_sdt({sdt_sections.data(), 1}).value();
  REQUIRE(pat.programs.size() == 1);
  identity::channel_facts facts;
  facts.standard = identity::broadcast_standard::dvb;
  facts.network = sdt.original_network_id;
  facts.tsid = pat.transport_stream_id;
  facts.program_number = pat.programs[0].number;
  const auto got = identity::identify(facts, {&facts, 1});
  REQUIRE(got.has_value());
  CHECK(key(got.value().key) == "standard-dvb/network-9018/tsid-4164/program-4352");
}
