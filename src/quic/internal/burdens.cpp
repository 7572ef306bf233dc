// What a peer may make this side hold for it, and for how long.
#include <algorithm>
#include <map>

#include "base/limits_attacker.hpp"
#include "quic/internal/endpoint_impl.hpp"

namespace ec::quic::internal {
namespace {

namespace limits = base::limits;

constexpr std::string_view too_much = "this connection makes the other side hold too much";
constexpr size_t own_stream_bytes = 1024; // about: the library's, ours, and what of it waits to be sent
constexpr std::string_view no_acks = "nothing is acknowledged";

} // namespace

/// The library's memory, and the table of streams.
size_t connection_impl::held() const {
  constexpr size_t entry = sizeof(stream) + 64;
  return memory_.held() + streams_.size() * entry;
}

size_t connection_impl::own_streams() const {
  return static_cast<size_t>(std::ranges::count_if(streams_, [](const auto& s) { return !s.second->remote; }));
}

/// After a packet of the peer was read.
step connection_impl::burden(base::mono_time now) {
  const size_t allowed = server_ ? limits::quic_accepted_held_bytes_max : host_.config().connection_window_max + limits::quic_connection_held_bytes_max;
  // What was sent is remembered until it is acknowledged, and what was lost for a while longer: that much is our own doing, within the congestion
  // window. So are our own streams.
  if (unacked_ >= sent_most_ || now - sent_most_at_ > host_.config().idle_timeout) {
    sent_most_ = unacked_;
    sent_most_at_ = now;
  }
  if (held() > allowed && held() > allowed + std::max(bytes_in_flight(), sent_most_) + own_streams() * own_stream_bytes) return overburdened();
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
