#include <condition_variable>
#include <memory>
#include <mutex>

#include <doctest/doctest.h>

#include "actors/quic_endpoint.hpp"
#include "actors/topology/topology.hpp"
#include "tests/support/topology.hpp"

using namespace ec;

namespace {

/// Told by one thread, awaited by another.
class occurrence {
public:
  void tell() {
    const std::lock_guard lock(mutex_);
    told_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, test::patience, [this] { return told_; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool told_ = false;
};

/// A loop that tells when it is asked to stop, by whichever thread.
class told_loop final : public actors::net_loop {
public:
  told_loop(caf::actor_system& sys, std::shared_ptr<occurrence> stopping) :
    net_loop(&sys), inner_(actors::make_epoll_loop(sys)), stopping_(std::move(stopping)) {}
  ~told_loop() override { stop(); }

  void exec_later(caf::resumable* job) override { inner_->exec_later(job); }
  base::mono_time now() const override { return inner_->now(); }
  base::result<void> add(int fd, actors::loop_source& source) override { return inner_->add(fd, source); }
  void remove(int fd) override { inner_->remove(fd); }
  void start() override { inner_->start(); }
  void stop() override {
    stopping_->tell();
    inner_->stop();
  }

private:
  std::unique_ptr<net_loop> inner_;
  std::shared_ptr<occurrence> stopping_;
};

} // namespace

TEST_SUITE("conductor") {
  TEST_CASE("a loop whose own thread lets go last of its endpoint was stopped before by the conductor") {
    test::topology_config config;
    caf::actor_system sys{config};
    const auto stopping = std::make_shared<occurrence>();
    actors::machine on;
    on.make_loop = [stopping](caf::actor_system& s) { return std::make_unique<told_loop>(s, stopping); };
    auto endpoint = actors::start_quic_endpoint(sys, {}, on);
    REQUIRE(endpoint.has_value());
    actors::running_topology topology;
    topology.stages.push_back({caf::actor_cast<caf::actor>(endpoint.value().actor)});
    topology.loops.push_back(endpoint.value().loop);
    // On the loop's thread: it says that the actor is down to the conductor, whose monitor comes first, and holds on to what it runs on.
    const auto asked = std::make_shared<bool>(false);
    caf::actor_cast<caf::actor>(endpoint.value().actor)->attach_functor([stopping, asked, held = endpoint.value().loop] { *asked = stopping->wait(); });
    endpoint = base::fail(base::errc::io, "let go");
    const auto conductor = actors::spawn_conductor(sys, std::move(topology));
    caf::scoped_actor self{sys};
    self->monitor(conductor);
    caf::anon_send(conductor, actors::stop_atom::value);
    bool ended = false;
    self->receive([&](const caf::down_msg&) { ended = true; }, caf::after(test::patience) >> [] {});
    CHECK(ended);
    CHECK_MESSAGE(*asked, "the conductor lets go of the loop without having stopped it");
  }
}
