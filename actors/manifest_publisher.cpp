#include "actors/manifest_publisher.hpp"

namespace ec::actors {
namespace {

// Before the chunks, which have 128: a chunk without its manifest cannot be shown.
constexpr uint8_t manifest_priority = 64;

class manifest_publisher final : public manifest_publisher_actor::base {
public:
  manifest_publisher(caf::actor_config& cfg, const moq::track_namespace& stream, edge_config edge_cfg, quic_endpoint_actor endpoint) :
    manifest_publisher_actor::base(cfg), edge_(edge_cfg, std::move(endpoint)),
    track_(std::make_shared<const moq::full_track_name>(moq::full_track_name{stream, "manifests"})) {}

  behavior_type make_behavior() override {
    edge_.push(this, {.what = publish_op::step::add_track, .track = track_, .config = {.priority = manifest_priority, .single_subgroup = false}});
    return {[this](const manifest_item& item) {
      on(item);
      return edge_credit{};
    }};
  }

  void on_exit() override { edge_.release(); }

private:
  void on(const manifest_item& item) {
    if (item.end) {
      edge_.push(this, {.what = publish_op::step::end_track, .track = track_});
      edge_.close(this);
      return;
    }
    publish_op op{.what = publish_op::step::append, .track = track_};
    // A late attestation may follow at any time: each object is a subgroup of its own, so that no stream has to stay open for it.
    op.object.group = item.epoch;
    op.object.subgroup = item.object;
    op.object.id = item.object;
    op.object.priority = manifest_priority;
    op.object.payload = item.payload;
    edge_.push(this, std::move(op), item.epoch);
    edge_.push(this, {.what = publish_op::step::end_subgroup, .track = track_, .group = item.epoch, .subgroup = item.object}, item.epoch);
  }

  edge<publish_op, quic_endpoint_actor> edge_;
  std::shared_ptr<const moq::full_track_name> track_;
};

} // namespace

manifest_publisher_actor spawn_manifest_publisher(caf::actor_system& sys, moq::track_namespace stream, edge_config edge,
  quic_endpoint_actor endpoint) {
  return sys.spawn<manifest_publisher>(stream, edge, std::move(endpoint));
}

} // namespace ec::actors
