#include <algorithm>
#include <deque>

#include "actors/topology/topology.hpp"
#include "base/log.hpp"

namespace ec::actors {
namespace {

constexpr std::chrono::milliseconds look{5}; ///< whether a loop is still in use
constexpr unsigned looks_before_told = 2000;

using ticked_conductor = conductor_actor::extend<caf::reacts_to<tick_atom>>;

class conductor final : public ticked_conductor::base {
public:
  conductor(caf::actor_config& cfg, running_topology topology) : ticked_conductor::base(cfg) {
    for (auto& stage : topology.stages)
      if (!stage.empty()) stages_.push_back(std::move(stage));
    loops_ = std::move(topology.loops);
    set_down_handler([this](const caf::down_msg& down) { on_down(down); });
  }

  behavior_type make_behavior() override {
    for (const auto& stage : stages_)
      for (const auto& a : stage) monitor(a);
    self_ = caf::actor_cast<caf::strong_actor_ptr>(this); // nobody has to hold it until it has done its work
    if (stages_.empty()) finish();
    return {[this](stop_atom) { stop_first(); }, [this](tick_atom) { finish(); }};
  }

  void on_exit() override {
    stages_.clear();
    for (const auto& loop : loops_) loop->stop_loop();
    loops_.clear();
    self_ = nullptr;
  }

private:
  void on_down(const caf::down_msg& down) {
    for (auto& stage : stages_) std::erase_if(stage, [&](const caf::actor& a) { return a.address() == down.source; });
    bool advanced = false;
    while (!stages_.empty() && stages_.front().empty()) {
      stages_.pop_front();
      advanced = true;
    }
    if (stages_.empty()) finish();
    else if (advanced) stop_first();
  }

  void stop_first() {
    if (!stages_.empty())
      for (const auto& a : stages_.front()) anon_send(a, stop_atom::value);
  }

  /// Actors that no stage waits for, sessions that were told to end, say, have their end on the loop first.
  void finish() {
    if (std::ranges::none_of(loops_, [](const auto& loop) { return loop->in_use(); })) {
      quit();
      return;
    }
    if (++looks_ == looks_before_told)
      base::log::warn("conductor", "loop-in-use", {{"hint", "an actor does not end: please report this with the log; a second signal ends the node at once"}});
    delayed_send(this, look, tick_atom::value);
  }

  std::deque<std::vector<caf::actor>> stages_;
  std::vector<std::shared_ptr<running_loop>> loops_;
  unsigned looks_ = 0;
  caf::strong_actor_ptr self_;
};

} // namespace

conductor_actor spawn_conductor(caf::actor_system& sys, running_topology topology) {
  return caf::actor_cast<conductor_actor>(sys.spawn<conductor>(std::move(topology)));
}

void end_topology(caf::actor_system& sys, running_topology topology) {
  caf::anon_send(spawn_conductor(sys, std::move(topology)), stop_atom::value);
}

} // namespace ec::actors
