#pragma once

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "quic/webtransport.hpp"

namespace ec::quic {

/// HTTP/3 connections that peers opened, each until its time for a session is over: who never opens one does not hold a place for ever.
/// What it watches lives until `forget`.
class webtransport_watch {
public:
  explicit webtransport_watch(base::mono_duration timeout) : timeout_(timeout) {}

  /// A connection began; `now` never goes back.
  void add(webtransport& web, base::mono_time now) { waiting_.emplace_back(now + timeout_, &web); }
  void forget(const webtransport& web);
  std::optional<base::mono_time> deadline() const;
  /// Closes what has no session and whose time is over; their peers, for a line of log each.
  std::vector<std::string> on_timer(base::mono_time now);
  /// Connections that were closed for it.
  uint64_t missed() const { return missed_; }
  size_t waiting() const { return waiting_.size(); }

private:
  base::mono_duration timeout_;
  std::deque<std::pair<base::mono_time, webtransport*>> waiting_; ///< by time, as it is the same for all
  uint64_t missed_ = 0;
};

} // namespace ec::quic
