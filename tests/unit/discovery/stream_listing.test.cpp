// Which announcements are of one stream, whoever says what.
#include "discovery/stream_listing.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "base/bytes.hpp"
#include "tests/unit/discovery/fixture.hpp"

using namespace ec;
using namespace ec::test;
using discovery::stream_sources;

namespace {

const std::string weak = "ec/stream/v1/broadcast/standard-atsc/tsid-3777/channel-5.1/profile-ts-v1/variant-main";
const std::string device = "ec/stream/v1/source/kind-hdhomerun/device-1234/channel-5.1/profile-ts-v1/variant-main";
const std::string wxyz = "ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-wxyz/profile-ts-v1/variant-main";
const std::string news = "ec/stream/v1/broadcast/standard-atsc/channel-7.1/callsign-news/profile-ts-v1/variant-main";

struct desk {
  std::vector<discovery::source> sources;
  uint64_t version = 0;

  /// The node of key `number` says that it has `stream`, and that it is `aliases` too.
  void say(uint32_t number, const std::string& stream, const std::vector<std::string>& aliases = {}) {
    auto a = draft(number, stream);
    for (const auto& n : aliases) a.aliases.emplace_back(identity::stream_id::parse(n).value().key());
    std::ranges::sort(a.aliases);
    REQUIRE(discovery::fault(a).empty());
    sources.push_back({std::make_shared<const discovery::announcement>(a), {}, {}, ++version});
  }
  std::vector<stream_sources> list() const { return discovery::list_streams(sources); }
  /// The listed stream that has this name as one that somebody announces.
  stream_sources of(const std::string& stream) const {
    for (const auto& s : list())
      if (std::ranges::find(s.names, stream) != s.names.end()) return s;
    return {};
  }
  bool together(const std::string& a, const std::string& b) const {
    const auto s = of(a);
    return std::ranges::find(s.names, b) != s.names.end();
  }
};

} // namespace

TEST_SUITE("discovery/stream_listing") {

TEST_CASE("a node that learnt on the air what its stream is shows with the others of the broadcast, and counts once") {
  desk d;
  d.say(1, wptv, {weak});
  d.say(2, device, {wptv, weak});
  d.say(2, wptv, {device, weak});
  const auto streams = d.list();
  REQUIRE(streams.size() == 1);
  CHECK(streams[0].names == std::vector{wptv, weak, device});
  CHECK(streams[0].nodes == 2);
  REQUIRE(streams[0].sources.size() == 2);
  for (const auto& s : streams[0].sources) CHECK(s.what->stream_id.text() == wptv); // by the better name
}

TEST_CASE("who has only a weaker name shows with those who know that it is one") {
  desk d;
  d.say(1, wptv, {weak});
  d.say(2, weak);
  CHECK(d.list().size() == 1);
  CHECK(d.of(weak).nodes == 2);
  // Somebody else claims it as well: nobody can say which of them is right.
  d.say(3, wxyz, {weak});
  CHECK(d.list().size() == 3);
  // Its own node knows best.
  d.sources.erase(d.sources.begin() + 1);
  d.say(2, weak, {wptv});
  CHECK(d.together(weak, wptv));
  CHECK_FALSE(d.together(weak, wxyz));
}

TEST_CASE("a stranger joins no two streams that others announce, whichever way he says it") {
  for (const auto& other : {news, wxyz, weak, device}) {
    CAPTURE(other);
    desk honest;
    honest.say(1, wptv);
    honest.say(2, other);
    REQUIRE(honest.list().size() == 2);
    const std::string middle[] = {"ec/stream/v1/source/kind-file/device-x/channel-1/profile-ts-v1/variant-main",
      "ec/stream/v1/broadcast/standard-atsc/tsid-9/channel-5.1/profile-ts-v1/variant-main",
      "ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-evil/profile-ts-v1/variant-main"};
    for (const auto& m : middle) {
      auto d = honest;
      d.say(66, m, {wptv, other});
      CHECK_FALSE(d.together(wptv, other));
      d.say(66, wptv, {m, other});
      d.say(66, other, {m, wptv});
      CHECK_FALSE(d.together(wptv, other));
      CHECK(d.of(wptv).nodes >= 1);
    }
    auto d = honest;
    d.say(66, wptv, {other});
    d.say(66, other, {wptv});
    CHECK_FALSE(d.together(wptv, other));
  }
}

TEST_CASE("no words of strangers join two streams whose own nodes do not say so") {
  std::mt19937_64 rng(7);
  const std::vector<std::string> names{wptv, weak, device, wxyz, news, "ec/stream/v1/broadcast/standard-atsc/tsid-9/channel-5.1/profile-ts-v1/variant-main",
    "ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-evil/profile-ts-v1/variant-main", "ec/stream/v1/source/kind-file/device-x/channel-1/profile-ts-v1/variant-main"};
  for (int round = 0; round < 3000; ++round) {
    CAPTURE(round);
    desk d;
    d.say(1, wptv, {weak});
    d.say(2, wxyz);
    d.say(3, news);
    d.say(4, device);
    const auto strangers = 1 + rng() % 5;
    for (uint32_t s = 0; s < strangers; ++s) {
      const auto& stream = names[rng() % names.size()];
      std::vector<std::string> aliases;
      for (auto left = rng() % 4; left > 0; --left)
        if (const auto& n = names[rng() % names.size()]; n != stream && std::ranges::find(aliases, n) == aliases.end()) aliases.push_back(n);
      d.say(100 + s, stream, aliases);
    }
    const std::vector<std::string> honest{wptv, wxyz, news, device};
    for (const auto& a : honest)
      for (const auto& b : honest)
        if (a != b) CHECK_FALSE(d.together(a, b));
    // Each announcement is listed once, whatever was said.
    size_t listed = 0;
    for (const auto& s : d.list()) listed += s.sources.size();
    CHECK(listed == d.sources.size());
  }
}

TEST_CASE("one address with one key is one node, whoever announces it") {
  desk d;
  d.say(1, wptv);
  auto copy = draft(66, wptv);
  copy.transports = d.sources[0].what->transports;
  d.sources.push_back({std::make_shared<const discovery::announcement>(copy), {}, {}, 9});
  REQUIRE(d.list().size() == 1);
  CHECK(d.list()[0].nodes == 1);
  CHECK(d.list()[0].sources.size() == 2); // both are shown: nobody hides another
  d.say(2, wptv);
  CHECK(d.list()[0].nodes == 2);
  // Without a key of its own it is who says so.
  auto relayed = draft(3, wptv);
  relayed.transports = {discovery::relay_transport{"https://relay.example/moq", "kulx", {}, {}}};
  d.sources.push_back({std::make_shared<const discovery::announcement>(relayed), {}, {}, 10});
  CHECK(d.list()[0].nodes == 3);
}

}
