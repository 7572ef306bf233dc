#include "actors/endpoint_reporter.hpp"

namespace ec::actors {
namespace {

class endpoint_reporter final : public endpoint_reporter_actor::base {
public:
  endpoint_reporter(caf::actor_config& cfg, quic_endpoint_actor endpoint, std::chrono::milliseconds every, observer_actor observer) :
    endpoint_reporter_actor::base(cfg), endpoint_(std::move(endpoint)), every_(every), observer_(std::move(observer)) {}

  behavior_type make_behavior() override {
    if (every_.count() > 0) delayed_send(this, every_, tick_atom::value);
    return {
      [this](tick_atom) {
        request(endpoint_, caf::infinite, status_atom::value).then([this](const endpoint_status& s) { tell(s, false); }, [](const caf::error&) {});
        delayed_send(this, every_, tick_atom::value);
      },
      [this](stop_atom) {
        request(endpoint_, caf::infinite, status_atom::value)
          .then(
            [this](const endpoint_status& s) {
              tell(s, true);
              quit();
            },
            [this](const caf::error&) { quit(); });
      },
    };
  }

  void on_exit() override {
    endpoint_ = nullptr;
    observer_ = nullptr;
  }

private:
  void tell(const endpoint_status& s, bool last) {
    if (!observer_ || !last) return;
    for (const auto& [relay, u] : s.uplinks) {
      base::json::object fields{{"relay", relay}, {"dials", u.dials}, {"sessions", u.sessions}, {"offered", u.offered}, {"refused", u.refused}};
      if (!u.fault.empty()) fields.emplace_back("fault", u.fault);
      send(observer_, report{"uplink-totals", std::move(fields)});
    }
  }

  quic_endpoint_actor endpoint_;
  std::chrono::milliseconds every_;
  observer_actor observer_;
};

} // namespace

endpoint_reporter_actor spawn_endpoint_reporter(caf::actor_system& sys, quic_endpoint_actor endpoint, std::chrono::milliseconds every, observer_actor observer) {
  return sys.spawn<endpoint_reporter>(std::move(endpoint), every, std::move(observer));
}

} // namespace ec::actors
