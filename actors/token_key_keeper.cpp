#include "actors/token_key_keeper.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace ec::actors {
namespace {

class token_key_keeper final : public token_key_keeper_actor::base {
public:
  token_key_keeper(caf::actor_config& cfg, token_key_keeper_config config, quic_endpoint_actor endpoint, observer_actor observer) :
    token_key_keeper_actor::base(cfg), config_(std::move(config)), endpoint_(std::move(endpoint)), observer_(std::move(observer)), faults_(config_.files.size()) {}

  behavior_type make_behavior() override {
    delayed_send(this, config_.every, tick_atom::value);
    return {
      [this](tick_atom) {
        look();
        delayed_send(this, config_.every, tick_atom::value);
      },
      [this](stop_atom) { quit(); },
    };
  }

  void on_exit() override {
    endpoint_ = nullptr;
    observer_ = nullptr;
  }

private:
  void look() {
    bool changed = false;
    for (size_t i = 0; i < config_.files.size(); ++i) {
      auto& kept = config_.keys[i];
      auto read = crypto::token_key::load(config_.files[i]);
      std::string fault;
      if (read) {
        if (kept && kept->thumbprint() == read.value().thumbprint() && kept->id() == read.value().id()) continue;
        kept = std::make_shared<const crypto::token_key>(std::move(read).value());
        changed = true;
      } else {
        fault = read.error().message();
        if (kept && read.error().code == base::errc::not_found) {
          kept = nullptr;
          changed = true;
        }
      }
      if (fault == faults_[i]) continue;
      faults_[i] = fault;
      if (fault.empty()) continue;
      base::log::error("token_key_keeper", "key-unreadable", {{"reason", fault}});
      if (observer_) send(observer_, report{"token-key-fault", {{"reason", fault}}});
    }
    if (!changed) return;
    access::token_keys now;
    std::ranges::copy_if(config_.keys, std::back_inserter(now), [](const auto& k) { return k != nullptr; });
    base::log::info("token_key_keeper", "keys-changed", {{"keys", now.size()}});
    if (observer_) send(observer_, report{"token-keys", {{"keys", now.size()}}});
    send(endpoint_, token_key_change{std::move(now)});
  }

  token_key_keeper_config config_;
  quic_endpoint_actor endpoint_;
  observer_actor observer_;
  std::vector<std::string> faults_; ///< told, file by file
};

} // namespace

token_key_keeper_actor spawn_token_key_keeper(caf::actor_system& sys, token_key_keeper_config config, quic_endpoint_actor endpoint, observer_actor observer,
  placement where) {
  return spawn_at<token_key_keeper>(sys, where, std::move(config), std::move(endpoint), std::move(observer));
}

} // namespace ec::actors
