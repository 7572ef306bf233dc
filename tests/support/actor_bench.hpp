#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <vector>

#include <caf/scheduler/test_coordinator.hpp>

#include "actors/atoms.hpp"
#include "actors/messages.hpp"
#include "actors/report.hpp"
#include "tests/support/reports.hpp"

/// Actors on CAF's testing scheduler: no threads, virtual time, one message after the other.
namespace ec::test {

class virtual_config final : public caf::actor_system_config {
public:
  virtual_config() {
    set("scheduler.policy", caf::atom("testing"));
    set("logger.verbosity", caf::atom("quiet"));
  }
};

/// How an actor ended.
struct ending {
  bool ended = false;
  caf::error reason;
};

/// Waits for the end of one actor.
class end_watcher final : public caf::event_based_actor {
public:
  end_watcher(caf::actor_config& cfg, const caf::actor& what, std::shared_ptr<ending> to) : caf::event_based_actor(cfg), to_(std::move(to)) {
    set_down_handler([this](const caf::down_msg& down) {
      *to_ = {true, down.reason};
      quit();
    });
    monitor(what);
  }
  caf::behavior make_behavior() override {
    return {[](actors::start_atom) {}}; // a behavior needs one handler; nothing sends it
  }

private:
  std::shared_ptr<ending> to_;
};

/// What came to a sink, in order, and how many items it has not answered yet.
template <class Item>
struct taken_items {
  std::vector<Item> items;
  size_t owed = 0;
  bool hold = false; ///< keep the credit back until actor_bench::credit
};

/// The far end of an edge: takes items, answers at once or when told.
template <class Item>
class edge_sink final : public caf::event_based_actor {
public:
  edge_sink(caf::actor_config& cfg, std::shared_ptr<taken_items<Item>> to) : caf::event_based_actor(cfg), to_(std::move(to)) {}
  /// A promise holds who asked, who holds this sink: kept over the end, neither would ever be destroyed.
  void on_exit() override { promises_.clear(); }
  caf::behavior make_behavior() override {
    return {
      [this](const Item& item) -> caf::result<actors::edge_credit> {
        to_->items.push_back(item);
        if (!to_->hold) return actors::edge_credit{};
        ++to_->owed;
        return promises_.emplace_back(this->template make_response_promise<actors::edge_credit>());
      },
      [this](actors::tick_atom, size_t count) {
        for (; count > 0 && !promises_.empty(); --count) {
          promises_.front().deliver(actors::edge_credit{});
          promises_.pop_front();
          --to_->owed;
        }
      },
    };
  }

private:
  std::shared_ptr<taken_items<Item>> to_;
  std::deque<caf::typed_response_promise<actors::edge_credit>> promises_;
};

/// A sink as the test holds it.
template <class Item>
struct sink_handle {
  caf::actor actor;
  std::shared_ptr<taken_items<Item>> taken;
  /// The same as the typed actor that it stands for.
  template <class Handle>
  Handle as() const { return caf::actor_cast<Handle>(actor); }
};

/// The system, its time, and small helpers to look at what happens in it.
class actor_bench {
public:
  actor_bench() : sys(config_), scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(sys.scheduler())) {
    sys.await_actors_before_shutdown(false);
    observer = sys.spawn<recorder>(log);
  }
  actor_bench(const actor_bench&) = delete;
  actor_bench& operator=(const actor_bench&) = delete;
  ~actor_bench() {
    caf::anon_send_exit(observer, caf::exit_reason::user_shutdown);
    for (const auto& a : owned_) caf::anon_send_exit(a, caf::exit_reason::kill);
    run();
  }

  /// Delivers messages until there are none.
  void run() { scheduler_.run(); }
  /// Lets time pass, and what it brings happen.
  void advance(std::chrono::milliseconds by) {
    run();
    scheduler_.advance_time(by);
    run();
  }
  caf::actor_clock::time_point now() { return scheduler_.clock().now(); }

  template <class Handle, class... Ts>
  void send(const Handle& to, Ts&&... xs) {
    caf::anon_send(to, std::forward<Ts>(xs)...);
    run();
  }

  template <class Handle>
  std::shared_ptr<ending> watch(const Handle& what) {
    auto to = std::make_shared<ending>();
    owned_.push_back(sys.spawn<end_watcher>(caf::actor_cast<caf::actor>(what), to));
    return to;
  }

  template <class Item>
  sink_handle<Item> sink(bool hold = false) {
    auto taken = std::make_shared<taken_items<Item>>();
    taken->hold = hold;
    sink_handle<Item> out{sys.spawn<edge_sink<Item>>(taken), taken};
    owned_.push_back(out.actor);
    return out;
  }
  /// Answers the `count` oldest items that a sink holds.
  template <class Item>
  void credit(const sink_handle<Item>& of, size_t count) { send(of.actor, actors::tick_atom::value, count); }

  /// Ends `what` with the bench, so that no test leaves an actor behind.
  template <class Handle>
  Handle own(Handle what) {
    owned_.push_back(caf::actor_cast<caf::actor>(what));
    return what;
  }

private:
  virtual_config config_;

public:
  caf::actor_system sys;
  std::shared_ptr<report_log> log = std::make_shared<report_log>();
  actors::observer_actor observer;

private:
  std::vector<caf::actor> owned_;
  caf::scheduler::test_coordinator& scheduler_;
};

} // namespace ec::test
