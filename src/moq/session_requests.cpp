// Requests of ours: subscriptions, fetches, namespaces, and the answers to them.
#include <algorithm>

#include "moq/internal/session_impl.hpp"

namespace ec::moq {
namespace {

request_error failure(uint64_t code, std::string reason) {
  return {.code = code, .retry_after_ms = {}, .reason = std::move(reason), .to = {}};
}

} // namespace

/// Requests that are open of one side, whoever serves them.
size_t session::impl::requests_of(bool ours) const {
  const auto counts = [&](const auto& r) { return ((r.first & 1) != 0) == (ours == is_server()); };
  return static_cast<size_t>(std::ranges::count_if(own_, counts) + std::ranges::count_if(peers_, counts));
}

/// False: the request may not leave, which is told at the next tick.
bool session::impl::may_request(request_id id) {
  if (closed_) return false;
  if (goaway_received_) {
    local_failure(id, request_code::going_away, "the peer is going away");
    return false;
  }
  if (requests_of(true) >= config_.requests_max) {
    local_failure(id, request_code::excessive_load, "too many open requests");
    return false;
  }
  return true;
}

request_id session::impl::new_request(own_request r, message m) {
  const request_id id = next_own_;
  next_own_ += 2;
  if (!may_request(id)) return id;
  std::visit([id](auto& first) {
    if constexpr (requires { first.params; first.id; }) first.id = id;
  }, m);
  r.first = std::move(m);
  own_.emplace(id, std::move(r));
  queued_.push_back(id);
  pump_requests();
  return id;
}

void session::impl::local_failure(request_id id, uint64_t code, std::string reason) {
  own_.erase(id);
  peers_.erase(id);
  local_failures_.emplace_back(id, failure(code, std::move(reason)));
}

void session::impl::deliver_local_failures() {
  for (const auto& [id, why] : std::exchange(local_failures_, {})) {
    if (closed_) return;
    upper_.on_request_error(id, why);
  }
}

void session::impl::pump_requests() {
  // Nothing goes before SETUP; requests do not wait for the peer's, but for an offer: it says its way to who wants to know.
  const bool early = lower_.early(), knows_peer = peer_setup_ || !messages_ || config_.origin_id == 0;
  const auto leaves = [this](size_t at) { queued_.erase(queued_.begin() + static_cast<ptrdiff_t>(at)); };
  for (size_t at = 0; at < queued_.size() && control_out_ && !closed_;) {
    const request_id id = queued_[at];
    const auto it = own_.find(id);
    const auto offer = peers_.find(id);
    if (it == own_.end() && offer == peers_.end()) {
      leaves(at);
      continue;
    }
    const bool waits = offer == peers_.end() && it->second.kind == request_kind::publish_namespace && !knows_peer;
    if (waits || (early && (offer != peers_.end() || waits_for_handshake(it->second.first)))) {
      ++at;
      continue;
    }
    if (offer != peers_.end()) {
      if (const auto why = cannot_publish(offer->second.offer->name)) {
        leaves(at);
        local_failure(id, *why, "the track cannot be published");
        continue;
      }
    }
    const auto stream = lower_.open_bidi();
    if (!stream) {
      ++counters_.waiting_for_stream_credit;
      return;
    }
    leaves(at);
    lower_.set_priority(*stream, urgency_request);
    if (offer != peers_.end()) {
      send_publish(id, offer->second, *stream);
      continue;
    }
    auto& r = it->second;
    r.stream = stream;
    r.sent_at.reset(); // a request from above may come long after the last event: the clock's next turn tells when it was
    auto& s = bidis_[*stream];
    s.ours = true;
    s.request = id;
    auto first = std::exchange(r.first, setup{});
    std::visit([&](auto& m) {
      if constexpr (requires { m.params; m.id; }) add_tokens(id, m.params);
    }, first);
    if (auto* offer = std::get_if<moq::publish_namespace>(&first)) sign_way(offer->params.hops, offer->params.route_cost);
    send(*stream, first);
  }
}

request_id session::impl::subscribe(const full_track_name& track, const subscribe_options& options) {
  moq::subscribe m;
  m.track = track;
  if (options.filter.type != subscription_filter::kind::none) m.params.filter = options.filter;
  if (options.priority != 128) m.params.priority = options.priority;
  m.params.order = options.order;
  if (!options.forward) m.params.forward = false;
  m.params.rendezvous_timeout_ms = options.rendezvous_timeout_ms;
  m.params.new_group_request = options.new_group_request;
  if (!peer_is_moq_lite_) { // it refuses these [interop 3.4]
    m.params.object_delivery_timeout_ms = options.object_delivery_timeout_ms;
    m.params.subgroup_delivery_timeout_ms = options.subgroup_delivery_timeout_ms;
  }
  own_request r;
  r.kind = request_kind::subscribe;
  r.track = track;
  r.seen = std::make_shared<seen_objects>(seen_);
  if (options.rendezvous_timeout_ms) r.rendezvous_ms = std::min(*options.rendezvous_timeout_ms, wait_ms_max);
  ++counters_.subscriptions_out;
  return new_request(std::move(r), std::move(m));
}

void session::impl::update(request_id id, const update_options& options) {
  const auto it = own_.find(id);
  if (closed_ || it == own_.end() || it->second.done) return;
  auto& r = it->second;
  const bool subscribes = r.kind == request_kind::subscribe || r.kind == request_kind::publish;
  const bool fetches = r.kind == request_kind::fetch, tracks = r.kind == request_kind::subscribe_tracks;
  if (!subscribes && !fetches && !tracks) return;
  parameters p;
  if (!tracks) p.priority = options.priority;
  if (!fetches) p.forward = options.forward;
  if (subscribes) p.filter = options.filter;
  if (subscribes && r.dynamic_groups) p.new_group_request = options.new_group_request;
  p.tokens = options.tokens;
  if (!r.stream) { // not sent yet: say it at once
    if (auto* first = std::get_if<moq::subscribe>(&r.first)) {
      if (p.priority) first->params.priority = p.priority;
      if (p.filter) first->params.filter = p.filter;
      if (p.forward) first->params.forward = p.forward;
    }
    return;
  }
  request_update m;
  m.id = next_own_;
  next_own_ += 2;
  m.params = p;
  ++r.updates_open;
  send(*r.stream, m);
}

request_id session::impl::fetch_track(moq::fetch m, const fetch_options& options, request_id joined) {
  if (options.priority != 128) m.params.priority = options.priority;
  if (options.order != group_order::ascending) m.params.order = options.order;
  m.params.fill_timeout_ms = options.fill_timeout_ms;
  own_request r;
  r.kind = request_kind::fetch;
  r.track = m.track;
  r.order = options.order;
  if (m.type == moq::fetch::kind::standalone) r.start = m.start;
  if (const auto it = own_.find(joined); it != own_.end()) r.seen = it->second.seen;
  ++counters_.fetches_out;
  return new_request(std::move(r), std::move(m));
}

request_id session::impl::publish_ns(const track_namespace& ns, const hop_path& hops) {
  moq::publish_namespace m;
  m.ns = ns;
  if (!hops.empty()) m.params.hops = hops;
  own_request r;
  r.kind = request_kind::publish_namespace;
  return new_request(std::move(r), std::move(m));
}

request_id session::impl::subscribe_ns(const track_namespace& prefix) {
  moq::subscribe_namespace m;
  m.prefix = prefix;
  own_request r;
  r.kind = request_kind::subscribe_namespace;
  r.prefix = prefix;
  return new_request(std::move(r), std::move(m));
}

void session::impl::cancel(request_id id, request_kind kind) {
  const auto it = own_.find(id);
  if (it != own_.end() && it->second.kind == kind) end_own(id, reset_code::cancelled, true);
}

void session::impl::revoke_namespace(request_id peer_request) {
  const auto it = peers_.find(peer_request);
  if (closed_ || it == peers_.end() || it->second.kind != request_kind::publish_namespace) return;
  lower_.reset(it->second.stream, reset_code::cancelled);
  lower_.stop_sending(it->second.stream, reset_code::cancelled);
  end_peer(peer_request);
}

/// Forgets a request. `close_stream`: its request stream is still open in some direction.
void session::impl::end_own(request_id id, uint64_t code, bool close_stream) {
  const auto it = own_.find(id);
  if (it == own_.end()) return;
  own_request r = std::move(it->second);
  own_.erase(it);
  std::erase(queued_, id);
  if (r.alias) {
    aliases_.erase(*r.alias);
    // Objects may still be on their way; they are told from those of an alias that nobody knows.
    retired_aliases_.push_back(*r.alias);
    if (retired_aliases_.size() > 256) retired_aliases_.pop_front();
  }
  if (closed_) return;
  for (const uint64_t data : r.data_streams) drop_uni(data, code, false);
  if (!r.stream) return;
  if (close_stream) {
    lower_.reset(*r.stream, code);
    lower_.stop_sending(*r.stream, code);
  } else {
    lower_.write(*r.stream, {}, true);
  }
  if (const auto s = bidis_.find(*r.stream); s != bidis_.end()) {
    s->second.request.reset();
    s->second.over = true;
    s->second.in.clear();
    // A stream of the peer's is remembered until it ends: what still comes on it is no new request.
    if (s->second.in_ended || (close_stream && s->second.ours)) bidis_.erase(s);
  }
}

/// The track of a subscription or a fetch contradicts itself: cancel, tell, go on [MOQT 2.4.2].
void session::impl::malformed(request_id id, std::string reason) {
  ++counters_.tracks_malformed;
  end_own(id, reset_code::malformed_track, true);
  upper_.on_request_error(id, failure(request_code::malformed_track, std::move(reason)));
}

void session::impl::answer(request_id id, const message& m) {
  tokens_answered(id);
  auto& r = own_.at(id);
  if (const auto* e = std::get_if<request_error>(&m)) {
    if (is_server() && e->to && !e->to->uri.empty()) return fail(session_code::protocol_violation, "a redirect of a client names a URI");
    if (r.answered && r.updates_open == 0) return fail(session_code::protocol_violation, "a second answer to a request");
    ++counters_.request_errors_in;
    const request_error copy = *e;
    if (r.answered && (r.kind == request_kind::subscribe || r.kind == request_kind::publish)) { // an update failed: PUBLISH_DONE follows
      --r.updates_open;
      return;
    }
    end_own(id, reset_code::cancelled, r.answered);
    return upper_.on_request_error(id, copy);
  }
  switch (r.kind) {
  case request_kind::subscribe: return answer_subscribe(id, r, m);
  case request_kind::publish: return answer_published(id, r, m);
  case request_kind::fetch: return answer_fetch(id, r, m);
  default: return answer_namespace(id, r, m);
  }
}

/// REQUEST_OK to an update. False: it is none.
bool session::impl::answer_update(request_id id, own_request& r, const message& m) {
  const auto* ok = std::get_if<request_ok>(&m);
  // Where REQUEST_OK is the request's own answer it comes first; a subscription or fetch that waits has another, and may be updated meanwhile.
  const bool has_other = r.kind == request_kind::subscribe || r.kind == request_kind::fetch;
  if (!ok || (!r.answered && !(has_other && r.updates_open > 0))) return false;
  if (r.updates_open == 0) {
    fail(session_code::protocol_violation, "a second answer to a request");
    return true;
  }
  --r.updates_open;
  if (r.new_prefixes.empty()) upper_.on_request_ok(id, *ok);
  else move_prefix(id, *ok);
  return true;
}

void session::impl::answer_subscribe(request_id id, own_request& r, const message& m) {
  if (answer_update(id, r, m)) return;
  if (const auto* ok = std::get_if<subscribe_ok>(&m)) {
    if (r.answered) return fail(session_code::protocol_violation, "a second SUBSCRIBE_OK");
    if (aliases_.contains(ok->alias)) return fail(session_code::duplicate_track_alias, "a track alias is in use");
    if (ok->properties.mandatory_unknown) {
      end_own(id, reset_code::cancelled, true);
      return upper_.on_request_error(id, failure(request_code::unsupported_extension, "the track needs a property that is not known here"));
    }
    r.answered = true;
    r.alias = ok->alias;
    std::erase(retired_aliases_, ok->alias);
    aliases_[ok->alias] = id;
    r.default_priority = ok->properties.priority.value_or(128);
    r.dynamic_groups = ok->properties.dynamic_groups.value_or(false);
    upper_.on_subscribe_ok(id, *ok);
    if (!closed_) unpark();
    return;
  }
  if (const auto* done = std::get_if<publish_done>(&m)) {
    if (!r.answered) return fail(session_code::protocol_violation, "PUBLISH_DONE before SUBSCRIBE_OK");
    if (r.done) return fail(session_code::protocol_violation, "a second PUBLISH_DONE");
    r.done = *done;
    r.done_until = now_ + config_.done_wait;
    return settle_done(id);
  }
  fail(session_code::protocol_violation, "this message does not answer SUBSCRIBE");
}

/// Tells PUBLISH_DONE when all streams that were opened have come and ended, or nothing more is expected.
void session::impl::settle_done(request_id id) {
  const auto it = own_.find(id);
  if (it == own_.end() || !it->second.done) return;
  auto& r = it->second;
  // The count of some peers is 0 whatever they opened [interop 8]: then only time tells.
  const bool counted = r.done->stream_count > 0 && r.streams_seen == r.done->stream_count;
  if (!r.data_streams.empty() && now_ < r.done_until) return;
  if (!counted && now_ < r.done_until) return;
  finish_done(id);
}

void session::impl::finish_done(request_id id) {
  const publish_done done = *own_.at(id).done;
  end_own(id, reset_code::cancelled, false);
  upper_.on_publish_done(id, done.status, done.reason, done.stream_count);
}

void session::impl::answer_fetch(request_id id, own_request& r, const message& m) {
  if (answer_update(id, r, m)) return;
  const auto* ok = std::get_if<fetch_ok>(&m);
  if (!ok) return fail(session_code::protocol_violation, "this message does not answer FETCH");
  if (r.answered) return fail(session_code::protocol_violation, "a second FETCH_OK");
  if (r.start && (ok->end.group < r.start->group ||
                  (ok->end.group == r.start->group && ok->end.object != 0 && ok->end.object <= r.start->object))) {
    return fail(session_code::protocol_violation, "a fetch ends before its start");
  }
  if (ok->properties.mandatory_unknown) {
    end_own(id, reset_code::cancelled, true);
    return upper_.on_request_error(id, failure(request_code::unsupported_extension, "the track needs a property that is not known here"));
  }
  r.answered = true;
  upper_.on_fetch_ok(id, *ok);
  if (!closed_) settle_fetch(id);
}

/// A fetch is over when its objects are, and FETCH_OK said how far they reach.
void session::impl::settle_fetch(request_id id) {
  const auto it = own_.find(id);
  if (it == own_.end() || !it->second.data_ended || (!it->second.answered && !it->second.data_reset)) return;
  const auto reset = it->second.data_reset;
  end_own(id, reset_code::cancelled, reset.has_value());
  upper_.on_fetch_end(id, reset);
}

void session::impl::answer_namespace(request_id id, own_request& r, const message& m) {
  if (answer_update(id, r, m)) return;
  if (const auto* ok = std::get_if<request_ok>(&m)) {
    r.answered = true;
    const request_ok copy = *ok;
    if (r.kind == request_kind::track_status) end_own(id, reset_code::cancelled, false);
    return upper_.on_request_ok(id, copy);
  }
  if (const auto* blocked = std::get_if<publish_blocked>(&m); blocked && r.answered && r.kind == request_kind::subscribe_tracks) {
    return upper_.on_publish_blocked(id, blocked->suffix);
  }
  if (r.kind == request_kind::subscribe_namespace && r.answered) {
    if (const auto* up = std::get_if<namespace_active>(&m)) return take_namespace(id, r, *up);
    if (const auto* down = std::get_if<namespace_done>(&m)) {
      const track_namespace suffix = down->suffix;
      if (r.active.erase(suffix) == 0) return fail(session_code::protocol_violation, "NAMESPACE_DONE before NAMESPACE");
      const bool told = is_heard(r, suffix);
      r.ways.erase(suffix);
      return told ? upper_.on_namespace(id, suffix, false) : void();
    }
  }
  fail(session_code::protocol_violation, "this message does not answer a namespace request");
}

/// The peer ended its side of our request: with FIN, or reset with a code.
void session::impl::own_stream_ended(request_id id, std::optional<uint64_t> reset) {
  auto& r = own_.at(id);
  const uint64_t code = reset.value_or(0);
  if ((r.kind == request_kind::subscribe || r.kind == request_kind::publish) && r.done && !reset) return; // as it should be
  if (r.kind == request_kind::fetch && r.answered && !reset) return; // its objects may still come
  const bool answered = r.answered;
  const auto kind = r.kind;
  std::erase_if(r.active, [&](const auto& suffix) { return !is_heard(r, suffix); });
  const auto active = std::move(r.active);
  end_own(id, reset_code::cancelled, true);
  if (!answered) return upper_.on_request_error(id, failure(request_code::internal_error, reset ? "the peer reset the request" : "the peer closed the request without an answer"));
  switch (kind) {
  case request_kind::subscribe:
  case request_kind::publish: return upper_.on_publish_done(id, code == reset_code::going_away ? done_code::going_away : done_code::internal_error, "the peer ended the request", publish_done::streams_unknown);
  case request_kind::fetch: return upper_.on_fetch_end(id, code);
  default:
    for (const auto& suffix : active) { // as if each were withdrawn [MOQT 10.18]
      upper_.on_namespace(id, suffix, false);
      if (closed_) return;
    }
    upper_.on_request_closed(id);
  }
}

} // namespace ec::moq
