// What a connection does about packets that did not arrive: single ones, and those of a path that was dark and carries again.
#include <algorithm>
#include <utility>

#include "quic/internal/connection.hpp"

namespace ec::quic::internal {
namespace {

using namespace std::chrono_literals;

/// Shorter than a dialler's keep-alive, longer than a delayed ACK and its way.
constexpr base::mono_duration silence_min = 250ms;
/// Timers nearer than this fire by themselves: a delayed ACK, pacing.
constexpr base::mono_duration soon = 50ms;

} // namespace

void connection_impl::heard(base::mono_time now) {
  const auto silence = now - std::exchange(heard_at_, now);
  if (state_ != state::open || early_ || silence < std::max(silence_min, base::mono_duration(ngtcp2_conn_get_pto(conn_)))) return;
  in_flight_when_heard_ = bytes_in_flight();
  if (in_flight_when_heard_ == 0) return;
  probe_tries_ = 3;
  fresh_ = true;
}

bool connection_impl::probe_early(base::mono_time now) {
  if (probe_tries_ == 0) return false;
  if (const auto in_flight = bytes_in_flight(); in_flight == 0 || in_flight > in_flight_when_heard_) {
    probe_tries_ = 0; // what just went asks for an ACK, and that tells the rest
    return false;
  }
  const auto expiry = ngtcp2_conn_get_expiry(conn_), at = stamp(now);
  if (expiry <= at + to_duration(soon)) return false; // a late ACK goes first, by itself
  if (expiry - at > to_duration(host_.config().idle_timeout) / 2) {
    probe_tries_ = 0;
    return false;
  }
  --probe_tries_;
  ahead_ += base::mono_duration(static_cast<int64_t>(expiry - at));
  return true;
}

/// True if a packet with stream data was found lost since the last call.
bool connection_impl::lost_some() {
  bool lost = false;
  std::erase_if(awaited_, [&](stream* s) {
    const uint64_t losses = ngtcp2_conn_get_stream_loss_count(conn_, static_cast<int64_t>(s->id));
    lost = lost || losses != s->losses;
    s->losses = losses;
    s->awaited = s->out.unacked() > 0 || s->out.fin_sent(); // until it is closed
    return !s->awaited;
  });
  return lost;
}

size_t connection_impl::bytes_in_flight() const {
  ngtcp2_conn_info info{};
  ngtcp2_conn_get_conn_info(conn_, &info);
  return static_cast<size_t>(info.bytes_in_flight);
}

} // namespace ec::quic::internal
