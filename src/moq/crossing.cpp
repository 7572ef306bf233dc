#include "moq/crossing.hpp"

#include <algorithm>

namespace ec::moq {

crossing::crossing(base::mono_time now, uint64_t timeout_ms, bool elsewhere) : dial_at_(now), elsewhere_(elsewhere) {
  const auto said = timeout_ms == 0 ? leave_wait : std::chrono::milliseconds(std::min<uint64_t>(timeout_ms, 86'400'000));
  // Ahead of the server, which would call it a timeout.
  leave_by_ = now + said - std::min<std::chrono::milliseconds>(said / 10, std::chrono::seconds(1));
}

void crossing::failed(base::mono_time now) {
  up_ = dialling_ = false;
  failed_ = true;
  dial_at_ = now + retry_;
  retry_ = std::min(2 * retry_, cross_retry_max);
}

crossing::step crossing::next(base::mono_time now, bool missing) const {
  if (up_) return !missing || now >= leave_by_ ? step::leave : step::wait;
  if (failed_ && !elsewhere_) return step::give_up;
  if (now >= leave_by_) return step::give_up;
  return !dialling_ && now >= dial_at_ ? step::dial : step::wait;
}

bool move_budget::take(base::mono_time now) {
  while (!moves_.empty() && now - moves_.front() >= std::chrono::minutes(1)) moves_.pop_front();
  if (moves_.size() >= moves_per_minute_max) return false;
  moves_.push_back(now);
  return true;
}

} // namespace ec::moq
