// The control stream of draft 16: what the peer says.
#include <algorithm>

#include "moq/internal/control_mux.hpp"
#include "moq/internal/session_family.hpp"
#include "moq/internal/wire_objects.hpp"

namespace ec::moq {

using namespace moqt16_wire;

namespace limits = base::limits;

namespace {

constexpr uint64_t virtual_bit = uint64_t{1} << 63, uni_bit = 2;

/// Which parameters an update of such a request may carry [MOQT 16 9.2.2].
bool may_update(request_kind kind, const parameters& p) {
  const bool of_subscription = p.object_delivery_timeout_ms || p.forward || p.filter || p.new_group_request;
  switch (kind) {
  case request_kind::subscribe:
  case request_kind::publish: return true;
  case request_kind::fetch: return !of_subscription;
  case request_kind::track_status: return false;
  default: return !of_subscription && !p.priority;
  }
}

/// Of a request that stands for two: what the first registered, the second uses.
std::vector<auth_token> registered(std::vector<auth_token> tokens) {
  std::erase_if(tokens, [](const auth_token& t) { return t.kind == auth_token::alias_type::remove; });
  for (auto& t : tokens) {
    if (t.kind == auth_token::alias_type::register_alias) t = {.kind = auth_token::alias_type::use_alias, .alias = t.alias, .type = 0, .value = {}};
  }
  return tokens;
}

} // namespace

void control_mux::violation(std::string reason, uint64_t code) {
  if (!broken_) broken_ = wire_stop{false, code, std::move(reason)};
}

void control_mux::arrive(arrival::kind what, uint64_t stream, message body) {
  arrivals_.push_back({what, stream, std::move(body), message_bytes_});
  below_.deadline_moved();
}

bool control_mux::waiting() const {
  if (arrivals_.empty()) return false;
  const auto& first = arrivals_.front();
  return first.what != arrival::kind::message || !waits_for_handshake(first.body) || !below_.early();
}

std::optional<control_mux::arrival> control_mux::next() {
  if (!waiting()) return std::nullopt;
  auto out = std::move(arrivals_.front());
  arrivals_.pop_front();
  return out;
}

control_mux::request* control_mux::named(uint64_t id, uint64_t* stream) {
  const auto it = by_wire_.find(id);
  if (it == by_wire_.end()) return nullptr;
  if (stream) *stream = it->second;
  return &requests_.at(it->second);
}

/// The session's id of a request; one that it does not know, if it is over.
uint64_t control_mux::inner_of(uint64_t wire) const {
  const auto it = by_wire_.find(wire);
  return it == by_wire_.end() ? quic_integers::max : requests_.at(it->second).inner;
}

std::optional<base::bytes> control_mux::pass_uni(uint64_t stream, base::bytes data, bool fin) {
  if (passed_.contains(stream)) {
    if (fin) passed_.erase(stream);
    return data;
  }
  // A stream's head is a few bytes: nearly always it comes whole, and only that of a fetch is written anew.
  const auto held = heads_.find(stream);
  if (held != heads_.end()) {
    held->second.insert(held->second.end(), data.begin(), data.end());
    data = base::bytes::adopt(std::move(held->second));
    heads_.erase(held);
  }
  byte_reader in(data);
  const auto what = in.quic_varint();
  std::optional<uint64_t> id;
  if (what == uni_fetch) id = in.quic_varint();
  if (!fin && (!what || (what == uni_fetch && !id))) {
    heads_[stream].assign(data.begin(), data.end());
    return std::nullopt;
  }
  if (!fin) passed_.insert(stream);
  if (!id) return data;
  auto head = moqt16_objects().encode_fetch_header({inner_of(*id)});
  const auto rest = in.rest();
  head.insert(head.end(), rest.begin(), rest.end());
  return base::bytes::adopt(std::move(head));
}

void control_mux::forget_uni(uint64_t stream) {
  heads_.erase(stream);
  passed_.erase(stream);
}

std::vector<std::pair<uint64_t, size_t>> control_mux::parts() const {
  std::vector<std::pair<uint64_t, size_t>> out;
  for (const auto& [stream, b] : bidis_) {
    if (b.in.size() > 0 && b.what != bidi::kind::control) out.emplace_back(stream, b.in.size());
  }
  return out;
}

size_t control_mux::held_bytes() const {
  constexpr size_t charge = 64; // beside its bytes: streams are bounded in number below
  size_t sum = (heads_.size() + passed_.size()) * charge;
  for (const auto& [stream, head] : heads_) sum += head.size();
  const auto control = control_ ? bidis_.find(*control_) : bidis_.end();
  return control == bidis_.end() ? sum : sum + control->second.in.size();
}

void control_mux::stop_part(uint64_t stream) {
  const auto it = bidis_.find(stream);
  if (it == bidis_.end() || it->second.what == bidi::kind::control) return;
  below_.stop_sending(stream, reset_code::excessive_load);
  below_.reset(stream, reset_code::excessive_load);
  it->second.in.clear();
  stream_ended(it->second, true);
}

void control_mux::on_bidi_data(uint64_t stream, base::bytes data, bool fin) {
  const auto known = bidis_.find(stream);
  if (known == bidis_.end() && is_own_id(stream)) return; // a request that is over
  auto& b = bidis_[stream];
  b.ended |= fin;
  if (b.what == bidi::kind::over) {
    if (b.ended) bidis_.erase(stream);
    return;
  }
  b.in.push(std::move(data));
  read(stream);
  if (const auto left = bidis_.find(stream); left != bidis_.end()) left->second.in.compact();
}

void control_mux::read(uint64_t stream) {
  while (!broken_) {
    const auto it = bidis_.find(stream);
    if (it == bidis_.end() || it->second.what == bidi::kind::over) return;
    auto& b = it->second;
    byte_reader in(b.in.view());
    auto m = moqt16_wire::decode_control(in);
    if (!m) {
      if (!m.error().need_more) return violation(m.error().reason, m.error().code);
      if (!b.ended) return;
      if (b.in.size() > 0) return violation("a stream ends within a message");
      stream_ended(b, false);
      if (!requests_.contains(b.request)) bidis_.erase(it);
      return;
    }
    message_bytes_ = in.position();
    if (b.what == bidi::kind::unknown) {
      if (!first_message(stream, b, m.value())) return;
      continue;
    }
    b.in.consume(in.position());
    if (b.what == bidi::kind::control) take_control(std::move(m).value());
    else take_on_request(b, m.value());
  }
}

/// Decides what a stream of the peer is. False: it waits for the control stream, or is not to be.
bool control_mux::first_message(uint64_t stream, bidi& b, const control_message& m) {
  if (m.is == type::client_setup && server_ && !control_) {
    b.what = bidi::kind::control;
    control_ = stream;
    below_.set_priority(stream, urgency_control);
    if (!control_waiting_.empty()) below_.write(stream, base::bytes::adopt(std::exchange(control_waiting_, {})), false);
    return true;
  }
  if (m.is != type::subscribe_namespace) {
    violation("a bidirectional stream begins with a message that must not begin one");
    return false;
  }
  if (!ready_) { // it overtook the control stream
    const auto early = std::ranges::count_if(bidis_, [](const auto& s) { return s.second.what == bidi::kind::unknown; });
    if (static_cast<size_t>(early) <= limits::moq_early_streams_max) return false;
    below_.reset(stream, reset_code::excessive_load);
    below_.stop_sending(stream, reset_code::excessive_load);
    b.what = bidi::kind::over;
    b.in.clear();
    return false;
  }
  byte_reader in(b.in.view());
  (void)moqt16_wire::decode_control(in);
  b.in.consume(in.position());
  take_namespaces(stream, b, m);
  return !broken_;
}

void control_mux::stream_ended(bidi& b, bool reset) {
  switch (b.what) {
  case bidi::kind::control: return violation(reset ? "the control stream was reset" : "the control stream was closed");
  case bidi::kind::request: break;
  default: b.what = bidi::kind::over; return;
  }
  const uint64_t stream = b.request;
  b.what = bidi::kind::over;
  const auto ended = [&](uint64_t s) {
    const auto it = requests_.find(s);
    if (it != requests_.end() && !std::exchange(it->second.peer_done, true)) arrive(reset ? arrival::kind::reset : arrival::kind::fin, s);
  };
  const auto it = requests_.find(stream);
  const auto twin = it == requests_.end() ? std::nullopt : it->second.twin;
  ended(stream);
  if (twin) ended(*twin);
}

void control_mux::on_bidi_reset(uint64_t stream) {
  const auto it = bidis_.find(stream);
  if (it == bidis_.end()) return;
  auto& b = it->second;
  b.ended = true;
  b.in.clear();
  const bool over = b.what == bidi::kind::over;
  if (b.what == bidi::kind::unknown) below_.reset(stream, reset_code::cancelled);
  if (!over) stream_ended(b, true);
  if (over || !requests_.contains(b.request)) bidis_.erase(it);
}

void control_mux::on_bidi_stop(uint64_t stream, uint64_t code) {
  const auto it = bidis_.find(stream);
  if (it == bidis_.end() || it->second.what == bidi::kind::over) return;
  if (it->second.what == bidi::kind::control) return violation("the control stream was refused");
  if (it->second.what == bidi::kind::unknown) return below_.reset(stream, code);
  // The answer to a request of ours may still be on its way beside this: its own end of the stream decides.
  if (is_own_id(stream)) return below_.reset(stream, reset_code::cancelled);
  stream_ended(it->second, true);
}

void control_mux::take_control(control_message m) {
  if (!ready_) {
    const auto expected = server_ ? type::client_setup : type::server_setup;
    if (m.is != expected) return violation("the control stream does not begin with a setup of the other side");
    return take_setup(m);
  }
  switch (m.is) {
  case type::goaway:
    std::get<moq::goaway>(m.body).first_unprocessed = own_bit();
    return arrive(arrival::kind::control, 0, std::move(m.body));
  case type::max_request_id:
    if (m.number <= peer_max_) return violation("MAX_REQUEST_ID does not increase");
    peer_max_ = m.number;
    more_requests_ = true;
    flush_updates();
    return open_waiting();
  case type::requests_blocked: return; // it gets more when its requests are over, and not before
  case type::subscribe:
  case type::publish:
  case type::fetch:
  case type::track_status:
  case type::publish_namespace: return take_request(m);
  case type::request_update: return take_update(m);
  case type::subscribe_ok:
  case type::publish_ok:
  case type::fetch_ok:
  case type::request_ok:
  case type::request_error: return take_answer(m);
  case type::publish_done:
  case type::unsubscribe:
  case type::fetch_cancel:
  case type::publish_namespace_done:
  case type::publish_namespace_cancel: return take_end(m);
  case type::client_setup:
  case type::server_setup: return violation("a second setup");
  default: return violation("this message may not stand on the control stream");
  }
}

void control_mux::take_setup(control_message& m) {
  ready_ = true;
  peer_max_ = m.number;
  arrive(arrival::kind::control, 0, std::move(m.body));
  more_requests_ = true;
  // SUBSCRIBE_NAMESPACE that came before, in the order of their streams.
  std::vector<uint64_t> early;
  for (const auto& [stream, b] : bidis_) {
    if (b.what == bidi::kind::unknown) early.push_back(stream);
  }
  std::ranges::sort(early);
  for (const uint64_t stream : early) read(stream);
}

/// False: the session must close. Ids must follow one another; those on streams of their own may be overtaken.
bool control_mux::take_id(uint64_t id) {
  if (is_own_id(id)) violation("a request id of the wrong side", session_code::invalid_request_id);
  else if (id >= granted_) violation("a request id over MAX_REQUEST_ID", too_many_requests);
  else if (!peer_ids_.take(id)) violation("a request id comes twice", session_code::invalid_request_id);
  return !broken_;
}

uint64_t control_mux::new_stream(request r) {
  const uint64_t stream = virtual_bit | next_stream_++ << 2 | (own_bit() ^ 1);
  r.inner = next_inner_;
  next_inner_ += 2;
  by_inner_[r.inner] = stream;
  if (!r.second) by_wire_[r.wire] = stream;
  requests_[stream] = std::move(r);
  return stream;
}

void control_mux::take_request(control_message& m) {
  if (m.id < control_floor_) return violation("request ids go back", session_code::invalid_request_id);
  if (!take_id(m.id)) return;
  control_floor_ = m.id + 2;
  request r;
  r.wire = m.id;
  switch (m.is) {
  case type::publish: r.kind = request_kind::publish; break;
  case type::fetch: r.kind = request_kind::fetch; break;
  case type::track_status: r.kind = request_kind::track_status; break;
  case type::publish_namespace: r.kind = request_kind::publish_namespace; break;
  default: r.kind = request_kind::subscribe;
  }
  const uint64_t stream = new_stream(std::move(r));
  const uint64_t inner = requests_.at(stream).inner;
  std::visit([inner](auto& body) {
    if constexpr (requires { body.id; body.params; }) body.id = inner;
  }, m.body);
  if (auto* f = std::get_if<moq::fetch>(&m.body); f && f->type != moq::fetch::kind::standalone) f->joining_id = inner_of(f->joining_id);
  arrive(arrival::kind::message, stream, std::move(m.body));
}

void control_mux::take_namespaces(uint64_t stream, bidi& b, const control_message& m) {
  if (!take_id(m.id)) return;
  const auto& asked = std::get<moq::subscribe_namespace>(m.body);
  request r;
  r.wire = m.id;
  r.real = stream;
  r.kind = m.number == ask_publish ? request_kind::subscribe_tracks : request_kind::subscribe_namespace;
  b.what = bidi::kind::request;
  const uint64_t first = b.request = new_stream(r);
  const auto tracks = [&](uint64_t on, const std::vector<auth_token>& tokens) {
    moq::subscribe_tracks t{requests_.at(on).inner, asked.prefix, {}};
    t.params.tokens = tokens;
    t.params.forward = asked.params.forward;
    arrive(arrival::kind::message, on, std::move(t));
  };
  if (m.number == ask_publish) return tracks(first, asked.params.tokens);
  moq::subscribe_namespace n{requests_.at(first).inner, asked.prefix, {}};
  n.params.tokens = asked.params.tokens;
  arrive(arrival::kind::message, first, std::move(n));
  if (m.number != ask_both) return;
  r.kind = request_kind::subscribe_tracks;
  r.second = true;
  r.twin = first;
  const uint64_t second = new_stream(std::move(r));
  requests_.at(first).twin = second;
  tracks(second, registered(asked.params.tokens));
}

void control_mux::take_update(control_message& m) {
  if (m.id < control_floor_) return violation("request ids go back", session_code::invalid_request_id);
  if (!take_id(m.id)) return;
  control_floor_ = m.id + 2;
  ++over_; // it is answered at once
  uint64_t stream = 0;
  auto* r = named(m.number, &stream);
  if (!r || r->peer_done) {
    if (!existed(m.number)) return violation("REQUEST_UPDATE of a request that never was");
    error_to(m.id, request_code::does_not_exist, "the request is over");
    return grant();
  }
  auto& body = std::get<request_update>(m.body);
  if (r->ours && r->kind != request_kind::publish) return violation("REQUEST_UPDATE of a request of the other side");
  if (!may_update(r->kind, body.params)) return violation("this parameter may not stand in this update");
  r->to_answer.push_back(m.id);
  body.id = next_inner_;
  next_inner_ += 2;
  arrive(arrival::kind::message, stream, std::move(body));
  grant();
}

void control_mux::take_answer(control_message& m) {
  if (!is_own_id(m.id) || m.id >= next_wire_) return violation("an answer to a request that never was", session_code::invalid_request_id);
  uint64_t stream = 0;
  if (auto* r = named(m.id, &stream)) return answered(stream, *r, m);
  const auto update = updates_.find(m.id);
  if (update == updates_.end()) return; // of a request that is over
  if (m.is != type::request_ok && m.is != type::request_error) return violation("this message does not answer REQUEST_UPDATE");
  const auto [of, count] = update->second;
  updates_.erase(update);
  auto& r = requests_.at(of);
  std::erase(r.updates, m.id);
  for (size_t i = 0; i < count; ++i) {
    if (r.answered) arrive(arrival::kind::message, of, m.body);
    else r.held.push_back(m.body);
  }
}

/// The first answer to a request of ours.
void control_mux::answered(uint64_t stream, request& r, control_message& m) {
  const auto fits = [&] {
    switch (m.is) {
    case type::subscribe_ok: return r.kind == request_kind::subscribe;
    case type::publish_ok: return r.kind == request_kind::publish;
    case type::fetch_ok: return r.kind == request_kind::fetch;
    case type::request_ok: return has_stream(r.kind) || r.kind == request_kind::track_status || r.kind == request_kind::publish_namespace;
    default: return true;
    }
  };
  if (!fits()) return violation("this message does not answer the request");
  if (r.peer_done) return;
  if (std::exchange(r.answered, true)) return violation("a second answer to a request");
  const bool refused = m.is == type::request_error;
  arrive(arrival::kind::message, stream, std::move(m.body));
  if (refused || r.kind == request_kind::track_status) {
    r.peer_done = true;
    return arrive(arrival::kind::fin, stream);
  }
  for (auto& held : std::exchange(r.held, {})) arrive(arrival::kind::message, stream, std::move(held));
  flush_updates();
}

/// What takes the place of the end of a request stream.
void control_mux::take_end(const control_message& m) {
  uint64_t stream = 0;
  auto* r = named(m.id, &stream);
  if (!r) {
    if (!existed(m.id)) violation("a message about a request that never was");
    return;
  }
  using kind = request_kind;
  const auto fits = [&] {
    switch (m.is) {
    case type::publish_done: return r->kind == (r->ours ? kind::subscribe : kind::publish);
    case type::unsubscribe: return r->kind == (r->ours ? kind::publish : kind::subscribe);
    case type::fetch_cancel: return !r->ours && r->kind == kind::fetch;
    case type::publish_namespace_done: return !r->ours && r->kind == kind::publish_namespace;
    default: return r->ours && r->kind == kind::publish_namespace;
    }
  };
  if (!fits()) return violation("this message does not end such a request");
  if (std::exchange(r->peer_done, true)) return;
  if (m.is == type::publish_done) arrive(arrival::kind::message, stream, m.body);
  const bool well = m.is == type::publish_done || m.is == type::publish_namespace_done;
  arrive(well ? arrival::kind::fin : arrival::kind::reset, stream);
}

/// On the stream of a SUBSCRIBE_NAMESPACE, behind it.
void control_mux::take_on_request(bidi& b, control_message& m) {
  const auto it = requests_.find(b.request);
  if (it == requests_.end()) return;
  auto& r = it->second;
  if (!r.ours) return violation("a second message on the stream of SUBSCRIBE_NAMESPACE");
  switch (m.is) {
  case type::request_ok:
  case type::request_error:
    if (m.id != r.wire) return violation("an answer to another request", session_code::invalid_request_id);
    return answered(b.request, r, m);
  case type::name_space:
  case type::namespace_done:
    if (!r.peer_done) arrive(arrival::kind::message, b.request, std::move(m.body));
    return;
  default: return violation("this message may not stand on the stream of SUBSCRIBE_NAMESPACE");
  }
}

} // namespace ec::moq
