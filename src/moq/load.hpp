#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "moq/layers.hpp"
#include "moq/types.hpp"

/// Load for a relay, and what became of it: objects of a given size at a given rate whose first bytes say when they left, and a meter
/// for each subscriber. No I/O.
namespace ec::moq {

struct load_shape {
  size_t object_bytes = 4096;   ///< at least load_stamp_bytes
  double objects_per_second = 60;
  uint64_t objects_per_group = 60;
};

/// Bytes at the front of each payload: the nanosecond at which it was published, big endian.
inline constexpr size_t load_stamp_bytes = 8;

/// The objects of one track, by the clock.
class load_source {
public:
  load_source(load_shape shape, base::mono_time start) : shape_(shape), start_(start) {}

  /// When the next object is due.
  base::mono_time next() const;
  /// The next object, stamped with `now`. The payload is new each time, as a publisher's is.
  object take(base::mono_time now);
  /// True if the object that take() gives next begins a group.
  bool at_group_start() const { return count_ % shape_.objects_per_group == 0; }
  uint64_t group() const { return count_ / shape_.objects_per_group; }
  uint64_t taken() const { return count_; }

private:
  load_shape shape_;
  base::mono_time start_;
  uint64_t count_ = 0;
};

/// What subscribers received while it was measured.
struct load_figures {
  uint64_t objects = 0;
  uint64_t payload_bytes = 0;
  uint64_t groups_whole = 0;
  uint64_t groups_lost = 0;  ///< began or passed by without all of their objects
  uint64_t groups_late = 0;  ///< whole, but an object took longer than the bound
  uint64_t sessions_lost = 0;
  uint64_t refused = 0;      ///< subscriptions that the relay answered with an error
  std::vector<uint32_t> delays_us; ///< of every object
  void add(const load_figures& more);
  /// Microseconds that the given share (0 to 1) of the objects took at most; 0 without objects.
  uint32_t delay_us(double share) const;
};

/// One subscriber: told what its session tells, counts from `begin` to `end`.
class load_meter final : public upper_layer {
public:
  /// `clock`: the time of what is told, as a session's calls carry none. `late`: a longer delay makes the group late.
  load_meter(load_shape shape, base::mono_duration late, std::function<base::mono_time()> clock) : shape_(shape), late_(late), clock_(std::move(clock)) {}

  bool established() const { return up_; }
  bool subscribed() const { return subscribed_; }
  bool flowing() const { return objects_seen_ > 0; }
  /// Why the subscription was refused, once: it may be asked for again.
  std::optional<request_error> take_refusal() { return std::exchange(refusal_, std::nullopt); }
  /// Objects count from now on, groups that begin from now on.
  void begin();
  /// Groups that are not whole by now are lost.
  void end();
  const load_figures& figures() const { return figures_; }

  void on_setup(const peer_setup&) override { up_ = true; }
  void on_subscribe_ok(request_id, const subscribe_ok&) override { subscribed_ = true; }
  void on_request_error(request_id, const request_error& why) override {
    ++figures_.refused;
    refusal_ = why;
  }
  void on_object(request_id, const object& o) override;
  void on_closed(uint64_t, std::string_view) override;

private:
  struct group_state {
    uint64_t objects = 0;
    bool late = false;
  };
  void settle_before(uint64_t group);

  load_shape shape_;
  base::mono_duration late_;
  std::function<base::mono_time()> clock_;
  bool up_ = false, subscribed_ = false, measuring_ = false;
  std::optional<request_error> refusal_;
  uint64_t objects_seen_ = 0;
  uint64_t newest_ = 0;                       ///< group of the newest object that came
  uint64_t count_from_ = 0;                   ///< first group that counts
  std::map<uint64_t, group_state> groups_;    ///< that count and are not settled
  uint64_t settled_to_ = 0;                   ///< groups below are whole or lost
  load_figures figures_;
};

} // namespace ec::moq
