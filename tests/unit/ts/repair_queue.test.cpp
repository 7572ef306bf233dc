// Who is asked for a damaged chunk, how long the signers wait for it, and what is given up.
#include "ts/repair_queue.hpp"

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace ec;
using namespace ec::ts;
using namespace std::chrono_literals;

namespace {

using kind = repair_step::kind;
using ids = std::vector<uint64_t>;

chunk_damaged damaged(uint64_t index, damage why = damage::continuity) {
  chunk_damaged out;
  out.index = index;
  out.why = why;
  out.pieces = {base::bytes::copy("x")};
  return out;
}

repair_queue::settings asking() {
  repair_queue::settings s;
  s.repairs = true;
  return s;
}

} // namespace

TEST_SUITE("ts/repair_queue") {

TEST_CASE("chunks that lack nothing go on at once and in order; behind a damaged one all wait") {
  repair_queue q(asking());
  const auto first = q.add(), second = q.add();
  CHECK(q.settle() == ids{first, second});
  const auto step = q.add(damaged(40), 9000, {});
  CHECK(step.what == kind::ask);
  CHECK(step.within == 2000ms);
  REQUIRE(q.find(step.id) != nullptr);
  CHECK(q.find(step.id)->had.index == 40);
  CHECK(q.find(step.id)->first_pts == 9000);
  const auto behind = q.add();
  CHECK(q.settle().empty());
  CHECK_FALSE(q.empty());
  q.heal(step.id);
  CHECK(q.find(step.id) == nullptr);
  CHECK(q.settle() == ids{step.id, behind});
  CHECK(q.empty());
}

TEST_CASE("a copy that did not do is followed by the next, of others, in what time is left; then it is said what was wrong with the last") {
  repair_queue q(asking());
  base::mono_time now{};
  const auto id = q.add(damaged(40), 0, now).id;
  now += 700ms;
  const auto again = q.refuse_copy(id, 3, "packet_differs", now);
  CHECK(again.what == kind::ask);
  CHECK(again.within == 1300ms);
  CHECK(q.find(id)->refused == std::vector<uint32_t>{3});
  now += 1300ms;
  const auto over = q.refuse_copy(id, 4, "share", now);
  CHECK(over.what == kind::refuse);
  CHECK(over.why == "share");
  CHECK(q.find(id)->refused == std::vector<uint32_t>{3, 4});
  CHECK(q.settle().empty()); // until it is given up
  const auto had = q.give_up(id);
  CHECK(had.had.index == 40);
  CHECK(had.had.pieces.size() == 1);
  CHECK(q.settle() == ids{id});
}

TEST_CASE("that nobody has a copy says less than what was wrong with one") {
  repair_queue q(asking());
  const auto id = q.add(damaged(40), 0, {}).id;
  CHECK(q.no_copy(id, "not_offered").why == "not_offered");
  CHECK(q.no_copy(id, "not_offered").what == kind::refuse);
  q.refuse_copy(id, 0, "boundary", {});
  CHECK(q.no_copy(id, "late").why == "boundary");
}

TEST_CASE("nobody is asked where nobody can be, for what cannot be compared, and for more than a few at a time") {
  repair_queue alone{repair_queue::settings{}};
  CHECK(alone.add(damaged(40), 0, {}).what == kind::give_up);
  repair_queue q(asking());
  unsigned causes = 0;
  for (size_t n = 1; n < damage_count; ++n) {
    const auto why = static_cast<damage>(n);
    repair_queue one(asking());
    CHECK((one.add(damaged(40, why), 0, {}).what == kind::ask) == repairable(why));
    causes += repairable(why) ? 1 : 0;
  }
  CHECK(causes > 0);
  CHECK(causes < damage_count - 1);
  ids asked;
  for (size_t n = 0; n < base::limits::repairs_waiting_max; ++n) {
    const auto step = q.add(damaged(40 + n), 0, {});
    CHECK(step.what == kind::ask);
    asked.push_back(step.id);
  }
  const auto busy = q.add(damaged(90), 0, {});
  CHECK(busy.what == kind::refuse);
  CHECK(busy.why == "busy");
  q.give_up(busy.id);
  q.heal(asked.back());
  CHECK(q.add(damaged(91), 0, {}).what == kind::ask); // there is room again
}

TEST_CASE("where the source does not wait a chunk that too many wait behind is given up, and where it does it has to") {
  auto s = asking();
  repair_queue live(s);
  const auto id = live.add(damaged(40), 0, {}).id;
  for (size_t n = 1; n < s.chunks_max; ++n) live.add();
  CHECK_FALSE(live.overdue().has_value());
  CHECK_FALSE(live.full());
  live.add();
  REQUIRE(live.overdue().has_value());
  CHECK(live.overdue()->id == id);
  CHECK(live.overdue()->what == kind::refuse);
  CHECK(live.overdue()->why == "late");
  live.give_up(id);
  CHECK(live.settle().size() == s.chunks_max + 1);
  CHECK_FALSE(live.overdue().has_value());

  s.drops = false;
  repair_queue file(s);
  file.add(damaged(40), 0, {});
  for (size_t n = 1; n < s.chunks_max; ++n) {
    CHECK_FALSE(file.full());
    file.add();
  }
  CHECK(file.full());
  file.add();
  CHECK_FALSE(file.overdue().has_value());
}

TEST_CASE("an answer that comes when the chunk is gone changes nothing") {
  repair_queue q(asking());
  const auto id = q.add(damaged(40), 0, {}).id;
  q.give_up(id);
  CHECK(q.find(id) == nullptr);
  q.heal(id);
  CHECK(q.give_up(id).had.pieces.empty());
  CHECK(q.settle() == ids{id});
  CHECK(q.find(id) == nullptr);
  CHECK(q.refuse_copy(id, 0, "share", {}).what == kind::refuse);
  CHECK(q.settle().empty());
}

TEST_CASE("a copy is judged by what was received of the chunk, and nothing changes by it") {
  repair_queue q(asking());
  const auto id = q.add(damaged(40), 9000, {}).id;
  const std::vector<uint8_t> noise(376, 0x47);
  const auto v = q.judge(*q.find(id), {40, 9000, 180'000, noise});
  const std::vector<base::bytes> pieces{base::bytes::copy("x")};
  CHECK(v.why == judge_repair({40, 9000, 0, damage::continuity, pieces}, {40, 9000, 180'000, noise}, 5).why);
  CHECK_FALSE(v.taken());
  CHECK(q.find(id)->refused.empty());
}

TEST_CASE("in whatever order the answers come, each chunk leaves once, in its order, and none is left") {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    repair_queue q(asking());
    base::mono_time now{};
    std::set<uint64_t> open;
    ids left;
    const auto follow = [&](repair_step step) {
      if (step.what == kind::ask) open.insert(step.id);
      else if (q.find(step.id) != nullptr) {
        q.give_up(step.id);
        open.erase(step.id);
      }
    };
    const auto settle = [&] {
      do {
        for (const auto id : q.settle()) left.push_back(id);
        if (const auto late = q.overdue()) follow(*late);
        else break;
      } while (true);
    };
    const auto answer_one = [&] {
      auto at = open.begin();
      std::advance(at, random() % open.size());
      const auto id = *at;
      if (random() % 3 == 0) follow(q.refuse_copy(id, random() % 3, "share", now));
      else if (random() % 2 == 0) follow(q.no_copy(id, "late"));
      else q.heal(id), open.erase(id);
    };
    uint64_t made = 0;
    for (; made < 300; ++made, now += std::chrono::milliseconds(random() % 200)) {
      if (random() % 4 == 0) follow(q.add(damaged(made), 0, now));
      else q.add();
      if (!open.empty() && random() % 5 == 0) answer_one();
      settle();
    }
    now += 10s;
    while (!open.empty()) {
      answer_one();
      settle();
    }
    REQUIRE(left.size() == made);
    for (uint64_t n = 0; n < made; ++n) CHECK(left[n] == n);
    CHECK(q.empty());
  }
}

}
