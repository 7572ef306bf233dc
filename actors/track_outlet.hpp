#pragma once

#include <memory>
#include <vector>

#include "actors/messages.hpp"
#include "actors/quic_endpoint.hpp"

namespace ec::actors {

/// The way of a publisher's tracks into an endpoint: adds them, hands on what changes, ends them together. A group of which the
/// rest was dropped on the way is reset, so that no peer waits for the rest of it.
template <class Self>
class track_outlet {
public:
  /// For the actor `self`, which holds it.
  track_outlet(Self* self, edge_config config, quic_endpoint_actor endpoint, edge_watch watch) :
    self_(self), edge_(config, std::move(endpoint), std::move(watch)) {
    edge_.on_drop([this](uint64_t group, bool begun) {
      if (!begun) return;
      for (const auto& track : tracks_)
        edge_.push_always(self_, {.what = publish_op::step::reset_group, .track = track, .group = group, .code = moq::reset_code::too_far_behind});
    });
  }

  std::shared_ptr<const moq::full_track_name> add(moq::full_track_name name, moq::track_config config) {
    const auto& track = tracks_.emplace_back(std::make_shared<const moq::full_track_name>(std::move(name)));
    edge_.push_always(self_, {.what = publish_op::step::add_track, .track = track, .config = config});
    return track;
  }

  /// A change of one group.
  void push(publish_op op) {
    const auto group = op.what == publish_op::step::append ? op.object.group : op.group;
    edge_.push(self_, std::move(op), group);
  }

  /// No further group will come on any track: ends them, and the actor when the endpoint has taken all of it.
  void end() {
    for (const auto& track : tracks_) edge_.push_always(self_, {.what = publish_op::step::end_track, .track = track});
    edge_.close(self_);
  }

  /// For on_exit().
  void release() { edge_.release(self_); }

private:
  Self* self_;
  edge<publish_op, quic_endpoint_actor> edge_;
  std::vector<std::shared_ptr<const moq::full_track_name>> tracks_;
};

} // namespace ec::actors
