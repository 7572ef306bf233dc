#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include <caf/scheduler/test_coordinator.hpp>

#include "actors/caf.hpp"
#include "actors/net_loop.hpp"
#include "base/clock.hpp"
#include "tests/simulation/random.hpp"
#include "tests/simulation/trace.hpp"

/// Whole topologies in one process and one thread: the actors of the product on CAF's testing scheduler, on a machine whose clock,
/// network, disks and tuners are simulated. Everything that happens follows from one seed.
namespace ec::simulation {

class sim_loop;

/// Time, and what happens when. Actors run to rest between two moments.
class world {
public:
  explicit world(uint64_t seed);
  ~world();
  world(const world&) = delete;
  world& operator=(const world&) = delete;

  base::mono_time now() const { return scheduler_->clock().current_time; }
  /// Since the start.
  base::mono_duration elapsed() const { return now() - start_; }
  /// What a right wall clock shows.
  base::wall_time wall() const;

  /// Calls back at `when`, or right after what happens now if that is past. Calls of one moment keep their order.
  void at(base::mono_time when, std::function<void()> call);
  void after(base::mono_duration delay, std::function<void()> call) { at(now() + delay, std::move(call)); }

  /// Lets actors run until none has anything to do.
  void settle();
  /// Runs for so long, or until `go_on`, which is asked after every step, says no.
  void run(base::mono_duration length, const std::function<bool()>& go_on);
  /// Called between two messages.
  void between_messages(std::function<void()> call) { between_ = std::move(call); }

  caf::actor_system& system() { return *system_; }
  random& rng() { return rng_; }
  trace& log() { return trace_; }
  uint64_t steps() const { return steps_; }
  uint64_t messages() const { return messages_; }

private:
  friend class sim_loop;

  struct event {
    base::mono_time when;
    uint64_t order;
    std::function<void()> call;
    bool operator<(const event& o) const { return when != o.when ? when > o.when : order > o.order; } // the earliest on top
  };

  std::optional<base::mono_time> next() const;
  bool run_one(sim_loop& of);

  caf::actor_system_config config_;
  std::optional<caf::actor_system> system_;
  caf::scheduler::test_coordinator* scheduler_ = nullptr;
  base::mono_time start_;
  std::priority_queue<event> events_;
  std::vector<sim_loop*> loops_;
  std::function<void()> between_;
  uint64_t order_ = 0;
  uint64_t steps_ = 0;
  uint64_t messages_ = 0;
  random rng_;
  trace trace_;
};

/// The loop of one endpoint: its actors take turns with all others, its timers are the world's.
class sim_loop final : public actors::net_loop {
public:
  explicit sim_loop(world& in);
  ~sim_loop() override;

  void exec_later(caf::resumable* job) override;
  base::mono_time now() const override { return world_.now(); }
  base::result<void> add(int, actors::loop_source& source) override;
  void remove(int) override { source_ = nullptr; }
  void start() override {}
  void stop() override;

  /// Something happened to what is on it.
  void touch() { touched_ = true; }

private:
  friend class world;
  world& world_;
  actors::loop_source* source_ = nullptr;
  bool stopped_ = false; ///< what comes is dropped
  bool touched_ = false;
  std::optional<base::mono_time> due_;
  std::deque<caf::resumable*> jobs_; ///< of actors that live here: they keep this loop as their context between messages
};

} // namespace ec::simulation
