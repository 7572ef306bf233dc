#include "quic/webtransport.hpp"

#include "tests/unit/quic/pair.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;
using kind = quic::close_reason::kind;
using quic::write_result;

namespace {

/// Accepts connections of both ALPNs, as an endpoint does.
struct halls : quic::acceptor, quic::webtransport_acceptor {
  quic::webtransport_config config{.protocols = {"moqt-18", "moqt-16"}};
  std::vector<std::unique_ptr<quic::webtransport>> all;
  std::vector<std::unique_ptr<app>> sessions;
  std::vector<quic::webtransport_request> requests;
  std::vector<std::string> raw;
  app raw_app;
  size_t gone = 0;
  bool refuse = false;

  quic::connection_events* on_accept(quic::connection& c, std::string_view alpn, const quic::socket_address&) override {
    if (alpn != quic::webtransport_alpn) {
      raw.emplace_back(alpn);
      raw_app.c = &c;
      return &raw_app;
    }
    all.push_back(quic::webtransport::serve(config, *this));
    all.back()->attach(c);
    return all.back().get();
  }
  quic::connection_events* on_session(quic::connection& session, const quic::webtransport_request& request) override {
    requests.push_back(request);
    if (refuse) return nullptr;
    sessions.push_back(std::make_unique<app>());
    sessions.back()->c = &session;
    return sessions.back().get();
  }
  void on_gone(quic::webtransport&) override { ++gone; }
};

struct wt_pair {
  virtual_net net;
  halls hall;
  std::unique_ptr<quic::endpoint> server, client;
  app mine;
  std::unique_ptr<quic::webtransport> session;

  wt_pair() {
    quic::endpoint_config config;
    config.identity = identity();
    config.alpns = {"moqt-18", "h3"};
    server = quic::endpoint::create(config, net.open("10.0.0.1:4433"), &hall).value();
    client = quic::endpoint::create({}, net.open("10.0.0.2:5000"), nullptr).value();
    net.attach(*server);
    net.attach(*client);
  }
  ~wt_pair() {
    net.detach(*client);
    net.detach(*server);
  }
  void dial(std::vector<std::string> protocols = {"moqt-18"}, const std::string& path = "/tv?x=1") {
    session = quic::webtransport::dial({.protocols = std::move(protocols)}, "server.test:4433", path, mine);
    auto below = client->connect(quic::socket_address::parse("10.0.0.1:4433").value(), "server.test",
                                 quic::client_verification::pinned(identity()->spki()), {"h3"}, *session, net.now);
    REQUIRE(below);
    session->attach(*below.value());
    mine.c = session.get();
  }
  app& connect() {
    dial();
    REQUIRE(net.run([&] { return mine.connected && !hall.sessions.empty() && hall.sessions.back()->connected; }));
    return *hall.sessions.back();
  }
};

} // namespace

TEST_CASE("a session comes up with path, authority and protocol, beside raw QUIC on the same port") {
  wt_pair p;
  auto& theirs = p.connect();
  CHECK(p.mine.alpn == "moqt-18");
  CHECK(theirs.alpn == "moqt-18");
  CHECK(theirs.peer == "10.0.0.2:5000");
  CHECK(p.hall.requests.at(0).path == "/tv?x=1");
  CHECK(p.hall.requests.at(0).authority == "server.test:4433");
  CHECK(p.hall.requests.at(0).origin.empty());
  CHECK(p.session->connected());
  CHECK_FALSE(p.session->server());
  CHECK(p.session->peer_spki() == identity()->spki());
  // Who offers both gets the raw one: h3 is last of the server's.
  app raw;
  auto dialled = p.client->connect(quic::socket_address::parse("10.0.0.1:4433").value(), "server.test",
                                   quic::client_verification::pinned(identity()->spki()), {"h3", "moqt-18"}, raw, p.net.now);
  REQUIRE(dialled);
  raw.c = dialled.value();
  REQUIRE(p.net.run([&] { return raw.connected && !p.hall.raw.empty(); }));
  CHECK(raw.alpn == "moqt-18");
}

TEST_CASE("streams of a session carry bytes and their end both ways") {
  wt_pair p;
  auto& theirs = p.connect();
  const auto uni = p.mine.c->open_uni();
  const auto bidi = p.mine.c->open_bidi();
  const auto back_uni = theirs.c->open_uni();
  const auto back_bidi = theirs.c->open_bidi();
  REQUIRE((uni && bidi && back_uni && back_bidi));
  const auto big = pattern(3u << 20);
  CHECK(p.mine.c->write(*uni, big, true) == write_result::queued);
  CHECK(p.mine.c->write(*uni, base::bytes::copy("x"), false) == write_result::gone);
  CHECK(p.mine.c->write(*bidi, base::bytes::copy("ask"), true) == write_result::queued);
  CHECK(theirs.c->write(*back_uni, big, true) == write_result::queued);
  CHECK(theirs.c->write(*back_bidi, base::bytes::copy("ask back"), false) == write_result::queued);
  REQUIRE(p.net.run([&] { return theirs.fins[*uni] && theirs.fins[*bidi] && p.mine.fins[*back_uni] && !p.mine.data[*back_bidi].empty(); }));
  CHECK(theirs.data[*uni] == big.text());
  CHECK(theirs.data[*bidi] == "ask");
  CHECK(p.mine.data[*back_uni] == big.text());
  CHECK(p.mine.data[*back_bidi] == "ask back");
  // Answers on a bidirectional stream have no prefix.
  CHECK(theirs.c->write(*bidi, base::bytes::copy("answer"), true) == write_result::queued);
  CHECK(p.mine.c->write(*back_bidi, base::bytes::copy("answer back"), true) == write_result::queued);
  CHECK(theirs.c->write(*back_bidi, {}, true) == write_result::queued);
  REQUIRE(p.net.run([&] { return p.mine.fins[*bidi] && theirs.fins[*back_bidi] && p.mine.closed_streams.size() == 4 && theirs.closed_streams.size() == 4; }));
  CHECK(p.mine.data[*bidi] == "answer");
  CHECK(theirs.data[*back_bidi] == "answer back");
}

TEST_CASE("more streams than the peer allows at once go one after the other") {
  wt_pair p;
  auto& theirs = p.connect();
  size_t sent = 0;
  const size_t wanted = 3000;
  REQUIRE(p.net.run([&] {
    while (sent < wanted) {
      const auto id = p.mine.c->open_uni();
      if (!id) break;
      REQUIRE(p.mine.c->write(*id, base::bytes::copy("n"), true) == write_result::queued);
      ++sent;
    }
    return theirs.fins.size() == wanted;
  }));
  CHECK(p.mine.streams_available > 0);
}

TEST_CASE("codes of resets and of STOP_SENDING are the application's own") {
  wt_pair p;
  auto& theirs = p.connect();
  const auto given_up = p.mine.c->open_uni();
  const auto unwanted = p.mine.c->open_uni();
  const auto both = theirs.c->open_bidi();
  const auto cut = theirs.c->open_bidi();
  REQUIRE((given_up && unwanted && both && cut));
  for (const auto id : {*given_up, *unwanted}) CHECK(p.mine.c->write(id, base::bytes::copy("part"), false) == write_result::queued);
  for (const auto id : {*both, *cut}) CHECK(theirs.c->write(id, base::bytes::copy("part"), false) == write_result::queued);
  REQUIRE(p.net.run([&] { return theirs.data.size() == 2 && p.mine.data.size() == 2; }));
  p.mine.c->reset(*given_up, 0x30);
  theirs.c->stop_sending(*unwanted, 0x1e);
  p.mine.c->stop_sending(*both, 7);
  CHECK(p.mine.c->write(*both, {}, true) == write_result::queued);
  p.mine.c->reset(*cut, 0xffffffff);
  REQUIRE(p.net.run([&] { return theirs.resets.size() == 2 && p.mine.stops.size() == 1 && theirs.stops.size() == 1; }));
  CHECK(theirs.resets[*given_up] == 0x30);
  CHECK(theirs.resets[*cut] == 0xffffffff);
  CHECK(theirs.stops[*both] == 7);
  CHECK(p.mine.stops[*unwanted] == 0x1e);
  CHECK(p.mine.c->write(*unwanted, base::bytes::copy("x"), false) == write_result::gone);
}

TEST_CASE("datagrams go both ways, up to what fits beside the session's number") {
  wt_pair p;
  auto& theirs = p.connect();
  const auto most = p.mine.c->datagram_bytes_max();
  CHECK(most > 1100);
  CHECK(p.mine.c->send_datagram(base::bytes::copy("one")));
  CHECK(p.mine.c->send_datagram(pattern(most)));
  CHECK_FALSE(p.mine.c->send_datagram(pattern(most + 1)));
  CHECK(theirs.c->send_datagram(base::bytes::copy("back")));
  REQUIRE(p.net.run([&] { return theirs.datagrams.size() == 2 && p.mine.datagrams.size() == 1; }));
  CHECK(theirs.datagrams[0] == "one");
  CHECK(theirs.datagrams[1] == pattern(most).text());
  CHECK(p.mine.datagrams[0] == "back");
}

TEST_CASE("either side closes with a code and a sentence, and both hear of it") {
  for (const bool by_server : {false, true}) {
    CAPTURE(by_server);
    wt_pair p;
    auto& theirs = p.connect();
    auto& closer = by_server ? theirs : p.mine;
    auto& other = by_server ? p.mine : theirs;
    REQUIRE(closer.c->open_uni());
    closer.c->close(7, "bye");
    CHECK_FALSE(closer.c->connected());
    CHECK_FALSE(closer.c->open_uni());
    closer.c->close(8, "again");
    REQUIRE(p.net.run([&] { return p.mine.closed && theirs.closed && p.hall.gone == 1; }, 2s));
    CHECK(closer.closed->what == kind::local);
    CHECK(closer.closed->code == 7);
    CHECK(other.closed->what == kind::application);
    CHECK(other.closed->code == 7);
    CHECK(other.closed->text == "bye");
    REQUIRE(p.net.run([&] { return p.server->connections() == 0 && p.client->connections() == 0; }, 5s));
  }
}

TEST_CASE("a close whose packets are lost is said again, and does not wait for a peer that is gone") {
  wt_pair p;
  auto& theirs = p.connect();
  SUBCASE("the first packets are lost") {
    size_t left = 2;
    p.net.lose = [&](uint64_t, const quic::socket_address& from, std::span<const uint8_t>) { return from.port() == 5000 && left > 0 && left-- > 0; };
    p.mine.c->close(3, "lossy");
    REQUIRE(p.net.run([&] { return theirs.closed && p.mine.closed; }, 10s));
    CHECK(theirs.closed->what == kind::application);
    CHECK(theirs.closed->code == 3);
    CHECK(theirs.closed->text == "lossy");
  }
  SUBCASE("nobody answers any more") {
    p.net.lose = [&](uint64_t, const quic::socket_address&, std::span<const uint8_t>) { return true; };
    p.mine.c->close(3, "alone");
    REQUIRE(p.net.run([&] { return p.mine.closed.has_value(); }, 5s));
    CHECK(p.mine.closed->what == kind::local);
  }
}

TEST_CASE("drain is told, and the session lives on") {
  wt_pair p;
  struct drained : app {
    size_t told = 0;
    void on_draining() override { ++told; }
  } client_app;
  p.session = quic::webtransport::dial({.protocols = {"moqt-18"}}, "a:1", "/", client_app);
  auto below = p.client->connect(quic::socket_address::parse("10.0.0.1:4433").value(), "server.test",
                                 quic::client_verification::pinned(identity()->spki()), {"h3"}, *p.session, p.net.now);
  REQUIRE(below);
  p.session->attach(*below.value());
  client_app.c = p.session.get();
  REQUIRE(p.net.run([&] { return client_app.connected; }));
  p.hall.all.at(0)->drain();
  REQUIRE(p.net.run([&] { return client_app.told == 1; }));
  const auto id = client_app.c->open_uni();
  REQUIRE(id);
  CHECK(client_app.c->write(*id, base::bytes::copy("still here"), true) == write_result::queued);
  REQUIRE(p.net.run([&] { return p.hall.sessions.at(0)->fins[*id]; }));
}

TEST_CASE("the client's order of protocols decides, and no common one is a refusal with its reason") {
  wt_pair p;
  SUBCASE("the first of the client's that the server speaks") {
    p.dial({"moq-lite-05", "moqt-16", "moqt-18"});
    REQUIRE(p.net.run([&] { return p.mine.connected; }));
    CHECK(p.mine.alpn == "moqt-16");
  }
  SUBCASE("none") {
    p.dial({"moq-lite-05"});
    REQUIRE(p.net.run([&] { return p.mine.closed.has_value(); }, 5s));
    CHECK(p.mine.closed->what == kind::refused);
    CHECK(p.mine.closed->code == 406);
    CHECK(p.mine.closed->text.find("no common protocol: we offer \"moq-lite-05\"") != std::string::npos);
    CHECK(p.hall.requests.empty());
  }
  SUBCASE("the server's user does not want it") {
    p.hall.refuse = true;
    p.dial();
    REQUIRE(p.net.run([&] { return p.mine.closed.has_value(); }, 5s));
    CHECK(p.mine.closed->what == kind::refused);
    CHECK(p.mine.closed->code == 503);
    CHECK(p.mine.closed->retryable());
  }
}

TEST_CASE("the end of the connection below is the end of the session") {
  wt_pair p;
  auto& theirs = p.connect();
  SUBCASE("in silence") {
    p.net.lose = [](uint64_t, const quic::socket_address&, std::span<const uint8_t>) { return true; };
    REQUIRE(p.net.run([&] { return p.mine.closed && theirs.closed; }, 90s));
    CHECK(p.mine.closed->what == kind::idle_timeout);
    CHECK(theirs.closed->what == kind::idle_timeout);
  }
  SUBCASE("by the endpoint") {
    p.server->close_all(0x100, "going away", p.net.now);
    REQUIRE(p.net.run([&] { return p.mine.closed && theirs.closed; }));
    CHECK(p.mine.closed->what == kind::application);
    CHECK(p.mine.closed->code == 0);
    CHECK(p.mine.closed->text == "going away");
  }
  CHECK(p.hall.gone == 1);
}
