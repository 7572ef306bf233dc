// Clients that come back: tickets and early data, in virtual time.
#include "tests/support/certificates.hpp"
#include "tests/unit/quic/pair.hpp"

#include "quic/internal/tls_messages.hpp"
#include "quic/tickets.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;
using kind = quic::close_reason::kind;

namespace {

struct early_app : app {
  bool done = false;
  bool was_early = false; ///< when it was told of the connection
  std::string first_words; ///< said on a stream as soon as there is a connection
  std::vector<std::pair<std::string, bool>> heard; ///< data, and whether the handshake was complete then
  void on_connected(std::string_view a, const quic::socket_address& p) override {
    app::on_connected(a, p);
    was_early = c->early();
    if (first_words.empty()) return;
    const auto id = c->open_bidi();
    REQUIRE(id);
    CHECK(c->write(*id, base::bytes::copy(first_words), true) == quic::write_result::queued);
  }
  void on_handshake_done() override { done = true; }
  void on_stream_data(uint64_t id, base::bytes d, bool fin) override {
    heard.emplace_back(d.text(), !c->early());
    app::on_stream_data(id, d, fin);
  }
};

struct early_apps : quic::acceptor {
  std::vector<std::unique_ptr<early_app>> all;
  bool echo = false;
  quic::connection_events* on_accept(quic::connection& c, std::string_view, const quic::socket_address&) override {
    all.push_back(std::make_unique<early_app>());
    all.back()->c = &c;
    all.back()->echo = echo;
    return all.back().get();
  }
};

quic::endpoint_config with_tickets(std::shared_ptr<quic::ticket_keys> keys) {
  auto config = test::pair::server_config();
  config.tickets = std::move(keys);
  return config;
}

/// A server with tickets, and a client that remembers.
struct returning {
  virtual_net net;
  std::shared_ptr<quic::ticket_keys> keys = std::make_shared<quic::ticket_keys>();
  std::shared_ptr<quic::known_servers> known = std::make_shared<quic::known_servers>();
  early_apps servers;
  std::unique_ptr<quic::endpoint> server, client;

  explicit returning(bool listen_now = true) {
    if (listen_now) listen(with_tickets(keys));
    client = quic::endpoint::create({.known = known}, net.open("10.0.0.2:5000"), nullptr).value();
    net.attach(*client);
  }
  ~returning() {
    if (server) net.detach(*server);
    net.detach(*client);
  }
  /// In place of the one that was.
  void listen(quic::endpoint_config config) {
    if (server) net.detach(*server);
    server.reset();
    for (auto& s : servers.all) s->c = nullptr;
    server = quic::endpoint::create(std::move(config), net.open("10.0.0.1:4433"), &servers).value();
    net.attach(*server);
  }
  void dial(early_app& a, const std::vector<std::string>& alpns = {"moqt-18"}) {
    auto made = client->connect(quic::socket_address::parse("10.0.0.1:4433").value(), "server.test", quic::client_verification::pinned(identity()->spki()), alpns, a, net.now);
    REQUIRE(made);
    a.c = made.value();
  }
  /// Comes, gets a ticket and leaves.
  void visit(const std::vector<std::string>& alpns = {"moqt-18"}) {
    early_app a;
    const auto before = known->size();
    dial(a, alpns);
    REQUIRE(net.run([&] { return a.connected && known->size() > before; }));
    CHECK_FALSE(a.was_early);
    leave(a);
  }
  void leave(early_app& a) {
    a.c->close(0, "bye");
    REQUIRE(net.run([&] { return a.closed && server->connections() == 0; }));
  }
  /// Dials, and writes as soon as it may.
  void ask(early_app& a, const std::string& what, const std::vector<std::string>& alpns = {"moqt-18"}) {
    a.first_words = what;
    dial(a, alpns);
    net.run([&] { return a.connected || a.closed; });
  }
  static base::bytes text(const std::string& s) { return base::bytes::copy(s); }
};

} // namespace

TEST_CASE("a client that comes back is answered a round trip sooner") {
  returning p;
  p.servers.echo = true;
  const auto time = [&](early_app& a) {
    const auto start = p.net.now;
    p.ask(a, "subscribe");
    REQUIRE(p.net.run([&] { return a.fins[0]; }));
    CHECK(a.bytes[0] == 9);
    return p.net.now - start;
  };
  early_app first, second;
  CHECK(time(first) == 20ms); // the handshake, then the question: two round trips
  REQUIRE(p.net.run([&] { return p.known->size() == 1; }));
  CHECK_FALSE(first.was_early);
  CHECK_FALSE(first.c->stats().resumed);
  p.leave(first);

  CHECK(time(second) == 10ms);
  CHECK(second.was_early);
  CHECK(second.alpn == "moqt-18");
  CHECK(second.c->peer_spki() == identity()->spki());
  auto& theirs = *p.servers.all.back();
  CHECK(theirs.was_early);
  REQUIRE(p.net.run([&] { return second.done && theirs.done; }));
  CHECK_FALSE(second.c->early());
  CHECK_FALSE(theirs.c->early());
  REQUIRE(theirs.heard.size() >= 1);
  CHECK_FALSE(theirs.heard[0].second); // it heard the question before the end of the handshake
  for (const auto* c : {second.c, theirs.c}) {
    CHECK(c->stats().resumed);
    CHECK(c->stats().early_data_accepted);
    CHECK_FALSE(c->stats().early_data_rejected);
  }
  for (const auto* e : {p.client.get(), p.server.get()}) {
    CHECK(e->counters().resumed == 1);
    CHECK(e->counters().early_data_accepted == 1);
    CHECK(e->counters().early_data_rejected == 0);
  }
  REQUIRE(p.net.run([&] { return p.known->size() == 1; })); // for the next time
}

TEST_CASE("early data that the server does not take goes again after the handshake, streams and all") {
  returning p;
  p.visit();
  p.listen(with_tickets(std::make_shared<quic::ticket_keys>())); // restarted: another secret
  early_app a;
  p.dial(a);
  REQUIRE(p.net.run([&] { return a.connected; }));
  REQUIRE(a.was_early);
  const auto ask = a.c->open_bidi(), more = a.c->open_bidi(), given_up = a.c->open_uni(), control = a.c->open_uni();
  REQUIRE((ask && more && given_up && control));
  CHECK(a.c->write(*ask, p.text("question"), true) == quic::write_result::queued);
  CHECK(a.c->write(*control, pattern(5000), false) == quic::write_result::queued);
  CHECK(a.c->write(*more, p.text("first"), false) == quic::write_result::queued);
  CHECK(a.c->write(*given_up, p.text("never mind"), false) == quic::write_result::queued);
  a.c->reset(*given_up, 7);
  a.c->stop_sending(*more, 9);
  REQUIRE(p.net.run([&] { return a.done; }));
  CHECK(a.c->stats().early_data_rejected);
  CHECK_FALSE(a.c->stats().resumed);
  CHECK(a.c->write(*more, p.text(" second"), true) == quic::write_result::queued);
  REQUIRE(p.net.run([&] { return !p.servers.all.empty() && p.servers.all.back()->fins[*ask] && p.servers.all.back()->fins[*more] && p.servers.all.back()->bytes[*control] == 5000; }));
  auto& theirs = *p.servers.all.back();
  CHECK_FALSE(theirs.was_early);
  CHECK(theirs.data[*ask] == "question");
  CHECK(theirs.data[*more] == "first second");
  CHECK(theirs.data[*control] == pattern(5000).text());
  REQUIRE(p.net.run([&] { return theirs.resets.contains(*given_up) && a.c->unacked() == 0; }));
  CHECK(theirs.resets[*given_up] == 7);
  REQUIRE(p.net.run([&] { return theirs.stops.contains(*more); }));
  CHECK(theirs.stops[*more] == 9);
  CHECK(a.c->unsent() == 0);
  CHECK(p.client->counters().early_data_rejected == 1);
  CHECK(p.server->counters().early_data_accepted == 0);
  CHECK(p.known->size() == 1); // the new server's
}

TEST_CASE("a server without tickets, or with tickets off since, serves who comes back as anybody") {
  returning p;
  p.visit();
  p.listen(test::pair::server_config());
  early_app a;
  p.ask(a, "question");
  REQUIRE(p.net.run([&] { return a.done && !p.servers.all.back()->data.empty(); }));
  CHECK(p.servers.all.back()->data[0] == "question");
  CHECK(a.c->stats().early_data_rejected);
  CHECK(p.known->size() == 0);
}

TEST_CASE("what was recorded and is sent once more is taken as early data by nobody") {
  returning p;
  p.visit();
  std::vector<std::vector<uint8_t>> recorded;
  p.net.lose = [&](uint64_t, const quic::socket_address& from, std::span<const uint8_t> bytes) {
    if (from.to_string() == "10.0.0.2:5000") recorded.emplace_back(bytes.begin(), bytes.end());
    return false;
  };
  early_app a;
  p.ask(a, "question");
  REQUIRE(p.net.run([&] { return a.done && p.servers.all.back()->done; }));
  CHECK(p.server->counters().early_data_accepted == 1);
  p.leave(a);
  p.net.lose = nullptr;
  p.net.run([] { return false; }, 10s); // its last words and ids are forgotten
  const auto sessions = p.servers.all.size();
  const auto thief = p.net.open("10.0.0.66:6666");
  std::vector<quic::udp_batch> batches;
  for (auto& bytes : recorded) {
    quic::udp_batch batch{};
    batch.local = thief->local();
    batch.remote = p.server->local();
    batch.bytes = bytes;
    batch.segment = bytes.size();
    batches.push_back(batch);
  }
  for (int again = 0; again < 2; ++again) { // the first time, if only to have the ids forgotten
    CHECK(thief->send(batches, p.net.now) == batches.size());
    p.net.run([] { return false; }, 30s);
  }
  CHECK(p.servers.all.size() == sessions);
  CHECK(p.server->counters().early_data_accepted == 1);
  CHECK(p.server->counters().handshakes_failed >= 1);
  CHECK(p.server->counters().early_data_rejected == 0); // the handshake never ended
  CHECK(p.server->connections() == 0);
}

TEST_CASE("a ticket does not outlive its secret, and a secret that is full makes room for another") {
  {
    returning p;
    p.visit();
    p.net.run([] { return false; }, 1h);
    early_app a;
    p.ask(a, "question");
    REQUIRE(p.net.run([&] { return a.done && !p.servers.all.back()->data.empty(); }));
    CHECK(a.was_early);
    CHECK(a.c->stats().early_data_rejected);
  }
  {
    returning p(false);
    p.keys = std::make_shared<quic::ticket_keys>(1h, 1);
    p.listen(with_tickets(p.keys));
    for (const bool taken : {true, false, true}) { // the ticket that came with the second is of the new secret
      if (p.known->size() == 0) p.visit();
      early_app a;
      p.ask(a, "question");
      REQUIRE(p.net.run([&] { return a.done && p.known->size() == 1; }));
      CHECK(a.c->stats().early_data_accepted == taken);
      p.leave(a);
    }
  }
  {
    returning p;
    p.visit();
    p.net.run([] { return false; }, 24h);
    early_app a;
    p.dial(a);
    REQUIRE(p.net.run([&] { return a.connected; }));
    CHECK_FALSE(a.was_early); // the client has forgotten it by itself
  }
}

TEST_CASE("tickets are for one ALPN, for limits that have not changed, and for one key of the server") {
  const auto refused = [](const std::function<void(returning&, quic::endpoint_config&)>& change) {
    returning p;
    p.visit({"moqt-18", "moqt-16"});
    auto config = with_tickets(p.keys);
    change(p, config);
    p.listen(config);
    early_app a;
    p.ask(a, "question", {"moqt-18", "moqt-16"});
    REQUIRE(p.net.run([&] { return a.closed || (a.done && !p.servers.all.back()->data.empty()); }));
    if (a.closed) return a.closed->text;
    CHECK(a.c->stats().early_data_rejected);
    return std::string();
  };
  CHECK(refused([](auto&, auto& config) { config.peer_streams_uni_max /= 2; }).empty());
  CHECK(refused([](auto&, auto& config) { config.stream_window /= 2; }).empty());
  CHECK(refused([](auto&, auto& config) { config.datagrams = false; }).empty());
  CHECK(refused([](auto&, auto& config) { config.identity = make_identity(); }).find("does not match the pin") != std::string::npos);
  const auto why = refused([](auto&, auto& config) { config.alpns = {"moqt-16"}; });
  CHECK(why == "the server is not as it was when it gave its ticket; dialling again will do");
  CHECK(quic::close_reason{kind::transport, 0, why}.retryable());
}

TEST_CASE("a limit that went below what was opened early ends the connection, and the next attempt asks first") {
  returning p;
  p.visit();
  auto config = with_tickets(p.keys);
  config.peer_streams_bidi_max = 1;
  p.listen(config);
  early_app a, b;
  p.dial(a);
  REQUIRE(p.net.run([&] { return a.connected; }));
  REQUIRE((a.c->open_bidi() && a.c->open_bidi()));
  REQUIRE(p.net.run([&] { return a.closed.has_value(); }));
  CHECK(a.closed->what == kind::transport);
  p.ask(b, "question");
  CHECK_FALSE(b.was_early);
}

TEST_CASE("garbage in place of a ticket, or of what belongs to it, is a whole handshake or a refusal to use it") {
  returning p;
  p.visit();
  const std::string name = "server.test 4433 0 " + [] {
    std::string hex;
    for (const uint8_t b : identity()->spki()) {
      char two[3];
      std::snprintf(two, sizeof two, "%02x", b);
      hex += two;
    }
    return hex;
  }() + " \nmoqt-18";
  auto good = p.known->take(name, p.net.now);
  REQUIRE(good);
  // The ticket stands near the end of what the TLS library packs. What is before it and behind it is the client's own, and nobody else writes it.
  REQUIRE(good->session.size() > 300);
  for (size_t back = 240; back >= 80; back -= 10) {
    auto bad = *good;
    bad.session[bad.session.size() - back] ^= 0x55;
    p.known->put(name, bad);
    early_app a;
    p.ask(a, "question");
    REQUIRE_MESSAGE(p.net.run([&] { return a.closed || (!p.servers.all.back()->data.empty() && !a.c->early()); }), back);
    REQUIRE_FALSE(a.closed);
    CHECK_FALSE(a.c->stats().resumed);
    CHECK(a.c->stats().early_data_rejected);
    p.leave(a);
    (void)p.known->take(name, p.net.now);
  }
  auto bad = *good;
  bad.parameters.assign(20, 0xff);
  p.known->put(name, bad);
  early_app a;
  CHECK_FALSE(p.client->connect(quic::socket_address::parse("10.0.0.1:4433").value(), "server.test", quic::client_verification::pinned(identity()->spki()), {"moqt-18"}, a, p.net.now));
}

TEST_CASE("a server that asks for certificates gives no tickets, and neither does HTTP/3") {
  const authority home("home");
  returning p(false);
  auto config = with_tickets(p.keys);
  config.client_ca_pem = home.pem();
  p.listen(config);
  early_app a, b;
  p.dial(a);
  REQUIRE(p.net.run([&] { return a.connected; }));
  p.net.run([] { return false; }, 1s);
  CHECK(p.known->size() == 0);
  p.leave(a);
  config = with_tickets(p.keys);
  config.alpns = {"h3"};
  p.listen(config);
  p.dial(b, {"h3", "other"});
  REQUIRE(p.net.run([&] { return b.connected; }));
  p.net.run([] { return false; }, 1s);
  CHECK(p.known->size() == 0);
}

TEST_CASE("early data survives the loss of every third datagram, and a Retry") {
  for (const bool retry : {false, true}) {
    returning p(false);
    auto config = with_tickets(p.keys);
    config.retry_always = retry;
    p.listen(config);
    p.visit();
    p.net.lose = [](uint64_t n, const quic::socket_address&, std::span<const uint8_t>) { return n % 3 == 0; };
    early_app a;
    p.dial(a);
    REQUIRE(p.net.run([&] { return a.connected; }));
    const auto id = a.c->open_uni();
    CHECK(a.c->write(*id, pattern(20'000), true) == quic::write_result::queued);
    REQUIRE(p.net.run([&] { return !p.servers.all.empty() && p.servers.all.back()->fins[*id]; }));
    CHECK(p.servers.all.back()->data[*id] == pattern(20'000).text());
    REQUIRE(p.net.run([&] { return a.c->unacked() == 0 && !p.servers.all.back()->c->early(); }));
  }
}

TEST_CASE("a first flight that was lost, more than a window of it, goes again whole enough to be answered") {
  returning p;
  p.visit();
  bool lost = false;
  p.net.lose = [&](uint64_t, const quic::socket_address&, std::span<const uint8_t>) { return !lost; };
  early_app a;
  p.dial(a);
  REQUIRE(p.net.run([&] { return a.connected; }));
  const auto id = a.c->open_uni();
  CHECK(a.c->write(*id, pattern(200'000), true) == quic::write_result::queued);
  p.net.run([] { return false; }, 100ms);
  lost = true;
  REQUIRE(p.net.run([&] { return !p.servers.all.empty() && p.servers.all.back()->fins[*id]; }));
  CHECK(p.servers.all.back()->data[*id] == pattern(200'000).text());
}

TEST_CASE("a ticket that nobody saw is used again") {
  returning p;
  p.visit();
  p.net.lose = [](uint64_t, const quic::socket_address&, std::span<const uint8_t>) { return true; };
  early_app a, b;
  p.ask(a, "question");
  REQUIRE(p.net.run([&] { return a.closed.has_value(); }));
  CHECK(a.closed->what == kind::handshake_timeout);
  CHECK(a.closed->text == "no answer from 10.0.0.1:4433 within 10 s");
  p.net.lose = nullptr;
  p.ask(b, "question");
  REQUIRE(p.net.run([&] { return b.done; }));
  CHECK(b.c->stats().early_data_accepted);
}

TEST_CASE("the ALPNs of a ClientHello and the early data of a ticket are read from these bytes, and from no part of them") {
  using bytes = std::vector<uint8_t>;
  const bytes names{0x00, 0x0b, 7, 'm', 'o', 'q', 't', '-', '1', '8', 2, 'h', '3'};
  CHECK(quic::internal::alpns_in(names) == std::vector<std::string>{"moqt-18", "h3"});
  for (size_t n = 0; n < names.size(); ++n) CHECK(quic::internal::alpns_in(std::span(names).first(n)).size() == (n < 10 ? 0u : 1u));
  const bytes ticket{0, 0, 0x0e, 0x10, 1, 2, 3, 4, 1, 9, 0, 3, 7, 7, 7, 0, 13, 0, 99, 0, 1, 5, 0, 42, 0, 4, 0xff, 0xff, 0xff, 0xff};
  CHECK(quic::internal::early_data_in(ticket) == 0xffffffffu);
  for (size_t n = 0; n < ticket.size(); ++n) CHECK_FALSE(quic::internal::early_data_in(std::span(ticket).first(n)).has_value());
  const bytes without{0, 0, 0x0e, 0x10, 1, 2, 3, 4, 0, 0, 1, 7, 0, 0};
  CHECK_FALSE(quic::internal::early_data_in(without).has_value());
}

TEST_CASE("a client remembers so many servers, and the one that it used longest ago leaves first") {
  quic::known_servers known(2);
  const base::mono_time now{1h};
  for (const std::string name : {"a", "b", "a", "c"}) known.put(name, {{1}, {2}, "moqt-18", {}, now + 1h});
  CHECK(known.size() == 2);
  CHECK_FALSE(known.take("b", now).has_value());
  CHECK(known.take("a", now).has_value());
  CHECK_FALSE(known.take("a", now).has_value()); // once
  CHECK_FALSE(known.take("c", now + 1h).has_value()); // over
  known.put("large", {std::vector<uint8_t>(base::limits::quic_ticket_bytes_max), {1}, "", {}, now + 1h});
  CHECK(known.size() == 0);
}
