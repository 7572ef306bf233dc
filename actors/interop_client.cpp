#include "actors/interop_client.hpp"

#include <vector>

#include "actors/endpoint_core.hpp"

namespace ec::actors {
namespace {

constexpr std::chrono::milliseconds tick{5};

class interop_client final : public loop_actor<interop_client_actor>, public moq::interop_stage {
public:
  interop_client(caf::actor_config& cfg, net_loop& loop, std::shared_ptr<endpoint_core> core, interop_dial dial, const std::string& id) :
    loop_actor(cfg, loop), core_(std::move(core)), dial_(std::move(dial)), case_(moq::interop_case::make(id, *this)) {
    links_.resize(case_->roles().size());
  }

  behavior_type make_behavior() override {
    return {
      [this](start_atom) {
        auto answer = make_response_promise<moq::interop_outcome>();
        answer_ = answer;
        case_->start(core_->loop().now());
        look();
        return answer;
      },
      [this](tick_atom) {
        case_->on_tick(core_->loop().now());
        look();
      },
    };
  }

  void on_exit() override {
    for (auto& link : links_) core_->let_go(std::move(link)); // on the loop, like all that it touches
    case_.reset();
    core_ = nullptr;
  }

  // moq::interop_stage
  void open(size_t role) override {
    auto& link = links_.at(role);
    link = std::make_unique<moq_link>(loop(), client_config(dial_.address, core_->implementation()), case_->listens(role), &case_->serves(role),
      [this, role](const quic::close_reason& why) { case_->on_gone(role, why.text); });
    core_->watch(*link);
    const auto dialled = link->dial(core_->quic(), dial_.address, dial_.peer, dial_.verification, {dial_.protocol});
    if (!dialled) return case_->on_gone(role, dialled.error().message());
    case_->on_dialled(role, link->session());
  }

private:
  void look() {
    if (!case_->outcome()) return delayed_send(this, tick, tick_atom::value);
    answer_.deliver(*case_->outcome());
    quit();
  }

  std::shared_ptr<endpoint_core> core_;
  interop_dial dial_;
  std::unique_ptr<moq::interop_case> case_;
  std::vector<std::unique_ptr<moq_link>> links_; ///< by role
  caf::typed_response_promise<moq::interop_outcome> answer_;
};

} // namespace

interop_client_actor spawn_interop_client(caf::actor_system& sys, const running_endpoint& endpoint, interop_dial dial, const std::string& id) {
  return spawn_on<interop_client>(sys, endpoint.core->loop(), endpoint.core, std::move(dial), id);
}

} // namespace ec::actors
