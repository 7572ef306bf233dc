// Peers that handshake as any other and then do what no honest one does: they end with the right code or are bounded, and the honest one beside
// them does not notice. Numbers are those of the list of faults in docs/security.md.
#include <doctest/doctest.h>

#include "base/limits_attacker.hpp"
#include "pair.hpp"
#include "tests/support/hostile_quic.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;
namespace limits = base::limits;

namespace {

constexpr size_t per_attacker = limits::attacker_bytes_max - limits::moq_accepted_held_bytes_max;

/// A packet of frames, as many of them as there is room for.
struct packet {
  base::byte_writer out;
  bool fits(size_t more) const { return out.size() + more <= hostile_client::room; }
  packet& number(uint64_t v) {
    out.quic_varint(v);
    return *this;
  }
  packet& raw(size_t count, uint8_t with) {
    for (size_t i = 0; i < count; ++i) out.u8(with);
    return *this;
  }
  packet& stream(uint64_t id, uint64_t offset, size_t bytes) { return number(0x0e).number(id).number(offset).number(bytes).raw(bytes, 'x'); }
  std::vector<uint8_t> take() { return out.take(); }
};

/// A server with an honest client and a hostile one.
struct scene : ec::test::pair {
  app& honest;
  app* theirs = nullptr; ///< the server's side of the hostile connection
  hostile_client hostile;
  size_t most = 0; ///< that was held for the hostile connection

  explicit scene(quic::endpoint_config config = server_config()) : ec::test::pair(std::move(config)), honest(connect()), hostile(net, "10.0.0.3:6000", "10.0.0.1:4433") {
    REQUIRE(net.run([&] { return hostile.ready() && server_apps.all.size() == 2 && server_apps.all.back()->connected; }));
    theirs = server_apps.all.back().get();
    net.run([] { return false; }, 100ms);
  }
  size_t held() const { return theirs->c == nullptr ? 0 : theirs->c->stats().held_bytes; }
  /// Until it has sent everything, or was closed.
  void attack(base::mono_duration limit = 60s) {
    net.run([&] {
      most = std::max(most, held());
      return hostile.closed() || theirs->closed;
    }, hostile.waiting() > 0 ? limit : 1s);
    net.run([] { return false; }, 50ms);
  }
  void honest_goes_on() {
    const auto id = mine.c->open_bidi();
    REQUIRE(id);
    CHECK(mine.c->write(*id, pattern(100'000), true) == quic::write_result::queued);
    const auto begun = net.now;
    CHECK(net.run([&] { return honest.fins[*id]; }, 5s));
    CHECK(honest.bytes[*id] == 100'000);
    CHECK(net.now - begun < 500ms);
    CHECK_FALSE(honest.closed);
  }
};

} // namespace

TEST_CASE("a client that writes its own frames is understood") {
  scene s;
  s.hostile.send(packet().stream(0, 0, 5).take());
  REQUIRE(s.net.run([&] { return s.theirs->data[0] == "xxxxx"; }, 1s));
  CHECK(s.held() > 0);
  CHECK(s.held() < limits::quic_connection_free_bytes); // what any connection costs
  s.honest_goes_on();
}

TEST_CASE("connection ids that are retired without end, with ACKs withheld, end the connection (fault 1)") {
  scene s;
  s.hostile.mute();
  for (uint64_t seq = 4; seq < 6000;) {
    packet p;
    for (; p.fits(40) && seq < 6000; ++seq) p.number(0x18).number(seq).number(seq).number(8).raw(4, static_cast<uint8_t>(seq >> 8)).raw(4, static_cast<uint8_t>(seq)).raw(16, static_cast<uint8_t>(seq));
    s.hostile.send(p.take());
  }
  s.attack();
  REQUIRE(s.theirs->closed);
  CHECK(s.theirs->closed->what == quic::close_reason::kind::violation);
  CHECK(s.theirs->closed->code == NGTCP2_CONNECTION_ID_LIMIT_ERROR);
  CHECK(s.most < per_attacker);
  s.honest_goes_on();
}

TEST_CASE("PATH_CHALLENGE without end makes no queue of answers (fault 2)") {
  scene s;
  for (int i = 0; i < 200; ++i) {
    packet p;
    while (p.fits(9)) p.number(0x1a).raw(8, static_cast<uint8_t>(i));
    s.hostile.send(p.take());
  }
  const auto before = s.hostile.packets_in;
  s.attack();
  CHECK(s.hostile.waiting() == 0);
  CHECK(s.most < per_attacker);
  CHECK(s.hostile.packets_in - before < 4 * 200 + 100); // of 24,000 that were asked for
  s.honest_goes_on();
}

TEST_CASE("handshake bytes after the handshake: a bound, then the end (fault 3)") {
  scene s;
  SUBCASE("far ahead") {
    s.hostile.send(packet().number(0x06).number(1u << 20).number(500).raw(500, 1).take());
  }
  SUBCASE("with a hole before them, for ever") {
    for (uint64_t at = 1; at < 400'000; at += 1000) s.hostile.send(packet().number(0x06).number(at).number(1000).raw(1000, 1).take());
  }
  s.attack();
  REQUIRE(s.theirs->closed);
  CHECK(s.theirs->closed->code == NGTCP2_CRYPTO_BUFFER_EXCEEDED);
  CHECK(s.most < per_attacker);
  s.honest_goes_on();
}

TEST_CASE("bytes with holes between them are held up to the window, and what else is remembered of them is bounded (fault 7)") {
  scene s;
  SUBCASE("one byte in each eight thousand, in every stream") {
    for (uint64_t id = 2; id < 4 * 900; id += 4) {
      packet p;
      p.stream(id, 500, 1);
      s.hostile.send(p.take());
    }
    s.attack();
    CHECK(s.most < per_attacker);
  }
  SUBCASE("every second byte of one stream: the library counts the holes") {
    for (uint64_t at = 1; at < 200'000;) {
      packet p;
      for (; p.fits(10); at += 2) p.stream(0, at, 1);
      s.hostile.send(p.take());
    }
    s.attack();
    REQUIRE(s.theirs->closed);
    CHECK(s.theirs->closed->code == NGTCP2_INTERNAL_ERROR);
    CHECK(s.most < per_attacker);
  }
  s.honest_goes_on();
}

TEST_CASE("holes in many streams, few enough in each, end the connection by the memory that they take (fault 7)") {
  auto config = ec::test::pair::server_config();
  config.connection_window_max = config.connection_window = config.stream_window = config.stream_window_max = 400u << 10;
  scene s(config);
  for (uint64_t id = 2; id < 4 * 100; id += 4) {
    for (uint64_t at = 1; at < 3900;) {
      packet p;
      for (; p.fits(10) && at < 3900; at += 2) p.stream(id, at, 1);
      s.hostile.send(p.take());
    }
  }
  s.attack(600s);
  REQUIRE(s.theirs->closed);
  CHECK(s.theirs->closed->what == quic::close_reason::kind::violation);
  CHECK(s.theirs->closed->text == "this connection makes the other side hold too much");
  CHECK(s.hostile.closed() == NGTCP2_INTERNAL_ERROR);
  CHECK(s.server->counters().overburdened == 1);
  CHECK(s.most < per_attacker);
  s.honest_goes_on();
}

TEST_CASE("an ACK of what was not sent ends the connection (fault 8)") {
  scene s;
  s.hostile.send(packet().number(0x02).number(1'000'000).number(0).number(0).number(10).take());
  s.attack();
  REQUIRE(s.theirs->closed);
  CHECK(s.theirs->closed->code == NGTCP2_PROTOCOL_VIOLATION);
  s.honest_goes_on();
}

TEST_CASE("credit for one byte more at a time, and limits that cannot be, trip nothing (fault 6)") {
  scene s;
  const auto id = s.theirs->c->open_uni();
  REQUIRE(id);
  CHECK(s.theirs->c->write(*id, pattern(2u << 20), true) == quic::write_result::queued);
  s.server->flush(s.net.now);
  SUBCASE("byte by byte") {
    for (uint64_t i = 0; i < 200; ++i) s.hostile.send(packet().number(0x10).number(hostile_client::window + i).number(0x11).number(*id).number(hostile_client::window + i).take());
    s.attack(20s);
    CHECK_FALSE(s.theirs->closed);
    CHECK(s.theirs->c->unsent() < 1u << 20);
    s.theirs->c->reset(*id, 7);
  }
  SUBCASE("credit for a stream that only the peer sends on") {
    s.hostile.send(packet().number(0x11).number(2).number(100).take());
    s.attack();
    REQUIRE(s.theirs->closed);
    CHECK(s.theirs->closed->code == NGTCP2_STREAM_STATE_ERROR);
  }
  SUBCASE("a limit of streams that cannot be") {
    s.hostile.send(packet().number(0x13).number((uint64_t{1} << 60) + 1).take());
    s.attack();
    REQUIRE(s.theirs->closed);
    CHECK(s.theirs->closed->code == NGTCP2_FRAME_ENCODING_ERROR);
  }
  s.honest_goes_on();
}

TEST_CASE("resets, stops and data of streams in every state end them or the connection, and nothing else") {
  scene s;
  for (uint64_t id : {0, 2, 4, 6}) s.hostile.send(packet().stream(id, 0, 10).take());
  s.attack(1s);
  SUBCASE("a reset, twice, and a stop") {
    for (int i = 0; i < 2; ++i)
      for (uint64_t id : {0, 2, 4, 6}) s.hostile.send(packet().number(0x04).number(id).number(99).number(10).take());
    for (uint64_t id : {0, 4}) s.hostile.send(packet().number(0x05).number(id).number(99).take());
    s.attack(2s);
    CHECK_FALSE(s.theirs->closed);
    CHECK(s.theirs->resets.size() == 4);
  }
  SUBCASE("a final size below what came") {
    s.hostile.send(packet().number(0x04).number(2).number(0).number(3).take());
    s.attack();
    REQUIRE(s.theirs->closed);
    CHECK(s.theirs->closed->code == NGTCP2_FINAL_SIZE_ERROR);
  }
  SUBCASE("a stop of a stream that nobody opened") {
    s.hostile.send(packet().number(0x05).number(401).number(0).take());
    s.attack();
    REQUIRE(s.theirs->closed);
    CHECK(s.theirs->closed->code == NGTCP2_STREAM_STATE_ERROR);
  }
  SUBCASE("more streams than may be open") {
    s.hostile.send(packet().stream(4 * limits::quic_accepted_streams_uni_max + 2, 0, 1).take());
    s.attack();
    REQUIRE(s.theirs->closed);
    CHECK(s.theirs->closed->code == NGTCP2_STREAM_LIMIT_ERROR);
  }
  SUBCASE("more bytes than the window") {
    s.hostile.send(packet().stream(8, 1u << 20, 1).take());
    s.attack();
    REQUIRE(s.theirs->closed);
    CHECK(s.theirs->closed->code == NGTCP2_FLOW_CONTROL_ERROR);
  }
  s.honest_goes_on();
}

TEST_CASE("who never acknowledges, and keeps the connection alive, is left after the idle timeout") {
  scene s;
  const auto id = s.theirs->c->open_uni();
  REQUIRE(id);
  CHECK(s.theirs->c->write(*id, pattern(5u << 20), false) == quic::write_result::queued);
  s.hostile.mute();
  s.server->flush(s.net.now);
  const auto begun = s.net.now;
  while (!s.theirs->closed && s.net.now - begun < 60s) {
    s.hostile.send(packet().number(0x01).take()); // PING
    s.net.run([&] { return s.theirs->closed.has_value(); }, 1s);
    s.most = std::max(s.most, s.held());
  }
  REQUIRE(s.theirs->closed);
  CHECK(s.theirs->closed->text == "nothing is acknowledged");
  CHECK(s.net.now - begun < 35s);
  CHECK(s.net.now - begun > 29s);
  CHECK(s.most < per_attacker);
  s.honest_goes_on();
}

TEST_CASE("of all that many connections make an endpoint hold, who makes it hold the most pays") {
  auto config = ec::test::pair::server_config();
  config.held_bytes_max = 1u << 20;
  scene s(config);
  std::vector<std::unique_ptr<hostile_client>> others;
  for (int i = 0; i < 7; ++i) others.push_back(std::make_unique<hostile_client>(s.net, "10.0.0.3:" + std::to_string(6001 + i), "10.0.0.1:4433"));
  REQUIRE(s.net.run([&] { return s.server->connections() == 9 && std::ranges::all_of(others, [](const auto& o) { return o->ready(); }); }, 5s));
  const auto holes = [](hostile_client& h) {
    for (uint64_t at = 1; at < 900'000; at += 1001) h.send(packet().stream(0, at, 1000).take());
  };
  holes(s.hostile);
  for (auto& o : others) holes(*o);
  size_t most = 0;
  s.net.run([&] {
    size_t sum = 0;
    for (const auto& a : s.server_apps.all)
      if (a->c != nullptr) sum += a->c->stats().held_bytes;
    most = std::max(most, sum);
    return false;
  }, 10s);
  CHECK(most > config.held_bytes_max);
  // One burst of reading may go over it before somebody is ended.
  CHECK(most < config.held_bytes_max + 9 * limits::quic_connection_free_bytes + (1u << 20));
  CHECK(s.server->counters().overburdened >= 3);
  CHECK(s.server->counters().overburdened < 8);
  s.honest_goes_on();
}

TEST_CASE("of handshakes that nobody goes on with only some are kept, and those not for long (fault 4)") {
  ec::test::pair p;
  const auto attacker = quic::socket_address::parse("10.0.0.2:5000").value();
  // Nothing that the server says arrives: the addresses were not the sender's.
  p.net.lose = [&](uint64_t, const quic::socket_address& from, std::span<const uint8_t>) { return !(from == attacker); };
  std::vector<std::unique_ptr<app>> dialled;
  size_t most = 0;
  for (int i = 0; i < 300; ++i) {
    dialled.push_back(std::make_unique<app>());
    p.dial(*dialled.back(), p.pin());
    p.net.run([] { return false; }, 1ms);
    most = std::max(most, p.server->connections());
  }
  p.net.run([] { return false; }, 50ms);
  const auto threshold = ec::test::pair::server_config().retry_threshold;
  CHECK(most == threshold);
  CHECK(p.server->counters().retries_sent >= 300 - threshold);
  REQUIRE(p.net.run([&] { return p.server->connections() == 0; }, 11s));
  CHECK(p.server->counters().handshakes_failed == threshold);
  CHECK(p.server_apps.all.empty());
}
