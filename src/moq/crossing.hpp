#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/clock.hpp"

/// When a client goes over from a session whose server asks it to leave to the next one [MOQT 3.5]. No I/O.
namespace ec::moq {

/// A client is moved so often within a minute, and no oftener: servers that send it to one another do not keep it busy.
inline constexpr size_t moves_per_minute_max = 4;
/// How long a server that names no timeout is taken to wait.
inline constexpr std::chrono::milliseconds leave_wait{10'000};
/// Between two attempts to reach the next server.
inline constexpr std::chrono::milliseconds cross_retry_min{250}, cross_retry_max{2000};

/// One move from the old session to the new one: the new one is dialled first, the old one is left when nothing is missing, or shortly before its
/// server closes it.
class crossing {
public:
  enum class step {
    wait,    ///< nothing to do
    dial,    ///< the new session, now; `dialling` is told
    leave,   ///< the old session: the new one is the session from now on
    give_up, ///< the old session ends, and there is no new one: dial again as after any end
  };

  /// GOAWAY came, with `timeout_ms` (0: none was said). `elsewhere`: it named another place; otherwise this server takes no new sessions, or has
  /// a successor already behind the same name: one attempt shows which.
  crossing(base::mono_time now, uint64_t timeout_ms, bool elsewhere);

  void dialling() { dialling_ = true; }
  /// The new session is set up.
  void up() { up_ = true; }
  /// The new session failed, or ended.
  void failed(base::mono_time now);
  /// `missing`: the old session still gives, or takes, what the new one does not yet.
  step next(base::mono_time now, bool missing) const;
  bool is_up() const { return up_; }

private:
  base::mono_time leave_by_;
  base::mono_time dial_at_;
  std::chrono::milliseconds retry_ = cross_retry_min;
  bool elsewhere_;
  bool dialling_ = false;
  bool up_ = false;
  bool failed_ = false;
};

/// Counts how often a client is moved.
class move_budget {
public:
  /// True, and counted, if one more move is allowed.
  bool take(base::mono_time now);

private:
  std::deque<base::mono_time> moves_; ///< of the last minute
};

} // namespace ec::moq
