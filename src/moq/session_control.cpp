// The control stream: SETUP, GOAWAY.
#include <algorithm>

#include "moq/internal/session_impl.hpp"

namespace ec::moq {
namespace {

namespace limits = base::limits;

/// [RFC 3986 3.3]: path-abempty, with a query behind it.
bool is_path(std::string_view path) {
  if (!path.empty() && path[0] != '/') return false;
  return std::ranges::all_of(path, [](char c) { return c > ' ' && c < 0x7f && std::string_view("\"<>\\^`{|}#").find(c) == std::string_view::npos; });
}

/// [RFC 3986 3.2]: something like host:port, with no empty host.
bool is_authority(std::string_view authority) {
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  if (authority.empty() || authority[0] == ':') return false;
  return std::ranges::all_of(authority, [](char c) { return c > ' ' && c < 0x7f && std::string_view("\"<>\\^`{|}#/?").find(c) == std::string_view::npos; });
}

} // namespace

void session::impl::open_control() {
  if (control_out_ || closed_) return;
  control_out_ = lower_.open_uni();
  if (!control_out_) return;
  lower_.set_priority(*control_out_, urgency_control);
  setup m;
  if (!is_server() && config_.transport == transport_kind::raw_quic) {
    if (!config_.path.empty()) m.path = config_.path;
    if (!config_.authority.empty()) m.authority = config_.authority;
  }
  if (!config_.implementation.empty()) m.implementation = config_.implementation;
  m.tokens = config_.setup_tokens;
  m.max_auth_token_cache_size = config_.auth_token_cache_bytes;
  if (messages_ && config_.origin_id != 0) m.hop_id = config_.origin_id;
  send(*control_out_, m);
}

void session::impl::read_control(uint64_t stream) {
  while (!closed_) {
    auto& s = unis_[stream];
    base::byte_reader in(s.in.view());
    const auto m = messages_->decode_control(in, std::nullopt);
    if (!m) {
      if (!m.error().need_more) return fail(m.error());
      if (s.in_ended) return fail(session_code::protocol_violation, "the control stream was closed");
      return;
    }
    s.in.consume(in.position());
    take_control(m.value());
  }
}

void session::impl::take_control(const message& m) {
  if (const auto* first = std::get_if<setup>(&m)) {
    if (peer_setup_) return fail(session_code::protocol_violation, "a second SETUP");
    take_setup(*first);
  } else if (!peer_setup_) {
    fail(session_code::protocol_violation, "the control stream does not begin with SETUP");
  } else if (const auto* leave = std::get_if<moq::goaway>(&m)) {
    take_goaway(*leave);
  } else {
    fail(session_code::protocol_violation, "a request on the control stream");
  }
}

void session::impl::take_setup(const setup& m) {
  const bool may_name = is_server() && config_.transport == transport_kind::raw_quic;
  if (m.path && !may_name) return fail(session_code::invalid_path, "PATH is not allowed here");
  if (m.authority && !may_name) return fail(session_code::invalid_authority, "AUTHORITY is not allowed here");
  if (m.path && !is_path(*m.path)) return fail(session_code::malformed_path, "PATH is no path of a URI");
  if (m.authority && !is_authority(*m.authority)) return fail(session_code::malformed_authority, "AUTHORITY is none of a URI");
  auto tokens = tokens_.take(m.tokens, true);
  if (!tokens) return fail(tokens.error());
  token_room_ = m.max_auth_token_cache_size;
  peer_setup_ = true;
  if (messages_) peer_hop_ = m.hop_id;
  peer_setup told{m.path.value_or(""), m.authority.value_or(""), m.implementation.value_or(""), std::move(tokens).value()};
  peer_is_moq_lite_ = told.implementation.starts_with("moq-lite-");
  upper_.on_setup(told);
  if (!closed_) after_setup();
}

void session::impl::after_setup() {
  // In order of their ids, which is the order in which the peer opened them.
  std::vector<uint64_t> waiting;
  for (const auto& [id, s] : bidis_) {
    if (!s.ours && !s.over) waiting.push_back(id);
  }
  for (const auto& [id, s] : unis_) {
    if (s.what == uni_stream::kind::unknown) waiting.push_back(id);
  }
  std::ranges::sort(waiting);
  for (const uint64_t id : waiting) {
    if (closed_) return;
    if (id & 2) {
      if (unis_.contains(id)) read_uni(id);
    } else if (bidis_.contains(id)) {
      read_bidi(id);
    }
  }
  if (!closed_) pump_requests();
}

void session::impl::take_goaway(const moq::goaway& m) {
  if (goaway_received_) return fail(session_code::protocol_violation, "a second GOAWAY");
  if (is_server() && !m.uri.empty()) return fail(session_code::protocol_violation, "a client's GOAWAY names a URI");
  if (m.first_unprocessed && (*m.first_unprocessed & 1) != (is_server() ? 1u : 0u)) {
    return fail(session_code::invalid_request_id, "GOAWAY names a request id of its sender");
  }
  goaway_received_ = true;
  for (const request_id id : std::exchange(queued_, {})) local_failure(id, request_code::going_away, "the peer is going away");
  upper_.on_goaway(m.uri, m.timeout_ms);
}

void session::impl::goaway(std::string_view uri, uint64_t timeout_ms) {
  if (closed_ || goaway_sent_ || !control_out_) return;
  goaway_sent_ = true;
  moq::goaway m;
  if (is_server()) m.uri = uri.substr(0, limits::moq_uri_bytes_max);
  m.timeout_ms = timeout_ms;
  m.first_unprocessed = peer_ids_.next();
  send(*control_out_, m);
  if (timeout_ms > 0) goaway_until_ = now_ + std::chrono::milliseconds(std::min<uint64_t>(timeout_ms, 86'400'000));
}

void session::impl::goaway_request(request_id id, std::string_view uri, uint64_t timeout_ms) {
  std::optional<uint64_t> stream;
  if (const auto own = own_.find(id); own != own_.end()) stream = own->second.stream;
  if (const auto peer = peers_.find(id); peer != peers_.end() && peer->second.stream != no_stream) stream = peer->second.stream;
  const auto s = stream ? bidis_.find(*stream) : bidis_.end();
  if (closed_ || s == bidis_.end() || std::exchange(s->second.goaway_sent, true)) return;
  moq::goaway m;
  if (is_server()) m.uri = uri.substr(0, limits::moq_uri_bytes_max);
  m.timeout_ms = timeout_ms;
  send(*stream, m);
  if (timeout_ms > 0) leaving_[id] = now_ + std::chrono::milliseconds(std::min(timeout_ms, wait_ms_max));
}

/// A request that was asked to move is still here.
void session::impl::leave(request_id id) {
  if (const auto own = own_.find(id); own != own_.end()) {
    lower_.reset(*own->second.stream, reset_code::going_away);
    return own_stream_ended(id, reset_code::going_away);
  }
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) return;
  const uint64_t stream = peer->second.stream;
  const bool offered = peer->second.kind == request_kind::publish_namespace && !peer->second.looped;
  const bool told = peer->second.offer && !peer->second.offer->asked_for;
  const auto ns = peer->second.ns;
  if (peer->second.fetched && peer->second.fetched->stream) {
    data_out_.erase(*peer->second.fetched->stream);
    lower_.reset(*peer->second.fetched->stream, reset_code::going_away);
  }
  lower_.reset(stream, reset_code::going_away);
  lower_.stop_sending(stream, reset_code::going_away);
  end_peer(id);
  if (offered) upper_.on_publish_namespace_done(id, ns);
  if (told) upper_.on_request_closed(id);
}

} // namespace ec::moq
