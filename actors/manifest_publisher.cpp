#include "actors/manifest_publisher.hpp"

#include "actors/track_outlet.hpp"

namespace ec::actors {
namespace {

// Before the chunks, which have 128: a chunk without its manifest cannot be shown.
constexpr uint8_t manifest_priority = 64;

class manifest_publisher final : public manifest_publisher_actor::base {
public:
  manifest_publisher(caf::actor_config& cfg, moq::track_namespace stream, edge_config edge, quic_endpoint_actor endpoint,
    observer_actor observer) :
    manifest_publisher_actor::base(cfg), stream_(std::move(stream)),
    outlet_(this, edge, std::move(endpoint), {"manifest_publisher-endpoint", std::move(observer)}) {}

  behavior_type make_behavior() override {
    track_ = outlet_.add({stream_, "manifests"}, {.priority = manifest_priority, .single_subgroup = false});
    return {[this](const manifest_item& item) {
      on(item);
      return edge_credit{};
    }};
  }

  void on_exit() override { outlet_.release(); }

private:
  void on(const manifest_item& item) {
    if (item.end) {
      outlet_.end();
      return;
    }
    publish_op op{.what = publish_op::step::append, .track = track_};
    // A late attestation may follow at any time: each object is a subgroup of its own, so that no stream has to stay open for it.
    op.object.group = item.epoch;
    op.object.subgroup = item.object;
    op.object.id = item.object;
    op.object.priority = manifest_priority;
    op.object.payload = item.payload;
    outlet_.push(std::move(op));
    outlet_.push({.what = publish_op::step::end_subgroup, .track = track_, .group = item.epoch, .subgroup = item.object});
  }

  moq::track_namespace stream_;
  track_outlet<manifest_publisher> outlet_;
  std::shared_ptr<const moq::full_track_name> track_;
};

} // namespace

manifest_publisher_actor spawn_manifest_publisher(caf::actor_system& sys, moq::track_namespace stream, edge_config edge,
  quic_endpoint_actor endpoint, observer_actor observer) {
  return sys.spawn<manifest_publisher>(std::move(stream), edge, std::move(endpoint), std::move(observer));
}

} // namespace ec::actors
