#include "tests/unit/quic/pair.hpp"

#include <fstream>

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;
using kind = quic::close_reason::kind;

namespace {
bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}
} // namespace

TEST_CASE("a client with the right pin connects, and both sides know the ALPN and the peer") {
  pair p;
  auto& theirs = p.connect();
  CHECK(p.mine.alpn == "moqt-18");
  CHECK(theirs.alpn == "moqt-18");
  CHECK(p.mine.peer == "10.0.0.1:4433");
  CHECK(theirs.peer == "10.0.0.2:5000");
  CHECK(p.mine.c->peer_spki() == identity()->spki());
  CHECK(p.mine.c->stats().smoothed_rtt >= 10ms);
  CHECK(p.server->counters().accepted == 1);
}

TEST_CASE("a wrong pin ends the handshake on both sides and says which key came") {
  pair p;
  quic::spki_digest other{};
  p.dial(p.mine, quic::client_verification::pinned(other));
  REQUIRE(p.net.run([&] { return p.mine.closed.has_value() && p.server->connections() == 0; }));
  CHECK(p.mine.closed->what == kind::tls);
  CHECK(contains(p.mine.closed->text, "the server's key does not match the pin: expected 0000"));
  CHECK_FALSE(p.mine.connected);
  CHECK(p.server_apps.all.empty());
  CHECK(p.server->counters().handshakes_failed == 1);
}

TEST_CASE("a CA and a server name verify; an unknown CA and a wrong name do not") {
  const auto dir = std::filesystem::temp_directory_path() / ("ec-quic-ca-" + std::to_string(::getpid()) + ".pem");
  std::ofstream(dir) << identity()->chain_pem();
  {
    pair p;
    p.dial(p.mine, quic::client_verification::ca(dir.string()));
    REQUIRE(p.net.run([&] { return p.mine.connected || p.mine.closed; }));
    CHECK_MESSAGE(p.mine.connected, (p.mine.closed ? p.mine.closed->text : ""));
  }
  {
    pair p;
    p.dial(p.mine, quic::client_verification::ca(dir.string()), {"moqt-18"}, "other.test");
    REQUIRE(p.net.run([&] { return p.mine.closed.has_value(); }));
    CHECK(contains(p.mine.closed->text, "it is for another name than 'other.test'"));
  }
  {
    std::ofstream(dir) << make_identity()->chain_pem();
    pair p;
    p.dial(p.mine, quic::client_verification::ca(dir.string()));
    REQUIRE(p.net.run([&] { return p.mine.closed.has_value(); }));
    CHECK(contains(p.mine.closed->text, "the server's certificate is not trusted"));
  }
  std::filesystem::remove(dir);
}

TEST_CASE("insecure takes any certificate") {
  pair p;
  p.dial(p.mine, quic::client_verification::insecure());
  REQUIRE(p.net.run([&] { return p.mine.connected; }));
}

TEST_CASE("the server picks the ALPN in its own order") {
  pair p;
  p.dial(p.mine, p.pin(), {"other", "moqt-16", "moqt-18"});
  REQUIRE(p.net.run([&] { return p.mine.connected; }));
  CHECK(p.mine.alpn == "moqt-18");
}

TEST_CASE("no common ALPN is said in these words") {
  pair p;
  p.dial(p.mine, p.pin(), {"moqt-99"});
  REQUIRE(p.net.run([&] { return p.mine.closed.has_value(); }));
  CHECK(contains(p.mine.closed->text, "no common ALPN (we offer moqt-99)"));
}

TEST_CASE("Retry validates the address before a connection is made") {
  auto config = pair::server_config();
  config.retry_always = true;
  pair p(config);
  p.connect();
  CHECK(p.server->counters().retries_sent == 1);
  CHECK(p.server->counters().accepted == 1);
}

TEST_CASE("over the threshold of half-open connections newcomers get a Retry") {
  auto config = pair::server_config();
  config.retry_threshold = 2;
  pair p(config);
  app a, b, c;
  for (auto* each : {&a, &b, &c}) p.dial(*each, p.pin());
  REQUIRE(p.net.run([&] { return a.connected && b.connected && c.connected; }));
  CHECK(p.server->counters().retries_sent == 1);
}

TEST_CASE("over the connection limit a newcomer is refused and told so") {
  auto config = pair::server_config();
  config.connections_max = 1;
  pair p(config);
  p.connect();
  app second;
  p.dial(second, p.pin());
  REQUIRE(p.net.run([&] { return second.closed.has_value(); }));
  CHECK(second.closed->what == kind::refused);
  CHECK(second.closed->text == "the server takes no more connections");
  CHECK(p.server->counters().refused >= 1);
}

TEST_CASE("an application that refuses closes the newcomer") {
  pair p;
  p.server_apps.refuse = true;
  p.dial(p.mine, p.pin());
  REQUIRE(p.net.run([&] { return p.mine.closed.has_value(); }));
  CHECK(p.mine.closed->what == kind::refused);
}

TEST_CASE("no answer ends after the handshake timeout, with the address and the time") {
  pair p;
  p.net.lose = [](uint64_t, const quic::socket_address&, std::span<const uint8_t>) { return true; };
  p.dial(p.mine, p.pin());
  const auto start = p.net.now;
  REQUIRE(p.net.run([&] { return p.mine.closed.has_value(); }));
  CHECK(p.mine.closed->what == kind::handshake_timeout);
  CHECK(p.mine.closed->text == "no answer from 10.0.0.1:4433 within 10 s");
  CHECK(p.net.now - start >= 10s);
  CHECK(p.net.now - start < 11s);
}

TEST_CASE("nobody listening is told at once (ICMP)") {
  pair p;
  auto made = p.client->connect(quic::socket_address::parse("10.0.0.9:1").value(), "x", p.pin(), {"moqt-18"}, p.mine, p.net.now);
  REQUIRE(made);
  REQUIRE(p.net.run([&] { return p.mine.closed.has_value(); }, 1s));
  CHECK(p.mine.closed->what == kind::refused);
  CHECK(contains(p.mine.closed->text, "nobody answers at 10.0.0.9:1"));
}

TEST_CASE("a handshake survives the loss of every third datagram") {
  pair p;
  p.net.lose = [](uint64_t n, const quic::socket_address&, std::span<const uint8_t>) { return n % 3 == 0; };
  p.connect();
}

TEST_CASE("what cannot work is refused at once") {
  pair p;
  CHECK_FALSE(p.client->connect(quic::socket_address(), "", p.pin(), {"a"}, p.mine, p.net.now));
  CHECK_FALSE(p.client->connect(quic::socket_address::parse("[::1]:1").value(), "", p.pin(), {"a"}, p.mine, p.net.now));
  CHECK_FALSE(p.client->connect(quic::socket_address::parse("10.0.0.1:1").value(), "", p.pin(), {}, p.mine, p.net.now));
  CHECK_FALSE(p.client->connect(quic::socket_address::parse("10.0.0.1:1").value(), "", quic::client_verification::ca("/nowhere.pem"), {"a"}, p.mine, p.net.now));
  apps none;
  CHECK_FALSE(quic::endpoint::create(quic::endpoint_config{}, p.net.open("10.0.0.3:1"), &none));
}
