// A path that is gone for seconds: how soon the stream goes on when it is back.
#include <algorithm>

#include "tests/unit/quic/pair.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

/// Milliseconds from the end of a blackout to the first byte that arrives, and to when nothing is missing any more.
struct recovery {
  double first = 0;
  double whole = 0;
};

recovery after_blackout(base::mono_duration dark) {
  pair p;
  p.net.delay = 50ms;
  auto& theirs = p.connect();
  constexpr size_t piece = 65'424;
  size_t written = 0, received = 0;
  const auto count = [&] {
    received = 0;
    for (const auto& [id, n] : p.mine.bytes) received += n;
    return received;
  };
  const auto pump = [&](base::mono_duration time) { // 20 Mbit/s, a stream for each piece
    for (const auto end = p.net.now + time; p.net.now < end;) {
      if (const auto id = theirs.c->open_uni()) {
        REQUIRE(theirs.c->write(*id, pattern(piece), true) == quic::write_result::queued);
        written += piece;
      }
      p.net.run([] { return false; }, 26ms);
    }
  };
  pump(3s);
  const auto light = p.net.now + dark;
  p.net.lose = [&](uint64_t, const quic::socket_address&, std::span<const uint8_t>) { return p.net.now < light; };
  pump(dark);
  const auto at_light = p.net.now, before = at_light;
  const auto had = count(), sent = written;
  recovery out;
  const auto since = [&] { return std::chrono::duration<double, std::milli>(p.net.now - before).count(); };
  while (count() == had) pump(26ms);
  out.first = since();
  while (count() < sent) pump(26ms);
  out.whole = since();
  REQUIRE_FALSE(p.mine.closed);
  return out;
}

} // namespace

TEST_CASE("after a blackout the stream goes on at once, however long it was dark") {
  // The dialler's PING comes at most a keep-alive (250 ms) after the light, the probe that it asks for a round trip of 100 ms later; then
  // the losses are known, and what was not sent is caught up. Without the PING's probe: up to as long again as it was dark.
  for (auto dark = 500ms; dark <= 6s; dark += 500ms) {
    CAPTURE(dark.count());
    const auto r = after_blackout(dark);
    CHECK(r.first <= 420);
    CHECK(r.whole <= 1100);
  }
}
