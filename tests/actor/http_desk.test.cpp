#include "actors/http_desk.hpp"

#include <doctest/doctest.h>

#include "base/limits_relay_http.hpp"

using namespace ec;
using namespace std::chrono_literals;
namespace limits = base::limits;

namespace {

/// A desk over a store with one track, at a time of the test's.
struct desk_bench {
  base::mono_time now{1h};
  moq::track_store store;
  std::shared_ptr<actors::http_counters> counters = std::make_shared<actors::http_counters>();
  actors::http_desk desk{store, nullptr, counters};
  moq::track& track = *store.add({{{"a", "b"}}, "t"}, {}, now).value();
  size_t woken = 0;

  std::shared_ptr<actors::http_exchange> ask(actors::http_ask a) {
    auto e = std::make_shared<actors::http_exchange>(std::move(a), [this](auto) { ++woken; });
    desk.take(e, now);
    desk.flush(now);
    return e;
  }
  std::shared_ptr<actors::http_exchange> fetch(std::optional<uint64_t> group = {}) {
    return ask({.what = actors::http_ask::kind::fetch, .track = track.name(), .group = group, .query = {}, .tokens = {}, .peer = "127.0.0.1:9"});
  }
  void put(uint64_t group, uint64_t id, size_t bytes) {
    moq::object o;
    o.group = group;
    o.id = id;
    o.payload = base::bytes::adopt(std::vector<uint8_t>(bytes, static_cast<uint8_t>(id)));
    REQUIRE(store.append(track, std::move(o), now).has_value());
    desk.flush(now);
  }
  void wait(base::mono_duration some) {
    now += some;
    desk.on_timer(now);
  }
  /// What a reader gets now without waiting: bytes, then "wait", "end" or the fault.
  std::string read(actors::http_exchange& e, size_t most = size_t{1} << 30) {
    std::vector<uint8_t> room(64 << 10);
    size_t sum = 0;
    while (sum < most) {
      const auto got = e.take({room.data(), std::min(room.size(), most - sum)}, 0ms);
      if (!got) return std::to_string(sum) + (got.error().code == base::errc::closed ? " end" : " " + got.error().text);
      if (got.value() == 0) return std::to_string(sum) + " wait";
      sum += got.value();
    }
    return std::to_string(sum);
  }
};

} // namespace

TEST_CASE("a client that reads nothing costs 256 KiB and an object, and is given the rest when it reads") {
  desk_bench b;
  constexpr size_t each = 100'000;
  for (uint64_t i = 0; i < 20; ++i) b.put(1, i, each);
  b.store.end_group(b.track, 1, b.now);
  const auto e = b.fetch();
  REQUIRE(e->head(0ms).has_value());
  CHECK(e->head(0ms)->group == 1);
  CHECK(e->waiting() >= limits::relay_http_waiting_bytes_max);
  CHECK(e->waiting() < limits::relay_http_waiting_bytes_max + each);
  b.wait(5min); // its connection is what loses patience
  CHECK(b.desk.open() == 1);
  size_t sum = 0;
  while (sum < 20 * each) {
    const auto part = std::min<size_t>(50'000, 20 * each - sum);
    CHECK(b.read(*e, part) == std::to_string(part));
    sum += part;
    if (std::exchange(b.woken, 0) == 0) continue;
    b.desk.take(e, b.now);
    b.desk.flush(b.now);
    CHECK(e->waiting() < limits::relay_http_waiting_bytes_max + each);
  }
  CHECK(b.read(*e) == "0 end");
  CHECK(b.desk.open() == 0);
  CHECK(b.counters->groups == 1);
  CHECK(b.counters->group_bytes == 20 * each);
}

TEST_CASE("a group that is published is followed, and a client that leaves is forgotten") {
  desk_bench b;
  b.put(4, 0, 10);
  const auto follows = b.fetch(), leaves = b.fetch(4);
  CHECK(b.read(*follows) == "10 wait");
  b.put(4, 1, 5);
  CHECK(b.read(*follows) == "5 wait");
  leaves->leave();
  CHECK(b.woken == 1);
  b.desk.take(leaves, b.now);
  b.desk.flush(b.now);
  CHECK(b.desk.open() == 1);
  CHECK(b.counters->cut == 1);
  b.store.end_group(b.track, 4, b.now);
  b.desk.flush(b.now);
  CHECK(b.read(*follows) == "0 end");
}

TEST_CASE("an answer that does not begin, falls silent or goes on without end is ended") {
  desk_bench b;
  const auto nothing = b.fetch();
  CHECK_FALSE(nothing->head(0ms).has_value());
  CHECK(b.desk.deadline() == b.now + limits::relay_http_first_byte);
  b.wait(limits::relay_http_first_byte);
  CHECK(nothing->head(0ms)->status == 504);
  CHECK(b.counters->failed == 1);
  b.put(1, 0, 10);
  const auto silent = b.fetch();
  b.wait(limits::relay_http_silence);
  CHECK(b.read(*silent) == "10 nothing more of the group came in time");
  const auto endless = b.fetch();
  const auto begun = b.now;
  for (uint64_t i = 1; b.now < begun + limits::relay_http_answer_time; ++i) {
    b.put(1, i, 10);
    b.wait(20s);
    b.read(*endless);
  }
  CHECK(b.read(*endless) == "0 the answer took too long");
  CHECK(b.counters->cut == 2);
  CHECK(b.desk.open() == 0);
  CHECK_FALSE(b.desk.deadline().has_value());
}

TEST_CASE("more names than one answer holds are refused") {
  desk_bench b;
  const std::string field(1000, 'x');
  for (int i = 0; i < 1100; ++i) b.store.announce({{"many", field, std::to_string(i)}}, b.now);
  const auto listing = [&](moq::track_namespace prefix) {
    return *b.ask({.what = actors::http_ask::kind::announced, .track = {std::move(prefix), {}}, .group = {}, .query = {}, .tokens = {}, .peer = {}})->head(0ms);
  };
  CHECK(listing({}).status == 400);
  CHECK(listing({{"many", field, "17"}}).announced == std::vector{moq::track_namespace{{"many", field, "17"}}});
  CHECK(listing({{"a"}}).announced == std::vector{moq::track_namespace{{"a", "b"}}});
  CHECK(listing({{"none"}}).announced.empty());
}
