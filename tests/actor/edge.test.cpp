#include "actors/edge.hpp"

#include <doctest/doctest.h>

#include "actors/manifest_publisher.hpp"
#include "actors/topology/common.hpp"
#include "tests/support/actor_bench.hpp"

using namespace ec;
using namespace std::chrono_literals;
using actors::edge_config, actors::edge_policy, actors::manifest_item;

namespace {

using item_edge = actors::edge<manifest_item, actors::manifest_publisher_actor>;

/// What the test sees of an edge in an actor.
struct edge_view {
  item_edge* edge = nullptr;
  size_t rooms = 0;
  std::vector<uint64_t> dropped, begun;
};

/// Pushes what it is sent; `epoch` is the group.
class pusher final : public caf::event_based_actor {
public:
  pusher(caf::actor_config& cfg, edge_config config, const caf::actor& sink, std::shared_ptr<edge_view> view,
    actors::observer_actor observer) :
    caf::event_based_actor(cfg), edge_(config, caf::actor_cast<actors::manifest_publisher_actor>(sink), {"test-sink", std::move(observer)}), view_(std::move(view)) {
    view_->edge = &edge_;
    edge_.on_room([this] { ++view_->rooms; });
    edge_.on_drop([this](uint64_t group, bool begun) {
      view_->dropped.push_back(group);
      if (begun) view_->begun.push_back(group);
    });
  }
  caf::behavior make_behavior() override {
    return {
      [this](const manifest_item& item) { edge_.push(this, item, item.epoch); },
      [this](actors::tick_atom, const manifest_item& item) { edge_.push_always(this, item); },
      [this](actors::stop_atom) { edge_.close(this); },
    };
  }
  void on_exit() override { edge_.release(this); }

private:
  item_edge edge_;
  std::shared_ptr<edge_view> view_;
};

struct edge_bench : test::actor_bench {
  explicit edge_bench(edge_config config) : to(sink<manifest_item>(true)), from(own(sys.spawn<pusher>(config, to.actor, view, observer))) { run(); }

  void push(uint64_t group, uint64_t object = 0) { send(from, manifest_item{.epoch = group, .object = object}); }
  std::vector<uint64_t> groups() const {
    std::vector<uint64_t> out;
    for (const auto& i : to.taken->items) out.push_back(i.epoch);
    return out;
  }

  std::shared_ptr<edge_view> view = std::make_shared<edge_view>();
  test::sink_handle<manifest_item> to;
  caf::actor from;
};

using groups = std::vector<uint64_t>;

} // namespace

TEST_CASE("an edge has no more than its window unanswered, and keeps the order") {
  edge_bench bench({.window = 2, .waiting = 8});
  for (uint64_t g = 1; g <= 5; ++g) bench.push(g);
  CHECK(bench.groups() == groups{1, 2});
  CHECK(bench.view->edge->counters().sent == 2);
  bench.credit(bench.to, 1);
  CHECK(bench.groups() == groups{1, 2, 3});
  bench.credit(bench.to, 4);
  CHECK(bench.groups() == groups{1, 2, 3, 4, 5});
  CHECK_FALSE(bench.view->edge->idle());
  bench.credit(bench.to, 4);
  CHECK(bench.view->edge->idle());
  CHECK(bench.view->edge->counters().sent == 5);
  CHECK(bench.view->edge->counters().dropped_items == 0);
  CHECK(bench.view->rooms == 5);
}

TEST_CASE("a lossless edge that is full says so and drops nothing") {
  edge_bench bench({.window = 1, .waiting = 2, .policy = edge_policy::lossless});
  bench.push(1);
  bench.push(2);
  CHECK_FALSE(bench.view->edge->full());
  bench.push(3);
  CHECK(bench.view->edge->full());
  bench.push(4); // what was on its way when the source was told
  bench.credit(bench.to, 1);
  CHECK(bench.view->edge->full());
  bench.credit(bench.to, 1);
  CHECK_FALSE(bench.view->edge->full());
  bench.credit(bench.to, 2);
  CHECK(bench.groups() == groups{1, 2, 3, 4});
  CHECK(bench.view->edge->counters().dropped_items == 0);
}

TEST_CASE("a live edge that is full drops its oldest whole group and counts it") {
  edge_bench bench({.window = 1, .waiting = 4});
  bench.push(1, 0); // on its way
  for (const uint64_t object : {1u, 2u}) bench.push(1, object);
  for (const uint64_t object : {0u, 1u}) bench.push(2, object);
  CHECK(bench.view->dropped.empty());
  bench.push(3, 0);
  CHECK(bench.view->dropped == groups{1});
  CHECK(bench.view->begun == groups{1});
  CHECK(bench.view->edge->counters().dropped_items == 2);
  CHECK(bench.view->edge->counters().dropped_groups == 1);
  bench.credit(bench.to, 4);
  bench.credit(bench.to, 4);
  bench.credit(bench.to, 4);
  CHECK(bench.groups() == groups{1, 2, 2, 3});
}

TEST_CASE("a live edge that dropped the group that comes in right now takes nothing more of it") {
  edge_bench bench({.window = 1, .waiting = 2});
  bench.push(1);
  for (uint64_t object = 0; object < 5; ++object) bench.push(2, object);
  CHECK(bench.view->dropped == groups{2});
  CHECK(bench.view->begun.empty());
  CHECK(bench.view->edge->counters().dropped_items == 5);
  CHECK(bench.view->edge->counters().dropped_groups == 1);
  bench.push(3);
  bench.credit(bench.to, 1);
  bench.credit(bench.to, 1);
  CHECK(bench.groups() == groups{1, 3});
}

TEST_CASE("an edge whose sink is gone counts what failed and does not stand still") {
  edge_bench bench({.window = 1, .waiting = 8});
  caf::anon_send_exit(bench.to.actor, caf::exit_reason::kill);
  bench.run();
  for (uint64_t g = 1; g <= 3; ++g) bench.push(g);
  CHECK(bench.view->edge->counters().failed == 3);
  CHECK(bench.view->edge->idle());
}

TEST_CASE("a closing edge ends its actor when the last item is answered, not before") {
  edge_bench bench({.window = 1, .waiting = 8});
  const auto end = bench.watch(bench.from);
  bench.push(1);
  bench.push(2);
  bench.send(bench.from, actors::stop_atom::value);
  bench.credit(bench.to, 1);
  CHECK_FALSE(end->ended);
  bench.credit(bench.to, 1);
  CHECK(end->ended);
  CHECK_FALSE(end->reason);
  CHECK(bench.groups() == groups{1, 2});
}

TEST_CASE("what belongs to no group is never dropped, and keeps its place") {
  edge_bench bench({.window = 1, .waiting = 2});
  bench.push(1);
  bench.send(bench.from, actors::tick_atom::value, manifest_item{.epoch = 100});
  for (uint64_t g = 2; g <= 5; ++g) bench.push(g);
  CHECK(bench.view->dropped == groups{2, 3});
  for (int n = 0; n < 3; ++n) bench.credit(bench.to, 1);
  CHECK(bench.groups() == groups{1, 100, 4, 5});
}

TEST_CASE("an edge tells at once that it loses something, then at most every ten seconds, and at its end the rest") {
  edge_bench bench({.window = 1, .waiting = 1});
  bench.push(1);
  bench.push(2);
  CHECK(bench.log->count("edge-lost") == 0);
  bench.push(3);
  REQUIRE(bench.log->count("edge-lost") == 1);
  const auto first = bench.log->all("edge-lost")[0];
  CHECK(test::text_of(first, "edge") == "test-sink");
  CHECK(test::int_of(first, "groups") == 1);
  CHECK(test::int_of(first, "items") == 1);
  CHECK(test::int_of(first, "failed") == 0);
  bench.push(4);
  bench.advance(9'999ms);
  bench.push(5);
  CHECK(bench.log->count("edge-lost") == 1);
  bench.advance(1ms);
  bench.push(6);
  REQUIRE(bench.log->count("edge-lost") == 2);
  CHECK(test::int_of(bench.log->all("edge-lost")[1], "items") == 4);
  bench.push(7);
  CHECK(bench.log->count("edge-lost") == 2);
  caf::anon_send_exit(bench.from, caf::exit_reason::user_shutdown);
  bench.run();
  REQUIRE(bench.log->count("edge-lost") == 3);
  CHECK(test::int_of(bench.log->all("edge-lost")[2], "items") == 5);
}

TEST_CASE("an HLS disk at 1 MB/s under a broadcast of 19.39 Mbit/s: what is held is bounded, the oldest go, and they are counted") {
  edge_bench bench(actors::hls_edge);
  const auto held_max = actors::hls_edge.window + actors::hls_edge.waiting;
  // A chunk of 2 s has 4.8 MB: one comes every 2 s, and the disk takes one every 4.8 s, for half an hour.
  uint64_t pushed = 0, most = 0;
  for (auto t = 0ms; t < 30min; t += 400ms) {
    bench.advance(400ms);
    if (t.count() % 2000 == 0) bench.push(++pushed);
    if (t.count() % 4800 == 0 && !bench.to.taken->items.empty()) bench.credit(bench.to, 1);
    const auto& c = bench.view->edge->counters();
    most = std::max(most, pushed - c.dropped_groups - (c.sent - std::min<uint64_t>(c.sent, actors::hls_edge.window)));
  }
  const auto& c = bench.view->edge->counters();
  CHECK(most == held_max);
  CHECK(pushed == 900);
  CHECK(c.sent == 375 + actors::hls_edge.window); // what the disk took in half an hour, and what is on its way to it
  CHECK(c.dropped_groups == pushed - c.sent - actors::hls_edge.waiting);
  CHECK(std::ranges::is_sorted(bench.groups()));
  CHECK(std::ranges::is_sorted(bench.view->dropped));
  CHECK(bench.view->begun.empty()); // a chunk is one item: none is left half
  const auto told = bench.log->all("edge-lost");
  REQUIRE_FALSE(told.empty());
  CHECK(told.size() <= 30 * 6); // not more often than every ten seconds
  // The disk is as fast as it should be again: everything that is still held comes, in order, and nothing more is lost.
  const auto lost = c.dropped_groups;
  for (int i = 0; i < 100; ++i) {
    bench.credit(bench.to, 8);
    bench.push(++pushed);
  }
  CHECK(bench.view->edge->counters().dropped_groups == lost);
  CHECK(bench.groups().back() == pushed);
}
