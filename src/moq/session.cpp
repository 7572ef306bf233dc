#include "moq/session.hpp"

#include <algorithm>

#include "moq/internal/lite_session.hpp"
#include "moq/internal/moqt16_session.hpp"
#include "moq/internal/session_impl.hpp"

namespace ec::moq {

namespace limits = base::limits;

uint64_t urgency(uint8_t subscriber_priority, uint8_t publisher_priority, group_order order, uint64_t base_group,
                 uint64_t group, uint64_t subgroup) {
  constexpr uint64_t middle = uint64_t{1} << 31;
  uint64_t rank = middle;
  if (group >= base_group) {
    const uint64_t ahead = std::min(group - base_group, middle - 1);
    rank = order == group_order::ascending ? middle + ahead : middle - ahead;
  } else {
    const uint64_t behind = std::min(base_group - group, middle - 1);
    rank = order == group_order::ascending ? middle - behind : middle + behind;
  }
  constexpr uint64_t subgroups = (uint64_t{1} << 14) - 1;
  return uint64_t{1} << 62 | uint64_t{subscriber_priority} << 54 | uint64_t{publisher_priority} << 46 | rank << 14 |
         std::min(subgroup, subgroups);
}

session::impl::impl(session_config config, lower_layer& lower, upper_layer& upper, track_store* published) :
  impl(config, lower, upper, published, config.draft ? *config.draft : moqt18()) {
  messages_ = config.draft ? config.draft : &moqt18();
}

session::impl::impl(session_config config, lower_layer& lower, upper_layer& upper, track_store* published, const object_codec& objects) :
  family(std::move(config), lower, upper, published),
  draft_(objects), messages_(nullptr), tokens_(config_.auth_token_cache_bytes), next_own_(config_.role == session_role::server ? 1 : 0), peer_ids_(is_server() ? 0 : 1, 4 * limits::moq_requests_max) {
  if (store_) store_->observe(*this);
  use_tokens(config_.request_tokens);
  seen_ = std::make_shared<seen_budget>(seen_budget{0, held_bytes_max() / 8 / seen_objects::entry_bytes});
}

session::impl::~impl() {
  detach();
}

void session::impl::detach() {
  for (auto& [id, r] : peers_) {
    if (r.sub && r.sub->t) r.sub->t->forget(*this);
    if (r.sub) r.sub->t = nullptr;
    if (r.fetched) r.fetched->t = nullptr;
    if (r.fetched) r.fetched->brought = nullptr;
    r.interest = nullptr;
  }
  served_.clear();
  if (store_) store_->forget(*this);
  store_ = nullptr;
}

void session::impl::finish_closing(uint64_t code, std::string_view reason) {
  if (closed_) return;
  closed_ = true;
  // An end that the publisher told and that only waited for late streams: there will be none any more.
  // The requests themselves stay: whoever found the reason to close may be in the middle of one.
  std::vector<std::pair<request_id, publish_done>> done;
  for (const auto& [id, r] : own_)
    if (r.done) done.emplace_back(id, *r.done);
  for (const auto& [id, m] : done) upper_.on_publish_done(id, m.status, m.reason, m.stream_count);
  detach();
  upper_.on_closed(code, reason);
}

void session::impl::fail(uint64_t code, std::string reason) {
  if (closed_) return;
  lower_.close(code, reason);
  finish_closing(code, reason);
}

void session::impl::close(uint64_t code, std::string_view reason) {
  fail(code, std::string(reason));
}

void session::impl::on_transport_closed(uint64_t code, std::string_view reason) {
  finish_closing(code, reason);
}

void session::impl::send(uint64_t stream, const message& m, bool fin) {
  if (!closed_) lower_.write(stream, base::bytes::adopt(messages_->encode_control(m)), fin);
}

void session::impl::on_connected(mono_time now) {
  now_ = connected_at_ = load_at_ = now;
  connected_ = true;
  open_control();
  pump_requests();
}

void session::impl::on_handshake_done(mono_time now) {
  if (closed_) return;
  now_ = now;
  pump_requests();
  if (!closed_ && peer_setup_) after_setup(); // once more, for the requests that waited
}

void session::impl::on_stream_data(uint64_t stream, base::bytes data, bool fin, mono_time now) {
  if (closed_) return;
  now_ = now;
  if (stream & 2) {
    if (opened_by_us(stream)) return fail(session_code::protocol_violation, "data on a stream that only we send on");
    auto& s = unis_[stream];
    if (s.in_ended) return;
    s.in_ended = fin;
    if (s.what == uni_stream::kind::padding || s.what == uni_stream::kind::discarded) {
      if (s.what == uni_stream::kind::padding) counters_.padding_ignored += data.size();
      if (fin) unis_.erase(stream);
      return;
    }
    s.in.push(std::move(data));
    read_uni(stream);
    if (const auto left = unis_.find(stream); left != unis_.end()) left->second.in.compact();
    return;
  }
  const auto known = bidis_.find(stream);
  if (known == bidis_.end() && opened_by_us(stream)) return; // a request that is over
  auto& s = bidis_[stream];
  if (known == bidis_.end()) s.served = true; // the peer's; a PUBLISH turns it round
  s.ours = opened_by_us(stream);
  if (fin) s.in_ended = true;
  if (s.over) {
    if (s.in_ended) bidis_.erase(stream);
    return;
  }
  s.in.push(std::move(data));
  if (!peer_setup_ && !s.ours) {
    if (bidis_.size() + unis_.size() > limits::moq_early_streams_max || s.in.size() > limits::moq_control_message_bytes_max) {
      lower_.reset(stream, reset_code::excessive_load);
      lower_.stop_sending(stream, reset_code::excessive_load);
      s.in.clear();
      s.over = true;
    }
    return; // waits for SETUP
  }
  read_bidi(stream);
  if (const auto left = bidis_.find(stream); left != bidis_.end()) left->second.in.compact();
}

void session::impl::release_held(uni_stream& s) {
  if (s.held == 0 && !s.parked_until) return;
  early_bytes_ -= std::min(early_bytes_, s.held);
  if (early_streams_ > 0) --early_streams_;
  s.held = 0;
  s.parked_until.reset();
}

void session::impl::drop_uni(uint64_t stream, uint64_t code, bool count_alias) {
  const auto it = unis_.find(stream);
  if (it == unis_.end()) return;
  release_held(it->second);
  if (count_alias) ++counters_.streams_unknown_alias;
  if (it->second.in_ended) {
    unis_.erase(it);
    return;
  }
  lower_.stop_sending(stream, code);
  it->second.what = uni_stream::kind::discarded;
  it->second.in.clear();
  it->second.payload = {};
  it->second.current = {};
  it->second.has_object = false;
}

void session::impl::read_uni(uint64_t stream) {
  auto& s = unis_[stream];
  if (s.what == uni_stream::kind::unknown) {
    base::byte_reader in(s.in.view());
    const auto header = draft_.decode_uni_header(in);
    if (!header) {
      if (!header.error().need_more) return fail(header.error());
      if (s.in_ended && s.in.size() > 0) return fail(session_code::protocol_violation, "a stream ends within its header");
      if (s.in_ended) unis_.erase(stream);
      return;
    }
    if (std::holds_alternative<control_stream>(header.value())) {
      if (control_in_) return fail(session_code::protocol_violation, "a second control stream");
      control_in_ = stream;
      s.what = uni_stream::kind::control;
    } else if (std::holds_alternative<padding_stream>(header.value())) {
      s.what = uni_stream::kind::padding;
      counters_.padding_ignored += in.left();
      s.in.clear();
      if (s.in_ended) unis_.erase(stream);
      return;
    } else if (!peer_setup_) {
      // Objects may arrive before SETUP: they wait, undecoded [MOQT 3.2].
      if (!s.parked_until) {
        park(s, config_.setup_timeout);
      }
      early_bytes_ += s.in.size() - s.held;
      s.held = s.in.size();
      if (early_streams_ > limits::moq_early_streams_max || early_bytes_ > limits::moq_early_bytes_max) {
        drop_uni(stream, reset_code::excessive_load, false);
      }
      return;
    } else {
      release_held(s);
      s.in.consume(in.position());
      if (const auto* h = std::get_if<subgroup_header>(&header.value())) {
        s.what = uni_stream::kind::subgroup;
        s.subgroup = *h;
        ++counters_.subgroups_in;
        return start_subgroup(stream, s);
      }
      s.what = uni_stream::kind::fetch;
      s.request = std::get<fetch_header>(header.value()).id;
      return start_fetch(stream, s);
    }
  }
  switch (s.what) {
  case uni_stream::kind::control: return read_control(stream);
  case uni_stream::kind::subgroup:
    if (s.request == no_request) return start_subgroup(stream, s);
    return read_subgroup(stream);
  case uni_stream::kind::fetch: return read_fetch(stream);
  default: return;
  }
}

void session::impl::read_bidi(uint64_t stream) {
  for (;;) {
    const auto it = bidis_.find(stream);
    if (closed_ || it == bidis_.end()) return;
    auto& s = it->second;
    if (s.over) {
      s.in.clear();
      if (s.in_ended) bidis_.erase(it);
      return;
    }
    std::optional<request_kind> on;
    if (s.request) on = s.served ? peers_.at(*s.request).kind : own_.at(*s.request).kind;
    base::byte_reader in(s.in.view());
    // The first message of a stream is a request; GOAWAY with a request id belongs to the control stream alone.
    const auto m = messages_ ? messages_->decode_control(in, on) : decoded<message>(boost::outcome_v2::failure(wire_stop{true, 0, {}}));
    if (!m) {
      if (!m.error().need_more) return fail(m.error());
      if (!s.in_ended) return;
      if (s.in.size() > 0) return fail(session_code::protocol_violation, "a request stream ends within a message");
      const auto request = s.request;
      const bool served = s.served;
      if (!request) {
        bidis_.erase(it);
        return;
      }
      return served ? peer_stream_ended(*request, std::nullopt) : own_stream_ended(*request, std::nullopt);
    }
    if (!s.ours && !s.request && lower_.early() && waits_for_handshake(m.value())) {
      if (s.in.size() <= limits::moq_control_message_bytes_max) return; // it stays where it is
      lower_.reset(stream, reset_code::excessive_load);
      lower_.stop_sending(stream, reset_code::excessive_load);
      s.in.clear();
      s.over = true;
      return;
    }
    s.in.consume(in.position());
    take_message(stream, m.value(), in.position());
  }
}

void session::impl::take_message(uint64_t stream, const message& m, size_t bytes) {
  const auto known = bidis_.find(stream);
  if (closed_ || (known == bidis_.end() && opened_by_us(stream))) return; // a request that is over
  auto& s = bidis_[stream];
  if (known == bidis_.end()) s.served = true; // the peer's; a PUBLISH turns it round
  if (s.over) return;
  if (!s.request) {
    message_bytes_ = bytes;
    new_peer_request(stream, m);
    if (const auto b = bidis_.find(stream); !closed_ && b != bidis_.end() && b->second.request) {
      if (const auto r = peers_.find(*b->second.request); r != peers_.end()) r->second.bytes = message_bytes_;
      if (const auto r = own_.find(*b->second.request); r != own_.end()) r->second.bytes = message_bytes_;
    }
  } else if (const auto* leave = std::get_if<moq::goaway>(&m)) {
    if (std::exchange(s.goaway_seen, true)) return fail(session_code::protocol_violation, "a second GOAWAY on a request");
    if (is_server() && !leave->uri.empty()) return fail(session_code::protocol_violation, "a client's GOAWAY names a URI");
    upper_.on_request_goaway(*s.request, leave->uri, leave->timeout_ms);
  } else if (s.served) {
    peer_message(*s.request, m);
  } else {
    answer(*s.request, m);
  }
}

void session::impl::on_stream_reset(uint64_t stream, uint64_t code, mono_time now) {
  if (closed_) return;
  now_ = now;
  if (stream & 2) {
    if (control_in_ == stream) return fail(session_code::protocol_violation, "the control stream was reset");
    return uni_reset(stream, code);
  }
  const auto it = bidis_.find(stream);
  if (it == bidis_.end()) return;
  const auto request = it->second.over ? std::nullopt : it->second.request;
  const bool served = it->second.served;
  if (!request) {
    lower_.reset(stream, reset_code::cancelled);
    bidis_.erase(it);
    return;
  }
  it->second.in_ended = true;
  served ? peer_stream_ended(*request, code) : own_stream_ended(*request, code);
}

void session::impl::on_stop_sending(uint64_t stream, uint64_t code, mono_time now) {
  if (closed_) return;
  now_ = now;
  if (stream == control_out_) return fail(session_code::protocol_violation, "the control stream was refused");
  if (stream & 2) {
    const auto it = data_out_.find(stream);
    if (it == data_out_.end()) return;
    const request_id id = it->second;
    const auto peer = peers_.find(id);
    if (peer == peers_.end()) return;
    if (peer->second.fetched) return finish_fetch(id, reset_code::cancelled);
    if (!peer->second.sub) return;
    auto& s = *peer->second.sub;
    for (auto o = s.out.begin(); o != s.out.end(); ++o) {
      if (o->second.stream != stream) continue;
      note_given_up(s, o->first);
      reset_subgroup(o->second, reset_code::cancelled);
      s.out.erase(o);
      break;
    }
    return try_finish(id);
  }
  const auto it = bidis_.find(stream);
  if (it == bidis_.end() || it->second.over || !it->second.request) return;
  // The answer to a request of ours may still be on its way beside this: its own end of the stream decides.
  if (!it->second.served) return lower_.reset(stream, reset_code::cancelled);
  peer_stream_ended(*it->second.request, code);
}

void session::impl::on_streams_available(mono_time now) {
  if (closed_) return;
  now_ = now;
  open_control();
  pump_requests();
  pump_streams();
}

void session::impl::on_writable(uint64_t stream, mono_time now) {
  if (closed_) return;
  now_ = now;
  const auto it = data_out_.find(stream);
  if (it == data_out_.end()) return;
  const auto peer = peers_.find(it->second);
  if (peer != peers_.end() && peer->second.fetched) pump_fetch(it->second);
}

namespace {

constexpr std::string_view moqt16_name = "moqt-16";

/// True if both names, or none, choose the same session.
bool same_session(std::string_view a, std::string_view b) {
  return lite::version_named(a) == lite::version_named(b) && (a == moqt16_name) == (b == moqt16_name);
}

} // namespace

std::unique_ptr<session::family> session::make(session_config config, lower_layer& lower, upper_layer& upper, track_store* published) {
  if (const auto lite = lite::version_named(config.protocol)) return std::make_unique<lite_session>(*lite, std::move(config), lower, upper, published);
  if (config.protocol == moqt16_name) return std::make_unique<moqt16_session>(std::move(config), lower, upper, published);
  return std::make_unique<impl>(std::move(config), lower, upper, published);
}

session::session(session_config config, lower_layer& lower, upper_layer& upper, track_store* published) :
  impl_(make(std::move(config), lower, upper, published)) {}
session::~session() = default;
/// Every way in but the const ones: what is done here may move the deadline.
session::family& session::enter() {
  impl_->lower_.deadline_moved();
  return *impl_;
}
void session::on_connected(base::mono_time now) { enter().on_connected(now); }
void session::on_handshake_done(base::mono_time now) { enter().on_handshake_done(now); }
void session::on_stream_data(uint64_t stream, base::bytes data, bool fin, base::mono_time now) {
  const size_t count = data.size();
  enter().on_stream_data(stream, std::move(data), fin, now);
  impl_->weigh(count);
}
void session::on_stream_reset(uint64_t stream, uint64_t code, base::mono_time now) { enter().on_stream_reset(stream, code, now); }
void session::on_stop_sending(uint64_t stream, uint64_t code, base::mono_time now) { enter().on_stop_sending(stream, code, now); }
void session::on_datagram(base::bytes data, base::mono_time now) { enter().on_datagram(std::move(data), now); }
void session::on_streams_available(base::mono_time now) { enter().on_streams_available(now); }
void session::on_writable(uint64_t stream, base::mono_time now) { enter().on_writable(stream, now); }
void session::on_transport_closed(uint64_t code, std::string_view reason, base::mono_time) { enter().on_transport_closed(code, reason); }
void session::on_tick(base::mono_time now) { enter().on_tick(now); }
std::optional<base::mono_time> session::deadline() const { return impl_->deadline(); }
request_id session::subscribe(const full_track_name& track, const subscribe_options& options) { return enter().subscribe(track, options); }
void session::update(request_id id, const update_options& options) { enter().update(id, options); }
void session::unsubscribe(request_id id) {
  enter().cancel(id, request_kind::subscribe);
  impl_->cancel(id, request_kind::publish);
}
request_id session::fetch(const full_track_name& track, location start, location end, const fetch_options& options) {
  moq::fetch m;
  m.track = track;
  m.start = start;
  m.end = end;
  return enter().fetch_track(std::move(m), options, no_request);
}
request_id session::joining_fetch_relative(request_id subscription, uint64_t groups_back, const fetch_options& options) {
  moq::fetch m;
  m.type = moq::fetch::kind::relative_joining;
  m.joining_id = subscription;
  m.joining_start = groups_back;
  return enter().fetch_track(std::move(m), options, subscription);
}
request_id session::joining_fetch_absolute(request_id subscription, uint64_t start_group, const fetch_options& options) {
  moq::fetch m;
  m.type = moq::fetch::kind::absolute_joining;
  m.joining_id = subscription;
  m.joining_start = start_group;
  return enter().fetch_track(std::move(m), options, subscription);
}
void session::cancel_fetch(request_id id) { enter().cancel(id, request_kind::fetch); }
request_id session::publish(const full_track_name& track, const publish_options& options) { return enter().publish(track, options); }
void session::end_subscription(request_id id, uint64_t status, std::string_view reason) { enter().end_subscription(id, status, reason); }
request_id session::publish_namespace(const track_namespace& ns, const hop_path& hops) { return enter().publish_ns(ns, hops); }
void session::withdraw_namespace(request_id id) { enter().cancel(id, request_kind::publish_namespace); }
request_id session::subscribe_namespace(const track_namespace& prefix) { return enter().subscribe_ns(prefix); }
void session::unsubscribe_namespace(request_id id) { enter().cancel(id, request_kind::subscribe_namespace); }
request_id session::subscribe_tracks(const track_namespace& prefix, bool forward) { return enter().subscribe_tracks(prefix, forward); }
void session::unsubscribe_tracks(request_id id) { enter().cancel(id, request_kind::subscribe_tracks); }
void session::update_prefix(request_id id, const track_namespace& prefix) { enter().update_prefix(id, prefix); }
request_id session::track_status(const full_track_name& track) { return enter().track_status(track); }
void session::revoke_namespace(request_id peer_request) { enter().revoke_namespace(peer_request); }
bool session::pad(size_t count, bool as_datagram) { return enter().pad(count, as_datagram); }
void session::goaway(std::string_view uri, uint64_t timeout_ms) { enter().goaway(uri, timeout_ms); }
void session::goaway_request(request_id id, std::string_view uri, uint64_t timeout_ms) { enter().goaway_request(id, uri, timeout_ms); }
void session::use_tokens(std::vector<auth_token> tokens) { enter().use_tokens(std::move(tokens)); }
void session::close(uint64_t code, std::string_view reason) { enter().close(code, reason); }
bool session::established() const { return impl_->peer_setup_ && impl_->connected_ && !impl_->closed_; }
bool session::closed() const { return impl_->closed_; }
base::mono_time session::now() const { return impl_->now_; }
session_memory session::memory() const { return impl_->memory(); }
size_t session::open_requests() const { return impl_->open_requests(); }
size_t session::serving() const { return impl_->serving(); }
bool session::is_open(request_id id) const { return impl_->is_open(id); }
hop_path session::hops(request_id id, const track_namespace& ns) const { return impl_->hops(id, ns); }

void session::use(std::string_view protocol) {
  if (impl_->connected_ || same_session(impl_->config_.protocol, protocol)) return;
  auto config = impl_->config_;
  config.protocol = protocol;
  auto& lower = impl_->transport();
  auto& upper = impl_->upper_;
  auto* store = impl_->store_;
  impl_.reset(); // it leaves the store before its successor comes
  impl_ = make(std::move(config), lower, upper, store);
}
const session_counters& session::counters() const { return impl_->counters_; }

} // namespace ec::moq
