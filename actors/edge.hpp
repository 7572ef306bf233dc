#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "actors/caf.hpp"
#include "base/clock.hpp"

namespace ec::actors {

/// What a data edge does when it is full.
enum class edge_policy {
  lossless, ///< the source pauses: it asks full() before it makes more
  live,     ///< the oldest whole group is dropped and counted
};

/// How much may be under way on a data edge.
struct edge_config {
  size_t window = 16;  ///< items sent and not yet answered
  size_t waiting = 64; ///< items kept here behind the window
  edge_policy policy = edge_policy::live;
};

/// What happened on an edge since start.
struct edge_counters {
  uint64_t sent = 0;
  uint64_t dropped_items = 0;
  uint64_t dropped_groups = 0;
  uint64_t failed = 0; ///< the receiver was gone or answered with an error
};

/// The answer to an item: room for one more.
struct edge_credit {};

/// One bounded data edge from an actor to a sink. At most `window` items are unanswered; behind them `waiting` more are kept;
/// then the policy decides. A drop takes a whole group, never a part of one, so that the sink sees whole groups or none;
/// what was already sent of the dropped group is the sink's to end (`dropped` tells which group it was).
template <class Item, class Sink>
class edge {
public:
  edge(edge_config config, Sink sink) : config_(config), sink_(std::move(sink)) {}

  /// Sends `item` of `group`, or keeps it, or drops what the policy says. `self` is the sending actor.
  template <class Self>
  void push(Self* self, Item item, uint64_t group = 0) {
    if (dropping_ == group && dropping_) {
      ++counters_.dropped_items;
      return;
    }
    dropping_.reset();
    waiting_.push_back({std::move(item), group});
    if (config_.policy == edge_policy::live && waiting_.size() > config_.waiting) drop_oldest();
    pump(self);
  }

  /// Ends `self` normally as soon as everything that was pushed is answered.
  template <class Self>
  void close(Self* self) {
    closing_ = true;
    if (idle()) self->quit();
  }

  /// Lets go of the sink and of what waits for it. For on_exit(): actors that hold each other would never be destroyed.
  void release() {
    sink_ = nullptr;
    waiting_.clear();
    on_room_ = nullptr;
    on_drop_ = nullptr;
  }

  /// Lossless edges: true while the source should make no more.
  bool full() const { return waiting_.size() >= config_.waiting; }
  bool idle() const { return waiting_.empty() && in_flight_ == 0; }
  const edge_counters& counters() const { return counters_; }
  const Sink& sink() const { return sink_; }
  /// Called after an answer made room.
  void on_room(std::function<void()> call) { on_room_ = std::move(call); }
  /// Called with the group of which items were dropped.
  void on_drop(std::function<void(uint64_t)> call) { on_drop_ = std::move(call); }

private:
  struct entry {
    Item item;
    uint64_t group;
  };

  template <class Self>
  void pump(Self* self) {
    while (sink_ && in_flight_ < config_.window && !waiting_.empty()) {
      ++in_flight_;
      ++counters_.sent;
      self->request(sink_, caf::infinite, std::move(waiting_.front().item))
        .then([this, self](const edge_credit&) { answered(self); },
          [this, self](const caf::error&) {
            ++counters_.failed;
            answered(self);
          });
      waiting_.pop_front();
    }
  }

  template <class Self>
  void answered(Self* self) {
    --in_flight_;
    pump(self);
    if (closing_ && idle()) self->quit();
    else if (on_room_) on_room_();
  }

  void drop_oldest() {
    const uint64_t group = waiting_.front().group;
    const bool all = waiting_.back().group == group; // the group that comes in right now: the rest of it goes too
    while (!waiting_.empty() && waiting_.front().group == group) {
      waiting_.pop_front();
      ++counters_.dropped_items;
    }
    ++counters_.dropped_groups;
    if (all) dropping_ = group;
    if (on_drop_) on_drop_(group);
  }

  edge_config config_;
  Sink sink_;
  std::deque<entry> waiting_;
  size_t in_flight_ = 0;
  bool closing_ = false;
  std::optional<uint64_t> dropping_;
  edge_counters counters_;
  std::function<void()> on_room_;
  std::function<void(uint64_t)> on_drop_;
};

} // namespace ec::actors
