#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "actors/caf.hpp"
#include "actors/report.hpp"
#include "base/log.hpp"

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

/// Under which name an edge tells what it lost, and whom; without a name it tells nothing, without an observer the log only.
struct edge_watch {
  std::string name; ///< from whom to whom: "chunker-signer"
  observer_actor observer;
};

/// An edge that loses more and more tells so once in this time, and at its end.
constexpr std::chrono::seconds edge_tells_every{10};

/// The answer to an item: room for one more.
struct edge_credit {};

/// One bounded data edge from an actor to a sink. At most `window` items are unanswered; behind them `waiting` more are kept;
/// then the policy decides. A drop takes all that waits of a group, never a part of it; what was sent of it already is the sender's to
/// end (on_drop tells which group it was).
template <class Item, class Sink>
class edge {
public:
  edge(edge_config config, Sink sink, edge_watch watch) : config_(config), sink_(std::move(sink)), watch_(std::move(watch)) {}

  /// Sends `item` of `group`, or keeps it, or drops what the policy says. `self` is the sending actor.
  template <class Self>
  void push(Self* self, Item item, uint64_t group = 0) {
    if (dropping_ == group && dropping_) {
      ++counters_.dropped_items;
      return;
    }
    dropping_.reset();
    waiting_.push_back({std::move(item), group});
    ++droppable_;
    if (config_.policy == edge_policy::live && droppable_ > config_.waiting) {
      drop_oldest();
      tell(self);
    }
    pump(self);
  }

  /// The same for an item that belongs to no group and must arrive, whatever is dropped: the end mark, a reset.
  template <class Self>
  void push_always(Self* self, Item item) {
    waiting_.push_back({std::move(item), std::nullopt});
    pump(self);
  }

  /// Ends `self` normally as soon as everything that was pushed is answered.
  template <class Self>
  void close(Self* self) {
    closing_ = true;
    if (idle()) self->quit();
  }

  /// Tells what was lost and was not told yet, and lets go of the sink and of what waits for it. For on_exit(): actors that hold each
  /// other would never be destroyed.
  template <class Self>
  void release(Self* self) {
    tell(self, true);
    watch_ = {};
    sink_ = nullptr;
    waiting_.clear();
    droppable_ = 0;
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
  /// Called with the group of which items were dropped, and whether some of it had been sent before.
  void on_drop(std::function<void(uint64_t group, bool begun)> call) { on_drop_ = std::move(call); }

private:
  struct entry {
    Item item;
    std::optional<uint64_t> group; ///< unset: never dropped
  };

  template <class Self>
  void pump(Self* self) {
    while (sink_ && in_flight_ < config_.window && !waiting_.empty()) {
      ++in_flight_;
      ++counters_.sent;
      if (waiting_.front().group) {
        sent_last_ = waiting_.front().group;
        --droppable_;
      }
      self->request(sink_, caf::infinite, std::move(waiting_.front().item))
        .then([this, self](const edge_credit&) { answered(self); },
          [this, self](const caf::error&) {
            ++counters_.failed;
            tell(self);
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
    const auto oldest = std::ranges::find_if(waiting_, [](const entry& e) { return e.group.has_value(); });
    const uint64_t group = *oldest->group;
    const bool all = waiting_.back().group == group; // the group that comes in right now: the rest of it goes too
    const auto erased = std::erase_if(waiting_, [&](const entry& e) { return e.group == group; });
    droppable_ -= erased;
    counters_.dropped_items += erased;
    ++counters_.dropped_groups;
    if (all) dropping_ = group;
    if (on_drop_) on_drop_(group, sent_last_ == group);
  }

  template <class Self>
  void tell(Self* self, bool last = false) {
    const auto lost = counters_.dropped_items + counters_.failed;
    if (watch_.name.empty() || lost == told_) return;
    const auto now = self->clock().now();
    if (!last && told_ > 0 && now - told_at_ < edge_tells_every) return;
    told_ = lost;
    told_at_ = now;
    base::log::warn("edge", "lost", {{"edge", watch_.name}, {"groups", counters_.dropped_groups},
      {"items", counters_.dropped_items}, {"failed", counters_.failed}});
    if (!watch_.observer) return;
    // Without a sender: this may be the end of `self` (see supervisor.cpp, end_children).
    caf::anon_send(watch_.observer, report{"edge-lost", {{"edge", watch_.name}, {"groups", counters_.dropped_groups},
      {"items", counters_.dropped_items}, {"failed", counters_.failed}}});
  }

  edge_config config_;
  Sink sink_;
  edge_watch watch_;
  uint64_t told_ = 0; ///< lost items that were told of
  caf::actor_clock::time_point told_at_;
  std::deque<entry> waiting_;
  size_t droppable_ = 0; ///< of what waits
  size_t in_flight_ = 0;
  std::optional<uint64_t> sent_last_;
  bool closing_ = false;
  std::optional<uint64_t> dropping_;
  edge_counters counters_;
  std::function<void()> on_room_;
  std::function<void(uint64_t, bool)> on_drop_;
};

} // namespace ec::actors
