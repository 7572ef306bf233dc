#pragma once

#include <memory>
#include <optional>

#include "actors/caf.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace ec::actors {

/// What a file descriptor on the loop calls. All calls come on the loop's thread.
class loop_source {
public:
  virtual ~loop_source() = default;
  virtual void on_readable(base::mono_time now) = 0;
  /// When on_timer() is due; nothing: never.
  virtual std::optional<base::mono_time> deadline() const = 0;
  virtual void on_timer(base::mono_time now) = 0;
  /// After a turn in which actors ran or bytes came: send what was queued.
  virtual void flush(base::mono_time now) = 0;
};

/// A loop that is also a CAF execution unit: socket callbacks and the message handlers of the actors that live here (loop_actor)
/// share its one thread, so neither needs a lock. Jobs of all other actors go on to the scheduler.
class net_loop : public caf::execution_unit {
public:
  using caf::execution_unit::execution_unit;
  net_loop(const net_loop&) = delete;
  net_loop& operator=(const net_loop&) = delete;

  /// The time that sockets and sessions of this loop go by.
  virtual base::mono_time now() const = 0;

  /// On the loop's thread (or before start()): watches `fd`; `source` must stay alive until remove().
  virtual base::result<void> add(int fd, loop_source& source) = 0;
  virtual void remove(int fd) = 0;

  /// Starts the thread.
  virtual void start() = 0;
  /// Ends and joins the thread; jobs that still wait are dropped, and those that come later. From any thread but the loop's own.
  virtual void stop() = 0;
};

/// A loop that runs, as its topology holds it. What lies outside of the loop holds it longest: an actor that let go last, on the loop's own
/// thread, would have to wait for that thread.
class running_loop {
public:
  virtual ~running_loop() = default;
  /// Whether somebody may still start actors on it, or actors run there that have not ended: they end on its thread only.
  virtual bool in_use() const = 0;
  /// Ends and joins the thread.
  virtual void stop_loop() = 0;
};

/// The real one, on epoll.
std::unique_ptr<net_loop> make_epoll_loop(caf::actor_system& sys);

/// Base of an actor that lives on a net_loop. `Handle` is its typed_actor interface.
template <class Handle>
class loop_actor : public Handle::base {
public:
  using super = typename Handle::base;

  loop_actor(caf::actor_config& cfg, net_loop& loop) : super(cfg), loop_(loop) {}

  using super::enqueue;
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override { super::enqueue(std::move(what), &loop_); }
  caf::resumable::subtype_t subtype() const override { return caf::resumable::io_actor; }

protected:
  net_loop& loop() { return loop_; }

private:
  net_loop& loop_;
};

/// Spawns `Class` (a loop_actor) on `loop`.
template <class Class, class... Ts>
auto spawn_on(caf::actor_system& sys, net_loop& loop, Ts&&... xs) {
  caf::actor_config cfg{&loop};
  return sys.spawn_class<Class, caf::no_spawn_options>(cfg, loop, std::forward<Ts>(xs)...);
}

} // namespace ec::actors
