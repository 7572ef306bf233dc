// Requests of the peer: accepting, refusing, updating, ending them.
#include <algorithm>

#include "base/limits_attacker.hpp"
#include "moq/internal/session_impl.hpp"

namespace ec::moq {
namespace {

namespace limits = base::limits;

constexpr uint64_t rendezvous_ms_max = 30'000;    // "the relay MAY use a shorter timeout"

struct head {
  request_kind kind;
  request_id id;
};

/// What a request message opens; nothing for other messages.
std::optional<head> head_of(const message& m) {
  if (const auto* v = std::get_if<subscribe>(&m)) return head{request_kind::subscribe, v->id};
  if (const auto* v = std::get_if<publish>(&m)) return head{request_kind::publish, v->id};
  if (const auto* v = std::get_if<fetch>(&m)) return head{request_kind::fetch, v->id};
  if (const auto* v = std::get_if<track_status>(&m)) return head{request_kind::track_status, v->id};
  if (const auto* v = std::get_if<publish_namespace>(&m)) return head{request_kind::publish_namespace, v->id};
  if (const auto* v = std::get_if<subscribe_namespace>(&m)) return head{request_kind::subscribe_namespace, v->id};
  if (const auto* v = std::get_if<subscribe_tracks>(&m)) return head{request_kind::subscribe_tracks, v->id};
  return std::nullopt;
}

const parameters* params_of(const message& m) {
  return std::visit([](const auto& v) -> const parameters* {
    if constexpr (requires { v.params; }) return &v.params;
    else return nullptr;
  }, m);
}

} // namespace

/// "." and ".session" belong to the transport, which defines nothing there [MOQT 3.1.5].
bool is_reserved(const track_namespace& ns) {
  return !ns.fields.empty() && (ns.fields[0] == "." || ns.fields[0] == ".session");
}

uint64_t shorter(std::optional<uint64_t> a, std::optional<uint64_t> b) {
  const uint64_t x = a.value_or(0), y = b.value_or(0);
  const uint64_t least = x == 0 ? y : y == 0 ? x : std::min(x, y);
  return std::min(least, wait_ms_max);
}

bool session::impl::accept_request_id(request_id id) {
  const uint64_t parity = is_server() ? 0 : 1;
  if ((id & 1) != parity) {
    fail(session_code::invalid_request_id, "a request id of the wrong side");
    return false;
  }
  if (!peer_ids_.take(id)) {
    fail(session_code::invalid_request_id, "a request id comes twice");
    return false;
  }
  return true;
}

/// Takes one request out of the peer's budget, which refills with time.
bool session::impl::within_load() {
  const double seconds = std::chrono::duration<double>(now_ - load_at_).count();
  load_at_ = now_;
  load_tokens_ = std::min<double>(limits::moq_requests_burst, load_tokens_ + seconds * limits::moq_requests_per_second);
  if (requests_of(false) >= config_.requests_max || load_tokens_ < 1 || memory().requests + charge_of(message_bytes_) > held_for_requests_max()) {
    ++counters_.requests_refused_load;
    return false;
  }
  load_tokens_ -= 1;
  return true;
}

void session::impl::refuse(uint64_t stream, uint64_t code, std::string reason, std::optional<uint64_t> retry_ms) {
  ++counters_.request_errors_out;
  send(stream, request_error{.code = code, .retry_after_ms = retry_ms, .reason = std::move(reason), .to = {}}, true);
  if (const auto it = bidis_.find(stream); it != bidis_.end()) it->second.over = true;
}

void session::impl::new_peer_request(uint64_t stream, const message& m) {
  const auto h = head_of(m);
  if (!h) return fail(session_code::protocol_violation, "a request stream does not begin with a request");
  if (!accept_request_id(h->id)) return;
  const auto* p = params_of(m);
  auto tokens = take_tokens(p ? p->tokens : std::vector<auth_token>{});
  if (!tokens) return;
  lower_.set_priority(stream, urgency_request);
  if (goaway_sent_) return refuse(stream, request_code::going_away, "going away");
  if (!within_load()) return refuse(stream, request_code::excessive_load, "too many requests", 1000);
  if (const auto no = authorize(m, std::move(*tokens))) {
    ++counters_.request_errors_out;
    send(stream, *no, true);
    if (const auto it = bidis_.find(stream); it != bidis_.end()) it->second.over = true;
    return;
  }
  switch (h->kind) {
  case request_kind::subscribe: return serve_subscribe(stream, std::get<moq::subscribe>(m));
  case request_kind::fetch: return serve_fetch(stream, std::get<moq::fetch>(m));
  case request_kind::subscribe_namespace: return serve_subscribe_namespace(stream, std::get<moq::subscribe_namespace>(m));
  case request_kind::publish_namespace: return serve_publish_namespace(stream, std::get<moq::publish_namespace>(m));
  case request_kind::publish: return take_publish(stream, std::get<moq::publish>(m));
  case request_kind::track_status: return serve_track_status(stream, std::get<moq::track_status>(m));
  case request_kind::subscribe_tracks: return serve_subscribe_tracks(stream, std::get<moq::subscribe_tracks>(m));
  }
}

void session::impl::peer_message(request_id id, const message& m) {
  auto& r = peers_.at(id);
  const auto* p = params_of(m);
  auto tokens = take_tokens(p ? p->tokens : std::vector<auth_token>{});
  if (!tokens) return;
  if (r.offer && (!std::holds_alternative<request_update>(m) || !r.offer->answered)) return answer_publish(id, r, m);
  if (const auto* update = std::get_if<request_update>(&m)) {
    if (!accept_request_id(update->id)) return;
    if (!tokens->empty() || update->params.prefix) {
      authorization a{r.kind, r.sub ? r.sub->name : full_track_name{}, true, std::move(*tokens)};
      if (r.fetched && r.fetched->t) a.track = r.fetched->t->name();
      if (!r.sub && !r.fetched) a.track.ns = update->params.prefix.value_or(r.ns);
      if (const auto no = upper_.on_authorize(id, a)) return update_refused(id, r, *no);
    }
    return serve_update(id, r, *update);
  }
  fail(session_code::protocol_violation, "this message may not follow on a request stream");
}

/// The peer closed its side of a request: with FIN, reset or STOP_SENDING.
void session::impl::peer_stream_ended(request_id id, std::optional<uint64_t> reset) {
  auto& r = peers_.at(id);
  // After FIN no updates come; subscriptions, fetches and questions are cancelled by reset or STOP_SENDING only [MOQT 5.1].
  const bool stays = r.kind == request_kind::subscribe || r.kind == request_kind::fetch || r.kind == request_kind::track_status;
  if (!reset && (stays || (r.offer && r.offer->answered))) return;
  if (r.offer && !r.offer->answered) {
    return publish_refused(id, {.code = request_code::internal_error, .retry_after_ms = {}, .reason = "the peer ended the request without an answer", .to = {}});
  }
  const uint64_t stream = r.stream;
  const bool offered = r.kind == request_kind::publish_namespace && !r.looped;
  const bool offering = r.offer != nullptr, asked_for = offering && r.offer->asked_for;
  const auto ns = r.ns;
  if (r.sub) { // what is on its way is not wanted any more either
    for (auto& [key, o] : r.sub->out) {
      if (o.fin && o.stream && lower_.unsent(*o.stream) > 0) reset_subgroup(o, reset_code::cancelled);
    }
  }
  if (r.fetched && r.fetched->stream) {
    data_out_.erase(*r.fetched->stream);
    lower_.reset(*r.fetched->stream, reset_code::cancelled);
  }
  end_peer(id);
  if (reset) {
    lower_.reset(stream, reset_code::cancelled);
  } else {
    lower_.write(stream, {}, true);
  }
  if (offering) lower_.stop_sending(stream, reset_code::cancelled);
  if (offered) upper_.on_publish_namespace_done(id, ns);
  if (offering && !asked_for) upper_.on_request_closed(id);
}

/// Forgets a request; whatever its request stream still carries is ignored.
void session::impl::end_peer(request_id id) {
  const auto it = peers_.find(id);
  if (it == peers_.end()) return;
  auto& r = it->second;
  if (r.sub) {
    if (r.sub->t) {
      served_.erase(r.sub->t);
      r.sub->t->forget(*this);
    }
    for (auto& [key, o] : r.sub->out) {
      if (o.fin && o.stream) { // whole and on its way
        data_out_.erase(*o.stream);
      } else {
        reset_subgroup(o, reset_code::cancelled);
      }
    }
  }
  if (const auto s = bidis_.find(r.stream); s != bidis_.end()) {
    s->second.request.reset();
    s->second.over = true;
    s->second.in.clear();
    if (s->second.in_ended || s->second.ours) bidis_.erase(s);
  }
  const auto joins = r.sub ? std::move(r.sub->joins_waiting) : std::vector<moq::fetch>{};
  peers_.erase(it);
  for (const auto& join : joins) {
    const auto waiting = peers_.find(join.id);
    if (waiting == peers_.end()) continue;
    refuse(waiting->second.stream, request_code::invalid_joining_request_id, "no such subscription");
    end_peer(join.id);
  }
}

peer_request* session::impl::serving(track& t) {
  const auto it = served_.find(&t);
  if (it == served_.end()) return nullptr;
  const auto peer = peers_.find(it->second);
  return peer == peers_.end() ? nullptr : &peer->second;
}

/// Puts the window of a filter on a subscription, as seen now. False: it cannot be satisfied.
bool session::impl::set_window(served_subscription& s, const std::optional<subscription_filter>& f, std::string& why) {
  const auto largest = s.t->largest();
  location start;
  std::optional<uint64_t> end;
  using kind = subscription_filter::kind;
  switch (f ? f->type : kind::none) {
  case kind::none: break;
  case kind::next_group:
    if (largest) start = {largest->group + 1, 0};
    break;
  case kind::largest_object:
    // Of a track that holds nothing yet, the first to come is the object after the largest as its publisher counted when it was asked: it
    // may have gone on before it answered.
    if (largest && !s.t->groups().empty()) start = {largest->group, largest->object + 1};
    break;
  case kind::absolute_start: start = f->start; break;
  case kind::absolute_range:
    start = f->start;
    end = f->end_group;
    if (largest && *end <= largest->group) {
      const auto last = s.t->groups().find(*end);
      if (*end < largest->group || s.t->ended() || (last != s.t->groups().end() && last->second.ended)) {
        why = "the end group is published already";
        return false;
      }
    }
    break;
  case kind::unsupported: why = "the filter type is not known"; return false;
  }
  s.start = start;
  s.end_group = end;
  return true;
}

void session::impl::serve_subscribe(uint64_t stream, const moq::subscribe& m) {
  if (is_reserved(m.track.ns)) return refuse(stream, request_code::does_not_exist, "the namespace is reserved");
  if (std::ranges::any_of(peers_, [&](const auto& p) { return p.second.sub && !p.second.sub->end && p.second.sub->name == m.track; })) {
    return refuse(stream, request_code::duplicate_subscription, "the track is subscribed to already");
  }
  std::optional<request_error> no;
  auto interest = store_ ? store_->want(m.track, now_, no) : nullptr;
  track* t = store_ ? store_->find(m.track) : nullptr;
  const uint64_t wait_ms = std::min(m.params.rendezvous_timeout_ms.value_or(0), rendezvous_ms_max);
  const bool asked = store_ && !t && !no;
  if (!t && !asked && wait_ms == 0) {
    return no ? refuse(stream, no->code, no->reason, no->retry_after_ms) : refuse(stream, request_code::does_not_exist, "no such track");
  }
  ++counters_.subscriptions_in;
  bidis_[stream].request = m.id;
  auto& r = peers_[m.id];
  r.kind = request_kind::subscribe;
  r.stream = stream;
  r.sub = std::make_unique<served_subscription>();
  r.interest = std::move(interest);
  auto& s = *r.sub;
  s.asked = asked;
  s.name = m.track;
  s.request = m;
  s.t = t;
  s.rendezvous_until = now_ + std::chrono::milliseconds(wait_ms);
  if (t) establish(m.id, r);
}

/// Answers a SUBSCRIBE whose track is here.
void session::impl::establish(request_id id, peer_request& r) {
  auto& s = *r.sub;
  const auto& p = s.request.params;
  track& t = *s.t;
  std::string why;
  if (!set_window(s, p.filter, why)) {
    const bool unknown = p.filter->type == subscription_filter::kind::unsupported;
    s.t = nullptr;
    refuse(r.stream, unknown ? request_code::not_supported : request_code::invalid_range, why);
    return end_peer(id);
  }
  s.established = true;
  s.alias = next_alias_++;
  s.forward = p.forward.value_or(true);
  s.priority = p.priority.value_or(128);
  s.order = p.order.value_or(t.config().order);
  s.object_timeout_ms = shorter(p.object_delivery_timeout_ms, t.config().object_delivery_timeout_ms);
  s.subgroup_timeout_ms = shorter(p.subgroup_delivery_timeout_ms, t.config().subgroup_delivery_timeout_ms);
  subscribe_ok ok;
  ok.alias = s.alias;
  if (!peer_is_moq_lite_) ok.params.largest = t.largest(); // it refuses the parameter [interop 3.4]
  ok.properties = t.properties();
  send(r.stream, ok);
  attach(id, s, t);
  if (!t.ended()) ask_new_group(t, p.new_group_request);
  for (const auto& join : std::exchange(s.joins_waiting, {})) {
    const auto waiting = peers_.find(join.id);
    if (waiting == peers_.end()) continue;
    const uint64_t stream = waiting->second.stream;
    peers_.erase(waiting);
    serve_fetch(stream, join);
    if (closed_) return;
  }
  try_finish(id);
}

/// Objects of the track go to the subscription from now on; or it is over, as the track is.
void session::impl::attach(request_id id, served_subscription& s, track& t) {
  s.joining = t.largest();
  if (t.ended()) {
    s.t = nullptr;
    s.end = served_subscription::ending{t.end_status(), t.end_reason()};
  } else {
    s.t = &t;
    served_[&t] = id;
    t.observe(*this);
  }
}

void session::impl::serve_subscribe_namespace(uint64_t stream, const moq::subscribe_namespace& m) {
  if (is_reserved(m.prefix)) return refuse(stream, request_code::does_not_exist, "the namespace is reserved");
  if (overlaps(request_kind::subscribe_namespace, m.prefix)) return refuse(stream, request_code::prefix_overlap, "the prefix overlaps with another subscription");
  std::vector<track_namespace> matches;
  if (store_) {
    for (const auto& [ns, count] : store_->namespaces()) {
      if (m.prefix.is_prefix_of(ns)) matches.push_back(ns);
    }
  }
  size_t bytes = told_bytes();
  for (const auto& ns : matches) bytes += name_charge + ns.bytes();
  if (matches.size() > limits::moq_namespace_matches_max || bytes > limits::moq_told_bytes_max) {
    return refuse(stream, request_code::namespace_too_large, "too many namespaces under the prefix");
  }
  bidis_[stream].request = m.id;
  auto& r = peers_[m.id];
  r.kind = request_kind::subscribe_namespace;
  r.stream = stream;
  r.ns = m.prefix;
  send(stream, request_ok{});
  for (const auto& ns : matches) tell_namespace(r, ns, true);
}

void session::impl::serve_update(request_id id, peer_request& r, const request_update& m) {
  switch (r.kind) {
  case request_kind::subscribe:
  case request_kind::publish: return update_subscription(id, r, m);
  case request_kind::subscribe_tracks: return update_tracks(id, r, m);
  case request_kind::fetch:
    if (r.fetched) {
      r.fetched->priority = m.params.priority.value_or(r.fetched->priority);
      if (r.fetched->stream) lower_.set_priority(*r.fetched->stream, urgency(r.fetched->priority, 128, r.fetched->cursor.order, 0, 0, 0));
    }
    return send(r.stream, request_ok{});
  case request_kind::subscribe_namespace: {
    if (!m.params.prefix) return send(r.stream, request_ok{});
    const auto& prefix = *m.params.prefix;
    if (overlaps(r.kind, prefix, id)) {
      refuse(r.stream, request_code::prefix_overlap, "the prefix overlaps with another subscription");
      return end_peer(id);
    }
    send(r.stream, request_ok{});
    r.ns = prefix;
    r.told.clear();
    if (!store_) return;
    for (const auto& [ns, ways] : store_->namespaces())
      if (prefix.is_prefix_of(ns)) tell_namespace(r, ns);
    return;
  }
  case request_kind::publish_namespace: return update_namespace(id, r, m);
  default: return send(r.stream, request_ok{});
  }
}

/// An update that fails ends its request [MOQT 10.9].
void session::impl::update_refused(request_id id, peer_request& r, const request_error& why) {
  ++counters_.request_errors_out;
  if (r.sub && r.sub->established) {
    send(r.stream, why);
    return settle_subscription(id, done_code::update_failed, why.reason);
  }
  if (r.fetched) {
    send(r.stream, why);
    return finish_fetch(id, why.code == request_code::expired_auth_token ? reset_code::expired_auth_token : reset_code::cancelled);
  }
  const bool offered = r.kind == request_kind::publish_namespace && !r.looped;
  const auto ns = r.ns;
  send(r.stream, why, true);
  end_peer(id);
  if (offered) upper_.on_publish_namespace_done(id, ns);
}

/// Tells the application that a group is wished for, if the track can begin one and has not [MOQT 10.2.13].
void session::impl::ask_new_group(const track& t, std::optional<uint64_t> group) {
  if (!group || t.properties().dynamic_groups != true) return;
  if (*group == 0 || !t.largest() || *group > t.largest()->group) upper_.on_new_group_request(t.name(), *group);
}

void session::impl::update_subscription(request_id id, peer_request& r, const request_update& m) {
  auto& s = *r.sub;
  if (!s.established) { // still waiting for its track: as if the SUBSCRIBE had said so
    auto& p = s.request.params;
    if (m.params.priority) p.priority = m.params.priority;
    if (m.params.forward) p.forward = m.params.forward;
    if (m.params.filter) p.filter = m.params.filter;
    return send(r.stream, request_ok{});
  }
  if (s.end || !s.t) return send(r.stream, request_ok{}); // PUBLISH_DONE is under way
  std::string why;
  if (m.params.filter && !set_window(s, m.params.filter, why)) {
    return update_refused(id, r, {.code = request_code::invalid_range, .retry_after_ms = {}, .reason = why, .to = {}});
  }
  s.priority = m.params.priority.value_or(s.priority);
  if (m.params.object_delivery_timeout_ms) {
    s.object_timeout_ms = shorter(m.params.object_delivery_timeout_ms, s.t->config().object_delivery_timeout_ms);
  }
  if (m.params.subgroup_delivery_timeout_ms) {
    s.subgroup_timeout_ms = shorter(m.params.subgroup_delivery_timeout_ms, s.t->config().subgroup_delivery_timeout_ms);
  }
  if (m.params.forward.value_or(s.forward) != s.forward) {
    s.forward = !s.forward;
    if (s.forward) {
      s.joining = s.t->largest();
      s.given_up.clear(); // renewed interest [MOQT 11.4.3]
    }
  }
  narrow(s);
  ask_new_group(*s.t, m.params.new_group_request);
  request_ok ok;
  if (!peer_is_moq_lite_) ok.params.largest = s.t->largest();
  send(r.stream, ok);
  try_finish(id);
}

/// Streams of what is no longer wanted cannot end well: objects of them will be missing.
void session::impl::narrow(served_subscription& s) {
  for (auto o = s.out.begin(); o != s.out.end();) {
    const bool outside = (s.end_group && o->first.first > *s.end_group) || o->first.first < s.start.group;
    if (!o->second.fin && (outside || !s.forward)) {
      reset_subgroup(o->second, reset_code::cancelled);
      o = s.out.erase(o);
    } else {
      ++o;
    }
  }
  reprioritise(s);
}

} // namespace ec::moq
