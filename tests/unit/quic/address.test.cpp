#include "quic/address.hpp"

#include <doctest/doctest.h>

#include <string>

using ec::base::errc;
using ec::quic::endpoint_address;
using ec::quic::socket_address;

namespace {
const std::string pin_hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
}

TEST_CASE("numeric socket addresses are read and printed") {
  for (const std::string text : {"127.0.0.1:4433", "[::1]:4433", "0.0.0.0:0", "[::]:65535", "[2001:db8::7]:1"}) {
    auto parsed = socket_address::parse(text);
    REQUIRE_MESSAGE(parsed, text);
    CHECK(parsed.value().to_string() == text);
  }
  CHECK(socket_address::parse("0.0.0.0:1").value().wildcard());
  CHECK(socket_address::parse("[::]:1").value().wildcard());
  CHECK_FALSE(socket_address::parse("[::1]:1").value().wildcard());
  CHECK(socket_address().to_string() == "unspecified");
}

TEST_CASE("an IPv4-mapped address is IPv4, and goes back for a socket of both families") {
  auto mapped = socket_address::parse("[::ffff:10.0.0.7]:9");
  REQUIRE(mapped);
  CHECK(mapped.value().to_string() == "10.0.0.7:9");
  const auto back = mapped.value().mapped();
  CHECK(back.v6());
  CHECK(back.port() == 9);
  CHECK(socket_address::from(back.data(), back.size()) == mapped.value());
}

TEST_CASE("what is no numeric socket address is refused") {
  for (const std::string text : {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:04433", "localhost:1",
                                 "::1:4433", "[::1]", "[::1]4433", "[::1:4433", "[127.0.0.1]:1", "1.2.3:5", "127.0.0.1:1x"}) {
    CHECK_MESSAGE(!socket_address::parse(text), text);
  }
}

TEST_CASE("endpoint addresses: golden forms and their parts") {
  struct golden {
    std::string text, host;
    uint16_t port;
    std::string path;
    bool pin;
    std::string printed;
  };
  const golden all[] = {
    {"example.org:4433", "example.org", 4433, "", false, "moqt://example.org:4433"},
    {"127.0.0.1:4433", "127.0.0.1", 4433, "", false, "moqt://127.0.0.1:4433"},
    {"[::1]:4433", "::1", 4433, "", false, "moqt://[::1]:4433"},
    {"moqt://relay.example:443", "relay.example", 443, "", false, "moqt://relay.example:443"},
    {"moqt://relay.example:443/", "relay.example", 443, "/", false, "moqt://relay.example:443/"},
    {"moqt://relay.example:443/tv/a?b=c&d", "relay.example", 443, "/tv/a?b=c&d", false, "moqt://relay.example:443/tv/a?b=c&d"},
    {"moqt://[2001:db8::1]:1/x#spki=" + pin_hex, "2001:db8::1", 1, "/x", true, "moqt://[2001:db8::1]:1/x#spki=" + pin_hex},
    {"https://relay.example:4433/tv", "relay.example", 4433, "/tv", false, "https://relay.example:4433/tv"},
    {"https://relay.example", "relay.example", 443, "", false, "https://relay.example:443"},
    {"https://[2001:db8::1]/x#spki=" + pin_hex, "2001:db8::1", 443, "/x", true, "https://[2001:db8::1]:443/x#spki=" + pin_hex},
    {"host:1#spki=" + pin_hex, "host", 1, "", true, "moqt://host:1#spki=" + pin_hex},
  };
  for (const auto& g : all) {
    auto parsed = endpoint_address::parse(g.text);
    REQUIRE_MESSAGE(parsed, g.text);
    const auto& a = parsed.value();
    CHECK(a.host == g.host);
    CHECK(a.port == g.port);
    CHECK(a.path == g.path);
    CHECK(a.pin.has_value() == g.pin);
    CHECK(a.to_string() == g.printed);
    CHECK((a.by == endpoint_address::scheme::https) == g.text.starts_with("https"));
    CHECK(endpoint_address::parse(a.to_string()).value() == a);
  }
  CHECK(endpoint_address::parse(all[6].text).value().pin->at(31) == 0x1f);
  CHECK(endpoint_address::parse(all[6].text).value().authority() == "[2001:db8::1]:1");
}

TEST_CASE("what is no endpoint address is refused, and the message names it") {
  for (const std::string& text :
       {std::string("http://host:1"), std::string("https://"), std::string("https://host:0"), std::string("https://::1"), std::string("https://host:"), std::string("moqt://host"), std::string("moqt://:1"), std::string("host:0"), std::string("host:99999"),
        std::string("ho st:1"), std::string("host:1/a b"), std::string("host:1#spki="), "host:1#spki=" + pin_hex + "00",
        std::string("host:1#pin=00"), "host:1#spki=" + std::string(64, 'A'), std::string("[nonsense]:1"), std::string("a:b:1"),
        std::string("moqt://user@host:1")}) {
    auto parsed = endpoint_address::parse(text);
    REQUIRE_MESSAGE(!parsed, text);
    CHECK(parsed.error().about == text);
  }
  CHECK(endpoint_address::parse(std::string(5000, 'a') + ":1").error().code == errc::too_large);
}

TEST_CASE("numeric hosts resolve without a look-up") {
  auto found = ec::quic::resolve("127.0.0.1", 7);
  REQUIRE(found);
  REQUIRE(found.value().size() == 1);
  CHECK(found.value()[0].to_string() == "127.0.0.1:7");
  CHECK(ec::quic::resolve("::1", 8).value()[0].to_string() == "[::1]:8");
}
