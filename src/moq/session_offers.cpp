// PUBLISH, sent and received.
#include <algorithm>

#include "moq/internal/session_impl.hpp"

namespace ec::moq {

/// Why a PUBLISH of the track must not leave now.
std::optional<uint64_t> session::impl::cannot_publish(const full_track_name& track) const {
  if (!store_ || !store_->find(track)) return request_code::does_not_exist;
  if (blocked_.contains(track)) return request_code::excessive_load;
  const bool has = std::ranges::any_of(peers_, [&](const auto& p) { return p.second.sub && !p.second.sub->end && p.second.sub->name == track; });
  if (has) return request_code::duplicate_subscription;
  return std::nullopt;
}

/// It was asked for and has no stream yet.
bool session::impl::waits_to_publish(const full_track_name& track) const {
  return std::ranges::any_of(peers_, [&](const auto& p) { return p.second.offer && !p.second.sub && p.second.offer->name == track; });
}

bool session::impl::takes_publish() const {
  return config_.takes_publish || std::ranges::any_of(own_, [](const auto& r) { return r.second.kind == request_kind::subscribe_tracks; });
}

request_id session::impl::publish(const full_track_name& track, const publish_options& options) {
  const request_id id = next_own_;
  next_own_ += 2;
  if (!may_request(id)) return id;
  if (const auto why = waits_to_publish(track) ? request_code::duplicate_subscription : cannot_publish(track)) {
    local_failure(id, *why, "the track cannot be published");
    return id;
  }
  auto& r = peers_[id];
  r.kind = request_kind::publish;
  r.offer = std::make_unique<offered_track>();
  r.offer->name = track;
  r.offer->options = options;
  queued_.push_back(id);
  pump_requests();
  return id;
}

/// The subscription begins here: what is published next goes out before the answer, unless it was offered without.
void session::impl::send_publish(request_id id, peer_request& r, uint64_t stream) {
  track& t = *store_->find(r.offer->name);
  const auto& options = r.offer->options;
  r.stream = stream;
  r.offer->sent_at = now_;
  r.sub = std::make_unique<served_subscription>();
  auto& s = *r.sub;
  s.name = r.offer->name;
  s.request.id = id;
  s.established = true;
  s.alias = next_alias_++;
  s.forward = options.forward;
  s.order = t.config().order;
  s.object_timeout_ms = shorter(t.config().object_delivery_timeout_ms, {});
  s.subgroup_timeout_ms = shorter(t.config().subgroup_delivery_timeout_ms, {});
  auto& b = bidis_[stream];
  b.ours = b.served = true;
  b.request = id;
  ++counters_.publishes_out;
  moq::publish m;
  m.id = id;
  m.track = s.name;
  m.alias = s.alias;
  if (!peer_is_moq_lite_) m.params.largest = t.largest(); // it refuses the parameter [interop 3.4]
  if (!options.forward) m.params.forward = false;
  m.properties = t.properties();
  add_tokens(id, m.params);
  send(stream, m);
  attach(id, s, t);
  try_finish(id);
}

/// What the peer says to a PUBLISH of ours before it may say REQUEST_UPDATE, or what is none.
void session::impl::answer_publish(request_id id, peer_request& r, const message& m) {
  tokens_answered(id);
  if (const auto* e = std::get_if<request_error>(&m)) {
    if (is_server() && e->to && !e->to->uri.empty()) return fail(session_code::protocol_violation, "a redirect of a client names a URI");
    if (r.offer->answered) return fail(session_code::protocol_violation, "a second answer to a request");
    ++counters_.request_errors_in;
    return publish_refused(id, *e, true);
  }
  if (const auto* ok = std::get_if<request_ok>(&m)) {
    if (r.offer->answered) return fail(session_code::protocol_violation, "a second answer to a request");
    return accept_publish(id, r, *ok);
  }
  fail(session_code::protocol_violation, "this message does not answer PUBLISH");
}

/// PUBLISH_OK: the subscriber says what it wants of the track.
void session::impl::accept_publish(request_id id, peer_request& r, const request_ok& ok) {
  r.offer->answered = true;
  const bool asked_for = r.offer->asked_for;
  auto& s = *r.sub;
  if (s.t) { // otherwise PUBLISH_DONE is under way
    const auto& p = ok.params;
    s.priority = p.priority.value_or(128);
    s.order = p.order.value_or(s.t->config().order);
    s.forward = p.forward.value_or(true);
    s.object_timeout_ms = shorter(p.object_delivery_timeout_ms, s.t->config().object_delivery_timeout_ms);
    s.subgroup_timeout_ms = shorter(p.subgroup_delivery_timeout_ms, s.t->config().subgroup_delivery_timeout_ms);
    std::string why;
    if (p.filter && !set_window(s, p.filter, why)) {
      settle_subscription(id, done_code::subscription_ended, why);
    } else {
      narrow(s);
      ask_new_group(*s.t, p.new_group_request);
      try_finish(id);
    }
  }
  if (!asked_for) upper_.on_request_ok(id, ok);
}

/// A PUBLISH of ours has failed: nothing of the track is sent any more. `answered`: the peer said so and ended its side.
void session::impl::publish_refused(request_id id, const request_error& why, bool answered) {
  auto& r = peers_.at(id);
  const uint64_t stream = r.stream;
  for (auto& [key, o] : r.sub->out) {
    if (o.fin && o.stream && lower_.unsent(*o.stream) > 0) reset_subgroup(o, reset_code::cancelled);
  }
  const request_error told = why;
  const bool asked_for = r.offer->asked_for;
  end_peer(id);
  if (answered) {
    lower_.write(stream, {}, true);
  } else {
    lower_.reset(stream, reset_code::cancelled);
    lower_.stop_sending(stream, reset_code::cancelled);
  }
  if (!asked_for) upper_.on_request_error(id, told);
}

void session::impl::end_subscription(request_id id, uint64_t status, std::string_view reason) {
  const auto it = peers_.find(id);
  if (closed_ || it == peers_.end()) return;
  if (it->second.offer && !it->second.sub) { // it never left
    std::erase(queued_, id);
    peers_.erase(it);
    return;
  }
  if (it->second.sub && it->second.sub->established) settle_subscription(id, status, std::string(reason));
}

void session::impl::take_publish(uint64_t stream, const moq::publish& m) {
  if (!takes_publish()) return refuse(stream, request_code::not_supported, "tracks are not taken here");
  if (is_reserved(m.track.ns)) return refuse(stream, request_code::uninterested, "the namespace is reserved");
  if (const auto known = aliases_.find(m.alias); known != aliases_.end()) {
    const auto& other = own_.at(known->second);
    if (other.done) {
      finish_done(known->second); // it waited for late streams, of which there are none any more
      if (closed_) return;
    } else if (other.track != m.track) {
      return fail(session_code::duplicate_track_alias, "a track alias is in use");
    }
  }
  std::optional<request_id> pending;
  for (const auto& [id, r] : own_) {
    const bool subscribes = r.kind == request_kind::subscribe || r.kind == request_kind::publish;
    if (!subscribes || r.done || r.track != m.track) continue;
    if (r.answered) return refuse(stream, request_code::duplicate_subscription, "the track is subscribed to already");
    pending = id;
  }
  if (m.properties.mandatory_unknown) {
    return refuse(stream, request_code::unsupported_extension, "the track needs a property that is not known here");
  }
  // The request exists before the application hears of it, which may end it from there.
  auto& b = bidis_[stream];
  b.request = m.id;
  b.served = false;
  auto& r = own_[m.id];
  r.kind = request_kind::publish;
  r.stream = stream;
  r.answered = true;
  r.track = m.track;
  r.alias = m.alias;
  r.default_priority = m.properties.priority.value_or(128);
  r.dynamic_groups = m.properties.dynamic_groups.value_or(false);
  r.seen = std::make_shared<seen_objects>(seen_);
  std::erase(retired_aliases_, m.alias);
  aliases_[m.alias] = m.id;
  const auto answer = upper_.on_publish(m.id, m);
  if (closed_ || !own_.contains(m.id)) return;
  if (const auto* no = std::get_if<request_error>(&answer)) {
    ++counters_.request_errors_out;
    send(stream, *no);
    end_own(m.id, reset_code::cancelled, false);
    return drop_parked(m.alias);
  }
  if (pending && own_.contains(*pending)) { // one subscription to a track: theirs [MOQT 5.1]
    end_own(*pending, reset_code::cancelled, true);
    upper_.on_request_error(*pending, {.code = request_code::duplicate_subscription, .retry_after_ms = {}, .reason = "the peer publishes the track", .to = {}});
    if (closed_ || !own_.contains(m.id)) return;
  }
  ++counters_.publishes_in;
  const auto& how = std::get<publish_accept>(answer);
  request_ok ok;
  if (how.filter.type != subscription_filter::kind::none) ok.params.filter = how.filter;
  if (how.priority != 128) ok.params.priority = how.priority;
  ok.params.order = how.order;
  if (!how.forward) ok.params.forward = false;
  if (m.properties.dynamic_groups == true) ok.params.new_group_request = how.new_group_request;
  if (!peer_is_moq_lite_) { // it refuses these [interop 3.4]
    ok.params.object_delivery_timeout_ms = how.object_delivery_timeout_ms;
    ok.params.subgroup_delivery_timeout_ms = how.subgroup_delivery_timeout_ms;
  }
  send(stream, ok);
  unpark();
}

/// Streams that came before a PUBLISH which was refused.
void session::impl::drop_parked(uint64_t alias) {
  std::vector<uint64_t> waiting;
  for (const auto& [id, s] : unis_) {
    if (s.what == uni_stream::kind::subgroup && s.request == no_request && s.subgroup.alias == alias) waiting.push_back(id);
  }
  for (const uint64_t id : waiting) drop_uni(id, reset_code::cancelled, false);
}

/// What follows on the stream of a PUBLISH that we took: the publisher may update it, and ends it.
void session::impl::answer_published(request_id id, own_request& r, const message& m) {
  const auto* update = std::get_if<request_update>(&m);
  if (!update) return answer_subscribe(id, r, m);
  const auto tokens = take_tokens(update->params.tokens);
  if (!tokens || !accept_request_id(update->id)) return;
  if (!tokens->empty()) {
    if (const auto no = upper_.on_authorize(id, {request_kind::publish, r.track, true, *tokens})) {
      ++counters_.request_errors_out;
      send(*r.stream, *no);
      end_own(id, reset_code::cancelled, true);
      return upper_.on_publish_done(id, done_code::unauthorized, "the publisher's new token does not allow it", publish_done::streams_unknown);
    }
  }
  send(*r.stream, request_ok{});
}

} // namespace ec::moq
