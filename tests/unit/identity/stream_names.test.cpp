#include "identity/stream_names.hpp"

#include <doctest/doctest.h>

using namespace ec::identity;

namespace {

stream_id id(std::string scope) {
  return stream_id::parse("ec/stream/v1/" + scope + "/profile-ts-v1/variant-main").value();
}

const auto source = id("source/kind-hdhomerun/device-e2e/channel-7.1");
const auto station = id("broadcast/standard-atsc/channel-7.1/callsign-whdh");
const auto number = id("broadcast/standard-atsc/tsid-1363/channel-7.1");
const auto dvb = id("broadcast/standard-dvb/network-9018/tsid-4164/program-4352");

std::vector<stream_id> ids(const std::vector<stream_alias>& aliases) {
  std::vector<stream_id> out;
  for (const auto& a : aliases) out.push_back(a.id);
  return out;
}

} // namespace

TEST_SUITE("identity/stream_names") {

TEST_CASE("two names look alike if one channel of one standard may have both, and that is all that two names tell") {
  CHECK(alike(station, number));
  CHECK(alike(number, station));
  CHECK(alike(station, station));
  CHECK_FALSE(alike(station, source));
  CHECK_FALSE(alike(dvb, dvb)); // of its numbers one name is made, and it is the same or another
  CHECK_FALSE(alike(station, id("broadcast/standard-atsc/tsid-1363/channel-7.2")));
  CHECK_FALSE(alike(station, id("broadcast/standard-atsc/channel-7.1/callsign-wabc")));
  CHECK_FALSE(alike(number, id("broadcast/standard-atsc/tsid-1364/channel-7.1")));
  CHECK_FALSE(alike(number, stream_id::parse("ec/stream/v1/broadcast/standard-atsc/channel-7.1/callsign-whdh/profile-ts-v1/variant-sub").value()));
}

TEST_CASE("a stream that was named by its source learns what it is, once, and stays what it was") {
  stream_names names(source);
  const auto first = names.learn(std::vector{number, station});
  CHECK(ids(first.fresh) == std::vector{station, number});
  CHECK(first.fresh[0].stronger);
  CHECK(first.fresh[1].stronger);
  CHECK(names.id() == source);
  CHECK(names.aliases() == std::vector{station, number});
  CHECK(names.learn(std::vector{station, number}).fresh.empty());
}

TEST_CASE("what a lineup said already is not told again") {
  stream_names names(station, {number});
  CHECK(names.learn(std::vector{station, number}).fresh.empty());
  stream_names bare(station);
  const auto told = bare.learn(std::vector{station, number});
  CHECK(ids(told.fresh) == std::vector{number});
  CHECK_FALSE(told.fresh[0].stronger);
  stream_names weak(number);
  const auto better = weak.learn(std::vector{station, number});
  CHECK(ids(better.fresh) == std::vector{station});
  CHECK(better.fresh[0].stronger);
}

TEST_CASE("another broadcast's names become none, not even those that would fit") {
  for (const auto& [known, said] : {std::pair{station, id("broadcast/standard-atsc/channel-7.1/callsign-wabc")},
         {station, id("broadcast/standard-atsc/channel-7.2/callsign-whdh")}, {station, id("broadcast/standard-atsc/tsid-1363/channel-7.2")},
         {number, id("broadcast/standard-atsc/tsid-1364/channel-7.1")}, {station, dvb}, {dvb, id("broadcast/standard-dvb/network-9018/tsid-4164/program-4351")}}) {
    stream_names names(known);
    const auto told = names.learn(std::vector{said, id("broadcast/standard-atsc/tsid-77/channel-7.1")});
    CHECK(told.fresh.empty());
    REQUIRE_FALSE(told.contradicting.empty());
    CHECK(told.contradicting[0] == said);
    CHECK(names.aliases().empty());
  }
  // An alias counts as much as the id.
  stream_names learnt(source);
  learnt.learn(std::vector{station});
  CHECK(learnt.learn(std::vector{id("broadcast/standard-atsc/channel-7.1/callsign-wabc")}).contradicting.size() == 1);
}

TEST_CASE("names by other fields do not contradict each other") {
  CHECK_FALSE(contradict(station, number));
  CHECK_FALSE(contradict(number, station));
  CHECK_FALSE(contradict(source, station));
  CHECK_FALSE(contradict(station, station));
}

TEST_CASE("a station's name is stronger than a number, and any broadcast's than a source's") {
  CHECK(strength(source) < strength(number));
  CHECK(strength(number) < strength(station));
  CHECK(strength(dvb) == strength(station));
}

}
