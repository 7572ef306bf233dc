#include <doctest/doctest.h>

#include "base/hex.hpp"
#include "base/limits_carriers.hpp"
#include "discovery/mdns.hpp"

using namespace ec;
using discovery::mdns_roster;

namespace {

discovery::spki_digest pin_of(uint8_t n) {
  discovery::spki_digest out{};
  out.fill(n);
  return out;
}

std::vector<std::string> txt(uint8_t n) {
  return {"v=1", "spki=" + base::to_hex(pin_of(n))};
}

constexpr int inet = 0, inet6 = 1;

} // namespace

TEST_CASE("a node that is seen on several interfaces, and by IPv4 and IPv6, is one neighbour, by its IPv4 address") {
  mdns_roster roster;
  CHECK(roster.found({"roof", 2, inet6}, "2001:db8::7", true, 4443, txt(1)));
  REQUIRE(roster.peers({}).size() == 1);
  CHECK(roster.peers({})[0].address == "[2001:db8::7]:4443");
  CHECK(roster.found({"roof", 2, inet}, "192.0.2.7", false, 4443, txt(1)));
  CHECK(roster.found({"roof", 3, inet}, "198.51.100.7", false, 4443, txt(1)));
  REQUIRE(roster.peers({}).size() == 1);
  CHECK(roster.peers({})[0].address == "192.0.2.7:4443");
  CHECK(roster.peers({})[0].spki == pin_of(1));
  roster.gone({"roof", 2, inet});
  CHECK(roster.peers({})[0].address == "198.51.100.7:4443");
  roster.gone({"roof", 3, inet});
  roster.gone({"roof", 2, inet6});
  CHECK(roster.peers({}).empty());
}

TEST_CASE("a node does not find itself, and two instances of one pin are one node") {
  mdns_roster roster;
  CHECK(roster.found({"roof", 2, inet}, "192.0.2.7", false, 4443, txt(1)));
  CHECK(roster.found({"roof #2", 2, inet}, "192.0.2.8", false, 4443, txt(1)));
  CHECK(roster.found({"attic", 2, inet}, "192.0.2.9", false, 4443, txt(2)));
  CHECK(roster.peers({}).size() == 2);
  REQUIRE(roster.peers(pin_of(1)).size() == 1);
  CHECK(roster.peers(pin_of(1))[0].name == "attic");
}

TEST_CASE("what is none of ours, of another version, or cannot be dialled is no neighbour") {
  mdns_roster roster;
  const mdns_roster::place at{"roof", 2, inet};
  const auto pin = "spki=" + base::to_hex(pin_of(1));
  CHECK_FALSE(roster.found(at, "192.0.2.7", false, 4443, {}));
  CHECK_FALSE(roster.found(at, "192.0.2.7", false, 4443, {pin}));
  CHECK_FALSE(roster.found(at, "192.0.2.7", false, 4443, {"v=2", pin}));
  CHECK_FALSE(roster.found(at, "192.0.2.7", false, 4443, {"v=1", "spki=abcd"}));
  CHECK_FALSE(roster.found(at, "192.0.2.7", false, 4443, {"v=1", pin + "00"}));
  CHECK_FALSE(roster.found(at, "192.0.2.7", false, 4443, {"v=1", "spki=" + std::string(64, 'x')}));
  CHECK_FALSE(roster.found(at, "192.0.2.7", false, 0, txt(1)));
  CHECK_FALSE(roster.found(at, "fe80::1", true, 4443, txt(1)));
  CHECK(roster.size() == 0);
  // Strings of later versions are left alone; the first of a key counts.
  CHECK(roster.found(at, "192.0.2.7", false, 4443, {"v=1", "region=x", pin, "spki=" + base::to_hex(pin_of(2))}));
  CHECK(roster.peers({})[0].spki == pin_of(1));
  // It says something else now: it is not who it was.
  CHECK_FALSE(roster.found(at, "192.0.2.7", false, 4443, {"v=1"}));
  CHECK(roster.peers({}).empty());
}

TEST_CASE("a network full of instances is bounded, and those that are known stay") {
  mdns_roster roster;
  for (size_t i = 0; i < base::limits::mdns_instances_max; ++i)
    CHECK(roster.found({"node " + std::to_string(i), 2, inet}, "192.0.2.7", false, 4443, txt(static_cast<uint8_t>(i))));
  CHECK_FALSE(roster.found({"one more", 2, inet}, "192.0.2.7", false, 4443, txt(1)));
  CHECK(roster.crowded_out() == 1);
  CHECK(roster.found({"node 0", 2, inet}, "192.0.2.8", false, 4443, txt(0)));
  roster.gone({"node 1", 2, inet});
  CHECK(roster.found({"one more", 2, inet}, "192.0.2.7", false, 4443, txt(1)));
}
