#include "discovery/announcement.hpp"

#include <random>

#include <doctest/doctest.h>

#include "base/json.hpp"
#include "base/limits.hpp"
#include "tests/support/data.hpp"
#include "tests/unit/discovery/fixture.hpp"

using namespace ec;
using namespace ec::test;
namespace json = ec::base::json;

namespace {

const json::value& vectors() {
  static const auto all = [] {
    const char* root = std::getenv("EC_SOURCE_ROOT");
    return json::parse(read_text(std::filesystem::path(root == nullptr ? "." : root) / "tests/vectors/announcement/v1.json")).value();
  }();
  return all;
}

} // namespace

TEST_CASE("golden announcements are read, verified and written as they stand") {
  const auto& list = *vectors().find("announcements")->as_array();
  REQUIRE(list.size() == 4);
  for (const auto& v : list) {
    const auto& text = *v.find("encoded")->as_string();
    CAPTURE(*v.find("name")->as_string());
    const auto read = discovery::decode(text);
    REQUIRE_MESSAGE(read.has_value(), read.error().message());
    CHECK(discovery::encode(read.value()) == text);
    CHECK(discovery::genuine(read.value()));
    CHECK(static_cast<int64_t>(text.size()) == *v.find("bytes")->as_int());
    CHECK(discovery::fits_dht(text) == *v.find("fits_dht")->as_bool());
    const auto& names = *v.find("names")->as_array();
    const auto got = discovery::names(read.value());
    REQUIRE(got.size() == names.size());
    for (size_t i = 0; i < got.size(); ++i) CHECK(got[i] == *names[i].as_string());
  }
}

TEST_CASE("what a golden vector says is refused is refused") {
  const auto& list = *vectors().find("refused")->as_array();
  REQUIRE(list.size() >= 20);
  for (const auto& v : list) {
    CAPTURE(*v.find("name")->as_string());
    const auto read = discovery::decode(*v.find("encoded")->as_string());
    REQUIRE_FALSE(read.has_value());
    CHECK(base::name(read.error().code) == *v.find("error")->as_string());
  }
}

TEST_CASE("no change of one byte of an announcement goes unnoticed") {
  const auto text = signed_by(1, draft(1));
  for (size_t at = 0; at < text.size(); ++at) {
    for (const char other : {'0', '1', 'a', '"', ',', ' ', '/'}) {
      if (text[at] == other) continue;
      auto changed = text;
      changed[at] = other;
      const auto read = discovery::decode(changed);
      if (!read) continue;
      CAPTURE(changed);
      CHECK_FALSE(discovery::genuine(read.value()));
    }
  }
}

TEST_CASE("whatever can be said is read back the same, and is its signer's") {
  std::mt19937 random(7);
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  size_t largest = 0;
  for (int round = 0; round < 200; ++round) {
    const auto who = static_cast<uint32_t>(pick(5)) + 1;
    auto a = draft(who, "ec/stream/v1/broadcast/standard-dvb/network-" + std::to_string(pick(65536)) + "/tsid-1/program-7/profile-ts-v1/variant-main");
    for (int i = pick(5); i > 0; --i) a.aliases.push_back("ec/stream/v1/broadcast/standard-atsc/tsid-" + std::to_string(10 - i) + "/channel-9.10");
    a.chunks = pick(2) == 0;
    a.manifests = !a.chunks || pick(2) == 0;
    a.transports.clear();
    for (int i = pick(4); i > 0; --i) {
      if (pick(2) == 0) {
        discovery::direct_transport t{pick(2) == 0 ? "[2001:db8::1]:4443" : "node.example:" + std::to_string(1 + pick(65535)), "moqt-18", {}};
        t.spki[0] = static_cast<uint8_t>(pick(256));
        a.transports.emplace_back(t);
      } else {
        discovery::relay_transport t{pick(2) == 0 ? "https://relay.example/moq" : "moqt://relay.example:443/x", "every/" + std::to_string(pick(99)), {}, {}};
        if (pick(2) == 0) t.tracks = {"chunks", "manifests"};
        if (pick(2) == 0) t.spki.emplace();
        a.transports.emplace_back(t);
      }
    }
    a.sequence = 1 + random();
    const auto text = signed_by(who, a);
    largest = std::max(largest, text.size());
    const auto read = discovery::decode(text);
    REQUIRE_MESSAGE(read.has_value(), read.error().message());
    CHECK(discovery::encode(read.value()) == text);
    CHECK(discovery::genuine(read.value()));
    auto forged = read.value();
    forged.signer = key_of(who + 1).public_key();
    CHECK_FALSE(discovery::genuine(forged));
  }
  CHECK(largest > 996);
}

TEST_CASE("an address is given as it is dialled, with its pin") {
  discovery::direct_transport d{"[2001:db8::1]:4443", "moqt-18", {}};
  d.spki.fill(0xab);
  std::string pin;
  for (int i = 0; i < 32; ++i) pin += "ab";
  CHECK(discovery::full_address(d) == "moqt://[2001:db8::1]:4443#spki=" + pin);
  CHECK(discovery::full_address(discovery::relay_transport{"https://relay.example/moq", "x", {}, {}}) == "https://relay.example/moq");
}
