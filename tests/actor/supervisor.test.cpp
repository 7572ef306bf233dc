#include "actors/supervisor.hpp"

#include <doctest/doctest.h>

#include "actors/topology/topology.hpp"
#include "tests/support/actor_bench.hpp"

using namespace ec;
using namespace std::chrono_literals;

namespace {

/// Runs until it is told how to end.
class child final : public caf::event_based_actor {
public:
  child(caf::actor_config& cfg, bool obeys, std::string hint = {}) : caf::event_based_actor(cfg), obeys_(obeys), hint_(std::move(hint)) {}
  caf::behavior make_behavior() override {
    return {
      [this](actors::stop_atom) {
        if (obeys_) quit();
      },
      [this](actors::tick_atom) { quit(); },
      [this](actors::retry_atom) {
        quit(hint_.empty() ? caf::make_error(caf::sec::runtime_error, std::string("it broke"))
                           : caf::make_error(caf::sec::runtime_error, std::string("it broke"), hint_));
      },
    };
  }

private:
  bool obeys_;
  std::string hint_;
};

/// Takes no message, as an actor of a loop that has ended, and nobody hears of its end.
class deaf final : public caf::monitorable_actor {
public:
  explicit deaf(caf::actor_config& cfg) : caf::monitorable_actor(cfg) {}
  void enqueue(caf::mailbox_element_ptr, caf::execution_unit*) override {}
};

struct branch_bench : test::actor_bench {
  /// A branch of `size` children; `starts` counts.
  actors::branch_spec branch(size_t size = 1) {
    actors::branch_spec spec;
    spec.name = "test";
    spec.start = [this, size](caf::actor_system& s) -> base::result<std::vector<caf::actor>> {
      starts.push_back(now());
      if (refuse) return base::fail(base::errc::io, "no device");
      running.clear();
      for (size_t i = 0; i < size; ++i) running.push_back(own(s.spawn<child>(obeys, hint)));
      return running;
    };
    return spec;
  }
  void supervise(actors::branch_spec spec) {
    supervisor = own(actors::spawn_supervisor(sys, std::move(spec), observer, actors::placement::shared));
    end = watch(supervisor);
    run();
  }
  void crash(size_t n = 0) { send(running[n], actors::retry_atom::value); }
  std::vector<int64_t> retries() const {
    std::vector<int64_t> out;
    for (const auto& r : log->all("branch-down")) out.push_back(test::int_of(r, "retry_ms"));
    return out;
  }

  std::vector<caf::actor_clock::time_point> starts;
  std::vector<caf::actor> running;
  bool refuse = false;
  bool obeys = true;
  std::string hint;
  actors::supervisor_actor supervisor;
  std::shared_ptr<test::ending> end;
};

} // namespace

TEST_CASE("a branch of which one actor fails is ended whole and started anew after the back-off") {
  branch_bench bench;
  bench.supervise(bench.branch(2));
  const auto other = bench.watch(bench.running[1]);
  bench.crash(0);
  CHECK(other->ended);
  CHECK(bench.starts.size() == 1);
  const auto down = bench.log->all("branch-down");
  REQUIRE(down.size() == 1);
  CHECK(test::text_of(down[0], "branch") == "test");
  CHECK(test::text_of(down[0], "reason") == "it broke");
  bench.advance(249ms);
  CHECK(bench.starts.size() == 1);
  bench.advance(1ms);
  CHECK(bench.starts.size() == 2);
  CHECK_FALSE(bench.end->ended);
}

TEST_CASE("the back-off doubles up to its cap, and a branch that ran long begins with the first one again") {
  branch_bench bench;
  auto spec = bench.branch();
  spec.backoff_max = 1000ms;
  bench.supervise(std::move(spec));
  for (const auto wait : {250ms, 500ms, 1000ms, 1000ms}) {
    bench.crash();
    const auto before = bench.starts.size();
    bench.advance(wait - 1ms);
    CHECK(bench.starts.size() == before);
    bench.advance(1ms);
    CHECK(bench.starts.size() == before + 1);
  }
  bench.advance(30'000ms); // not longer than steady_after
  bench.crash();
  bench.advance(1000ms);
  bench.advance(30'001ms);
  bench.crash();
  CHECK(bench.retries() == std::vector<int64_t>{250, 500, 1000, 1000, 1000, 250});
}

TEST_CASE("a reason may ask for patience, and one that is wrong for good waits longest at once") {
  branch_bench bench;
  auto spec = bench.branch();
  spec.backoff_first = 250ms;
  spec.backoff_max = 10s;
  spec.backoff_patient = 1s;
  bench.hint = "patiently";
  bench.supervise(std::move(spec));
  for (const auto* next : {"never", "soon", "patiently", ""}) {
    bench.hint = next; // of the child that is started next
    bench.crash();
    bench.advance(10s);
  }
  CHECK(bench.retries() == std::vector<int64_t>{1000, 10'000, 1000, 2000});
  for (const auto& r : bench.log->all("branch-down")) CHECK(test::text_of(r, "reason") == "it broke");
}

TEST_CASE("a part that fails while its branch is being stopped takes the others with it") {
  branch_bench bench;
  bench.obeys = false; // they wait for an end mark that will not come any more
  auto spec = bench.branch(3);
  spec.stop = [](const std::vector<caf::actor>& all) {
    for (const auto& a : all) caf::anon_send(a, actors::stop_atom::value);
  };
  bench.supervise(std::move(spec));
  bench.send(bench.supervisor, actors::stop_atom::value);
  CHECK_FALSE(bench.end->ended);
  bench.crash(1);
  CHECK(bench.end->ended);
  CHECK(bench.starts.size() == 1);
}

TEST_CASE("a branch that cannot start is tried again") {
  branch_bench bench;
  bench.refuse = true;
  bench.supervise(bench.branch());
  CHECK(test::text_of(bench.log->all("branch-down").at(0), "reason") == "no device");
  bench.advance(250ms);
  CHECK(bench.retries() == std::vector<int64_t>{250, 500});
  bench.refuse = false;
  bench.advance(500ms);
  CHECK(bench.running.size() == 1);
  CHECK(bench.retries().size() == 2);
}

TEST_CASE("a branch whose actors all ended normally is done") {
  branch_bench bench;
  bench.supervise(bench.branch(2));
  bench.send(bench.running[0], actors::tick_atom::value);
  CHECK_FALSE(bench.end->ended);
  bench.send(bench.running[1], actors::tick_atom::value);
  CHECK(bench.end->ended);
  CHECK_FALSE(bench.end->reason);
  CHECK(bench.log->size() == 0);
}

TEST_CASE("a branch may be over with its first actor: the others are ended with it") {
  branch_bench bench;
  auto spec = bench.branch(2);
  spec.ends_with_first = true;
  bench.supervise(std::move(spec));
  const auto other = bench.watch(bench.running[1]);
  bench.send(bench.running[0], actors::tick_atom::value);
  CHECK(other->ended);
  CHECK(bench.end->ended);
  CHECK(bench.log->size() == 0);
}

TEST_CASE("a stop asks the branch in its own way and waits for it") {
  branch_bench bench;
  bench.obeys = false;
  auto spec = bench.branch();
  size_t asked = 0;
  spec.stop = [&](const std::vector<caf::actor>& running) {
    asked += running.size();
  };
  bench.supervise(std::move(spec));
  bench.send(bench.supervisor, actors::stop_atom::value);
  bench.send(bench.supervisor, actors::stop_atom::value);
  CHECK(asked == 1);
  CHECK_FALSE(bench.end->ended);
  bench.send(bench.running[0], actors::tick_atom::value);
  CHECK(bench.end->ended);
  CHECK_FALSE(bench.end->reason);
}

TEST_CASE("a stop while the branch waits for its next start ends it there") {
  branch_bench bench;
  bench.supervise(bench.branch());
  bench.crash();
  bench.send(bench.supervisor, actors::stop_atom::value);
  CHECK(bench.end->ended);
  bench.advance(250ms);
  CHECK(bench.starts.size() == 1);
}

TEST_CASE("a supervisor that is killed takes its branch along") {
  branch_bench bench;
  bench.supervise(bench.branch(2));
  const std::vector ends{bench.watch(bench.running[0]), bench.watch(bench.running[1])};
  caf::anon_send_exit(bench.supervisor, caf::exit_reason::kill);
  bench.run();
  CHECK(bench.end->ended);
  CHECK(ends[0]->ended);
  CHECK(ends[1]->ended);
}

TEST_CASE("a supervisor that nobody holds any more ends, though its branch takes no message") {
  branch_bench bench;
  const auto held = std::make_shared<int>();
  actors::branch_spec spec;
  spec.name = "deaf";
  spec.start = [held](caf::actor_system& s) -> base::result<std::vector<caf::actor>> {
    caf::actor_config cfg;
    return std::vector{caf::make_actor<deaf, caf::actor>(s.next_actor_id(), s.node(), &s, cfg)};
  };
  auto supervisor = actors::spawn_supervisor(bench.sys, std::move(spec), bench.observer, actors::placement::shared);
  bench.run();
  CHECK(held.use_count() == 2);
  supervisor = nullptr; // a message that names it as its sender would keep it, and let go of it, for ever
  CHECK(held.use_count() == 1);
}

TEST_CASE("a supervisor that is told to exit ends after its branch, with the reason that it was given") {
  branch_bench bench;
  bench.supervise(bench.branch(2));
  const std::vector ends{bench.watch(bench.running[0]), bench.watch(bench.running[1])};
  caf::anon_send_exit(bench.supervisor, caf::exit_reason::user_shutdown);
  bench.run();
  CHECK(ends[0]->ended);
  CHECK(ends[1]->ended);
  CHECK(bench.end->ended);
  CHECK(bench.end->reason == caf::exit_reason::user_shutdown);
  bench.advance(10'000ms);
  CHECK(bench.starts.size() == 1);
}

TEST_CASE("a supervisor says what runs and how often it was started anew") {
  branch_bench bench;
  bench.supervise(bench.branch(2));
  actors::branch_status seen;
  const auto ask = [&] {
    class asker final : public caf::event_based_actor {
    public:
      asker(caf::actor_config& cfg, const actors::supervisor_actor& of, actors::branch_status* to) : caf::event_based_actor(cfg) {
        request(of, caf::infinite, actors::status_atom::value).then([this, to](const actors::branch_status& s) {
          *to = s;
          quit();
        });
      }
      caf::behavior make_behavior() override { return {[](actors::start_atom) {}}; }
    };
    bench.own(bench.sys.spawn<asker>(bench.supervisor, &seen));
    bench.run();
  };
  ask();
  CHECK(seen.name == "test");
  CHECK(seen.restarts == 0);
  CHECK(seen.running == bench.running);
  bench.crash();
  ask();
  CHECK(seen.restarts == 1);
  CHECK(seen.running.empty());
}

TEST_CASE("a topology ends stage by stage, and its loops stop last, when nobody uses them") {
  struct counted_loop final : actors::running_loop {
    bool used = true;
    int stops = 0;
    bool in_use() const override { return used; }
    void stop_loop() override { ++stops; }
  };
  test::actor_bench bench;
  std::vector<caf::actor> a;
  for (int i = 0; i < 3; ++i) a.push_back(bench.own(bench.sys.spawn<child>(i != 1)));
  std::vector<std::shared_ptr<test::ending>> ends;
  for (const auto& one : a) ends.push_back(bench.watch(one));
  const auto loop = std::make_shared<counted_loop>();
  // Nobody holds the conductor: it must live until its work is done all the same.
  bench.send(actors::spawn_conductor(bench.sys, {.stages = {{a[0], a[1]}, {}, {a[2]}}, .loops = {loop}}), actors::stop_atom::value);
  CHECK(ends[0]->ended);
  CHECK_FALSE(ends[2]->ended);
  bench.send(a[1], actors::tick_atom::value);
  CHECK(ends[1]->ended);
  CHECK(ends[2]->ended);
  bench.advance(std::chrono::seconds(1));
  CHECK(loop->stops == 0);
  CHECK(loop.use_count() == 2);
  loop->used = false;
  bench.advance(std::chrono::seconds(1));
  CHECK(loop->stops == 1);
  CHECK(loop.use_count() == 1);
}

TEST_CASE("a stage that ends by itself stops the next one") {
  test::actor_bench bench;
  std::vector<caf::actor> a;
  for (int i = 0; i < 2; ++i) a.push_back(bench.own(bench.sys.spawn<child>(true)));
  const auto end = bench.watch(a[1]);
  const auto conductor = actors::spawn_conductor(bench.sys, {.stages = {{a[0]}, {a[1]}}});
  const auto over = bench.watch(conductor);
  bench.run();
  bench.send(a[0], actors::tick_atom::value);
  CHECK(end->ended);
  CHECK(over->ended);
}
