#include "actors/relay_leaver.hpp"

namespace ec::actors {
namespace {

class relay_leaver final : public relay_leaver_actor::base {
public:
  relay_leaver(caf::actor_config& cfg, quic_endpoint_actor endpoint, leave_wish wish, observer_actor observer) :
    relay_leaver_actor::base(cfg), endpoint_(std::move(endpoint)), wish_(std::move(wish)), observer_(std::move(observer)) {}

  behavior_type make_behavior() override {
    return {[this](stop_atom) {
      if (std::exchange(asked_, true)) return;
      tell("leaving", {{"to", wish_.uri}, {"timeout_ms", int64_t{wish_.timeout.count()}}});
      request(endpoint_, caf::infinite, wish_)
        .then(
          [this](const leave_outcome& o) {
            tell("left", {{"sessions", o.sessions}, {"ended", o.ended}, {"turned_away", o.turned_away}});
            quit();
          },
          [this](const caf::error&) { quit(); });
    }};
  }

  void on_exit() override {
    endpoint_ = nullptr;
    observer_ = nullptr;
  }

private:
  void tell(std::string event, base::json::object fields) {
    if (observer_) send(observer_, report{std::move(event), std::move(fields)});
  }

  quic_endpoint_actor endpoint_;
  leave_wish wish_;
  observer_actor observer_;
  bool asked_ = false;
};

} // namespace

relay_leaver_actor spawn_relay_leaver(caf::actor_system& sys, quic_endpoint_actor endpoint, leave_wish wish, observer_actor observer) {
  return sys.spawn<relay_leaver>(std::move(endpoint), std::move(wish), std::move(observer));
}

} // namespace ec::actors
