// Single packets of the sender that are lost: how soon their bytes arrive. Times are those of the simulated network.
#include <algorithm>

#include "tests/unit/quic/pair.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

constexpr base::mono_duration round_trip = 40ms;

/// A server that has sent its client a few objects, so that both know the path.
struct sender {
  pair p;
  app* theirs = nullptr;
  uint64_t stream = 0;
  size_t written = 0;

  sender() {
    p.net.delay = round_trip / 2;
    theirs = &p.connect();
    const auto id = theirs->c->open_uni();
    REQUIRE(id);
    stream = *id;
    for (int i = 0; i < 30; ++i) {
      write(4'103, false);
      p.net.run([] { return false; }, 17ms);
    }
    REQUIRE(p.net.run([&] { return arrived(); }, 1s));
    REQUIRE(p.net.run([&] { return theirs->c->unacked() == 0; }, 1s));
  }
  void write(size_t bytes, bool fin) {
    REQUIRE(theirs->c->write(stream, pattern(bytes), fin) == quic::write_result::queued);
    written += bytes;
  }
  bool arrived() { return p.mine.bytes[stream] == written; }
  /// Loses those of the server's next datagrams whose number, from 0, is among `which`.
  void lose(std::vector<size_t> which) {
    p.net.lose = [which, seen = size_t{0}](uint64_t, const quic::socket_address& from, std::span<const uint8_t>) mutable {
      return from.port() == 4433 && std::ranges::find(which, seen++) != which.end();
    };
  }
  /// From the write to the last byte.
  base::mono_duration until_whole() {
    const auto begun = p.net.now;
    REQUIRE(p.net.run([&] { return arrived(); }, 5s));
    return p.net.now - begun;
  }
};

} // namespace

TEST_CASE("a packet of an object that is lost comes again when the others' ACKs tell of it, without further objects") {
  for (const size_t lost : {0, 1}) {
    CAPTURE(lost);
    sender s;
    s.lose({lost});
    s.write(4'103, false);
    CHECK(s.until_whole() < 3 * round_trip);
  }
}

TEST_CASE("several lost packets of a large object come again, without further objects") {
  sender s;
  s.lose({3, 4, 20, 50});
  s.write(100'000, false);
  CHECK(s.until_whole() < 5 * round_trip);
}

TEST_CASE("a lost end of a stream comes again") {
  sender s;
  s.lose({0});
  s.write(0, true);
  CHECK(s.p.net.run([&] { return s.p.mine.fins[s.stream]; }, 4 * round_trip));
}

TEST_CASE("what was lost of one stream comes again while another goes on") {
  sender s;
  const auto other = s.theirs->c->open_uni();
  REQUIRE(other);
  s.lose({0});
  s.write(4'103, false);
  const auto begun = s.p.net.now;
  while (!s.arrived() && s.p.net.now < begun + 1s) {
    REQUIRE(s.theirs->c->write(*other, pattern(4'103), false) == quic::write_result::queued);
    s.p.net.run([&] { return s.arrived(); }, 17ms);
  }
  CHECK(s.p.net.now - begun < 3 * round_trip);
}

/// It was, with a tenth lost: what it takes to remember its bytes in pieces was more than it might have held for it.
TEST_CASE("an honest client that sends as fast as it may over a long path with losses is not taken for an attacker") {
  for (const uint64_t every : {50, 20, 10, 5}) {
    CAPTURE(every);
    ec::test::pair p;
    p.net.delay = 75ms;
    auto& theirs = p.connect();
    p.net.lose = [&](uint64_t n, const quic::socket_address&, std::span<const uint8_t>) { return n % every == 0; };
    const auto object = pattern(100'000);
    size_t most = 0;
    const auto until = p.net.now + 30s;
    REQUIRE(p.net.run([&] {
      while (!p.mine.closed && p.mine.c->unsent() < 2'000'000) {
        const auto id = p.mine.c->open_uni();
        if (!id) break;
        CHECK(p.mine.c->write(*id, object, true) == quic::write_result::queued);
      }
      if (theirs.c) most = std::max(most, theirs.c->stats().held_bytes);
      return p.mine.closed || theirs.closed || p.net.now >= until;
    }, 60s));
    CAPTURE(most);
    CHECK_FALSE(p.mine.closed);
    CHECK_FALSE(theirs.closed);
    size_t came = 0;
    for (const auto& [id, bytes] : theirs.bytes) came += bytes;
    CHECK(came > 1'000'000);
  }
}
