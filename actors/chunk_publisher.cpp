#include "actors/chunk_publisher.hpp"

namespace ec::actors {
namespace {

// What late joiners and repairs may ask for: 16 s of the usual profile, 40 MB at 20 Mbit/s.
constexpr size_t cached_chunks = 8;

class chunk_publisher final : public chunk_publisher_actor::base {
public:
  chunk_publisher(caf::actor_config& cfg, const moq::track_namespace& stream, edge_config edge_cfg, quic_endpoint_actor endpoint) :
    chunk_publisher_actor::base(cfg), edge_(edge_cfg, std::move(endpoint)),
    chunks_(std::make_shared<const moq::full_track_name>(moq::full_track_name{stream, "chunks"})),
    damaged_(std::make_shared<const moq::full_track_name>(moq::full_track_name{stream, "damaged"})) {}

  behavior_type make_behavior() override {
    push({.what = publish_op::step::add_track, .track = chunks_, .config = {.cache_groups_max = cached_chunks}});
    push({.what = publish_op::step::add_track, .track = damaged_, .config = {.cache_groups_max = cached_chunks}});
    return {[this](const chunk_item& item) {
      on(item);
      return edge_credit{};
    }};
  }

  void on_exit() override { edge_.release(); }

private:
  void on(const chunk_item& item) {
    const auto& track = item.track == chunk_track::chunks ? chunks_ : damaged_;
    switch (item.what) {
    case chunk_item::step::object: {
      publish_op op{.what = publish_op::step::append, .track = track};
      op.object.group = item.group;
      op.object.id = item.object;
      op.object.payload = item.payload;
      push(std::move(op));
      if (item.last) push({.what = publish_op::step::end_group, .track = track, .group = item.group});
      break;
    }
    case chunk_item::step::reset:
      push({.what = publish_op::step::reset_group, .track = track, .group = item.group, .code = moq::reset_code::internal_error});
      break;
    case chunk_item::step::end:
      push({.what = publish_op::step::end_track, .track = chunks_});
      push({.what = publish_op::step::end_track, .track = damaged_});
      edge_.close(this);
      break;
    }
  }

  void push(publish_op op) {
    const auto group = op.what == publish_op::step::append ? op.object.group : op.group;
    edge_.push(this, std::move(op), group);
  }

  edge<publish_op, quic_endpoint_actor> edge_;
  std::shared_ptr<const moq::full_track_name> chunks_;
  std::shared_ptr<const moq::full_track_name> damaged_;
};

} // namespace

chunk_publisher_actor spawn_chunk_publisher(caf::actor_system& sys, moq::track_namespace stream, edge_config edge,
  quic_endpoint_actor endpoint) {
  return sys.spawn<chunk_publisher>(stream, edge, std::move(endpoint));
}

} // namespace ec::actors
