#include "tests/unit/quic/pair.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;
using kind = quic::close_reason::kind;
using quic::write_result;

TEST_CASE("streams carry bytes and their end both ways") {
  pair p;
  auto& theirs = p.connect();
  const auto uni = p.mine.c->open_uni();
  const auto bidi = theirs.c->open_bidi();
  REQUIRE(uni);
  REQUIRE(bidi);
  CHECK(p.mine.c->write(*uni, base::bytes::copy("hello "), false) == write_result::queued);
  CHECK(p.mine.c->write(*uni, base::bytes::copy("world"), true) == write_result::queued);
  CHECK(p.mine.c->write(*uni, base::bytes::copy("more"), false) == write_result::gone);
  CHECK(theirs.c->write(*bidi, base::bytes::copy("ping"), true) == write_result::queued);
  REQUIRE(p.net.run([&] { return theirs.fins[*uni] && p.mine.fins[*bidi]; }));
  CHECK(theirs.data[*uni] == "hello world");
  CHECK(p.mine.data[*bidi] == "ping");
  CHECK(theirs.c->write(*uni, base::bytes::copy("x"), false) == write_result::gone);
  CHECK(p.mine.c->write(*bidi, {}, true) == write_result::queued);
  REQUIRE(p.net.run([&] { return theirs.fins[*bidi] && !theirs.closed_streams.empty() && p.mine.closed_streams.size() == 2; }));
}

TEST_CASE("ten megabytes are echoed, with losses too") {
  for (const bool lossy : {false, true}) {
    CAPTURE(lossy);
    pair p;
    p.server_apps.echo = true;
    p.connect();
    if (lossy) p.net.lose = [](uint64_t n, const quic::socket_address&, std::span<const uint8_t>) { return n % 20 == 0; };
    const auto sent = pattern(lossy ? 2u << 20 : 10u << 20);
    const auto id = p.mine.c->open_bidi();
    REQUIRE(id);
    for (size_t at = 0; at < sent.size(); at += 65536) {
      CHECK(p.mine.c->write(*id, sent.slice(at, 65536), at + 65536 >= sent.size()) == write_result::queued);
    }
    REQUIRE(p.net.run([&] { return p.mine.fins[*id] || p.mine.closed; }, 120s));
    REQUIRE_FALSE(p.mine.closed);
    CHECK(p.mine.data[*id] == sent.text());
    if (lossy) {
      REQUIRE(p.net.run([&] { return p.mine.closed_streams.size() == 1; }));
      CHECK(p.client->counters().lost_packets > 0);
    }
    CHECK(p.mine.c->stats().path_mtu > 1400);
  }
}

TEST_CASE("buffers are released when the peer has acknowledged them") {
  pair p;
  p.connect();
  auto owner = std::make_shared<std::vector<uint8_t>>(300'000, uint8_t{7});
  const auto id = p.mine.c->open_uni();
  REQUIRE(id);
  for (size_t at = 0; at < owner->size(); at += 100'000) {
    CHECK(p.mine.c->write(*id, base::bytes::share(owner, std::span(*owner).subspan(at, 100'000)), at + 100'000 == owner->size()) == write_result::queued);
  }
  CHECK(owner.use_count() == 4);
  CHECK(p.mine.c->unsent() == 300'000);
  CHECK(p.mine.c->unsent(*id) == 300'000);
  REQUIRE(p.net.run([&] { return owner.use_count() == 1; }));
  CHECK(p.mine.c->unsent() == 0);
  CHECK(p.mine.c->unacked() == 0);
}

TEST_CASE("reset and stop_sending carry their codes, and drop what was queued") {
  pair p;
  auto& theirs = p.connect();
  const auto given_up = p.mine.c->open_uni();
  const auto unwanted = p.mine.c->open_uni();
  auto owner = std::make_shared<std::vector<uint8_t>>(8u << 20, uint8_t{7});
  REQUIRE(p.mine.c->write(*given_up, base::bytes::share(owner, *owner), false) == write_result::queued);
  REQUIRE(p.mine.c->write(*unwanted, base::bytes::share(owner, *owner), false) == write_result::queued);
  REQUIRE(p.net.run([&] { return theirs.bytes[*given_up] > 0 && theirs.bytes[*unwanted] > 0; }));
  p.mine.c->reset(*given_up, 77);
  CHECK(p.mine.c->write(*given_up, base::bytes::copy("x"), false) == write_result::gone);
  theirs.c->stop_sending(*unwanted, 1234567);
  REQUIRE(p.net.run([&] { return theirs.resets.contains(*given_up) && p.mine.stops.contains(*unwanted); }));
  CHECK(theirs.resets[*given_up] == 77);
  CHECK(p.mine.stops[*unwanted] == 1234567);
  CHECK(p.mine.c->write(*unwanted, base::bytes::copy("x"), false) == write_result::gone);
  REQUIRE(p.net.run([&] { return owner.use_count() == 1; }));
  CHECK(p.mine.c->unsent() == 0);
  // The windows are free again: another stream moves as much as the first two.
  const auto next = p.mine.c->open_uni();
  REQUIRE(p.mine.c->write(*next, base::bytes::share(owner, *owner), true) == write_result::queued);
  REQUIRE(p.net.run([&] { return theirs.fins[*next]; }));
}

TEST_CASE("a reset of a bidirectional request is told, and the other half still works") {
  pair p;
  auto& theirs = p.connect();
  const auto id = p.mine.c->open_bidi();
  REQUIRE(p.mine.c->write(*id, base::bytes::copy("request"), false) == write_result::queued);
  REQUIRE(p.net.run([&] { return theirs.data[*id] == "request"; }));
  p.mine.c->reset(*id, 9);
  REQUIRE(p.net.run([&] { return theirs.resets.contains(*id); }));
  REQUIRE(theirs.c->write(*id, base::bytes::copy("answer"), true) == write_result::queued);
  REQUIRE(p.net.run([&] { return p.mine.fins[*id]; }));
  CHECK(p.mine.data[*id] == "answer");
}

TEST_CASE("the stream limit holds until streams end and their bytes are consumed") {
  auto config = pair::server_config();
  config.peer_streams_uni_max = 3;
  pair p(config);
  p.server_apps.consume = false;
  auto& theirs = p.connect();
  std::vector<uint64_t> ids;
  while (const auto id = p.mine.c->open_uni()) ids.push_back(*id);
  REQUIRE(ids.size() == 3);
  for (const auto id : ids) CHECK(p.mine.c->write(id, base::bytes::copy("abc"), true) == write_result::queued);
  p.net.run([&] { return p.mine.streams_available > 0; }, 2s);
  CHECK(theirs.fins.size() == 3);
  CHECK(p.mine.streams_available == 0);
  CHECK_FALSE(p.mine.c->open_uni());
  theirs.c->consumed(ids[1], 3);
  REQUIRE(p.net.run([&] { return p.mine.streams_available > 0; }, 2s));
  CHECK(p.mine.c->open_uni());
  CHECK_FALSE(p.mine.c->open_uni());
}

TEST_CASE("without credit the sender stops at the window, and goes on when it is given") {
  auto config = pair::server_config();
  config.stream_window = config.stream_window_max = 100'000;
  config.connection_window = config.connection_window_max = 150'000;
  pair p(config);
  p.server_apps.consume = false;
  auto& theirs = p.connect();
  const auto a = p.mine.c->open_uni();
  const auto b = p.mine.c->open_uni();
  REQUIRE(p.mine.c->write(*a, pattern(400'000), true) == write_result::queued);
  REQUIRE(p.mine.c->write(*b, pattern(400'000), true) == write_result::queued);
  p.net.run([] { return false; }, 3s);
  CHECK(theirs.bytes[*a] + theirs.bytes[*b] == 150'000);
  theirs.consume = true;
  theirs.c->consumed(*a, theirs.bytes[*a]);
  theirs.c->consumed(*b, theirs.bytes[*b]);
  REQUIRE(p.net.run([&] { return theirs.fins[*a] && theirs.fins[*b]; }));
  CHECK(theirs.data[*a] == pattern(400'000).text());
}

TEST_CASE("a write over the queue's bound is refused whole, and room is told") {
  quic::endpoint_config small;
  small.send_queue_bytes_max = 100'000;
  pair p(pair::server_config(), small);
  p.connect();
  const auto id = p.mine.c->open_uni();
  CHECK(p.mine.c->write(*id, pattern(90'000), false) == write_result::queued);
  CHECK(p.mine.c->write(*id, pattern(20'000), false) == write_result::full);
  CHECK(p.mine.c->unsent() == 90'000);
  REQUIRE(p.net.run([&] { return p.mine.send_space > 0; }));
  CHECK(p.mine.c->write(*id, pattern(20'000), true) == write_result::queued);
}

TEST_CASE("a lower urgency goes first, equals take turns, and a change of mind counts") {
  pair p;
  p.net.bytes_per_second = 1e6;
  auto& theirs = p.connect();
  const auto late = p.mine.c->open_uni();
  const auto one = p.mine.c->open_uni();
  const auto two = p.mine.c->open_uni();
  p.mine.c->set_priority(*late, 9);
  p.mine.c->set_priority(*one, 5);
  p.mine.c->set_priority(*two, 5);
  for (const auto id : {*late, *one, *two}) REQUIRE(p.mine.c->write(id, pattern(300'000), true) == write_result::queued);
  REQUIRE(p.net.run([&] { return theirs.fins[*one] && theirs.fins[*two]; }));
  // The urgent ones ended together and before anything of the late one but what shared their last packets.
  CHECK(theirs.bytes[*late] < 30'000);
  size_t turns = 0;
  for (size_t i = 1; i < theirs.order.size(); ++i) turns += theirs.order[i] != theirs.order[i - 1] ? 1 : 0;
  CHECK(turns > 100);
  const auto urgent = p.mine.c->open_uni();
  p.mine.c->set_priority(*urgent, 1);
  REQUIRE(p.mine.c->write(*urgent, pattern(10'000), true) == write_result::queued);
  REQUIRE(p.net.run([&] { return theirs.fins[*urgent]; }));
  CHECK_FALSE(theirs.fins[*late]);
  REQUIRE(p.net.run([&] { return theirs.fins[*late]; }));
}

TEST_CASE("datagrams arrive, and one that is too large is refused before it can block") {
  pair p;
  auto& theirs = p.connect();
  const auto most = p.mine.c->datagram_bytes_max();
  CHECK(most > 1100);
  CHECK(p.mine.c->send_datagram(pattern(most)));
  CHECK_FALSE(p.mine.c->send_datagram(pattern(most + 500)));
  CHECK(p.mine.c->send_datagram(base::bytes::copy("small")));
  REQUIRE(p.net.run([&] { return theirs.datagrams.size() == 2; }));
  CHECK(theirs.datagrams[0].size() == most);
  CHECK(theirs.datagrams[1] == "small");
}

TEST_CASE("a long transfer fills the path: windows, pacing and timers leave no gaps") {
  pair p;
  p.net.bytes_per_second = 12.5e6; // 100 Mbit/s, 10 ms round trip
  auto& theirs = p.connect();
  const auto start = p.net.now;
  const auto id = p.mine.c->open_uni();
  REQUIRE(p.mine.c->write(*id, pattern(25u << 20), true) == write_result::queued);
  REQUIRE(p.net.run([&] { return theirs.fins[*id]; }));
  const double seconds = std::chrono::duration<double>(p.net.now - start).count();
  CHECK(seconds < 3.0); // 2.1 s at the path's rate, and the start-up
}
