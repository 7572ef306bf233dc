#include "access/ledger.hpp"

#include <doctest/doctest.h>

#include <memory>

using namespace ec;
using access::ledger, access::seat;

namespace {

/// A session whose open requests the test sets.
struct guest {
  guest(ledger& home, const std::string& address) : place(home, address, [this] { return open; }) {}
  size_t open = 0;
  seat place;
};

constexpr base::mono_time start{};

} // namespace

TEST_CASE("an address has so many sessions, and one more when another has gone") {
  ledger book({.sessions_per_address = 2});
  guest first(book, "a"), other(book, "b");
  auto second = std::make_unique<guest>(book, "a");
  CHECK_FALSE(first.place.sit());
  CHECK_FALSE(second->place.sit());
  CHECK_FALSE(other.place.sit());
  {
    guest third(book, "a");
    CHECK(third.place.sit() == "its address has 2 sessions here, as many as it may");
  }
  second.reset();
  guest third(book, "a");
  CHECK_FALSE(third.place.sit());
}

TEST_CASE("a token has so many sessions, wherever they come from") {
  ledger book({.sessions_per_token = 1});
  guest first(book, "a"), second(book, "b"), third(book, "c");
  for (auto* g : {&first, &second, &third}) REQUIRE_FALSE(g->place.sit());
  CHECK_FALSE(first.place.show("7", "anna"));
  CHECK_FALSE(first.place.show("7", "anna")); // shown twice in one session
  CHECK(second.place.show("7", "anna") == "anna has 1 sessions here, as many as it may");
  CHECK_FALSE(third.place.show("8", "bert"));
}

TEST_CASE("requests count over all sessions of an address, and of a token") {
  ledger book({.requests_per_address = 3, .requests_per_token = 2});
  guest first(book, "a"), second(book, "a"), third(book, "b");
  for (auto* g : {&first, &second, &third}) REQUIRE_FALSE(g->place.sit());
  first.open = 1;
  second.open = 1;
  CHECK_FALSE(first.place.ask());
  first.open = 2;
  CHECK(second.place.ask() == "its address has 3 requests open here, as many as it may");
  CHECK_FALSE(third.place.ask());
  REQUIRE_FALSE(second.place.show("7", "anna"));
  REQUIRE_FALSE(third.place.show("7", "anna"));
  third.open = 1;
  CHECK(third.place.ask() == "its token has 2 requests open here, as many as it may");
  first.open = second.open = 0;
  CHECK_FALSE(third.place.ask());
}

TEST_CASE("who publishes faster than its rate is held until it is within it again") {
  ledger book({.bytes_per_second_per_address = 1000});
  guest g(book, "a");
  REQUIRE_FALSE(g.place.sit());
  const auto at = [](int ms) { return start + std::chrono::milliseconds(ms); };
  CHECK_FALSE(g.place.pace(0, at(0)));
  CHECK_FALSE(g.place.pace(1000, at(0)));  // a second's worth at once
  CHECK_FALSE(g.place.pace(1100, at(100)));
  CHECK(g.place.pace(1400, at(200)));      // 200 too much
  CHECK(g.place.pace(1400, at(399)));
  CHECK_FALSE(g.place.pace(1400, at(400)));
  CHECK_FALSE(g.place.pace(1400, at(60'000)));
  CHECK_FALSE(g.place.pace(2400, at(60'000))); // what was not used is not saved up
  CHECK(g.place.pace(2401, at(60'000)));
}

TEST_CASE("sessions of one token share its rate") {
  ledger book({.bytes_per_second_per_token = 1000});
  guest first(book, "a"), second(book, "b"), alone(book, "c");
  for (auto* g : {&first, &second, &alone}) REQUIRE_FALSE(g->place.sit());
  REQUIRE_FALSE(first.place.show("7", "anna"));
  REQUIRE_FALSE(second.place.show("7", "anna"));
  CHECK_FALSE(first.place.pace(600, start));
  CHECK(second.place.pace(600, start));
  CHECK(first.place.pace(600, start));
  CHECK_FALSE(alone.place.pace(1'000'000, start));
}

TEST_CASE("accounts go with their last session") {
  ledger book({.sessions_per_address = 1});
  CHECK(book.accounts() == 0);
  {
    guest g(book, "a");
    REQUIRE_FALSE(g.place.sit());
    REQUIRE_FALSE(g.place.show("7", "anna"));
    CHECK(book.accounts() == 2);
  }
  CHECK(book.accounts() == 0);
}
