// A client that comes back to a node's endpoint: the endpoint's core, MoQ sessions and QUIC as they are, on a simulated network in virtual time.
#include <doctest/doctest.h>

#include "actors/endpoint_core.hpp"
#include "tests/support/moq_link.hpp"
#include "tests/unit/quic/pair.hpp"

using namespace ec;
using namespace std::chrono_literals;

namespace {

/// A loop whose time is the network's, and whom the network drives.
class still_loop final : public actors::net_loop {
public:
  still_loop(caf::actor_system& sys, const test::virtual_net& net) : net_loop(&sys), net_(net) {}
  base::mono_time now() const override { return net_.now; }
  base::result<void> add(int, actors::loop_source&) override { return base::ok(); }
  void remove(int) override {}
  void start() override {}
  void stop() override {}
  void exec_later(caf::resumable* job) override { caf::intrusive_ptr_release(job); } // no actor lives here

private:
  const test::virtual_net& net_;
};

struct asker final : moq::upper_layer {
  bool answered = false;
  std::function<void()> at_setup;
  void on_setup(const moq::peer_setup&) override {
    if (at_setup) at_setup();
  }
  void on_subscribe_ok(moq::request_id, const moq::subscribe_ok&) override { answered = true; }
};

struct scene {
  caf::actor_system_config caf_config;
  caf::actor_system sys{caf_config};
  test::virtual_net net;
  still_loop loop{sys, net};
  std::shared_ptr<actors::endpoint_core> core;
  std::unique_ptr<quic::endpoint> client;

  scene() {
    actors::machine on;
    on.make_loop = [this](caf::actor_system& s) { return std::make_unique<still_loop>(s, net); };
    on.open_endpoint = [this](quic::endpoint_config config, quic::acceptor* accept) { return quic::endpoint::create(std::move(config), net.open("10.0.0.1:4433"), accept); };
    quic::endpoint_config config;
    config.identity = test::identity();
    config.alpns = actors::moq_protocols();
    config.alpns.emplace_back(quic::webtransport_alpn);
    config.tickets = on.tickets;
    core = actors::endpoint_core::make(sys, std::move(config), "test", on).value();
    net.attach(core->quic());
    core->store().add(test::track_name("news"), {}, net.now).value();
    client = quic::endpoint::create({.known = on.known}, net.open("10.0.0.2:5000"), nullptr).value();
    net.attach(*client);
  }
  ~scene() {
    net.detach(*client);
    net.detach(core->quic());
  }
  /// Dials, subscribes and leaves: how long it took from the dial to SUBSCRIBE_OK.
  base::mono_duration subscribe(const std::string& scheme, const std::string& protocol) {
    asker above;
    bool gone = false;
    const auto address = quic::endpoint_address::parse(scheme + "://server.test:4433").value();
    actors::moq_link link(loop, actors::client_config(address, "test"), above, nullptr, [&](const quic::close_reason&) { gone = true; });
    const auto start = net.now;
    REQUIRE(link.dial(*client, address, quic::socket_address::parse("10.0.0.1:4433").value(), quic::client_verification::pinned(test::identity()->spki()), {protocol}));
    // Sessions of other families than the first learn which they are when they are connected.
    const auto ask = [&] { link.session().subscribe(test::track_name("news"), {}); };
    if (protocol == "moqt-18") ask();
    else above.at_setup = ask;
    REQUIRE(net.run([&] { return above.answered; }));
    const auto took = net.now - start;
    net.run([] { return false; }, 1s); // the ticket comes
    link.session().close(moq::session_code::no_error, "done");
    REQUIRE(net.run([&] { return gone && core->quic().connections() == 0; }));
    core->flush(net.now);
    return took;
  }
};

} // namespace

TEST_CASE("a subscriber that comes back has its SUBSCRIBE_OK a round trip sooner, to the microsecond, in every version") {
  // From dial to answer: the handshake takes one round trip of 10 ms, the request one, and a version in which it waits for the server's SETUP one more.
  const std::vector<std::pair<std::string, base::mono_duration>> all{{"moqt-18", 20ms}, {"moqt-16", 30ms}, {"moq-lite-05", 30ms}, {"moq-lite-04", 20ms}};
  for (const auto& [protocol, whole] : all) {
    CAPTURE(protocol);
    scene s;
    CHECK(s.subscribe("moqt", protocol) == whole);
    CHECK(s.subscribe("moqt", protocol) == whole - 10ms);
    CHECK(s.subscribe("moqt", protocol) == whole - 10ms); // each visit gives a ticket for the next
    CHECK(s.core->quic().counters().resumed == 2);
    CHECK(s.core->quic().counters().early_data_accepted == 2);
    CHECK(s.core->quic().counters().early_data_rejected == 0);
  }
}

TEST_CASE("over WebTransport a session begins as if its client had never been there") {
  scene s;
  const auto first = s.subscribe("https", "moq-lite-04");
  CHECK(s.subscribe("https", "moq-lite-04") == first);
  CHECK(s.core->quic().counters().resumed == 0);
  CHECK(s.core->quic().counters().early_data_rejected == 0);
}
