// The control stream of draft 16: what the session says.
#include "moq/internal/control_mux.hpp"

#include "moq/internal/wire_objects.hpp"

namespace ec::moq {

using namespace moqt16_wire;

namespace {

constexpr uint64_t virtual_bit = uint64_t{1} << 63, uni_bit = 2;

/// Draft 16 has no word for the sender's other timeouts, nor for waiting; what is set later counts.
void merge(parameters& into, const parameters& p) {
  if (p.object_delivery_timeout_ms) into.object_delivery_timeout_ms = p.object_delivery_timeout_ms;
  if (!p.tokens.empty()) into.tokens = p.tokens;
  if (p.forward) into.forward = p.forward;
  if (p.priority) into.priority = p.priority;
  if (p.filter) into.filter = p.filter;
  if (p.new_group_request) into.new_group_request = p.new_group_request;
}

bool from_largest(const std::optional<subscription_filter>& f) {
  return f && f->type == subscription_filter::kind::largest_object;
}

} // namespace

control_mux::control_mux(lower_layer& below, session_role role, size_t requests_max) :
  below_(below), server_(role == session_role::server), window_(2 * requests_max), next_wire_(server_ ? 1 : 0), next_inner_(server_ ? 0 : 1),
  granted_(2 * window_), peer_ids_(server_ ? 0 : 1, 4 * requests_max) {}

uint64_t control_mux::code_in(uint64_t code) {
  constexpr uint64_t unknown_object_status = 4;
  return code == unknown_object_status ? reset_code::unknown_object_status : code;
}

uint64_t control_mux::code_out(uint64_t code) {
  if (code == reset_code::unknown_object_status) return 4;
  return code == reset_code::going_away ? reset_code::cancelled : code;
}

std::optional<uint64_t> control_mux::open_uni() {
  if (control_out_) return fresh_uni_ = below_.open_uni();
  // The session opens its control stream before anything else. A server's is the client's, which may not be here yet.
  if (!server_) {
    control_ = below_.open_bidi();
    if (!control_) return std::nullopt;
    bidis_[*control_].what = bidi::kind::control;
  }
  return control_out_ = virtual_bit | uni_bit | own_bit();
}

std::optional<uint64_t> control_mux::open_bidi() {
  if (next_wire_ >= peer_max_) {
    blocked();
    return std::nullopt;
  }
  return opened_ = virtual_bit | next_stream_++ << 2 | own_bit();
}

/// Said once for each limit [MOQT 16 9.6].
void control_mux::blocked() {
  if (!ready_ || blocked_at_ == peer_max_) return;
  blocked_at_ = peer_max_;
  put({.is = type::requests_blocked, .id = 0, .body = {}, .number = peer_max_});
}

void control_mux::set_priority(uint64_t stream, uint64_t urgency) {
  if (!is_virtual(stream)) return below_.set_priority(stream, urgency);
  if (stream == control_out_ && control_) below_.set_priority(*control_, urgency);
}

void control_mux::write(uint64_t stream, base::bytes data, bool fin) {
  if (is_virtual(stream)) {
    if (fin) end(stream, std::nullopt);
    return;
  }
  if (stream == fresh_uni_) {
    fresh_uni_.reset();
    byte_reader in(data);
    const auto head = moqt16_objects().decode_uni_header(in);
    const auto* fetched = head ? std::get_if<fetch_header>(&head.value()) : nullptr;
    const auto known = fetched ? by_inner_.find(fetched->id) : by_inner_.end();
    if (known != by_inner_.end()) data = base::bytes::adopt(moqt16_objects().encode_fetch_header({requests_.at(known->second).wire}));
  }
  below_.write(stream, std::move(data), fin);
}

void control_mux::reset(uint64_t stream, uint64_t code) {
  if (is_virtual(stream)) return end(stream, code);
  below_.reset(stream, code_out(code));
}

void control_mux::stop_sending(uint64_t stream, uint64_t code) {
  if (is_virtual(stream)) return end(stream, code);
  below_.stop_sending(stream, code_out(code));
}

/// A message that is too long for its length field goes without what a track says of itself for others; else there is no way to say it.
std::vector<uint8_t> control_mux::bytes_of(const control_message& m) {
  auto out = encode_control(m);
  if (!out.empty()) return out;
  control_message shorter = m;
  std::visit([](auto& body) {
    if constexpr (requires { body.properties; }) body.properties.others.clear();
  }, shorter.body);
  out = encode_control(shorter);
  if (out.empty()) violation("a message is too long for this draft", session_code::internal_error);
  return out;
}

void control_mux::put(const control_message& m) {
  auto out = bytes_of(m);
  if (out.empty()) return;
  if (control_) return below_.write(*control_, base::bytes::adopt(std::move(out)), false);
  control_waiting_.insert(control_waiting_.end(), out.begin(), out.end());
}

void control_mux::put_on(uint64_t real, const control_message& m) {
  auto out = bytes_of(m);
  if (!out.empty()) below_.write(real, base::bytes::adopt(std::move(out)), false);
}

/// An answer where the request came; nowhere, if its stream is gone.
void control_mux::reply(const request& r, const control_message& m) {
  if (!has_stream(r.kind)) return put(m);
  if (r.real) put_on(*r.real, m);
}

void control_mux::error_to(uint64_t id, uint64_t code, std::string reason) {
  put({.is = type::request_error, .id = id, .body = request_error{.code = code, .retry_after_ms = {}, .reason = std::move(reason), .to = {}}, .number = 0});
}

void control_mux::send(uint64_t stream, const message& m, bool fin) {
  if (stream == control_out_) return put_control(m);
  if (stream == opened_) {
    opened_.reset();
    begin(stream, m);
  } else if (const auto it = requests_.find(stream); it != requests_.end()) {
    say(stream, it->second, m);
  }
  if (fin) end(stream, std::nullopt);
}

void control_mux::put_control(const message& m) {
  if (std::holds_alternative<setup>(m)) return put({.is = server_ ? type::server_setup : type::client_setup, .id = 0, .body = m, .number = granted_});
  // The draft's GOAWAY has no timeout and names no request; the session keeps time by itself.
  if (std::holds_alternative<moq::goaway>(m)) put({.is = type::goaway, .id = 0, .body = m, .number = 0});
}

/// What this draft has no way to ask. A peer closes the session for a fetch that joins what it must not [MOQT 16 9.16.2].
std::optional<request_error> control_mux::cannot_fetch(const moq::fetch& m) const {
  const auto no = [](uint64_t code, std::string reason) { return request_error{.code = code, .retry_after_ms = {}, .reason = std::move(reason), .to = {}}; };
  for (const uint64_t id : {m.start.group, m.start.object, m.end.group, m.end.object, m.joining_start})
    if (id > quic_integers::max) return no(request_code::invalid_range, "moqt-16 has no groups and objects over 2^62 - 1");
  if (m.type == moq::fetch::kind::standalone) return std::nullopt;
  const auto at = by_inner_.find(m.joining_id);
  if (at == by_inner_.end()) return std::nullopt;
  const auto& joined = requests_.at(at->second);
  if (joined.kind != request_kind::subscribe || joined.joinable) return std::nullopt;
  return no(request_code::invalid_joining_request_id, "moqt-16 joins only a subscription whose filter is the largest object");
}

/// The first message of a request of ours: it gets the next id.
void control_mux::begin(uint64_t stream, const message& m) {
  request r;
  r.ours = true;
  control_message c;
  c.body = m;
  if (const auto* v = std::get_if<moq::subscribe>(&m)) {
    r.inner = v->id, r.kind = request_kind::subscribe, c.is = type::subscribe;
    r.joinable = from_largest(v->params.filter);
  } else if (const auto* v = std::get_if<moq::publish>(&m)) {
    r.inner = v->id, r.kind = request_kind::publish, c.is = type::publish;
  } else if (const auto* v = std::get_if<moq::track_status>(&m)) {
    r.inner = v->id, r.kind = request_kind::track_status, c.is = type::track_status;
  } else if (const auto* v = std::get_if<moq::publish_namespace>(&m)) {
    r.inner = v->id, r.kind = request_kind::publish_namespace, c.is = type::publish_namespace;
  } else if (auto* v = std::get_if<moq::fetch>(&c.body)) {
    r.inner = v->id, r.kind = request_kind::fetch, c.is = type::fetch;
    if (auto no = cannot_fetch(*v)) {
      // It never leaves: there is nothing of it that could be cancelled there.
      r.peer_done = true;
      by_inner_[r.inner] = stream;
      requests_[stream] = std::move(r);
      return arrive(arrival::kind::message, stream, *std::move(no));
    }
    // One that is over by now has no id there either: refused for that.
    const auto joined = by_inner_.find(v->joining_id);
    v->joining_id = joined == by_inner_.end() ? quic_integers::max : requests_.at(joined->second).wire;
  } else if (const auto* v = std::get_if<moq::subscribe_namespace>(&m)) {
    r.inner = v->id, r.kind = request_kind::subscribe_namespace, c.is = type::subscribe_namespace, c.number = ask_namespaces;
  } else if (const auto* v = std::get_if<moq::subscribe_tracks>(&m)) {
    r.inner = v->id, r.kind = request_kind::subscribe_tracks, c.is = type::subscribe_namespace, c.number = ask_publish;
    c.body = moq::subscribe_namespace{v->id, v->prefix, v->params};
  } else {
    return;
  }
  by_inner_[r.inner] = stream;
  auto& kept = requests_[stream] = std::move(r);
  if (has_stream(kept.kind)) {
    kept.waits = std::move(c);
    return open_waiting();
  }
  number(stream, kept, c);
  put(c);
}

/// The next id, for what leaves now: there may be no gaps.
void control_mux::number(uint64_t stream, request& r, control_message& m) {
  m.id = r.wire = next_wire_;
  next_wire_ += 2;
  by_wire_[r.wire] = stream;
}

/// Streams for the SUBSCRIBE_NAMESPACE that wait for one.
void control_mux::open_waiting() {
  std::vector<uint64_t> waiting;
  for (const auto& [stream, r] : requests_) {
    if (r.waits) waiting.push_back(stream);
  }
  std::ranges::sort(waiting);
  for (const uint64_t stream : waiting) {
    auto& r = requests_.at(stream);
    if (next_wire_ >= peer_max_) return blocked();
    r.real = below_.open_bidi();
    if (!r.real) return;
    auto& b = bidis_[*r.real];
    b.what = bidi::kind::request;
    b.request = stream;
    below_.set_priority(*r.real, urgency_request);
    auto c = *std::exchange(r.waits, std::nullopt);
    number(stream, r, c);
    put_on(*r.real, c);
  }
}

void control_mux::on_streams_available() {
  open_waiting();
}

void control_mux::say(uint64_t stream, request& r, const message& m) {
  if (const auto* ok = std::get_if<request_ok>(&m)) return say_ok(r, *ok);
  if (const auto* no = std::get_if<request_error>(&m)) return say_error(r, *no);
  if (const auto* change = std::get_if<request_update>(&m)) return say_update(stream, r, change->params);
  if (std::holds_alternative<moq::subscribe_ok>(m) || std::holds_alternative<moq::fetch_ok>(m)) {
    r.answered = true;
    return put({.is = r.kind == request_kind::fetch ? type::fetch_ok : type::subscribe_ok, .id = r.wire, .body = m, .number = 0});
  }
  if (std::holds_alternative<moq::publish_done>(m)) return put({.is = type::publish_done, .id = r.wire, .body = m, .number = 0});
  const bool up = std::holds_alternative<namespace_active>(m);
  if (!r.real || (!up && !std::holds_alternative<namespace_done>(m))) return; // GOAWAY of one request, PUBLISH_BLOCKED: there is no word for them
  const control_message c{.is = up ? type::name_space : type::namespace_done, .id = 0, .body = m, .number = 0};
  const auto twin = r.twin ? requests_.find(*r.twin) : requests_.end();
  if (twin == requests_.end() || twin->second.answered) return put_on(*r.real, c);
  const auto held = bytes_of(c);
  r.after_ok.insert(r.after_ok.end(), held.begin(), held.end());
}

/// REQUEST_OK of the session: PUBLISH_OK, the answer to a request, or to an update.
void control_mux::say_ok(request& r, const request_ok& m) {
  const bool by_other = r.kind == request_kind::subscribe || r.kind == request_kind::fetch;
  if (r.ours || r.answered || by_other) {
    if (r.to_answer.empty()) return;
    put({.is = type::request_ok, .id = r.to_answer.front(), .body = m, .number = 0});
    r.to_answer.pop_front();
    return;
  }
  r.answered = true;
  if (r.twin) return answer_twin(r, m);
  const control_message c{.is = r.kind == request_kind::publish ? type::publish_ok : type::request_ok, .id = r.wire, .body = m, .number = 0};
  reply(r, c);
}

/// Namespaces and tracks asked for in one are agreed to in one, when both are.
void control_mux::answer_twin(request& r, const request_ok& m) {
  auto& other = requests_.at(*r.twin);
  if (!other.answered) return;
  put_on(*r.real, {.is = type::request_ok, .id = r.wire, .body = m, .number = 0});
  for (auto* held : {&r.after_ok, &other.after_ok}) {
    if (!held->empty()) below_.write(*r.real, base::bytes::adopt(std::exchange(*held, {})), false);
  }
}

void control_mux::say_error(request& r, const request_error& m) {
  const auto refuse = [&](uint64_t id) { put({.is = type::request_error, .id = id, .body = m, .number = 0}); };
  if (!r.ours && !r.answered) {
    // The request and what would have changed it.
    for (const uint64_t id : std::exchange(r.to_answer, {})) refuse(id);
    r.answered = true;
    const control_message c{.is = type::request_error, .id = r.wire, .body = m, .number = 0};
    return reply(r, c);
  }
  if (r.to_answer.empty()) return;
  refuse(r.to_answer.front());
  r.to_answer.pop_front();
  // The session ends what it offered to take; the draft wants a word for that.
  if (!r.ours && r.kind == request_kind::publish_namespace) put({.is = type::publish_namespace_cancel, .id = r.wire, .body = m, .number = 0});
}

void control_mux::say_update(uint64_t stream, request& r, const parameters& p) {
  if (p.prefix) { // a prefix does not move in this draft
    return arrive(arrival::kind::message, stream, request_error{.code = request_code::not_supported, .retry_after_ms = {}, .reason = "prefixes do not move in moqt-16", .to = {}});
  }
  if (p.filter) r.joinable = from_largest(p.filter);
  // On the control stream it must not overtake the request, which may have a stream of its own.
  if (next_wire_ < peer_max_ && (!has_stream(r.kind) || r.answered)) return send_update(stream, r, p, 1);
  if (!r.unsent) r.unsent.emplace();
  merge(*r.unsent, p);
  ++r.unsent_count;
  if (next_wire_ >= peer_max_) blocked();
}

void control_mux::send_update(uint64_t stream, request& r, const parameters& p, size_t count) {
  const uint64_t id = next_wire_;
  next_wire_ += 2;
  updates_[id] = {stream, count};
  r.updates.push_back(id);
  put({.is = type::request_update, .id = id, .body = request_update{0, p}, .number = r.wire});
}

void control_mux::flush_updates() {
  std::vector<uint64_t> waiting;
  for (const auto& [stream, r] : requests_) {
    if (r.unsent && (!has_stream(r.kind) || r.answered)) waiting.push_back(stream);
  }
  std::ranges::sort(waiting);
  for (const uint64_t stream : waiting) {
    if (next_wire_ >= peer_max_) return blocked();
    auto& r = requests_.at(stream);
    const auto p = *std::exchange(r.unsent, std::nullopt);
    send_update(stream, r, p, std::exchange(r.unsent_count, 0));
  }
}

/// The session ended its side of a request, and with it what it has to do with it: by FIN, or by reset or STOP_SENDING.
void control_mux::end(uint64_t stream, std::optional<uint64_t> reset) {
  const auto it = requests_.find(stream);
  if (it == requests_.end()) return;
  request r = std::move(it->second);
  requests_.erase(it);
  if (has_stream(r.kind)) close_real(r, reset);
  else if (reset && !r.peer_done) say_end(r, *reset);
  if (!r.peer_done) arrive(arrival::kind::fin, stream);
  forget(stream, r);
  if (r.twin && requests_.contains(*r.twin)) {
    auto& other = requests_.at(*r.twin);
    other.real.reset();
    other.twin.reset();
    if (std::erase_if(arrivals_, [&](const arrival& a) { return a.what == arrival::kind::message && a.stream == *r.twin; }) > 0) {
      auto unheard = std::move(other); // the session never came to it
      requests_.erase(*r.twin);
      forget(*r.twin, unheard);
    } else if (!std::exchange(other.peer_done, true)) {
      arrive(arrival::kind::reset, *r.twin);
    }
  }
}

/// What the reset of a request stream means.
void control_mux::say_end(request& r, uint64_t code) {
  const uint64_t refused = code == reset_code::going_away ? request_code::going_away : request_code::internal_error;
  const auto done = [&] {
    const uint64_t status = code == reset_code::going_away ? done_code::going_away : done_code::internal_error;
    put({.is = type::publish_done, .id = r.wire, .body = publish_done{status, publish_done::streams_unknown, "the request was given up"}, .number = 0});
  };
  const auto plain = [&](type t) { put({.is = t, .id = r.wire, .body = {}, .number = 0}); };
  switch (r.kind) {
  case request_kind::subscribe:
    if (r.ours) return plain(type::unsubscribe);
    return r.answered ? done() : error_to(r.wire, refused, "the request was given up");
  case request_kind::publish: return r.ours ? done() : plain(type::unsubscribe);
  case request_kind::fetch:
    if (r.ours) return plain(type::fetch_cancel);
    if (!r.answered) error_to(r.wire, refused, "the request was given up");
    return;
  case request_kind::publish_namespace:
    if (r.ours) return plain(type::publish_namespace_done);
    if (!r.answered) return error_to(r.wire, refused, "the request was given up");
    return put({.is = type::publish_namespace_cancel, .id = r.wire, .body = request_error{.code = refused, .retry_after_ms = {}, .reason = "no longer wanted", .to = {}}, .number = 0});
  case request_kind::track_status:
    if (!r.ours && !r.answered) error_to(r.wire, refused, "the request was given up");
    return;
  default: return;
  }
}

/// Ends the stream of a SUBSCRIBE_NAMESPACE.
void control_mux::close_real(request& r, std::optional<uint64_t> reset) {
  if (!r.real) return; // never left, or its twin did that
  if (!reset) {
    below_.write(*r.real, {}, true);
  } else {
    below_.reset(*r.real, code_out(*reset));
    if (!r.peer_done) below_.stop_sending(*r.real, code_out(*reset));
  }
  const auto b = bidis_.find(*r.real);
  if (b == bidis_.end()) return;
  b->second.what = bidi::kind::over;
  b->second.in.clear();
  // A stream of the peer's is remembered until it ends: what still comes on it is no new request.
  if (b->second.ended || r.ours) bidis_.erase(b);
}

void control_mux::forget(uint64_t stream, request& r) {
  for (const uint64_t id : r.updates) updates_.erase(id);
  for (const uint64_t id : r.to_answer) error_to(id, request_code::does_not_exist, "the request is over");
  by_inner_.erase(r.inner);
  if (r.second) return;
  if (const auto it = by_wire_.find(r.wire); it != by_wire_.end() && it->second == stream) by_wire_.erase(it);
  if (r.ours) return;
  ++over_;
  grant();
}

/// The peer may have as many requests open as ever: it is told when half of its ids are used up.
void control_mux::grant() {
  const uint64_t now = 2 * (over_ + window_);
  if (now < granted_ + window_) return;
  granted_ = now;
  put({.is = type::max_request_id, .id = 0, .body = {}, .number = granted_});
}

} // namespace ec::moq
