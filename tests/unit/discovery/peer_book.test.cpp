#include "discovery/peer_book.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>

using namespace ec;
using namespace std::chrono_literals;
using discovery::found_peer;
using discovery::peer_book;

namespace {

const std::string stream = "ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-wptv";
const std::string other = "ec/stream/v1/broadcast/standard-atsc/channel-7.1/callsign-wxyz";

std::string address(uint32_t number, uint16_t port = 4443) {
  return "9." + std::to_string(number >> 16 & 255) + "." + std::to_string(number >> 8 & 255) + "." + std::to_string(number & 255) + ":" + std::to_string(port);
}

struct bench {
  explicit bench(const discovery::peer_book_config& config = {}) : book(config) { book.want(stream, now); }

  peer_book book;
  base::mono_time now{1h};

  void found(uint32_t number, const std::string& under = stream) { book.found(under, {address(number), true}, now); }
  peer_book::step pass(std::chrono::milliseconds by = 0ms) {
    now += by;
    book.want(stream, now);
    return book.look(now);
  }
};

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::ranges::find(all, one) != all.end();
}

} // namespace

TEST_CASE("what a stranger may name is of the internet, and no service's port") {
  using bytes = std::vector<uint8_t>;
  struct row {
    bytes host;
    uint16_t port;
    bool good;
  };
  const row rows[] = {
    {{9, 9, 9, 9}, 4443, true}, {{172, 15, 0, 1}, 4443, true}, {{172, 32, 0, 1}, 4443, true}, {{100, 63, 0, 1}, 4443, true}, {{223, 255, 255, 254}, 4443, true},
    {{9, 9, 9, 9}, 443, true}, {{9, 9, 9, 9}, 53, false}, {{9, 9, 9, 9}, 123, false}, {{9, 9, 9, 9}, 0, false},
    {{0, 1, 2, 3}, 4443, false}, {{10, 0, 0, 1}, 4443, false}, {{100, 64, 0, 1}, 4443, false}, {{127, 0, 0, 1}, 4443, false}, {{169, 254, 1, 1}, 4443, false},
    {{172, 16, 0, 1}, 4443, false}, {{172, 31, 255, 1}, 4443, false}, {{192, 0, 2, 1}, 4443, false}, {{192, 168, 1, 1}, 4443, false},
    {{198, 19, 0, 1}, 4443, false}, {{198, 51, 100, 1}, 4443, false}, {{203, 0, 113, 1}, 4443, false}, {{224, 0, 0, 251}, 4443, false}, {{255, 255, 255, 255}, 4443, false},
    {{0x2a, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 4443, true},
    {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 4443, false},
    {{0x20, 0x02, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 4443, false},
    {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 4443, false},
    {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 4443, false},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 4443, false},
    {{9, 9, 9}, 4443, false},
  };
  for (const auto& r : rows) {
    CAPTURE(int{r.host[0]});
    CAPTURE(int{r.host[1]});
    CAPTURE(r.port);
    CHECK(discovery::globally_reachable(r.host, r.port) == r.good);
  }
}

TEST_CASE("a peer is dialled once, kept while what it gave holds, and left when it gives nothing") {
  bench b;
  b.found(1);
  b.found(2);
  auto step = b.pass();
  CHECK(step.dial.size() == 2);
  b.found(1); // told again: known
  CHECK(b.pass(1s).dial.empty());
  b.book.useful(address(1), 60s, b.now);
  CHECK(b.book.useful_now(stream, b.now) == 1);
  step = b.pass(10s);
  REQUIRE(step.leave.size() == 1);
  CHECK(step.leave[0] == address(2));
  CHECK(b.book.count().fruitless == 1);
  // It says its own again in time, and stays.
  for (int i = 0; i < 10; ++i) {
    b.book.useful(address(1), 60s, b.now);
    CHECK(!has(b.pass(20s).leave, address(1)));
  }
  // Then it is silent: gone when its time and its patience are over.
  CHECK(!has(b.pass(49s).leave, address(1)));
  CHECK(has(b.pass(1s).leave, address(1)));
  CHECK(b.book.useful_now(stream, b.now) == 0);
}

TEST_CASE("who gave nothing is dialled again after 5 s, then 10, 20, and at last every half hour; who was useful begins anew") {
  bench b;
  b.found(1);
  REQUIRE(b.pass().dial.size() == 1);
  auto wait = 5000ms;
  for (int i = 0; i < 12; ++i) {
    REQUIRE(b.pass(10s).leave.size() == 1);
    for (auto left = wait - 1ms; left > 0ms; left -= 20s) CHECK(b.pass(std::min<std::chrono::milliseconds>(left, 20s)).dial.empty());
    REQUIRE(b.pass(1ms).dial.size() == 1);
    wait = std::min<std::chrono::milliseconds>(wait * 2, 30min);
  }
  CHECK(wait == 30min);
  b.book.useful(address(1), 3s, b.now);
  REQUIRE(b.pass(13s).leave.size() == 1);
  CHECK(b.pass(5s).dial.size() == 1);
}

TEST_CASE("who gives what is forged is left at once, for the longest time") {
  bench b;
  b.found(1);
  b.pass();
  b.book.useful(address(1), 60s, b.now);
  b.book.useless(address(1), b.now);
  CHECK(b.pass(1ms).leave.size() == 1);
  for (auto past = 0s; past < 29min; past += 20s) CHECK(b.pass(20s).dial.empty());
  CHECK(b.pass(20s).dial.empty());
  CHECK(b.pass(40s).dial.size() == 1);
}

TEST_CASE("only some of a stream are tried at once, in turn, so that one honest peer among many is asked") {
  bench b;
  for (uint32_t i = 0; i < 1000; ++i) b.found(i << 8);
  CHECK(b.book.count().no_room == 1000 - 128);
  const auto honest = address(7 << 16);
  bool asked = false;
  size_t at_once = 0;
  for (int i = 0; i < 60 * 60 && !asked; ++i) {
    for (uint32_t k = 0; k < 1000; k += 10) b.found(k << 8);
    b.found(7 << 16);
    const auto step = b.pass(1s);
    at_once = std::max(at_once, b.book.dialled_now());
    asked = has(step.dial, honest);
  }
  CHECK(asked);
  CHECK(at_once == 4);
}

TEST_CASE("who dresses up as many useful peers keeps twelve places and no more: others are still tried, and visited") {
  bench b;
  for (uint32_t i = 0; i < 20; ++i) b.found(i << 8);
  size_t visits = 0;
  for (int i = 0; i < 300; ++i) {
    const auto step = b.pass(1s);
    visits += step.dial.size();
    // All of them say what holds for two minutes.
    for (uint32_t k = 0; k < 20; ++k) b.book.useful(address(k << 8), 120s, b.now);
  }
  CHECK(b.book.dialled_now() <= 12 + 4);
  CHECK(visits > 12 + 8 * 3); // the other eight again and again, each minute or so
  CHECK(visits < 12 + 8 * 8);
}

TEST_CASE("one address cannot fill a stream with its ports where anybody may name peers, and can where it is ours") {
  bench open;
  for (uint16_t port = 5000; port < 5100; ++port) open.book.found(stream, {address(1, port), true}, open.now);
  for (int i = 0; i < 100; ++i) open.book.found(stream, {"[2a00:1:2:3::" + std::to_string(i) + "]:4443", true}, open.now);
  CHECK(open.book.count().no_room == 100 - 4 + 100 - 4);
  open.book.found(stream, {"10.0.0.1:4443", false}, open.now);
  CHECK(open.book.count().unreachable == 1);

  bench ours({.anybody = false});
  for (uint16_t port = 5000; port < 5008; ++port) ours.book.found(stream, {"127.0.0.1:" + std::to_string(port), false}, ours.now);
  CHECK(ours.book.count().no_room == 0);
  CHECK(ours.book.count().unreachable == 0);
  CHECK(ours.pass().dial.size() == 4);
}

TEST_CASE("a stream that nobody wants any more takes its peers along, and there is a bound on streams") {
  bench b;
  b.book.want(other, b.now);
  b.found(1, other);
  b.found(2);
  b.found(2, other); // stands under both
  CHECK(b.pass().dial.size() == 2);
  b.found(3, "ec/stream/v1/source/nobody-asked");
  std::vector<std::string> left;
  for (int i = 0; i < 8; ++i) {
    b.book.useful(address(1), 60s, b.now);
    b.book.useful(address(2), 60s, b.now);
    const auto step = b.pass(5s);
    left.insert(left.end(), step.leave.begin(), step.leave.end());
    CHECK(step.dial.empty());
  }
  CHECK(left == std::vector{address(1)});
  CHECK(!b.book.wanted(other));
  for (int i = 0; i < 63; ++i) CHECK(b.book.want("ec/" + std::to_string(i), b.now));
  CHECK(!b.book.want("ec/one-more", b.now));
  CHECK(b.book.want(stream, b.now));
}
