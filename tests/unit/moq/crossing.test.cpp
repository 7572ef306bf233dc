#include "moq/crossing.hpp"

#include <doctest/doctest.h>

using namespace ec;
using namespace std::chrono_literals;
using step = moq::crossing::step;

namespace {
constexpr base::mono_time start{1h};
}

TEST_CASE("the new session is dialled first, and the old one left when nothing is missing") {
  moq::crossing c(start, 30'000, true);
  CHECK(c.next(start, true) == step::dial);
  c.dialling();
  CHECK(c.next(start + 1s, true) == step::wait);
  CHECK(c.next(start + 1s, false) == step::wait); // it is not there yet
  c.up();
  CHECK(c.next(start + 2s, true) == step::wait);
  CHECK(c.next(start + 2s, false) == step::leave);
}

TEST_CASE("the old session is left a little before its server would end it, whatever is missing") {
  moq::crossing c(start, 5000, true);
  c.dialling();
  c.up();
  CHECK(c.next(start + 4499ms, true) == step::wait);
  CHECK(c.next(start + 4500ms, true) == step::leave);
  moq::crossing unsaid(start, 0, true);
  unsaid.dialling();
  unsaid.up();
  CHECK(unsaid.next(start + moq::leave_wait - 1001ms, true) == step::wait);
  CHECK(unsaid.next(start + moq::leave_wait - 1s, true) == step::leave);
}

TEST_CASE("a new server that is not there yet is dialled again, each time later, until it is too late") {
  moq::crossing c(start, 10'000, true);
  auto now = start;
  for (const auto wait : {250ms, 500ms, 1000ms, 2000ms, 2000ms}) {
    REQUIRE(c.next(now, true) == step::dial);
    c.dialling();
    c.failed(now);
    CHECK(c.next(now + wait - 1ms, true) == step::wait);
    now += wait;
  }
  CHECK(c.next(start + 9s, true) == step::give_up);
}

TEST_CASE("a new session that ends before the old one was left is dialled again") {
  moq::crossing c(start, 10'000, true);
  c.dialling();
  c.up();
  c.failed(start + 1s);
  CHECK_FALSE(c.is_up());
  CHECK(c.next(start + 1s, false) == step::wait);
  CHECK(c.next(start + 1250ms, false) == step::dial);
}

TEST_CASE("a server that names no other place is tried once, as another may answer there already") {
  moq::crossing c(start, 2000, false);
  CHECK(c.next(start, true) == step::dial);
  c.dialling();
  c.failed(start + 10ms);
  CHECK(c.next(start + 10ms, true) == step::give_up);
}

TEST_CASE("any timeout that a peer says makes sense") {
  moq::crossing c(start, ~uint64_t{0}, true);
  c.dialling();
  c.up();
  CHECK(c.next(start + 23h, true) == step::wait);
  CHECK(c.next(start + 24h, true) == step::leave);
}

TEST_CASE("servers that send a client to one another move it four times a minute") {
  moq::move_budget b;
  for (int i = 0; i < 4; ++i) CHECK(b.take(start + i * 1s));
  CHECK_FALSE(b.take(start + 59s));
  CHECK(b.take(start + 60s));
  CHECK_FALSE(b.take(start + 60s));
}
