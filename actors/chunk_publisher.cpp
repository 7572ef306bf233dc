#include "actors/chunk_publisher.hpp"

#include "actors/track_outlet.hpp"

namespace ec::actors {
namespace {

// What late joiners and repairs may ask for: 12 s of the usual profile, 15 MB of a usual HD broadcast, 30 MB at a full 20 Mbit/s.
constexpr size_t cached_chunks = 6;

class chunk_publisher final : public chunk_publisher_actor::base {
public:
  chunk_publisher(caf::actor_config& cfg, moq::track_namespace stream, edge_config edge, quic_endpoint_actor endpoint, observer_actor observer) :
    chunk_publisher_actor::base(cfg), stream_(std::move(stream)),
    outlet_(this, edge, std::move(endpoint), {"chunk_publisher-endpoint", std::move(observer)}) {}

  behavior_type make_behavior() override {
    chunks_ = outlet_.add({stream_, "chunks"}, {.cache_groups_max = cached_chunks});
    damaged_ = outlet_.add({stream_, "damaged"}, {.cache_groups_max = cached_chunks});
    return {[this](const chunk_item& item) {
      on(item);
      return edge_credit{};
    }};
  }

  void on_exit() override { outlet_.release(); }

private:
  void on(const chunk_item& item) {
    const auto& track = item.track == chunk_track::chunks ? chunks_ : damaged_;
    switch (item.what) {
    case chunk_item::step::object: {
      publish_op op{.what = publish_op::step::append, .track = track};
      op.object.group = item.group;
      op.object.id = item.object;
      op.object.payload = item.payload;
      outlet_.push(std::move(op));
      if (item.last) outlet_.push({.what = publish_op::step::end_group, .track = track, .group = item.group});
      break;
    }
    case chunk_item::step::reset:
      outlet_.push({.what = publish_op::step::reset_group, .track = track, .group = item.group, .code = moq::reset_code::internal_error});
      break;
    case chunk_item::step::restore:
      outlet_.push({.what = publish_op::step::restore_group, .track = track, .group = item.group});
      break;
    case chunk_item::step::end: outlet_.end(); break;
    }
  }

  moq::track_namespace stream_;
  track_outlet<chunk_publisher> outlet_;
  std::shared_ptr<const moq::full_track_name> chunks_;
  std::shared_ptr<const moq::full_track_name> damaged_;
};

} // namespace

chunk_publisher_actor spawn_chunk_publisher(caf::actor_system& sys, moq::track_namespace stream, edge_config edge,
  quic_endpoint_actor endpoint, observer_actor observer) {
  return sys.spawn<chunk_publisher>(std::move(stream), edge, std::move(endpoint), std::move(observer));
}

} // namespace ec::actors
