// The socket below the endpoint, over the loopback interface.
#include "tests/support/poll_loop.hpp"
#include "tests/unit/quic/pair.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

struct loopback {
  apps server_apps;
  std::unique_ptr<quic::endpoint> server, client;
  app mine;

  explicit loopback(const std::string& listen, bool offload) {
    auto config = pair::server_config();
    config.listen = quic::socket_address::parse(listen).value();
    config.udp.gso = config.udp.gro = offload;
    auto made = quic::endpoint::create(config, &server_apps);
    REQUIRE_MESSAGE(made, made.error().message());
    server = std::move(made.value());
    quic::endpoint_config mine_config;
    mine_config.udp.gso = mine_config.udp.gro = offload;
    auto dialler = quic::endpoint::create(mine_config, nullptr);
    REQUIRE(dialler);
    client = std::move(dialler.value());
  }
  void dial(const std::string& host) {
    const auto to = quic::socket_address::parse(host + ":" + std::to_string(server->local().port())).value();
    auto c = client->connect(to, "", quic::client_verification::pinned(identity()->spki()), {"moqt-18"}, mine, base::mono_now());
    REQUIRE(c);
    mine.c = c.value();
  }
};

} // namespace

TEST_CASE("four megabytes are echoed over real sockets, with and without offload, on IPv4 and on a socket of both families") {
  for (const auto& [listen, host, offload] :
       {std::tuple{"127.0.0.1:0", "127.0.0.1", true}, std::tuple{"127.0.0.1:0", "127.0.0.1", false}, std::tuple{"[::]:0", "127.0.0.1", true}}) {
    CAPTURE(listen);
    CAPTURE(offload);
    loopback l(listen, offload);
    l.server_apps.echo = true;
    l.dial(host);
    REQUIRE(poll_endpoints({l.server.get(), l.client.get()}, [&] { return l.mine.connected || l.mine.closed; }));
    REQUIRE(l.mine.connected);
    const auto sent = pattern(4u << 20);
    const auto id = l.mine.c->open_bidi();
    REQUIRE(l.mine.c->write(*id, sent, true) == quic::write_result::queued);
    REQUIRE(poll_endpoints({l.server.get(), l.client.get()}, [&] { return l.mine.fins[*id]; }));
    CHECK(l.mine.data[*id] == sent.text());
    const auto udp = l.client->counters().udp;
    if (offload) CHECK(udp.send_calls * 4 < udp.sent_datagrams);
    else CHECK(udp.sent_datagrams > 2000);
  }
}

TEST_CASE("a port where nobody listens is told by ICMP, not by a timeout") {
  loopback l("127.0.0.1:0", true);
  const auto port = l.server->local().port();
  l.server.reset();
  auto c = l.client->connect(quic::socket_address::parse("127.0.0.1:" + std::to_string(port)).value(), "",
                             quic::client_verification::insecure(), {"moqt-18"}, l.mine, base::mono_now());
  REQUIRE(c);
  REQUIRE(poll_endpoints({l.client.get()}, [&] { return l.mine.closed.has_value(); }));
  CHECK(l.mine.closed->what == quic::close_reason::kind::refused);
  CHECK(l.mine.closed->text.find("Connection refused") != std::string::npos);
}

TEST_CASE("an address in use is told as such") {
  loopback l("127.0.0.1:0", true);
  auto config = pair::server_config();
  config.listen = l.server->local();
  apps other;
  auto second = quic::endpoint::create(config, &other);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == base::errc::busy);
}
