// A moq-lite session: its streams, its beginning and its end.
#include <algorithm>

#include "base/limits.hpp"
#include "moq/internal/lite_session.hpp"

namespace ec::moq {

namespace limits = base::limits;
namespace code = lite::code;

lite_session::lite_session(lite::version v, session_config config, lower_layer& lower, upper_layer& upper, track_store* published) :
  family(std::move(config), lower, upper, published), version_(v), next_own_(is_server() ? 1 : 0), next_peer_(is_server() ? 0 : 1) {
  if (store_) store_->observe(*this);
}

lite_session::~lite_session() {
  detach();
}

void lite_session::detach() {
  for (const auto& [t, count] : std::exchange(watched_, {})) const_cast<track*>(t)->forget(*this);
  for (auto& [stream, s] : served_) {
    s.t = nullptr;
    s.out.clear();
    s.interest = nullptr;
  }
  questions_.clear();
  if (store_) store_->forget(*this);
  store_ = nullptr;
}

size_t lite_session::open_requests() const {
  return own_.size() + served_.size() + questions_.size() + listeners_.size() + offers_.size() + peer_offers_.size() +
         static_cast<size_t>(std::ranges::count_if(inquiries_, [](const auto& q) { return q.id != no_request; }));
}

void lite_session::finish_closing(uint64_t c, std::string_view reason) {
  if (closed_) return;
  closed_ = true;
  // An end that was told and that only waited for late groups.
  std::vector<std::pair<request_id, lite_own::ending>> done;
  for (const auto& [id, r] : own_) {
    if (r.ends) done.emplace_back(id, *r.ends);
  }
  for (const auto& [id, e] : done) upper_.on_publish_done(id, e.status, e.reason, publish_done::streams_unknown);
  detach();
  upper_.on_closed(c, reason);
}

void lite_session::fail(uint64_t c, std::string reason) {
  if (closed_) return;
  lower_.close(c, reason);
  finish_closing(c, reason);
}

void lite_session::close(uint64_t c, std::string_view reason) {
  fail(lite_code_of_session(c), std::string(reason));
}

void lite_session::on_transport_closed(uint64_t c, std::string_view reason) {
  finish_closing(c, reason);
}

void lite_session::on_connected(mono_time now) {
  now_ = connected_at_ = load_at_ = now;
  connected_ = true;
  if (version_ >= lite::version::v05) return say_hello();
  peer_setup_ = true; // there is none
  upper_.on_setup({});
  if (!closed_) after_setup();
}

/// SETUP, first and only once. Probes are not advertised: nothing here measures the path.
void lite_session::say_hello() {
  if (hello_ || version_ < lite::version::v05) return;
  hello_ = lower_.open_uni();
  if (!hello_) {
    ++counters_.waiting_for_stream_credit;
    return;
  }
  lower_.set_priority(*hello_, urgency_control);
  lite::setup m;
  if (config_.origin_id != 0) m.origin = config_.origin_id;
  if (!is_server() && config_.transport == transport_kind::raw_quic) m.path = config_.path.starts_with('/') ? config_.path : "/" + config_.path;
  base::byte_writer out;
  lite::put_type(out, lite::uni_type::setup);
  lite::encode(out, m);
  lower_.write(*hello_, base::bytes::adopt(out.take()), true);
}

void lite_session::take_setup(const lite::setup& m) {
  if (m.path && (!is_server() || config_.transport == transport_kind::webtransport)) return fail(code::protocol_violation, "SETUP has a path where none may be");
  if (m.role && !is_server()) return fail(code::protocol_violation, "a server's SETUP has a role");
  peer_setup_ = true;
  peer_setup told;
  told.path = m.path.value_or("");
  told.implementation = std::string(lite::name_of(version_)); // peers do not say what they are
  upper_.on_setup(told);
  if (!closed_) after_setup();
}

void lite_session::after_setup() {
  // A publisher of moq-lite says what it has only to who asks.
  if (is_server()) {
    auto& q = inquiries_.emplace_back();
    inquire(q);
  }
  std::vector<uint64_t> held;
  for (const auto& [id, s] : streams_) {
    if (s.what == lite_stream::kind::held) held.push_back(id);
  }
  std::ranges::sort(held);
  for (const uint64_t id : held) {
    if (closed_) return;
    streams_[id].what = lite_stream::kind::unknown;
    read_bidi(id);
  }
}

/// Requests that overtook SETUP wait for it, undecoded and few.
void lite_session::hold_early(uint64_t stream) {
  auto& s = streams_[stream];
  s.what = lite_stream::kind::held;
  const auto held = std::ranges::count_if(streams_, [](const auto& e) { return e.second.what == lite_stream::kind::held; });
  if (static_cast<size_t>(held) > limits::moq_early_streams_max || s.in.size() > limits::moq_control_message_bytes_max) drop_stream(stream, code::dropped);
}

void lite_session::on_stream_data(uint64_t stream, base::bytes data, bool fin, mono_time now) {
  if (closed_) return;
  now_ = now;
  const bool known = streams_.contains(stream);
  if (!known && opened_by_us(stream)) {
    if (stream & 2) fail(code::protocol_violation, "data on a stream that only we send on");
    return; // a request that is over
  }
  auto& s = streams_[stream];
  if (fin) s.in_ended = true;
  if (s.what == lite_stream::kind::over) {
    if (s.in_ended) streams_.erase(stream);
    return;
  }
  s.in.push(std::move(data));
  if (stream & 2) read_uni(stream);
  else if (!peer_setup_ && !opened_by_us(stream)) hold_early(stream);
  else read_bidi(stream);
  if (const auto left = streams_.find(stream); left != streams_.end()) left->second.in.compact();
}

void lite_session::read_uni(uint64_t stream) {
  auto& s = streams_.at(stream);
  if (s.what == lite_stream::kind::unknown) {
    base::byte_reader in(s.in.view());
    const auto type = lite::decode_type(in);
    if (!type) {
      if (s.in_ended) streams_.erase(stream);
      return;
    }
    s.in.consume(in.position());
    if (type.value() == static_cast<uint64_t>(lite::uni_type::setup) && version_ >= lite::version::v05) {
      if (peer_hello_) return fail(code::protocol_violation, "a second SETUP");
      peer_hello_ = stream;
      s.what = lite_stream::kind::setup;
    } else if (type.value() == static_cast<uint64_t>(lite::uni_type::group)) {
      s.what = lite_stream::kind::group;
      ++counters_.subgroups_in;
    } else {
      return drop_stream(stream, code::unexpected_stream); // not fatal [lite STREAM_TYPE]
    }
  }
  if (s.what == lite_stream::kind::setup) return read_setup(stream);
  if (!s.group) return start_group(stream);
  read_frames(stream);
}

void lite_session::read_setup(uint64_t stream) {
  auto& s = streams_.at(stream);
  if (peer_setup_) { // only FIN may follow
    if (s.in.size() > 0) return fail(code::protocol_violation, "more than SETUP on its stream");
  } else {
    base::byte_reader in(s.in.view());
    const auto m = lite::decode_setup(in);
    if (!m) {
      if (!m.error().need_more) return fail(m.error().code, m.error().reason);
      if (s.in_ended) fail(code::protocol_violation, "SETUP ends before its end");
      return;
    }
    s.in.consume(in.position());
    take_setup(m.value());
    if (closed_) return;
  }
  const auto it = streams_.find(stream);
  if (it != streams_.end() && it->second.in_ended) streams_.erase(it);
}

void lite_session::read_bidi(uint64_t stream) {
  using kind = lite_stream::kind;
  auto& s = streams_.at(stream);
  if (s.what == kind::unknown) {
    base::byte_reader in(s.in.view());
    const auto type = lite::decode_type(in);
    if (!type) {
      if (s.in_ended) finish_stream(stream);
      return;
    }
    using lite::bidi_type;
    const auto is = [&](bidi_type t) { return type.value() == static_cast<uint64_t>(t); };
    const bool v05 = version_ >= lite::version::v05;
    const bool served = is(bidi_type::announce) || is(bidi_type::subscribe) || (v05 && (is(bidi_type::fetch) || is(bidi_type::track))) ||
                        (version_ >= lite::version::v04 && is(bidi_type::goaway));
    if (!served) return refuse(stream, is(bidi_type::fetch) || is(bidi_type::probe) ? code::unsupported : code::unexpected_stream);
    // The type and the message that follows it are taken together.
    const auto message = [&]<class M>(const decoded<M>& m) -> const M* {
      if (m) {
        streams_.at(stream).in.consume(in.position());
        return &m.value();
      }
      if (!m.error().need_more) fail(m.error().code, m.error().reason);
      else if (streams_.at(stream).in_ended) fail(code::protocol_violation, "a request ends before its end");
      else if (streams_.at(stream).in.size() > limits::moq_control_message_bytes_max + 16) fail(code::protocol_violation, "a request is too long");
      return nullptr;
    };
    if (is(bidi_type::goaway)) {
      const auto m = lite::decode_goaway(in);
      const auto* leave = message(m);
      if (!leave) return;
      if (goaway_received_) return fail(code::protocol_violation, "a second GOAWAY");
      if (is_server() && !leave->uri.empty()) return fail(code::protocol_violation, "a client's GOAWAY names a URI");
      goaway_received_ = true;
      s.what = kind::goaway;
      upper_.on_goaway(leave->uri, 0);
      if (!closed_ && streams_.contains(stream) && streams_.at(stream).in_ended) finish_stream(stream);
      return;
    }
    if (is(bidi_type::announce)) {
      const auto m = lite::decode_announce_request(in, version_);
      const auto* ask = message(m);
      if (!ask) return;
      if (!within_load(in.position())) return refuse(stream, code::dropped);
      serve_announce(stream, *ask);
    } else if (is(bidi_type::track)) {
      const auto m = lite::decode_track_request(in);
      const auto* ask = message(m);
      if (!ask) return;
      if (!within_load(in.position())) return refuse(stream, code::dropped);
      serve_track(stream, *ask);
    } else if (is(bidi_type::fetch)) {
      const auto m = lite::decode_fetch(in);
      const auto* ask = message(m);
      if (!ask) return;
      if (!within_load(in.position())) return refuse(stream, code::dropped);
      const auto name = name_of(ask->track);
      if (!name) return refuse(stream, code::not_found);
      lite_served one;
      one.is_fetch = true;
      one.name = *name;
      one.how = {ask->priority, true, 0, ask->group, ask->group};
      serve(stream, std::move(one));
    } else {
      const auto m = lite::decode_subscribe(in);
      const auto* ask = message(m);
      if (!ask) return;
      if (!within_load(in.position())) return refuse(stream, code::dropped);
      if (std::ranges::any_of(served_, [&](const auto& o) { return !o.second.is_fetch && o.second.subscribe_id == ask->id; })) return fail(code::duplicate, "a subscribe id comes twice");
      const auto name = name_of({ask->broadcast, ask->track});
      if (!name) return refuse(stream, code::not_found);
      lite_served one;
      one.subscribe_id = ask->id;
      one.name = *name;
      one.how = ask->how;
      serve(stream, std::move(one));
    }
    if (closed_) return;
  }
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  switch (it->second.what) {
  case kind::served:
    read_update(stream);
    break;
  case kind::inquiry: return read_inquiry(stream);
  case kind::info: return read_info(stream);
  case kind::subscription: return read_replies(stream);
  case kind::fetch: return read_frames(stream);
  default:
    if (it->second.in.size() > 0 && it->second.what != kind::over) return fail(code::unexpected_message, "more than its one message on a stream");
    break;
  }
  if (closed_) return;
  const auto left = streams_.find(stream);
  if (left == streams_.end() || !left->second.in_ended) return;
  // FIN of a TRACK or FETCH only says that no more is asked.
  if (left->second.what == kind::track_served) return;
  if (const auto one = served_.find(stream); one != served_.end() && one->second.is_fetch) return;
  stream_over(stream, std::nullopt);
}

/// The peer ended its side of a bidirectional stream.
void lite_session::stream_over(uint64_t stream, std::optional<uint64_t> reset) {
  using kind = lite_stream::kind;
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  switch (it->second.what) {
  case kind::served: return end_served(stream, reset.has_value());
  case kind::announce_served:
    listeners_.erase(stream);
    break;
  case kind::track_served:
    questions_.erase(stream);
    break;
  case kind::inquiry: return inquiry_over(stream, reset);
  case kind::fetch: return group_over(stream, reset);
  case kind::info:
  case kind::subscription: return own_over(it->second.request, reset);
  default: break;
  }
  if (reset) drop_stream(stream, code::cancel);
  else finish_stream(stream);
}

void lite_session::on_stream_reset(uint64_t stream, uint64_t c, mono_time now) {
  if (closed_) return;
  now_ = now;
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  if (stream & 2) {
    if (it->second.what == lite_stream::kind::setup && !peer_setup_) return fail(code::protocol_violation, "SETUP was reset");
    if (it->second.group) return group_over(stream, c);
    streams_.erase(it);
    return;
  }
  it->second.in_ended = true;
  if (it->second.what == lite_stream::kind::over) streams_.erase(it);
  else stream_over(stream, c);
}

void lite_session::on_stop_sending(uint64_t stream, uint64_t c, mono_time now) {
  if (closed_) return;
  now_ = now;
  if (const auto at = group_streams_.find(stream); at != group_streams_.end()) {
    const uint64_t request = at->second;
    const auto served = served_.find(request);
    if (served == served_.end()) return;
    for (auto& [group, o] : served->second.out) {
      if (o.stream != stream) continue;
      give_up(request, served->second, group, code::cancel);
      break;
    }
    return try_finish(request);
  }
  const auto it = streams_.find(stream);
  if (it == streams_.end() || (stream & 2) || it->second.what == lite_stream::kind::over) return;
  // Of a request of ours the answer may still be on its way.
  if (opened_by_us(stream)) return lower_.reset(stream, code::cancel);
  stream_over(stream, c);
}

void lite_session::refuse(uint64_t stream, uint64_t c) {
  ++counters_.request_errors_out;
  drop_stream(stream, c);
}

void lite_session::drop_stream(uint64_t stream, uint64_t c) {
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  if (it->second.group && groups_open_ > 0) --groups_open_;
  const bool ours = opened_by_us(stream), uni = stream & 2;
  if (!uni || ours) lower_.reset(stream, c);
  if ((!uni || !ours) && !it->second.in_ended) lower_.stop_sending(stream, c);
  if (it->second.in_ended) {
    streams_.erase(it);
    return;
  }
  it->second = {};
  it->second.what = lite_stream::kind::over;
}

void lite_session::finish_stream(uint64_t stream) {
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  lower_.write(stream, {}, true);
  if (it->second.in_ended) {
    streams_.erase(it);
    return;
  }
  it->second = {};
  it->second.what = lite_stream::kind::over;
}

/// Takes one request, of so many bytes, out of the peer's budget, which refills with time.
bool lite_session::within_load(size_t asked) {
  const double seconds = std::chrono::duration<double>(now_ - load_at_).count();
  load_at_ = now_;
  load_tokens_ = std::min<double>(limits::moq_requests_burst, load_tokens_ + seconds * limits::moq_requests_per_second);
  if (served_.size() + questions_.size() + listeners_.size() >= config_.requests_max || load_tokens_ < 1 || goaway_sent_ || request_bytes() + charge_of(asked) > held_for_requests_max()) {
    ++counters_.requests_refused_load;
    return false;
  }
  load_tokens_ -= 1;
  return true;
}

std::optional<request_error> lite_session::not_allowed(request_kind kind, const full_track_name& track) {
  next_peer_ += 2;
  return upper_.on_authorize(next_peer_ - 2, {kind, track, false, {}});
}

request_id lite_session::local_failure(request_id id, uint64_t c, std::string reason) {
  local_answers_.emplace_back(id, request_error{.code = c, .retry_after_ms = {}, .reason = std::move(reason), .to = {}});
  lower_.deadline_moved();
  return id;
}

request_id lite_session::publish(const full_track_name&, const publish_options&) {
  return local_failure(new_own_id(), request_code::not_supported, "moq-lite has no PUBLISH");
}

request_id lite_session::subscribe_tracks(const track_namespace&, bool) {
  return local_failure(new_own_id(), request_code::not_supported, "moq-lite has no SUBSCRIBE_TRACKS");
}

void lite_session::update_prefix(request_id id, const track_namespace&) {
  cancel(id, request_kind::subscribe_namespace);
  local_failure(id, request_code::not_supported, "moq-lite cannot move a prefix");
}

void lite_session::goaway(std::string_view uri, uint64_t timeout_ms) {
  if (closed_ || goaway_sent_) return;
  if (version_ >= lite::version::v04) {
    const auto stream = lower_.open_bidi();
    if (stream) {
      lower_.set_priority(*stream, urgency_control);
      streams_[*stream].what = lite_stream::kind::goaway;
      base::byte_writer out;
      lite::put_type(out, lite::bidi_type::goaway);
      lite::encode(out, lite::goaway{is_server() ? std::string(uri.substr(0, limits::moq_uri_bytes_max)) : std::string{}});
      lower_.write(*stream, base::bytes::adopt(out.take()), false); // FIN would say that the session is to end now
    } else {
      ++counters_.waiting_for_stream_credit; // without a stream the session's end will have to do
    }
  }
  goaway_sent_ = true;
  if (timeout_ms > 0) goaway_until_ = now_ + std::chrono::milliseconds(timeout_ms);
}

void lite_session::on_streams_available(mono_time now) {
  if (closed_) return;
  now_ = now;
  say_hello();
  for (auto& q : inquiries_) {
    if (!q.stream && peer_setup_) inquire(q);
  }
  advance_all();
  pump_all();
}

void lite_session::on_writable(uint64_t stream, mono_time now) {
  if (closed_) return;
  now_ = now;
  const auto at = group_streams_.find(stream);
  const uint64_t request = at == group_streams_.end() ? stream : at->second;
  if (served_.contains(request)) pump(request);
}

void lite_session::on_tick(mono_time now) {
  if (closed_) return;
  now_ = now;
  for (const auto& [id, answer] : std::exchange(local_answers_, {})) {
    if (const auto* no = std::get_if<request_error>(&answer)) upper_.on_request_error(id, *no);
    else upper_.on_request_ok(id, std::get<request_ok>(answer));
    if (closed_) return;
  }
  if (connected_ && !peer_setup_ && now >= connected_at_ + config_.setup_timeout) return fail(code::timeout, "no SETUP came");
  if (goaway_until_ && now >= *goaway_until_) {
    return fail(own_.empty() && served_.empty() ? code::cancel : code::timeout, "went away");
  }
  std::vector<request_id> late, over;
  for (const auto& [id, r] : own_) {
    if (r.asked_at && now >= *r.asked_at + config_.request_timeout) late.push_back(id);
    if (r.ends && now >= r.ends->until) over.push_back(id);
  }
  for (const request_id id : late) {
    if (own_.contains(id)) failed(id, request_code::timeout, "no answer came");
    if (closed_) return;
  }
  for (const request_id id : over) {
    settle(id);
    if (closed_) return;
  }
  if (parts_due_ && now >= *parts_due_) tell_parts();
  if (closed_) return;
  if (again_ && now >= *again_) {
    again_.reset();
    pump_all();
  }
}

std::optional<mono_time> lite_session::deadline() const {
  if (closed_) return std::nullopt;
  std::optional<mono_time> next;
  const auto at = [&next](mono_time t) { next = next ? std::min(*next, t) : t; };
  if (!local_answers_.empty()) at(now_);
  if (connected_ && !peer_setup_) at(connected_at_ + config_.setup_timeout);
  if (goaway_until_) at(*goaway_until_);
  if (again_) at(*again_);
  if (parts_due_) at(*parts_due_);
  for (const auto& [id, r] : own_) {
    if (r.asked_at) at(*r.asked_at + config_.request_timeout);
    if (r.ends) at(r.ends->until);
  }
  return next;
}

} // namespace ec::moq
