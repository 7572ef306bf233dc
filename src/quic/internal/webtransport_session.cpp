#include "quic/internal/webtransport_session.hpp"

#include <algorithm>

#include "base/byte_io.hpp"
#include "base/limits_attacker.hpp"
#include "base/limits_webtransport.hpp"
#include "quic/internal/reasons.hpp"

namespace ec::quic::internal {
namespace {

namespace limits = base::limits;

constexpr size_t early_charge = 128; // of what came at once on an early stream, beside its bytes

bool is_bidi(uint64_t id) {
  return (id & 2) == 0;
}

} // namespace

webtransport_session::webtransport_session(webtransport_config config, bool server, connection_events* user)
  : config_(std::move(config)), server_(server), user_(user) {}

bool webtransport_session::is_session(uint64_t id) const {
  const auto at = streams_.find(id);
  return at != streams_.end() && at->second.what == kind::session;
}

// What the user calls.

std::optional<uint64_t> webtransport_session::open(bool bidi) {
  if (state_ != state::open) return std::nullopt;
  const auto id = bidi ? below_->open_bidi() : below_->open_uni();
  if (id) streams_[*id] = {.what = kind::session, .prefix_due = true};
  return id;
}

write_result webtransport_session::write(uint64_t id, base::bytes data, bool fin) {
  const auto at = streams_.find(id);
  if (state_ != state::open || at == streams_.end() || at->second.what != kind::session) return write_result::gone;
  if (at->second.prefix_due) {
    if (data.empty() && !fin) return write_result::queued;
    const auto done = below_->write(id, base::bytes::adopt(stream_prefix(is_bidi(id), *session_)), false);
    if (done != write_result::queued) return done;
    at->second.prefix_due = false;
  }
  return below_->write(id, std::move(data), fin);
}

void webtransport_session::reset(uint64_t id, uint64_t code) {
  if (state_ == state::open && is_session(id)) below_->reset(id, to_http3_code(code));
}

void webtransport_session::stop_sending(uint64_t id, uint64_t code) {
  if (state_ == state::open && is_session(id)) below_->stop_sending(id, to_http3_code(code));
}

void webtransport_session::set_priority(uint64_t id, uint64_t urgency) {
  if (state_ == state::open && is_session(id)) below_->set_priority(id, urgency);
}

void webtransport_session::consumed(uint64_t id, uint64_t bytes) {
  // Also of a stream that is closed: its bytes may wait longer than it lives.
  const auto at = streams_.find(id);
  if (below_ && (at == streams_.end() || at->second.what == kind::session)) below_->consumed(id, bytes);
}

bool webtransport_session::send_datagram(base::bytes data) {
  if (state_ != state::open || data.size() > datagram_bytes_max()) return false;
  base::byte_writer out(data.size() + 8);
  out.quic_varint(*session_ / 4);
  out.raw(data.span());
  return below_->send_datagram(base::bytes::adopt(out.take()));
}

size_t webtransport_session::datagram_bytes_max() const {
  if (state_ != state::open) return 0;
  const auto prefix = base::quic_varint_size(*session_ / 4);
  const auto room = below_->datagram_bytes_max();
  return room > prefix ? room - prefix : 0;
}

void webtransport_session::set_keep_alive(base::mono_duration quiet) {
  if (below_) below_->set_keep_alive(quiet);
}

void webtransport_session::drain() {
  if (state_ != state::open) return;
  codec_->send(*session_, write_drain_capsule(), false);
  flush();
}

void webtransport_session::close(uint64_t app_code, std::string_view reason) {
  if (state_ == state::over || !below_) return;
  const bool was_open = state_ == state::open;
  state_ = state::over;
  const std::string text(reason.substr(0, limits::webtransport_close_reason_bytes_max));
  if (!why_) why_ = {close_reason::kind::local, app_code, text};
  if (!was_open) {
    below_->close(h3_no_error, text);
    return;
  }
  codec_->send(*session_, write_close_capsule(app_code, text), true);
  flush();
  drop_streams();
  // The code is in both: whoever misses the capsule finds it in the connection's end.
  if (below_) below_->close_after(*session_, to_http3_code(app_code), text);
}

// The session's life.

void webtransport_session::opened(uint64_t session, std::string protocol, connection_events* user) {
  user_ = user;
  session_ = session;
  protocol_ = std::move(protocol);
  state_ = state::open;
  ++counters_.sessions;
  user_->on_connected(protocol_, peer());
  std::vector<uint64_t> early;
  for (const auto& [id, s] : streams_)
    if (s.what == kind::early) early.push_back(id);
  std::ranges::sort(early);
  for (const auto id : early) {
    const auto at = streams_.find(id);
    if (at == streams_.end() || state_ != state::open) continue;
    auto& s = at->second;
    if (s.named != session) {
      ++counters_.streams_refused;
      refuse_stream(id, wt_buffered_stream_rejected);
      continue;
    }
    auto data = s.data;
    const bool fin = s.fin;
    drop_early(s);
    s.what = kind::session;
    for (size_t i = 0; i < data.size() && state_ == state::open; ++i) {
      const bool last = fin && i + 1 == data.size();
      if (last || !data[i].empty()) user_->on_stream_data(id, std::move(data[i]), last);
    }
  }
}

void webtransport_session::ended(uint64_t code, std::string text) {
  if (state_ != state::open) return;
  state_ = state::over;
  why_ = {close_reason::kind::application, code, printable(text)};
  codec_->send(*session_, {}, true);
  flush();
  drop_streams();
  if (below_) below_->close_after(*session_, to_http3_code(code), why_->text);
}

void webtransport_session::drop_streams() {
  std::vector<uint64_t> mine;
  for (const auto& [id, s] : streams_)
    if (s.what == kind::session || s.what == kind::early) mine.push_back(id);
  for (const auto id : mine) refuse_stream(id, wt_session_gone);
}

void webtransport_session::give_up(uint64_t h3_code, close_reason why) {
  state_ = state::over;
  if (!why_) why_ = std::move(why);
  if (below_) below_->close(h3_code, why_->text);
}

/// Ends a stream in both directions and forgets what is in it.
void webtransport_session::refuse_stream(uint64_t id, uint64_t h3_code) {
  auto& s = streams_[id];
  if (s.what == kind::early) drop_early(s);
  s.what = kind::refused;
  if (!below_) return;
  if (is_bidi(id) || peers(id)) below_->stop_sending(id, h3_code);
  if (is_bidi(id) || !peers(id)) below_->reset(id, h3_code);
}

// What the connection below tells.

void webtransport_session::on_connected(std::string_view, const socket_address&) {
  start();
}

void webtransport_session::start() {
  codec_ = std::make_unique<http3_codec>(server_, config_.settings);
  for (int i = 0; i < 3; ++i) {
    const auto id = below_->open_uni();
    if (!id) {
      give_up(h3_general_protocol_error, {close_reason::kind::violation, h3_general_protocol_error, "the peer lets fewer streams be opened than HTTP/3 needs"});
      return;
    }
    own_.push_back(*id);
    give_to_codec(*id);
  }
  codec_->bind(own_[0], own_[1], own_[2]);
  flush();
  on_started();
  flush();
}

void webtransport_session::give_to_codec(uint64_t id) {
  streams_[id].what = kind::http;
  below_->set_priority(id, 0); // what HTTP/3 says is not to wait behind the media
}

void webtransport_session::on_stream_data(uint64_t id, base::bytes data, bool fin) {
  if (!codec_) return;
  auto& s = streams_[id];
  switch (s.what) {
  case kind::unknown: classify(id, s, std::move(data), fin); break;
  case kind::http:
    below_->consumed(id, data.size());
    to_codec(id, data, fin);
    break;
  case kind::early: keep_early(id, s, std::move(data), fin); break;
  case kind::session:
    if (state_ == state::open) user_->on_stream_data(id, std::move(data), fin);
    else below_->consumed(id, data.size());
    break;
  case kind::refused: below_->consumed(id, data.size()); break;
  }
}

void webtransport_session::classify(uint64_t id, stream& s, base::bytes data, bool fin) {
  // Two varints at most: the bytes behind them are never copied.
  const size_t before = s.held.size();
  auto head = s.held;
  head.insert(head.end(), data.begin(), data.begin() + std::min<size_t>(data.size(), 16));
  base::byte_reader in(head);
  const auto type = in.quic_varint();
  const bool ours = type && *type == (is_bidi(id) ? bidi_stream_signal : uni_stream_type);
  const auto session = ours ? in.quic_varint() : std::nullopt;
  if ((!type || (ours && !session)) && !fin) {
    below_->consumed(id, data.size());
    s.held = std::move(head);
    return;
  }
  if (ours && session) {
    const size_t past = in.position() - before;
    below_->consumed(id, past);
    s.held = {};
    names_session(id, s, *session, data.slice(past), fin);
    return;
  }
  if (ours || !type) {
    // It ended before it said what it is [RFC 9114 6.2].
    below_->consumed(id, data.size());
    s.held = {};
    if (is_bidi(id)) refuse_stream(id, h3_request_rejected);
    s.what = kind::refused;
    return;
  }
  if (is_bidi(id)) {
    if (server_) {
      if (requests_ >= limits::http3_requests_max) {
        refuse_stream(id, h3_request_rejected);
        return;
      }
      ++requests_;
      s.request = true;
      // Priorities may be told a little ahead [RFC 9218 7.1]: so much room each time, not more.
      codec_->allow_requests(id / 4 + 1 + 100);
    }
  }
  const auto held = std::exchange(s.held, {});
  s.what = kind::http;
  below_->consumed(id, data.size());
  if (!held.empty()) to_codec(id, held, false);
  to_codec(id, data, fin);
}

void webtransport_session::names_session(uint64_t id, stream& s, uint64_t session, base::bytes data, bool fin) {
  if (session % 4 != 0) {
    // Only a client's bidirectional stream can be one.
    give_up(h3_id_error, {close_reason::kind::violation, h3_id_error, "a stream names a session that cannot be"});
    return;
  }
  if (state_ == state::waiting) {
    if (early_streams_ < limits::webtransport_early_streams_max) {
      ++early_streams_;
      s.what = kind::early;
      s.named = session;
      keep_early(id, s, std::move(data), fin);
      return;
    }
    ++counters_.streams_refused;
    refuse_stream(id, wt_buffered_stream_rejected);
    return;
  }
  if (state_ != state::open || session != *session_) {
    ++counters_.streams_refused;
    refuse_stream(id, state_ == state::over ? wt_session_gone : wt_buffered_stream_rejected);
    return;
  }
  s.what = kind::session;
  if (!data.empty() || fin) user_->on_stream_data(id, std::move(data), fin);
}

void webtransport_session::keep_early(uint64_t id, stream& s, base::bytes data, bool fin) {
  if (early_bytes_ + data.size() + early_charge > limits::webtransport_early_bytes_max) {
    ++counters_.streams_refused;
    refuse_stream(id, wt_buffered_stream_rejected);
    return;
  }
  // Without credit until somebody takes it.
  early_bytes_ += data.size() + early_charge;
  s.fin = s.fin || fin;
  s.data.push_back(std::move(data));
}

void webtransport_session::drop_early(stream& s) {
  --early_streams_;
  for (const auto& part : s.data) early_bytes_ -= part.size() + early_charge;
  s.data.clear();
}

void webtransport_session::to_codec(uint64_t id, std::span<const uint8_t> bytes, bool fin) {
  codec_->read(id, bytes, fin);
  handle_events();
  flush();
  // Each of many requests may begin a long field: it has its memory when its length is read.
  if (server_ && below_ && codec_->held() > limits::http3_held_bytes_max) {
    give_up(h3_excessive_load, {close_reason::kind::violation, h3_excessive_load, "HTTP/3 makes the other side hold too much"});
  }
}

void webtransport_session::handle_events() {
  for (auto& e : codec_->take_events()) {
    if (!below_) return;
    if (const auto at = streams_.find(e.stream); at != streams_.end() && at->second.what == kind::refused) continue;
    switch (e.what) {
    case http3_codec::event::kind::settings: on_settings(); break;
    case http3_codec::event::kind::fields: on_fields(e.stream, e.fields); break;
    case http3_codec::event::kind::body: on_body(e.stream, e.bytes); break;
    case http3_codec::event::kind::end:
      if (session_ == e.stream) ended(0, {});
      break;
    case http3_codec::event::kind::refused:
      codec_->shut_read(e.stream);
      on_fields_refused(e.stream);
      break;
    case http3_codec::event::kind::stop:
      below_->stop_sending(e.stream, e.code);
      if (session_ == e.stream) ended(0, "its stream broke");
      break;
    case http3_codec::event::kind::reset:
      below_->reset(e.stream, e.code);
      codec_->shut_write(e.stream);
      if (session_ == e.stream) ended(0, "its stream broke");
      break;
    case http3_codec::event::kind::goaway:
      if (state_ == state::open) user_->on_draining();
      break;
    }
  }
}

void webtransport_session::on_body(uint64_t id, std::span<const uint8_t> bytes) {
  if (state_ != state::open || session_ != id) return; // nothing is asked of a request's body
  const auto found = capsules_.push(bytes);
  if (!found) {
    // The session is over; so is the connection, which was there for it alone.
    drop_streams();
    give_up(h3_message_error, {close_reason::kind::violation, h3_message_error, found.error().message()});
    return;
  }
  for (const auto& c : found.value()) {
    if (c.what == capsule::kind::close) return ended(c.code, c.reason);
    user_->on_draining();
    if (state_ != state::open) return;
  }
}

void webtransport_session::flush() {
  if (!codec_ || !below_) return;
  for (auto& o : codec_->take_output()) {
    const auto done = below_->write(o.stream, base::bytes::adopt(std::move(o.bytes)), o.fin);
    if (done == write_result::full) {
      give_up(h3_excessive_load, {close_reason::kind::internal, h3_excessive_load, "no room for HTTP/3 beside what waits to be sent"});
      return;
    }
  }
  if (const auto& broken = codec_->failed(); broken && !why_) {
    give_up(broken->code, {close_reason::kind::violation, broken->code, broken->text});
  }
}

void webtransport_session::on_stream_reset(uint64_t id, uint64_t code) {
  if (!codec_) return;
  auto& s = streams_[id];
  switch (s.what) {
  case kind::session:
    if (state_ == state::open) user_->on_stream_reset(id, from_http3_code(code).value_or(0));
    return;
  case kind::http:
    codec_->shut_read(id);
    if (session_ == id) ended(0, "the peer reset the session's stream");
    if (is_bidi(id)) {
      codec_->shut_write(id);
      below_->reset(id, h3_request_cancelled);
    }
    flush();
    return;
  case kind::unknown:
  case kind::early:
    if (is_bidi(id)) refuse_stream(id, h3_request_cancelled);
    else if (s.what == kind::early) drop_early(s);
    s.what = kind::refused;
    return;
  case kind::refused: return;
  }
}

void webtransport_session::on_stop_sending(uint64_t id, uint64_t code) {
  if (!codec_) return;
  if (is_session(id)) {
    if (state_ == state::open) user_->on_stop_sending(id, from_http3_code(code).value_or(0));
    return;
  }
  codec_->shut_write(id);
  if (session_ == id) ended(0, "the peer reset the session's stream");
  if (std::ranges::find(own_, id) != own_.end()) {
    give_up(h3_closed_critical_stream, {close_reason::kind::violation, h3_closed_critical_stream, "the peer stopped a stream that HTTP/3 needs"});
  }
}

void webtransport_session::on_datagram(base::bytes data) {
  base::byte_reader in(data);
  const auto quarter = in.quic_varint();
  if (!quarter || *quarter > base::quic_varint_max / 4) {
    give_up(h3_datagram_error, {close_reason::kind::violation, h3_datagram_error, "a datagram that names no stream"});
    return;
  }
  if (state_ == state::open && *quarter * 4 == *session_) user_->on_datagram(data.slice(in.position()));
  else ++counters_.datagrams_dropped;
}

void webtransport_session::on_streams_available() {
  if (state_ == state::open) user_->on_streams_available();
}

void webtransport_session::on_send_space() {
  if (state_ == state::open) user_->on_send_space();
}

void webtransport_session::on_stream_closed(uint64_t id) {
  const auto at = streams_.find(id);
  if (at == streams_.end() || !codec_) return;
  const auto what = at->second.what;
  if (what == kind::early) drop_early(at->second);
  // Priorities may have made it known to the codec, whatever it was.
  if (is_bidi(id) || what == kind::http) codec_->close(id);
  if (at->second.request) --requests_;
  streams_.erase(at);
  if (session_ == id) ended(0, {});
  else if (what == kind::session && state_ == state::open) user_->on_stream_closed(id);
  flush();
}

void webtransport_session::on_closed(const close_reason& why) {
  below_ = nullptr;
  state_ = state::over;
  auto reason = why;
  if (why_) {
    reason = *why_;
  } else if (why.what == close_reason::kind::application) {
    if (const auto mine = from_http3_code(why.code)) reason.code = *mine;
    else if (why.code == h3_no_error) reason.code = 0;
    else reason.text = "HTTP/3 ended with code " + std::to_string(why.code) + (why.text.empty() ? "" : ": " + why.text);
  }
  if (auto* user = std::exchange(user_, nullptr)) user->on_closed(reason);
  on_ended();
}

} // namespace ec::quic::internal
