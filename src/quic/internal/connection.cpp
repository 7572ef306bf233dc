#include "quic/internal/connection.hpp"

#include <algorithm>
#include <cstring>

namespace ec::quic::internal {
namespace limits = base::limits;
using base::errc;

namespace {

constexpr uint64_t code_max = (uint64_t{1} << 62) - 1;
constexpr size_t gather_parts = 16;

} // namespace

connection_impl::connection_impl(connection_host& host, bool server) : host_(host), server_(server), memory_(host.memory()) {
  ngtcp2_ccerr_default(&farewell_);
}

connection_impl::~connection_impl() {
  if (conn_) ngtcp2_conn_del(conn_);
}

connection_impl::stream* connection_impl::find(uint64_t id) const {
  if (recent_ != nullptr && recent_->id == id) return recent_;
  const auto at = streams_.find(id);
  return at == streams_.end() ? nullptr : recent_ = at->second.get();
}

connection_impl::stream& connection_impl::add_stream(uint64_t id, bool writable, bool remote) {
  auto made = std::make_unique<stream>();
  made->id = id;
  made->turn.id = id;
  made->writable = writable;
  made->remote = remote;
  auto& place = streams_[id];
  place = std::move(made);
  return *place;
}

void connection_impl::push(event e) {
  queue_.push_back(std::move(e));
  host_.has_events(*this);
}

std::optional<uint64_t> connection_impl::open(bool bidi) {
  if (state_ != state::open) return std::nullopt;
  bool& want = bidi ? want_bidi_ : want_uni_;
  if (streams_.size() >= limits::quic_streams_max) {
    want = true;
    return std::nullopt;
  }
  int64_t id = -1;
  const int rc = bidi ? ngtcp2_conn_open_bidi_stream(conn_, &id, nullptr) : ngtcp2_conn_open_uni_stream(conn_, &id, nullptr);
  if (rc != 0 || id < 0) {
    want = true;
    return std::nullopt;
  }
  auto& s = add_stream(static_cast<uint64_t>(id), true, false);
  if (ngtcp2_conn_set_stream_user_data(conn_, id, &s) != 0) return std::nullopt;
  return s.id;
}

write_result connection_impl::write(uint64_t id, base::bytes data, bool fin) {
  if (state_ != state::open) return write_result::gone;
  auto* s = find(id);
  if (!s || !s->writable || s->closed || s->reset_sent || s->stopped || s->out.fin_queued()) return write_result::gone;
  if (unsent_ + unacked_ + data.size() > host_.config().send_queue_bytes_max && !data.empty()) {
    want_space_ = true;
    return write_result::full;
  }
  unsent_ += data.size();
  s->out.push(std::move(data), fin);
  if (s->out.sendable()) {
    schedule_.add(s->turn);
    host_.wake(*this);
  }
  return write_result::queued;
}

void connection_impl::drop_unsent(stream& s) {
  schedule_.remove(s.turn);
  unsent_ -= s.out.drop_unsent();
  space_freed();
}

void connection_impl::space_freed() {
  if (!want_space_ || unsent_ + unacked_ > host_.config().send_queue_bytes_max / 2) return;
  want_space_ = false;
  push({event::kind::space, 0, 0, false, {}});
}

void connection_impl::streams_freed() {
  if ((!want_bidi_ && !want_uni_) || streams_.size() >= limits::quic_streams_max) return;
  const bool bidi = want_bidi_ && ngtcp2_conn_get_streams_bidi_left(conn_) > 0;
  const bool uni = want_uni_ && ngtcp2_conn_get_streams_uni_left(conn_) > 0;
  if (!bidi && !uni) return;
  want_bidi_ = want_uni_ = false;
  push({event::kind::streams, 0, 0, false, {}});
}

void connection_impl::reset(uint64_t id, uint64_t code) {
  if (state_ != state::open) return;
  auto* s = find(id);
  if (!s || !s->writable || s->closed || s->reset_sent) return;
  s->reset_sent = true;
  s->reset_code = std::min(code, code_max);
  drop_unsent(*s);
  if (ngtcp2_conn_shutdown_stream_write(conn_, 0, static_cast<int64_t>(id), std::min(code, code_max)) != 0) {
    end(close_reason::kind::internal, NGTCP2_INTERNAL_ERROR, "cannot reset a stream");
    return;
  }
  control_ = true;
  host_.wake(*this);
}

void connection_impl::stop_sending(uint64_t id, uint64_t code) {
  if (state_ != state::open) return;
  auto* s = find(id);
  if (!s || s->stop_sent || s->reset_received || (!s->remote && (id & 2) != 0)) return;
  s->stop_sent = true;
  s->stop_code = std::min(code, code_max);
  // What waits in the queue of events is not delivered any more; its credit goes back at once.
  credit(*s, s->uncredited);
  if (s->closed) {
    forget_if_done(*s);
    return;
  }
  if (ngtcp2_conn_shutdown_stream_read(conn_, 0, static_cast<int64_t>(id), std::min(code, code_max)) != 0) {
    end(close_reason::kind::internal, NGTCP2_INTERNAL_ERROR, "cannot stop a stream");
    return;
  }
  control_ = true;
  host_.wake(*this);
}

void connection_impl::set_priority(uint64_t id, uint64_t urgency) {
  if (auto* s = find(id)) schedule_.set_urgency(s->turn, urgency);
}

size_t connection_impl::unsent(uint64_t id) const {
  const auto* s = find(id);
  return s ? s->out.unsent() : 0;
}

void connection_impl::credit(stream& s, uint64_t bytes) {
  bytes = std::min(bytes, s.uncredited);
  if (bytes == 0) return;
  s.uncredited -= bytes;
  ngtcp2_conn_extend_max_offset(conn_, bytes);
  if (!s.closed && !s.stop_sent && !s.reset_received) {
    // Fails only for streams that we cannot read: those are never credited.
    if (ngtcp2_conn_extend_max_stream_offset(conn_, static_cast<int64_t>(s.id), bytes) != 0) {
      end(close_reason::kind::internal, NGTCP2_INTERNAL_ERROR, "cannot extend a stream's window");
    }
  }
}

void connection_impl::consumed(uint64_t id, uint64_t bytes) {
  if (state_ != state::open) return;
  auto* s = find(id);
  if (!s || bytes == 0) return;
  credit(*s, bytes);
  control_ = true;
  host_.wake(*this);
  forget_if_done(*s);
}

/// A stream of the peer's counts as open until its bytes are consumed: many short streams cannot pile up here.
void connection_impl::forget_if_done(stream& s) {
  if (!s.closed || s.uncredited > 0) return;
  const bool remote = s.remote;
  const bool bidi = (s.id & 2) == 0;
  if (recent_ == &s) recent_ = nullptr;
  streams_.erase(s.id);
  streams_freed();
  if (!remote) return;
  if (bidi) ngtcp2_conn_extend_max_streams_bidi(conn_, 1);
  else ngtcp2_conn_extend_max_streams_uni(conn_, 1);
  control_ = true;
}

void connection_impl::stream_closed(stream& s, bool with_code, uint64_t code) {
  stats_.lost_packets += ngtcp2_conn_get_stream_loss_count(conn_, static_cast<int64_t>(s.id));
  host_.lost_packets(ngtcp2_conn_get_stream_loss_count(conn_, static_cast<int64_t>(s.id)));
  if (s.out.fin_sent()) --fins_;
  schedule_.remove(s.turn);
  unsent_ -= s.out.drop_unsent();
  unacked_ -= s.out.unacked();
  s.out = {};
  s.closed = true;
  if (std::exchange(s.awaited, false)) std::erase(awaited_, &s);
  // ngtcp2 has no callback for STOP_SENDING; a code on a stream that neither side reset tells of it.
  if (s.writable && !s.reset_sent && (s.stopped || (with_code && !s.reset_received && !s.stop_sent))) {
    s.stopped = true;
    push({event::kind::stop, s.id, with_code ? code : 0, false, {}});
  }
  if (s.reset_received || s.stop_sent) credit(s, s.uncredited);
  push({event::kind::closed, s.id, 0, false, {}});
  space_freed();
  forget_if_done(s);
}

bool connection_impl::send_datagram(base::bytes data) {
  if (state_ != state::open || data.size() > datagram_bytes_max() || datagrams_.size() >= limits::quic_datagrams_queued_max) return false;
  if (data.empty()) return false;
  datagrams_.push_back(std::move(data));
  host_.wake(*this);
  return true;
}

size_t connection_impl::datagram_bytes_max() const {
  if (state_ != state::open) return 0;
  const auto* theirs = ngtcp2_conn_get_remote_transport_params(conn_);
  if (!theirs || theirs->max_datagram_frame_size < 4) return 0;
  // First byte, connection id, packet number, AEAD tag, then frame type and length [RFC 9000 17.3, RFC 9221 4].
  const size_t around = 1 + ngtcp2_conn_get_dcid(conn_)->datalen + 4 + 16 + 3;
  const size_t path = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_);
  if (path <= around) return 0;
  const auto allowed = std::min<uint64_t>(path - around, theirs->max_datagram_frame_size - 3);
  return std::min<size_t>(static_cast<size_t>(allowed), limits::quic_datagram_bytes_max);
}

void connection_impl::close(uint64_t app_code, std::string_view reason) {
  if (state_ == state::closing || state_ == state::ended) return;
  farewell_text_ = std::string(reason.substr(0, limits::quic_close_reason_bytes_max));
  ngtcp2_ccerr_set_application_error(&farewell_, std::min(app_code, code_max),
                                     reinterpret_cast<const uint8_t*>(farewell_text_.data()), farewell_text_.size());
  farewell_due_ = true;
  state_ = state::closing;
  reason_ = {close_reason::kind::local, app_code, farewell_text_};
  host_.wake(*this);
}

socket_address connection_impl::peer() const {
  const auto* path = conn_ ? ngtcp2_conn_get_path(conn_) : nullptr;
  return path ? socket_address::from(path->remote.addr, path->remote.addrlen) : remote_;
}

std::optional<spki_digest> connection_impl::peer_spki() const {
  return tls_ && state_ != state::handshaking ? tls_->peer_spki() : std::nullopt;
}

connection_stats connection_impl::stats() const {
  auto out = stats_;
  out.held_bytes = held();
  if (!conn_) return out;
  ngtcp2_conn_info info{};
  ngtcp2_conn_get_conn_info(conn_, &info);
  out.smoothed_rtt = base::mono_duration(info.smoothed_rtt);
  out.min_rtt = info.min_rtt == UINT64_MAX ? base::mono_duration{} : base::mono_duration(info.min_rtt);
  out.congestion_window = info.cwnd;
  out.bytes_in_flight = info.bytes_in_flight;
  out.path_mtu = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_);
  return out;
}

base::mono_duration connection_impl::close_period() const {
  return base::mono_duration(3 * ngtcp2_conn_get_pto(conn_));
}

step connection_impl::read(const socket_address& local, const socket_address& remote, uint8_t ecn, std::span<const uint8_t> datagram,
                           base::mono_time now) {
  if (state_ == state::ended || state_ == state::closing) return step::go_on;
  stats_.received_bytes += datagram.size();
  ++stats_.received_datagrams;
  // A client's socket serves one local address as far as QUIC is concerned; which one the system uses is its affair.
  const auto& mine = server_ && local.specified() ? local : local_;
  if (!(remote == remote_)) fresh_ = true; // a new path: it may want an answer
  ngtcp2_path path{};
  path.local = {const_cast<sockaddr*>(mine.data()), mine.size()};
  path.remote = {const_cast<sockaddr*>(remote.data()), remote.size()};
  ngtcp2_pkt_info info{.ecn = ecn};
  const int rc = ngtcp2_conn_read_pkt(conn_, &path, &info, datagram.data(), datagram.size(), stamp(now));
  if (state_ == state::ended) return step::ended;
  if (rc != 0) return fail(rc);
  heard(now);
  if (!server_ && settle_handshake(now) != step::go_on) return step::ended;
  return burden(now);
}

bool connection_impl::after_read(base::mono_time now) {
  if (state_ == state::ended) return false;
  if (state_ != state::open || early_ || last_words_ || fresh_ || unsent_ > 0 || !schedule_.empty() || !datagrams_.empty() || control_ || probe_tries_ > 0) return true;
  // What is on its way gives nothing to write, unless some of it was lost. Then every packet that is read may make room for the repair,
  // until all has arrived.
  repairing_ = outstanding() && (lost_some() || repairing_);
  if (repairing_) return true;
  const auto expiry = ngtcp2_conn_get_expiry(conn_);
  if (expiry <= stamp(now)) return true;
  rearm(now, expiry);
  return false;
}

step connection_impl::on_timer(base::mono_time now) {
  if (state_ == state::ended || state_ == state::closing) return step::go_on;
  const int rc = ngtcp2_conn_handle_expiry(conn_, stamp(now));
  if (rc != 0) return fail(rc);
  host_.wake(*this);
  return step::go_on;
}

void connection_impl::rearm(base::mono_time now, ngtcp2_tstamp expiry) {
  if (expiry >= static_cast<ngtcp2_tstamp>(base::mono_time::max().time_since_epoch().count())) {
    due_ = last_words_ && last_words_->until ? *last_words_->until : base::mono_time::max();
    return;
  }
  due_ = std::max(now, base::mono_time(base::mono_duration(static_cast<int64_t>(expiry)) - ahead_));
  // Nothing in flight and nothing waiting: the timer is for an ACK, a keep-alive or the end. Late is cheaper.
  if (state_ == state::open && !early_ && !outstanding() && unsent_ == 0 && schedule_.empty() && datagrams_.empty()) {
    due_ += host_.config().timer_slack;
  }
  if (last_words_ && last_words_->until) due_ = std::min(due_, *last_words_->until);
}

ngtcp2_ssize connection_impl::write_packet(ngtcp2_path_storage& path, ngtcp2_pkt_info& info, std::span<uint8_t> space, ngtcp2_tstamp ts) {
  const bool may_send = ngtcp2_conn_get_max_data_left(conn_) > 0;
  bool begun = false; // inside a packet only the write calls are allowed
  while (!datagrams_.empty() && state_ == state::open && (server_ || !early_)) { // a client's are never early: nobody sends them again
    const auto& data = datagrams_.front();
    if (!begun && data.size() > datagram_bytes_max()) {
      datagrams_.pop_front(); // the path shrank; ngtcp2 would answer 0 for ever
      continue;
    }
    ngtcp2_vec vec{const_cast<uint8_t*>(data.data()), data.size()};
    int accepted = 0;
    const auto n = ngtcp2_conn_writev_datagram(conn_, &path.path, &info, space.data(), space.size(), &accepted,
                                               NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0, &vec, 1, ts);
    if (accepted) datagrams_.pop_front();
    if (n == NGTCP2_ERR_WRITE_MORE) {
      begun = true;
      continue;
    }
    if (n == NGTCP2_ERR_INVALID_STATE || n == NGTCP2_ERR_INVALID_ARGUMENT) {
      if (!accepted) datagrams_.pop_front(); // the peer takes none, or none of this size
      continue;
    }
    return n;
  }
  for (;;) {
    auto* turn = state_ == state::open ? schedule_.front() : nullptr;
    stream* s = turn ? find(turn->id) : nullptr;
    ngtcp2_vec vecs[gather_parts];
    size_t count = 0;
    bool last = false;
    if (s) {
      std::span<const uint8_t> parts[gather_parts];
      count = s->out.gather(parts, last);
      for (size_t i = 0; i < count; ++i) vecs[i] = {const_cast<uint8_t*>(parts[i].data()), parts[i].size()};
      // Without connection credit only a bare FIN can go.
      if (count > 0 && !may_send) s = nullptr;
      if (s && !server_ && early_ && !room_for_early(*s)) s = nullptr;
    }
    // Alone, with all that it has in hand: nobody could fill the packet up, so it need not be asked for in a second call.
    size_t offered = 0;
    for (size_t i = 0; s && i < count; ++i) offered += vecs[i].len;
    const uint32_t more = s && schedule_.one() && offered == s->out.unsent() ? NGTCP2_WRITE_STREAM_FLAG_NONE : NGTCP2_WRITE_STREAM_FLAG_MORE;
    const uint32_t flags = s ? more | (last ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0) : NGTCP2_WRITE_STREAM_FLAG_NONE;
    ngtcp2_ssize taken = -1;
    const auto n = ngtcp2_conn_writev_stream(conn_, &path.path, &info, space.data(), space.size(), &taken, flags,
                                             s ? static_cast<int64_t>(s->id) : -1, vecs, s ? count : 0, ts);
    if (s && taken >= 0) {
      const auto bytes = static_cast<size_t>(taken);
      const bool fin = last && bytes == offered;
      if (fin && !s->out.fin_sent()) ++fins_;
      s->out.sent(bytes, fin);
      if (!std::exchange(s->awaited, true)) awaited_.push_back(s);
      unsent_ -= bytes;
      unacked_ += bytes;
      if (s->out.sendable()) schedule_.rotate(s->turn);
      else schedule_.remove(s->turn);
    }
    switch (n) {
    case NGTCP2_ERR_WRITE_MORE: continue;
    case NGTCP2_ERR_STREAM_DATA_BLOCKED:
      if (!s) return NGTCP2_ERR_INTERNAL;
      // By its own window or the connection's: found out when the packet is complete.
      schedule_.remove(s->turn);
      blocked_.push_back(s);
      continue;
    case NGTCP2_ERR_STREAM_SHUT_WR:
    case NGTCP2_ERR_STREAM_NOT_FOUND:
      if (!s) return NGTCP2_ERR_INTERNAL;
      s->stopped = true;
      schedule_.remove(s->turn);
      unsent_ -= s->out.drop_unsent();
      continue;
    default: return n;
    }
  }
}

step connection_impl::write_packets(base::mono_time now, bool& more, bool& stuck) {
  more = stuck = false;
  if (state_ == state::ended || state_ == state::closing || last_words_said(now)) return step::go_on;
  auto ts = stamp(now);
  auto& batcher = host_.batcher();
  const size_t space_bytes = std::max<size_t>(host_.config().udp_payload_bytes_max, NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  const size_t path_bytes = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_);
  const size_t burst = std::clamp<size_t>(ngtcp2_conn_get_send_quantum(conn_), 2 * path_bytes, send_batcher::message_bytes_max);
  size_t written = 0;
  fresh_ = false;
  ngtcp2_ssize n = 0;
  for (;;) {
    auto space = batcher.space(space_bytes);
    if (space.empty()) {
      if (!batcher.flush(host_.port(), now)) {
        stuck = true;
        break;
      }
      space = batcher.space(space_bytes);
    }
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_pkt_info info{};
    n = write_packet(path, info, space, ts);
    for (auto* s : blocked_) {
      // Blocked by its own window: extend_max_stream_data brings it back. By the connection's: it stays in line.
      if (s->out.sendable() && ngtcp2_conn_get_max_stream_data_left(conn_, static_cast<int64_t>(s->id)) > 0) schedule_.add(s->turn);
    }
    blocked_.clear();
    if (n == 0 && probe_early(now)) {
      ts = stamp(now);
      if (const int rc = ngtcp2_conn_handle_expiry(conn_, ts); rc != 0) return fail(rc);
      continue;
    }
    if (n <= 0) break;
    const auto size = static_cast<size_t>(n);
    batcher.add(socket_address::from(path.path.local.addr, path.path.local.addrlen),
                socket_address::from(path.path.remote.addr, path.path.remote.addrlen), static_cast<uint8_t>(info.ecn), size);
    stats_.sent_bytes += size;
    ++stats_.sent_datagrams;
    written += size;
    // A packet with room left says that nothing else wanted to go.
    if (state_ == state::open && size + 40 < path_bytes && schedule_.empty() && datagrams_.empty()) break;
    if (written >= burst) {
      more = true;
      break;
    }
  }
  if (n < 0) return fail(static_cast<int>(n));
  const bool idle = schedule_.empty() && datagrams_.empty();
  // With nothing queued the pacing time that update_pkt_tx_time sets would only wake us for nothing.
  const auto before = idle && !more ? ngtcp2_conn_get_expiry(conn_) : 0;
  ngtcp2_conn_update_pkt_tx_time(conn_, ts);
  const auto expiry = idle && !more ? before : ngtcp2_conn_get_expiry(conn_);
  if (control_ && !stuck && bytes_in_flight() == 0) control_ = false;
  if (stuck) more = true;
  else if (more) more = expiry <= ts;
  rearm(now, expiry);
  space_freed();
  return step::go_on;
}

void connection_impl::deliver() {
  auto events = std::move(queue_);
  queue_.clear();
  for (auto& e : events) {
    // After `close` here nothing is told but the end; after the peer's, what came before it.
    if (reason_.what == close_reason::kind::local && (state_ == state::closing || state_ == state::ended)) return;
    if (e.what == event::kind::connected) {
      if (server_ && !events_) {
        events_ = host_.accept(*this);
        if (!events_ && state_ == state::open) {
          ngtcp2_ccerr_set_transport_error(&farewell_, NGTCP2_CONNECTION_REFUSED, nullptr, 0);
          farewell_due_ = true;
          state_ = state::closing;
          reason_ = {close_reason::kind::local, NGTCP2_CONNECTION_REFUSED, "refused by the application"};
          host_.wake(*this);
        }
      }
      if (events_) events_->on_connected(alpn(), peer());
      if (!complete_) host_.wake(*this);
      continue;
    }
    if (!events_) return;
    switch (e.what) {
    case event::kind::data: {
      const auto* s = find(e.id);
      if (s && s->stop_sent) break;
      if (e.bytes.capacity() > 2 * e.bytes.size()) e.bytes.shrink_to_fit(); // who keeps it keeps all of it
      events_->on_stream_data(e.id, base::bytes::adopt(std::move(e.bytes)), e.fin);
      break;
    }
    case event::kind::reset: events_->on_stream_reset(e.id, e.code); break;
    case event::kind::stop: events_->on_stop_sending(e.id, e.code); break;
    case event::kind::datagram: events_->on_datagram(base::bytes::adopt(std::move(e.bytes))); break;
    case event::kind::streams: events_->on_streams_available(); break;
    case event::kind::space: events_->on_send_space(); break;
    case event::kind::closed: events_->on_stream_closed(e.id); break;
    case event::kind::handshake: events_->on_handshake_done(); break;
    case event::kind::connected: break;
    }
  }
}

void connection_impl::deliver_closed() {
  if (auto* events = std::exchange(events_, nullptr)) events->on_closed(reason_);
}

} // namespace ec::quic::internal
