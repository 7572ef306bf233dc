// Certificates that clients show.
#include "tests/support/certificates.hpp"
#include "tests/unit/quic/pair.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;
using kind = quic::close_reason::kind;

namespace {

struct refusals : apps {
  std::vector<std::string> told;
  void on_certificate_refused(const quic::socket_address&, const std::string& subject, const std::string& why) override { told.push_back(subject + ": " + why); }
};

/// A server that asks for certificates of `home`, and a client that shows `shown`.
struct asked {
  virtual_net net;
  refusals server_apps;
  std::unique_ptr<quic::endpoint> server, client;
  app mine;

  asked(const authority& home, std::shared_ptr<const crypto::certificate_pair> shown) {
    auto config = test::pair::server_config();
    config.client_ca_pem = home.pem();
    server = quic::endpoint::create(std::move(config), net.open("10.0.0.1:4433"), &server_apps).value();
    net.attach(*server);
    client = quic::endpoint::create({.client_identity = std::move(shown)}, net.open("10.0.0.2:5000"), nullptr).value();
    net.attach(*client);
    auto made = client->connect(quic::socket_address::parse("10.0.0.1:4433").value(), "server.test", quic::client_verification::pinned(identity()->spki()), {"moqt-18"}, mine, net.now);
    REQUIRE(made);
    mine.c = made.value();
  }
  ~asked() {
    net.detach(*client);
    net.detach(*server);
  }
  /// It is let in: what the server knows of it.
  std::optional<quic::client_certificate> let_in() {
    REQUIRE(net.run([&] { return mine.closed.has_value() || (mine.connected && !server_apps.all.empty() && server_apps.all.back()->connected); }));
    REQUIRE_MESSAGE(!mine.closed, mine.closed->text);
    return server_apps.all.back()->c->client_certificate();
  }
  /// It is turned away with this alert, and both sides say why.
  void refused(uint64_t alert, const std::string& why) {
    REQUIRE(net.run([&] { return mine.closed.has_value() && server->connections() == 0; }));
    CHECK(mine.closed->what == kind::transport);
    CHECK(mine.closed->code == 0x100 + alert);
    CHECK_MESSAGE(mine.closed->text.find(why) != std::string::npos, mine.closed->text);
    CHECK(server_apps.all.empty());
    REQUIRE(server_apps.told.size() == 1);
    CHECK_MESSAGE(server_apps.told[0].starts_with("CN=relay-2: "), server_apps.told[0]);
    CHECK(server_apps.told[0].find(why) != std::string::npos);
    CHECK(server->counters().certificates_refused == 1);
    CHECK(server->counters().handshakes_failed == 1);
  }
};

} // namespace

TEST_CASE("a client with a certificate of the authority is known by it, one without is let in unknown") {
  const authority home("home");
  const auto made = home.sign("relay-2").pair();
  const auto known = asked(home, made).let_in();
  REQUIRE(known.has_value());
  CHECK(known->subject == "CN=relay-2");
  CHECK(known->spki == made->spki());
  CHECK(known->not_after == made->not_after());
  CHECK_FALSE(asked(home, nullptr).let_in().has_value());
}

TEST_CASE("a certificate of another authority, out of its time or for another purpose is refused with its alert") {
  const authority home("home"), other("other");
  asked(home, other.sign("relay-2").pair()).refused(48, "the client's certificate CN=relay-2 is not trusted: its issuer is unknown here");
  asked(home, home.sign("relay-2", -48h, -1h).pair()).refused(45, "the client's certificate CN=relay-2 is not trusted: it is expired");
  asked(home, home.sign("relay-2", 24h, 48h).pair()).refused(45, "it is not valid yet");
  asked(home, home.sign("relay-2", -1h, 24h, GNUTLS_KP_TLS_WWW_SERVER).pair()).refused(42, "CN=relay-2 is not trusted: it is for another purpose");
}

TEST_CASE("a server that does not ask is shown nothing") {
  const authority home("home");
  test::pair p(test::pair::server_config(), {.client_identity = home.sign("relay-2").pair()});
  CHECK_FALSE(p.connect().c->client_certificate().has_value());
}

TEST_CASE("a text without certificates is no list of authorities") {
  CHECK(quic::check_authorities(authority("home").pem()).has_value());
  CHECK(quic::check_authorities("garbage").error().code == base::errc::malformed);
  CHECK(quic::check_authorities("").error().code == base::errc::malformed);
}
