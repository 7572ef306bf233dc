#include "base/deadline_list.hpp"

#include <doctest/doctest.h>

using namespace ec;
using namespace std::chrono_literals;

namespace {

constexpr base::mono_time start{1h};

struct alarm {
  std::optional<base::mono_time> at;
  int asked = 0;
  int rang = 0;
  base::deadline_place place;
};
using alarms = base::deadline_list<alarm, &alarm::place>;

std::optional<base::mono_time> ask(alarm& a) {
  ++a.asked;
  return a.at;
}

} // namespace

TEST_CASE("the earliest deadline is known without asking who did not move") {
  alarms list;
  alarm a{.at = start + 2s}, b{.at = start + 1s}, never;
  for (auto* one : {&a, &b, &never}) list.add(*one);
  CHECK(list.next(ask) == start + 1s);
  CHECK(list.next(ask) == start + 1s);
  CHECK(a.asked == 1);
  b.at = start + 3s;
  list.touch(b);
  list.touch(b);
  CHECK(list.next(ask) == start + 2s);
  CHECK(a.asked == 1);
  CHECK(b.asked == 2);
  a.at.reset();
  list.touch(a);
  list.remove(b);
  CHECK_FALSE(list.next(ask).has_value());
}

TEST_CASE("who is due is called once, in order, and may move and remove others") {
  alarms list;
  alarm a{.at = start}, b{.at = start}, c{.at = start}, later{.at = start + 1ms};
  for (auto* one : {&c, &a, &b, &later}) list.add(*one);
  std::vector<alarm*> called;
  list.run(start, ask, [&](alarm& one) {
    called.push_back(&one);
    if (&one != &c) return; // stays due
    list.remove(a);
    later.at = start;
    list.touch(later);
  });
  CHECK(called == std::vector<alarm*>{&c, &b});
  CHECK(list.next(ask) == start);
  b.at = c.at = std::nullopt;
  list.touch(b);
  list.touch(c);
  list.run(start, ask, [&](alarm& one) { ++one.rang; });
  CHECK(later.rang == 1);
  CHECK(a.rang + b.rang + c.rang == 0);
}

TEST_CASE("a deadline that another moved away is not called, and asked for again") {
  alarms list;
  alarm a{.at = start}, b{.at = start};
  list.add(a);
  list.add(b);
  list.run(start, ask, [&](alarm& one) {
    ++one.rang;
    one.at.reset();
    b.at = start + 5s; // without a word
  });
  CHECK(b.rang == 0);
  CHECK(list.next(ask) == start + 5s);
}

TEST_CASE("who is removed before it was asked is not asked") {
  alarms list;
  {
    alarm gone{.at = start};
    list.add(gone);
    list.remove(gone);
    list.remove(gone);
  }
  CHECK_FALSE(list.next(ask).has_value());
}
