#include "tests/unit/quic/pair.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;
using kind = quic::close_reason::kind;

TEST_CASE("close carries its code and reason to the peer, after what was delivered") {
  pair p;
  auto& theirs = p.connect();
  p.mine.c->close(0x42, "enough");
  CHECK(p.mine.c->open_uni() == std::nullopt);
  REQUIRE(p.net.run([&] { return p.mine.closed && theirs.closed; }));
  CHECK(p.mine.closed->what == kind::local);
  CHECK(p.mine.closed->code == 0x42);
  CHECK(theirs.closed->what == kind::application);
  CHECK(theirs.closed->code == 0x42);
  CHECK(theirs.closed->text == "enough");
  CHECK(p.client->connections() == 0);
  CHECK(p.server->connections() == 0);
}

TEST_CASE("a lost farewell is sent again when the peer goes on") {
  pair p;
  auto& theirs = p.connect();
  bool lost = false;
  p.net.lose = [&](uint64_t, const quic::socket_address& from, std::span<const uint8_t>) {
    return from.port() == 5000 && !std::exchange(lost, true);
  };
  p.mine.c->close(7, "bye");
  REQUIRE(p.net.run([&] { return p.mine.closed.has_value(); }));
  const auto id = theirs.c->open_uni();
  REQUIRE(theirs.c->write(*id, base::bytes::copy("still there?"), true) == quic::write_result::queued);
  REQUIRE(p.net.run([&] { return theirs.closed.has_value(); }, 2s));
  CHECK(theirs.closed->code == 7);
}

TEST_CASE("close_all ends every connection with its code") {
  pair p;
  p.connect();
  app second;
  p.dial(second, p.pin());
  REQUIRE(p.net.run([&] { return second.connected; }));
  p.server->close_all(3, "stopping", p.net.now);
  REQUIRE(p.net.run([&] { return p.mine.closed && second.closed && p.server->connections() == 0; }));
  CHECK(p.mine.closed->code == 3);
  CHECK(second.closed->text == "stopping");
}

TEST_CASE("keep-alive holds an idle connection open") {
  pair p;
  p.connect();
  p.net.run([] { return false; }, 120s);
  CHECK_FALSE(p.mine.closed);
  CHECK(p.server->connections() == 1);
}

TEST_CASE("a connection that may be quiet for longer sends fewer PINGs, and is held open all the same") {
  const auto datagrams_in_a_minute = [](std::optional<base::mono_duration> quiet, bool before_connected) {
    pair p;
    if (quiet && before_connected) {
      p.dial(p.mine, p.pin());
      p.mine.c->set_keep_alive(*quiet);
      REQUIRE(p.net.run([&] { return p.mine.connected; }));
    } else {
      p.connect();
      if (quiet) p.mine.c->set_keep_alive(*quiet);
    }
    p.net.run([] { return false; }, 5s); // what the handshake leaves behind
    const auto from = p.net.datagrams;
    p.net.run([] { return false; }, 60s);
    CHECK_FALSE(p.mine.closed);
    CHECK(p.server->connections() == 1);
    return p.net.datagrams - from;
  };
  CHECK(datagrams_in_a_minute({}, false) > 300);
  CHECK(datagrams_in_a_minute(5s, false) < 40);
  CHECK(datagrams_in_a_minute(5s, true) < 40);
}

TEST_CASE("a peer that vanished is noticed after the idle timeout, on both sides") {
  quic::endpoint_config brief;
  brief.idle_timeout = 2s;
  brief.keep_alive = 500ms;
  pair p(pair::server_config(), brief);
  auto& theirs = p.connect();
  p.net.run([] { return false; }, 5s);
  REQUIRE_FALSE(p.mine.closed);
  p.net.lose = [](uint64_t, const quic::socket_address&, std::span<const uint8_t>) { return true; };
  REQUIRE(p.net.run([&] { return p.mine.closed && theirs.closed; }, 10s));
  CHECK(p.mine.closed->what == kind::idle_timeout);
  CHECK(p.mine.closed->text == "nothing from 10.0.0.1:4433 for 2 s (idle timeout)");
  CHECK(theirs.closed->what == kind::idle_timeout);
}

TEST_CASE("a server that starts again resets its old connections at once") {
  pair p;
  p.connect();
  p.net.lose = [](uint64_t, const quic::socket_address& from, std::span<const uint8_t>) { return from.port() == 4433; };
  p.net.detach(*p.server);
  p.server.reset(); // killed: its farewell is lost
  p.net.lose = nullptr;
  p.listen(pair::server_config());
  const auto id = p.mine.c->open_uni();
  REQUIRE(p.mine.c->write(*id, pattern(3000), true) == quic::write_result::queued);
  REQUIRE(p.net.run([&] { return p.mine.closed.has_value(); }, 2s));
  CHECK(p.mine.closed->what == kind::stateless_reset);
  CHECK(p.server->counters().stateless_resets_sent >= 1);
}

TEST_CASE("a dialler that only listens finds out at once that its server started again") {
  pair p;
  p.connect();
  p.net.run([] { return false; }, 3s);
  p.net.lose = [](uint64_t, const quic::socket_address& from, std::span<const uint8_t>) { return from.port() == 4433; };
  p.net.detach(*p.server);
  p.server.reset(); // killed: its farewell is lost
  p.net.lose = nullptr;
  p.listen(pair::server_config());
  REQUIRE(p.net.run([&] { return p.mine.closed.has_value(); }, 1s));
  CHECK(p.mine.closed->what == kind::stateless_reset);
}

TEST_CASE("an endpoint that goes tells its peers") {
  pair p;
  auto& theirs = p.connect();
  p.net.detach(*p.client);
  p.client.reset();
  REQUIRE(p.net.run([&] { return theirs.closed.has_value(); }, 2s));
  CHECK(theirs.closed->what == kind::application);
}

TEST_CASE("a client whose address changes keeps its connection") {
  pair p;
  auto& theirs = p.connect();
  p.net.renamed["10.0.0.2:5000"] = "10.0.0.77:6000";
  const auto id = p.mine.c->open_uni();
  REQUIRE(p.mine.c->write(*id, pattern(200'000), true) == quic::write_result::queued);
  REQUIRE(p.net.run([&] { return theirs.fins[*id]; }));
  CHECK(theirs.c->peer().to_string() == "10.0.0.77:6000");
}

TEST_CASE("noise does not disturb a connection or make state") {
  pair p;
  auto& theirs = p.connect();
  auto noise = p.net.open("10.0.0.66:1");
  for (size_t size : {1u, 20u, 43u, 1200u, 1400u}) {
    const auto bytes = pattern(size, static_cast<uint8_t>(size));
    const quic::udp_batch batch{noise->local(), p.server->local(), 0, bytes.span(), size};
    noise->send({&batch, 1}, p.net.now);
  }
  const auto id = p.mine.c->open_uni();
  REQUIRE(p.mine.c->write(*id, base::bytes::copy("fine"), true) == quic::write_result::queued);
  REQUIRE(p.net.run([&] { return theirs.fins[*id]; }));
  CHECK(p.server->connections() == 1);
}

TEST_CASE("an end may wait for what was written last, but not for a peer that is gone") {
  pair p;
  auto& theirs = p.connect();
  const auto id = p.mine.c->open_uni();
  REQUIRE(id);
  const auto words = pattern(300'000);
  CHECK(p.mine.c->write(*id, words, true) == quic::write_result::queued);
  SUBCASE("the peer ends its side too") {
    const auto both = p.mine.c->open_bidi();
    REQUIRE(p.mine.c->write(*both, base::bytes::copy("over"), true) == quic::write_result::queued);
    p.mine.c->close_after(*both, 5, "done");
    REQUIRE(p.net.run([&] { return theirs.fins[*both]; }));
    const auto heard = p.net.now;
    CHECK_FALSE(p.net.run([&] { return p.mine.closed.has_value(); }, std::chrono::milliseconds(500))); // the words are acknowledged, and perhaps not read
    REQUIRE(theirs.c->write(*both, {}, true) == quic::write_result::queued);
    REQUIRE(p.net.run([&] { return p.mine.closed && theirs.closed; }));
    CHECK(p.net.now - heard < std::chrono::milliseconds(900));
  }
  SUBCASE("a server lets its client end the connection, for a while") {
    const auto both = theirs.c->open_bidi();
    REQUIRE(theirs.c->write(*both, base::bytes::copy("over"), true) == quic::write_result::queued);
    theirs.c->close_after(*both, 5, "done");
    REQUIRE(p.net.run([&] { return p.mine.fins[*both]; }));
    REQUIRE(p.mine.c->write(*both, {}, true) == quic::write_result::queued);
    const auto answered = p.net.now;
    CHECK_FALSE(p.net.run([&] { return theirs.closed.has_value(); }, std::chrono::milliseconds(500))); // whoever uses the client may still be reading
    SUBCASE("it does") { p.mine.c->close(0, "bye"); }
    SUBCASE("it does not") {}
    REQUIRE(p.net.run([&] { return p.mine.closed && theirs.closed; }));
    CHECK(p.net.now - answered < std::chrono::seconds(2));
  }
  SUBCASE("the peer never ends its side") {
    const auto both = p.mine.c->open_bidi();
    REQUIRE(p.mine.c->write(*both, base::bytes::copy("over"), true) == quic::write_result::queued);
    p.mine.c->close_after(*both, 5, "done");
    const auto before = p.net.now;
    REQUIRE(p.net.run([&] { return p.mine.closed && theirs.closed; }));
    CHECK(p.net.now - before < std::chrono::seconds(2));
  }
  SUBCASE("the peer listens") {
    p.mine.c->close_after(*id, 5, "done");
    REQUIRE(p.net.run([&] { return p.mine.closed && theirs.closed; }));
    CHECK(theirs.data[*id] == words.text());
    CHECK(theirs.closed->code == 5);
    CHECK(theirs.closed->text == "done");
    CHECK(p.mine.closed->what == kind::local);
  }
  SUBCASE("the peer is gone") {
    const auto before = p.net.now;
    p.net.lose = [](uint64_t, const quic::socket_address&, std::span<const uint8_t>) { return true; };
    p.mine.c->close_after(*id, 5, "done");
    REQUIRE(p.net.run([&] { return p.mine.closed.has_value(); }));
    CHECK(p.mine.closed->what == kind::local);
    CHECK(p.net.now - before < std::chrono::seconds(4));
    CHECK_FALSE(theirs.closed);
  }
  SUBCASE("nothing is there to wait for") {
    p.mine.c->close_after(999, 5, "done");
    REQUIRE(p.net.run([&] { return p.mine.closed && theirs.closed; }));
    CHECK(theirs.data[*id].size() < words.size());
  }
}
