#include "actors/certificate_keeper.hpp"

#include "base/hex.hpp"
#include "base/log.hpp"

namespace ec::actors {
namespace {

class certificate_keeper final : public certificate_keeper_actor::base {
public:
  certificate_keeper(caf::actor_config& cfg, certificate_keeper_config config, quic_endpoint_actor endpoint) :
    certificate_keeper_actor::base(cfg), config_(std::move(config)), endpoint_(std::move(endpoint)) {}

  behavior_type make_behavior() override {
    delayed_send(this, config_.check_every, tick_atom::value);
    return {
      [this](tick_atom) { delayed_send(this, renew() ? config_.check_every : config_.retry_after, tick_atom::value); },
      [this](stop_atom) { quit(); },
    };
  }

  void on_exit() override { endpoint_ = nullptr; }

private:
  /// False if it has to be tried again soon.
  bool renew() {
    const auto now = config_.wall();
    if (!config_.current->renewal_due(now)) return true;
    auto made = crypto::certificate_pair::load_or_make(config_.dir, now, config_.names);
    if (made && made.value().spki() != config_.current->spki())
      made = base::fail(base::errc::mismatch, "the key is not the one that peers have pinned", config_.dir.string());
    if (!made) {
      base::log::warn("certificate_keeper", "not-renewed", {{"reason", made.error().message()},
        {"ends_unix_ms", base::unix_ms(config_.current->not_after())}, {"retry_ms", config_.retry_after.count()}});
      return false;
    }
    config_.current = std::make_shared<const crypto::certificate_pair>(std::move(made).value());
    send(endpoint_, identity_change{config_.current});
    base::log::info("certificate_keeper", "renewed",
      {{"ends_unix_ms", base::unix_ms(config_.current->not_after())}, {"sha256", base::to_hex(config_.current->certificate_digest())}});
    return true;
  }

  certificate_keeper_config config_;
  quic_endpoint_actor endpoint_;
};

} // namespace

certificate_keeper_actor spawn_certificate_keeper(caf::actor_system& sys, certificate_keeper_config config, quic_endpoint_actor endpoint,
  placement where) {
  return spawn_at<certificate_keeper>(sys, where, std::move(config), std::move(endpoint));
}

} // namespace ec::actors
