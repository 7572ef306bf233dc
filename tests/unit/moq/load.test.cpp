#include "moq/load.hpp"

#include <algorithm>

#include <doctest/doctest.h>

using namespace ec;
using namespace std::chrono_literals;

namespace {

constexpr moq::load_shape shape{.object_bytes = 100, .objects_per_second = 50, .objects_per_group = 3};
constexpr base::mono_time start{1h};

/// A subscriber whose clock stands where the test puts it.
struct subscriber {
  base::mono_time now = start;
  moq::load_meter meter{shape, 500ms, [this] { return now; }};
  moq::load_source source{shape, start};

  /// The next `count` objects, published on time and received `after` that; those of `lost` are not.
  void pass(int count, base::mono_duration after = 1ms, std::vector<int> lost = {}) {
    for (int i = 0; i < count; ++i) {
      const auto due = source.next();
      const auto o = source.take(due);
      now = due + after;
      if (std::ranges::find(lost, i) == lost.end()) meter.on_object(1, o);
    }
  }
};

} // namespace

TEST_CASE("a load is objects on time, in groups, each stamped") {
  moq::load_source source(shape, start);
  CHECK(source.next() == start);
  const auto first = source.take(start);
  CHECK(first.at() == moq::location{0, 0});
  CHECK(first.payload.size() == 100);
  CHECK(source.next() == start + 20ms);
  CHECK_FALSE(source.at_group_start());
  source.take(start);
  source.take(start);
  CHECK(source.at_group_start());
  CHECK(source.group() == 1);
  CHECK(source.take(start).at() == moq::location{1, 0});
}

TEST_CASE("a payload is never smaller than its stamp") {
  moq::load_source source({.object_bytes = 1}, start);
  CHECK(source.take(start).payload.size() == moq::load_stamp_bytes);
}

TEST_CASE("a meter counts groups that begin while it measures") {
  subscriber s;
  s.pass(4); // group 0, and group 1 has begun
  s.meter.begin();
  s.pass(2 + 9); // of group 1 only the objects count, not the group
  s.pass(1);     // group 5 has begun when it ends
  s.meter.end();
  const auto& f = s.meter.figures();
  CHECK(f.groups_whole == 3);
  CHECK(f.groups_lost == 0);
  CHECK(f.groups_late == 0);
  CHECK(f.objects == 12);
  CHECK(f.payload_bytes == 1200);
  CHECK(f.delay_us(0.5) == 1000);
}

TEST_CASE("a group without all of its objects is lost, also one of which none came") {
  subscriber s;
  s.pass(3);
  s.meter.begin();
  s.pass(3, 1ms, {1});       // group 1 lacks one
  s.pass(3, 1ms, {0, 1, 2}); // nothing of group 2
  s.pass(3);
  s.pass(1);
  s.meter.end();
  CHECK(s.meter.figures().groups_lost == 2);
  CHECK(s.meter.figures().groups_whole == 1);
}

TEST_CASE("a whole group with an object that took too long is late") {
  subscriber s;
  s.meter.begin();
  s.pass(3, 501ms);
  s.pass(3, 500ms);
  s.pass(1);
  s.meter.end();
  CHECK(s.meter.figures().groups_whole == 2);
  CHECK(s.meter.figures().groups_late == 1);
}

TEST_CASE("delays are those that a share of the objects did not exceed") {
  moq::load_figures f;
  CHECK(f.delay_us(0.99) == 0);
  for (uint32_t i = 1; i <= 100; ++i) f.delays_us.push_back(101 - i);
  CHECK(f.delay_us(0.5) == 50);
  CHECK(f.delay_us(0.99) == 99);
  CHECK(f.delay_us(1) == 100);
  CHECK(f.delay_us(0) == 1);
}

TEST_CASE("why a subscription was refused is told once") {
  subscriber s;
  CHECK_FALSE(s.meter.take_refusal().has_value());
  s.meter.on_request_error(1, {.code = moq::request_code::does_not_exist, .retry_after_ms = {}, .reason = "no such track", .to = {}});
  CHECK(s.meter.take_refusal()->code == moq::request_code::does_not_exist);
  CHECK_FALSE(s.meter.take_refusal().has_value());
  CHECK(s.meter.figures().refused == 1);
}

TEST_CASE("sessions that close and subscriptions that are refused are counted, and figures add up") {
  subscriber a, b;
  a.meter.on_closed(1, "");
  b.meter.on_request_error(1, {});
  moq::load_figures sum = a.meter.figures();
  sum.add(b.meter.figures());
  CHECK(sum.sessions_lost == 1);
  CHECK(sum.refused == 1);
}
