// 0-RTT: a connection is used before its handshake is complete.
#include <algorithm>
#include <utility>

#include "base/hex.hpp"
#include "base/limits_early.hpp"
#include "quic/internal/endpoint_impl.hpp"

namespace ec::quic::internal {

using base::mono_time;

server_tickets endpoint_impl::tickets(mono_time now) {
  if (!config_.tickets || !config_.identity) return {};
  server_tickets out{config_.tickets->current(now), {}};
  // What a client relies on until it hears better: a server that accepts its early data must not allow less [RFC 9000 7.4.1]. And whose key it
  // verified, as no certificate is shown again.
  for (const uint64_t limit : {config_.stream_window, config_.connection_window, config_.peer_streams_bidi_max, config_.peer_streams_uni_max, uint64_t{config_.datagrams}})
    out.bound_to += std::to_string(limit) + ' ';
  out.bound_to += base::to_hex(config_.identity->spki());
  return out;
}

std::string_view connection_impl::alpn() const {
  if (!tls_) return {};
  const auto agreed = tls_->alpn();
  return agreed.empty() ? std::string_view(early_alpn_) : agreed;
}

void connection_impl::begin_early() {
  if (state_ != state::handshaking) return;
  state_ = state::open;
  early_ = true;
  push({event::kind::connected, 0, 0, false, {}});
}

void connection_impl::handshake_completed() {
  complete_ = fresh_ = true;
  known_.reset();
  stats_.resumed = tls_->resumed();
  stats_.early_data_accepted = tls_->early_taken();
  stats_.early_data_rejected = tls_->early_offered() && !stats_.early_data_accepted;
  apply_keep_alive();
  host_.handshake_done(*this);
  if (server_) tls_->send_ticket();
  if (std::exchange(early_, false)) {
    rejected_ = !server_ && !stats_.early_data_accepted;
    if (rejected_) (void)ngtcp2_conn_tls_early_data_rejected(conn_); // fails only by a callback, and there is none
    push({event::kind::handshake, 0, 0, false, {}});
    streams_freed();
  } else if (state_ == state::handshaking) {
    state_ = state::open;
    push({event::kind::connected, 0, 0, false, {}});
  }
}

step connection_impl::settle_handshake(mono_time now) {
  if (state_ != state::open || !complete_) return step::go_on;
  if (std::exchange(rejected_, false)) {
    // Sessions are made for what was agreed on: of another version none can go on. The ticket is gone, so the next attempt asks first.
    if (tls_->alpn() != early_alpn_ || !send_again()) {
      ngtcp2_ccerr_set_transport_error(&farewell_, NGTCP2_NO_ERROR, nullptr, 0);
      farewell_due_ = true;
      return end(close_reason::kind::transport, NGTCP2_NO_ERROR, "the server is not as it was when it gave its ticket; dialling again will do");
    }
  }
  keep_ticket(now);
  return step::go_on;
}

bool connection_impl::send_again() {
  std::vector<stream*> mine;
  for (const auto& [id, s] : streams_) mine.push_back(s.get());
  std::ranges::sort(mine, {}, &stream::id);
  for (auto* s : std::exchange(awaited_, {})) s->awaited = false;
  fins_ = 0;
  unacked_since_.reset();
  for (auto* s : mine) {
    int64_t id = -1;
    const bool bidi = (s->id & 2) == 0;
    const int rc = bidi ? ngtcp2_conn_open_bidi_stream(conn_, &id, s) : ngtcp2_conn_open_uni_stream(conn_, &id, s);
    if (rc != 0 || static_cast<uint64_t>(id) != s->id) return false; // it allows fewer than it did
    const size_t again = s->out.rewind();
    unacked_ -= again;
    unsent_ += again;
    if (s->reset_sent) {
      unsent_ -= s->out.drop_unsent();
      if (ngtcp2_conn_shutdown_stream_write(conn_, 0, id, s->reset_code) != 0) return false;
      control_ = true;
    } else if (s->out.sendable()) {
      schedule_.remove(s->turn); // in the order in which the streams were opened
      schedule_.add(s->turn);
    }
    if (s->stop_sent && ngtcp2_conn_shutdown_stream_read(conn_, 0, id, s->stop_code) != 0) return false;
    control_ = control_ || s->stop_sent;
  }
  return true;
}

/// Offered early data that it then finds no room for, the library sends the packet before it, the client's first, without its padding, and servers
/// drop that: seen with ngtcp2 1.11 when what went first was lost and had filled the window.
bool connection_impl::room_for_early(const stream& s) const {
  return ngtcp2_conn_get_cwnd_left(conn_) > 0 && (s.out.unsent() == 0 || ngtcp2_conn_get_max_stream_data_left(conn_, static_cast<int64_t>(s.id)) > 0);
}

void connection_impl::keep_ticket(mono_time now) {
  auto session = tls_->take_ticket();
  if (session.empty() || known_as_.empty() || !tls_->peer_spki() || tls_->alpn().empty()) return;
  known_server next;
  next.parameters.resize(256);
  const auto size = ngtcp2_conn_encode_0rtt_transport_params(conn_, next.parameters.data(), next.parameters.size());
  if (size <= 0) return;
  next.parameters.resize(static_cast<size_t>(size));
  next.session = std::move(session);
  next.alpn = tls_->alpn();
  next.spki = *tls_->peer_spki();
  next.until = now + base::limits::quic_known_server_life;
  host_.remember(known_as_, std::move(next));
}

} // namespace ec::quic::internal
