#include "tests/simulation/world.hpp"

#include <algorithm>

namespace ec::simulation {

world::world(uint64_t seed) : rng_(seed) {
  config_.set("scheduler.policy", caf::atom("testing"));
  config_.set("logger.verbosity", caf::atom("quiet"));
  system_.emplace(config_);
  system_->await_actors_before_shutdown(false);
  scheduler_ = &dynamic_cast<caf::scheduler::test_coordinator&>(system_->scheduler());
  // Whoever subtracts an hour from now must not come to the beginning of time.
  scheduler_->clock().current_time = base::mono_time(std::chrono::hours(1000));
  start_ = now();
}

world::~world() = default;

base::wall_time world::wall() const {
  constexpr base::wall_time begin{std::chrono::milliseconds(1'785'000'000'000)};
  return begin + std::chrono::duration_cast<std::chrono::milliseconds>(elapsed());
}

void world::at(base::mono_time when, std::function<void()> call) {
  events_.push({std::max(when, now()), order_++, std::move(call)});
}

void world::settle() {
  for (;;) {
    while (scheduler_->try_run_once()) {
      ++messages_;
      if (between_) between_();
    }
    bool again = false;
    for (size_t i = 0; i < loops_.size(); ++i) {
      while (i < loops_.size() && run_one(*loops_[i])) {
        again = true;
        ++messages_;
        if (between_) between_();
      }
    }
    for (size_t i = 0; i < loops_.size(); ++i) {
      auto& l = *loops_[i];
      if (!l.touched_ || l.source_ == nullptr) continue;
      l.touched_ = false;
      l.source_->flush(now());
      l.due_ = l.source_->deadline();
      again = true;
    }
    if (!again && !scheduler_->has_job()) return;
  }
}

bool world::run_one(sim_loop& of) {
  if (of.jobs_.empty()) return false;
  auto* job = of.jobs_.front();
  of.jobs_.pop_front();
  of.touched_ = true;
  if (job->resume(&of, 1) == caf::resumable::resume_later) of.jobs_.push_back(job);
  else caf::intrusive_ptr_release(job);
  return true;
}

std::optional<base::mono_time> world::next() const {
  std::optional<base::mono_time> first;
  const auto earlier = [&first](base::mono_time t) { first = first ? std::min(*first, t) : t; };
  if (!events_.empty()) earlier(events_.top().when);
  if (const auto& timers = scheduler_->clock().schedule(); !timers.empty()) earlier(timers.begin()->first);
  for (const auto* l : loops_)
    if (l->due_ && l->source_ != nullptr) earlier(*l->due_);
  return first;
}

void world::run(base::mono_duration length, const std::function<bool()>& go_on) {
  const auto end = now() + length;
  settle();
  for (;;) {
    const auto due = next();
    const auto to = due && *due < end ? std::max(*due, now()) : end;
    scheduler_->advance_time(to - now());
    if (!due || *due >= end) break;
    trace_.add(static_cast<uint64_t>(elapsed().count()));
    ++steps_;
    // One event of the outside at a time: what follows from it happens before the next.
    if (!events_.empty() && events_.top().when <= now()) {
      auto call = std::move(const_cast<event&>(events_.top()).call);
      events_.pop();
      call();
    }
    for (size_t i = 0; i < loops_.size(); ++i) {
      auto& l = *loops_[i];
      if (!l.due_ || *l.due_ > now() || l.source_ == nullptr) continue;
      l.source_->on_timer(now());
      l.touch();
    }
    settle();
    if (!go_on()) return;
  }
  settle();
}

sim_loop::sim_loop(world& in) : actors::net_loop(&in.system()), world_(in) {
  world_.loops_.push_back(this);
}

sim_loop::~sim_loop() {
  stop();
  std::erase(world_.loops_, this);
}

void sim_loop::stop() {
  stopped_ = true;
  source_ = nullptr;
  for (auto* job : std::exchange(jobs_, {})) caf::intrusive_ptr_release(job);
}

void sim_loop::exec_later(caf::resumable* job) {
  if (job->subtype() != caf::resumable::io_actor) system().scheduler().enqueue(job);
  else if (stopped_) caf::intrusive_ptr_release(job);
  else jobs_.push_back(job);
}

base::result<void> sim_loop::add(int, actors::loop_source& source) {
  source_ = &source;
  return base::ok();
}

} // namespace ec::simulation
