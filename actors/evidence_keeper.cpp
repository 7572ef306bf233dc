#include "actors/evidence_keeper.hpp"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"

namespace ec::actors {
namespace {

using manifest::evidence_kind;

/// Of kinds that need not be the signer's fault: who only passes objects on could else fill the folder with them.
constexpr size_t passed_on_files_max = base::limits::evidence_files_max / 2;

bool passed_on(evidence_kind k) {
  return k == evidence_kind::rollback || k == evidence_kind::gap;
}

bool names_passed_on(const std::string& file) {
  return file.starts_with(manifest::name(evidence_kind::rollback)) || file.starts_with(manifest::name(evidence_kind::gap));
}

class evidence_keeper final : public evidence_keeper_actor::base {
public:
  evidence_keeper(caf::actor_config& cfg, evidence_keeper_config config, observer_actor observer) :
    evidence_keeper_actor::base(cfg), config_(std::move(config)), observer_(std::move(observer)) {}

  behavior_type make_behavior() override {
    return {
      [this](const found_evidence& e) { return keep(*e.what); },
      [this](stop_atom) { quit(); },
    };
  }

  void on_exit() override { observer_ = nullptr; }

private:
  bool keep(const manifest::evidence& e) {
    const auto file = config_.dir + "/" + manifest::file_name(e);
    base::file_facts facts;
    if (config_.disk->facts_of(file, facts) == 0) return true; // its name says what it says: the same case is here already
    std::vector<std::string> here; // asked each time: the operator takes files away, and another process may write here too
    if (const auto why = config_.disk->list(config_.dir, here); why < 0) return fault(config_.dir + ": " + std::generic_category().message(-why));
    if (here.size() >= base::limits::evidence_files_max) return full(here.size(), "files");
    if (passed_on(e.kind))
      if (const auto so_far = std::ranges::count_if(here, names_passed_on); static_cast<size_t>(so_far) >= passed_on_files_max)
        return full(static_cast<size_t>(so_far), "rollbacks and gaps");
    const auto done = base::write_new_file(file, base::as_span(manifest::encode(e)), 0644, base::durability::power_cut, *config_.disk);
    if (!done && done.error().code == base::errc::exists) return true;
    if (!done) return fault(done.error().message());
    faulty_ = false;
    const auto kind = std::string(manifest::name(e.kind));
    base::log::warn("evidence_keeper", "evidence-kept", {{"evidence", kind}, {"signer", e.signer.to_string()}, {"file", file}});
    send(observer_, report{"evidence-kept", {{"evidence", kind}, {"signer", e.signer.to_string()}, {"file", file}}});
    return true;
  }

  bool full(size_t count, std::string_view of) {
    return fault(std::to_string(count) + " " + std::string(of) + " are in " + config_.dir + ": no more are written until some of them are taken away");
  }

  bool fault(const std::string& why) {
    if (std::exchange(faulty_, true)) return false; // said once
    base::log::error("evidence_keeper", "write-failed", {{"reason", why}});
    send(observer_, report{"evidence-fault", {{"reason", why}}});
    return false;
  }

  evidence_keeper_config config_;
  observer_actor observer_;
  bool faulty_ = false; ///< the last write
};

} // namespace

evidence_keeper_actor spawn_evidence_keeper(caf::actor_system& sys, evidence_keeper_config config, observer_actor observer, placement where) {
  return spawn_at<evidence_keeper>(sys, where, std::move(config), std::move(observer));
}

} // namespace ec::actors
