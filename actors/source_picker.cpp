#include "actors/source_picker.hpp"

namespace ec::actors {
namespace {

class source_picker final : public source_picker_actor::base {
public:
  source_picker(caf::actor_config& cfg, source_picker_config config) : source_picker_actor::base(cfg), config_(std::move(config)) {}

  behavior_type make_behavior() override {
    delayed_send(this, config_.wait, tick_atom::value);
    return {
      [this](const found_sources& found) {
        sources_ = found.sources.size();
        const auto all = discovery::ways(found.sources, config_.policy);
        if (!all.empty()) end({all.front(), sources_});
      },
      [this](tick_atom) { end({std::nullopt, sources_}); },
      [this](stop_atom) { quit(); },
    };
  }

  void on_exit() override { config_ = {}; }

private:
  void end(const picked_source& what) {
    config_.picked(what);
    quit();
  }

  source_picker_config config_;
  size_t sources_ = 0;
};

} // namespace

source_picker_actor spawn_source_picker(caf::actor_system& sys, source_picker_config config, const discovery_actor& discovery) {
  const auto stream = config.stream_id;
  auto picker = sys.spawn<source_picker>(std::move(config));
  caf::anon_send(discovery, source_watch{stream, caf::actor_cast<source_watcher_actor>(picker)});
  return picker;
}

} // namespace ec::actors
