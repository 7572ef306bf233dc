// What a peer may make this side hold for it, and for how long.
#include <algorithm>
#include <map>

#include "quic/internal/endpoint_impl.hpp"

namespace ec::quic::internal {
namespace {

namespace limits = base::limits;

constexpr std::string_view too_much = "this connection makes the other side hold too much";
constexpr std::string_view no_acks = "nothing is acknowledged";

} // namespace

/// After a packet of the peer was read.
step connection_impl::burden(base::mono_time now) {
  // What is in flight is remembered until it is acknowledged: that much is our own doing, within the congestion window.
  const size_t allowed = host_.config().connection_window_max + limits::quic_connection_held_bytes_max;
  if (memory_.held() > allowed && memory_.held() > allowed + bytes_in_flight()) return overburdened();
  if (unacked_ == 0 || state_ != state::open) {
    unacked_since_.reset();
    return step::go_on;
  }
  if (!unacked_since_) unacked_since_ = now;
  if (now - *unacked_since_ < host_.config().idle_timeout) return step::go_on;
  unacked_since_ = now;
  // Bytes of a stream that was reset may never be acknowledged: they were given up.
  if (std::ranges::none_of(streams_, [](const auto& s) { return !s.second->reset_sent && s.second->out.unacked() > 0; })) return step::go_on;
  return leave_for(no_acks);
}

step connection_impl::overburdened() {
  return leave_for(too_much);
}

step connection_impl::leave_for(std::string_view why) {
  if (state_ == state::ended) return step::ended;
  ngtcp2_ccerr_set_transport_error(&farewell_, NGTCP2_INTERNAL_ERROR, reinterpret_cast<const uint8_t*>(why.data()), why.size());
  farewell_due_ = true;
  host_.left_for_burden();
  return end(close_reason::kind::violation, NGTCP2_INTERNAL_ERROR, std::string(why));
}

/// Of the address for which the most is held, the connection that has the most of it leaves, until the rest is within the bound.
void endpoint_impl::lighten(mono_time now) {
  std::map<std::string, size_t> by_address;
  std::vector<connection_impl*> heavy;
  for (const auto& [c, owned] : connections_) {
    if (c->ended() || c->over() == 0) continue;
    by_address[c->address_key] += c->over();
    heavy.push_back(c);
  }
  for (size_t left = memory_.over; left > config_.held_bytes_max && !heavy.empty();) {
    const auto worst = std::ranges::max_element(heavy, {}, [&](const connection_impl* c) { return std::pair(by_address[c->address_key], c->over()); });
    auto& c = **worst;
    heavy.erase(worst);
    left -= std::min(left, c.over());
    by_address[c.address_key] -= c.over();
    handle(c, c.overburdened(), now);
  }
}

} // namespace ec::quic::internal
