#include "actors/trust_keeper.hpp"

#include "base/log.hpp"

namespace ec::actors {
namespace {

class trust_keeper final : public trust_keeper_actor::base {
public:
  trust_keeper(caf::actor_config& cfg, trust_keeper_config config, observer_actor observer) :
    trust_keeper_actor::base(cfg), config_(std::move(config)), observer_(std::move(observer)), file_(config_.file, *config_.disk) {}

  behavior_type make_behavior() override {
    return {
      [this](const kept_trust& k) {
        unwritten_ = k.state;
        write();
        return edge_credit{};
      },
      [this](tick_atom) {
        timed_ = false;
        write();
      },
      [this](stop_atom) {
        write();
        quit();
      },
    };
  }

  void on_exit() override { observer_ = nullptr; }

private:
  void write() {
    if (!unwritten_) return;
    const auto done = file_.save(*unwritten_);
    if (done) {
      unwritten_.reset();
      refused_ = false;
      return;
    }
    if (!std::exchange(timed_, true)) delayed_send(this, config_.retry_after, tick_atom::value);
    if (std::exchange(refused_, true)) return; // said once
    base::log::error("trust_keeper", "write-failed", {{"reason", done.error().message()}});
    send(observer_, report{"trust-fault", {{"reason", done.error().message()}, {"warning", "what was followed is forgotten at the next restart"}}});
  }

  trust_keeper_config config_;
  observer_actor observer_;
  manifest::subscriber_state_file file_;
  std::shared_ptr<const manifest::subscriber_state> unwritten_;
  bool timed_ = false;
  bool refused_ = false; ///< the last write
};

} // namespace

trust_keeper_actor spawn_trust_keeper(caf::actor_system& sys, trust_keeper_config config, observer_actor observer, placement where) {
  return spawn_at<trust_keeper>(sys, where, std::move(config), std::move(observer));
}

} // namespace ec::actors
