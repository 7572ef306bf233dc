#include <algorithm>
#include <deque>

#include "actors/topology/topology.hpp"

namespace ec::actors {
namespace {

class conductor final : public conductor_actor::base {
public:
  conductor(caf::actor_config& cfg, running_topology topology) : conductor_actor::base(cfg) {
    for (auto& stage : topology.stages)
      if (!stage.empty()) stages_.push_back(std::move(stage));
    keep_ = std::move(topology.keep);
    set_down_handler([this](const caf::down_msg& down) { on_down(down); });
  }

  behavior_type make_behavior() override {
    for (const auto& stage : stages_)
      for (const auto& a : stage) monitor(a);
    if (stages_.empty()) quit();
    else self_ = caf::actor_cast<caf::strong_actor_ptr>(this); // nobody has to hold it until it has done its work
    return {[this](stop_atom) { stop_first(); }};
  }

  void on_exit() override {
    stages_.clear();
    keep_.clear();
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
    if (stages_.empty()) quit();
    else if (advanced) stop_first();
  }

  void stop_first() {
    if (!stages_.empty())
      for (const auto& a : stages_.front()) anon_send(a, stop_atom::value);
  }

  std::deque<std::vector<caf::actor>> stages_;
  std::vector<std::shared_ptr<void>> keep_;
  caf::strong_actor_ptr self_;
};

} // namespace

conductor_actor spawn_conductor(caf::actor_system& sys, running_topology topology) {
  return sys.spawn<conductor>(std::move(topology));
}

void end_topology(caf::actor_system& sys, running_topology topology) {
  caf::anon_send(spawn_conductor(sys, std::move(topology)), stop_atom::value);
}

} // namespace ec::actors
