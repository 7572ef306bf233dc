#include "identity/broadcast.hpp"

#include <algorithm>
#include <cctype>
#include <ostream>
#include <random>

#include <doctest/doctest.h>

#include "base/json.hpp"
#include "tests/unit/identity/table.hpp"

using namespace ec::identity;
using ec::base::errc;
namespace json = ec::base::json;

namespace {

channel_facts facts_of(const json::value& v) {
  channel_facts out;
  for (const auto& [key, value] : *v.as_object()) {
    const auto number = [&v = value] { return static_cast<uint16_t>(*v.as_int()); };
    if (key == "standard") out.standard = *value.as_string() == "dvb" ? broadcast_standard::dvb : *value.as_string() == "atsc3" ? broadcast_standard::atsc3 : broadcast_standard::cable;
    else if (key == "channel") out.virtual_channel = *value.as_string();
    else if (key == "name") out.name = *value.as_string();
    else if (key == "network") out.network = number();
    else if (key == "tsid") out.tsid = number();
    else if (key == "program") out.program_number = number();
    else if (key == "region") out.region = *value.as_string();
    else if (key == "frequency") out.frequency_hz = static_cast<uint64_t>(*value.as_int());
    else REQUIRE(key == "others");
  }
  return out;
}

channel_facts channel(std::string number, std::string name, std::optional<uint16_t> tsid = {}) {
  channel_facts out;
  out.virtual_channel = std::move(number);
  out.name = std::move(name);
  out.tsid = tsid;
  return out;
}

/// "standard-atsc/channel-5.1/callsign-wptv"
std::string text_of(const broadcast_scope& scope) {
  const auto id = stream_id::make(scope, "ts-v1");
  REQUIRE(id.has_value());
  constexpr std::string_view root = "ec/stream/v1/broadcast/";
  const auto key = std::string(id.value().key());
  REQUIRE(key.starts_with(root));
  return key.substr(root.size());
}

std::string key_of(const channel_facts& c, const std::vector<channel_facts>& all) {
  const auto got = identify(c, all);
  return got ? text_of(got.value().key) : "none";
}

std::vector<std::string> names_of(const channel_facts& c, const std::vector<channel_facts>& all) {
  const auto got = identify(c, all);
  if (!got) return {};
  std::vector<std::string> out{text_of(got.value().key)};
  for (const auto& a : got.value().aliases) out.push_back(text_of(a));
  return out;
}

/// A country of stations, each with its own callsign, transport stream id and channels, as the air has them.
struct country {
  std::vector<std::vector<channel_facts>> stations;

  explicit country(std::mt19937& random) {
    const std::vector<std::string> networks{"CBS", "MeTV", "LAFF", "WORLD", "KIDS", "GRIT", "ION TV", "WORD"};
    const std::vector<std::string> suffixes{"", "-TV", "-DT", "-HD", " DT"};
    for (unsigned n = 0; n < 12; ++n) {
      std::string sign = n % 2 == 0 ? "WA" : "KZ";
      sign += static_cast<char>('A' + n);
      sign += static_cast<char>('A' + random() % 26);
      const auto major = std::to_string(2 + random() % 4); // few numbers, so that stations share them
      const auto tsid = static_cast<uint16_t>(random() % 4 == 0 ? random() % 2 : 1000 + n);
      const bool named = random() % 4 != 0; // else its first channel is called by its network
      std::vector<channel_facts> channels;
      for (unsigned minor = 1; minor <= 1 + random() % 4; ++minor) {
        std::string name = networks[random() % networks.size()];
        if (minor == 1 && named) name = sign + suffixes[random() % suffixes.size()];
        else if (random() % 4 == 0) name = sign + "-DT" + std::to_string(minor);
        auto c = channel(major + "." + std::to_string(minor), name, tsid);
        c.program_number = static_cast<uint16_t>(minor + 2);
        channels.push_back(std::move(c));
      }
      stations.push_back(std::move(channels));
    }
  }
};

} // namespace

TEST_CASE("every golden channel gets the names that the format's page says") {
  const auto rows = ec::test::golden_table("Channel (JSON)");
  CHECK(rows.size() >= 25);
  for (const auto& row : rows) {
    REQUIRE(row.size() == 3);
    CAPTURE(row[0]);
    const auto v = json::parse(row[0]);
    REQUIRE(v.has_value());
    const auto own = facts_of(v.value());
    std::vector<channel_facts> all{own};
    if (const auto* others = v.value().find("others"))
      for (const auto& other : *others->as_array()) {
        const auto& o = *other.as_array();
        all.push_back(channel(*o[0].as_string(), *o[1].as_string(), o.size() > 2 ? std::optional(static_cast<uint16_t>(*o[2].as_int())) : std::nullopt));
      }
    const auto got = identify(own, all);
    if (row[1] == "none") {
      REQUIRE_FALSE(got.has_value());
      CHECK(got.error().code == errc::not_found);
      CHECK_FALSE(got.error().text.empty());
      continue;
    }
    REQUIRE(got.has_value());
    CHECK(text_of(got.value().key) == row[1]);
    CHECK((got.value().aliases.empty() ? "" : text_of(got.value().aliases[0])) == row[2]);
    CHECK_FALSE(got.value().reason.empty());
  }
}

TEST_CASE("the channel number alone is never enough, and the reason says what is missing") {
  for (const char* number : {"5.1", "2.1", "1023.999"}) {
    const auto bare = channel(number, "");
    const auto got = identify(bare, {&bare, 1});
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error().text.find(number) != std::string::npos);
    CHECK(got.error().text.find("is not enough") != std::string::npos);
    CHECK(got.error().text.find("transport stream id is not known") != std::string::npos);
  }
  channel_facts dvb;
  dvb.standard = broadcast_standard::dvb;
  dvb.tsid = 4164;
  CHECK(identify(dvb, {&dvb, 1}).error().text.find("no original_network_id, service_id") != std::string::npos);
}

TEST_CASE("hints, case, padding and the order of the lineup never change a name") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const country land(random);
    std::vector<channel_facts> all;
    for (const auto& station : land.stations) all.insert(all.end(), station.begin(), station.end());
    auto told = all;
    for (auto& c : told) {
      if (random() % 2 == 0) c.region = "region " + std::to_string(random() % 100);
      if (random() % 2 == 0) c.frequency_hz = 57'000'000 + random() % 600'000'000;
      if (random() % 2 == 0) c.program_number = static_cast<uint16_t>(1 + random() % 100);
      if (random() % 2 == 0) std::ranges::transform(c.name, c.name.begin(), [](unsigned char l) { return static_cast<char>(std::tolower(l)); });
      if (random() % 2 == 0) c.name += std::string(random() % 4, random() % 2 == 0 ? ' ' : '\0');
      if (random() % 2 == 0) std::ranges::replace(c.virtual_channel, '.', '-');
    }
    auto shuffled = told;
    std::ranges::shuffle(shuffled, random);
    for (size_t i = 0; i < all.size(); ++i) {
      CAPTURE(all[i].virtual_channel + " " + all[i].name);
      CHECK(names_of(told[i], shuffled) == names_of(all[i], all));
    }
  }
}

TEST_CASE("who knows the lineup only meets who reads the air: the same key, never another") {
  std::mt19937 random(8);
  size_t met = 0, refused = 0;
  for (int round = 0; round < 500; ++round) {
    const country land(random);
    for (const auto& air : land.stations) {
      auto lineup = air; // as of a device that does not answer ?tuning
      for (auto& c : lineup) c.tsid = c.program_number = std::nullopt;
      for (size_t i = 0; i < air.size(); ++i) {
        CAPTURE(air[i].virtual_channel + " " + air[i].name);
        const auto known = identify(lineup[i], lineup);
        if (!known) {
          ++refused;
          continue;
        }
        CHECK(text_of(known.value().key) == key_of(air[i], air));
        ++met;
      }
    }
  }
  CHECK(met > 1000);
  CHECK(refused > 100);
}

TEST_CASE("two stations never get one name, though an antenna receives both and they share a number") {
  std::mt19937 random(9);
  size_t named = 0, shared = 0;
  for (int round = 0; round < 500; ++round) {
    const country land(random);
    std::vector<channel_facts> all;
    std::vector<size_t> station;
    for (size_t s = 0; s < land.stations.size(); ++s)
      for (const auto& c : land.stations[s]) {
        all.push_back(c);
        station.push_back(s);
      }
    auto lineup = all;
    if (round % 2 == 0)
      for (auto& c : lineup) c.tsid = c.program_number = std::nullopt;
    std::vector<std::pair<std::string, size_t>> given;
    for (size_t i = 0; i < lineup.size(); ++i) {
      const auto names = names_of(lineup[i], lineup);
      for (const auto& name : names) given.emplace_back(name, station[i]);
      named += names.empty() ? 0 : 1;
      // What the merged lineup says of a channel, the station's own multiplex says too.
      const auto own = names_of(all[i], land.stations[station[i]]);
      if (!names.empty() && !own.empty()) {
        CAPTURE(all[i].virtual_channel + " " + all[i].name);
        CHECK(std::ranges::find(own, names.front()) != own.end());
      }
    }
    std::ranges::sort(given);
    for (size_t i = 1; i < given.size(); ++i) {
      CAPTURE(given[i].first);
      if (given[i - 1].first == given[i].first) CHECK(given[i - 1].second == given[i].second);
    }
    for (size_t i = 0; i < all.size(); ++i)
      for (size_t k = 0; k < i; ++k) shared += station[i] != station[k] && all[i].virtual_channel == all[k].virtual_channel ? 1 : 0;
  }
  CHECK(named > 1000);
  CHECK(shared > 1000);
}

TEST_CASE("aliases are ids of the same profile and variant") {
  const auto whdh = channel("7.1", "WHDH-HD", 1363);
  const auto got = identify(whdh, {&whdh, 1}).value();
  const auto ids = alias_ids(got, "ts-v1").value();
  REQUIRE(ids.size() == 1);
  CHECK(ids[0].text() == "ec/stream/v1/broadcast/standard-atsc/tsid-1363/channel-7.1/profile-ts-v1/variant-main");
  CHECK(alias_ids(got, "NO").error().code == errc::invalid_argument);
}
