// SUBSCRIBE_TRACKS, TRACK_STATUS and prefixes that move, of both sides.
#include <algorithm>

#include "moq/internal/session_impl.hpp"

namespace ec::moq {

namespace limits = base::limits;

/// Two prefixes of one kind must not share namespaces; the two kinds are apart [MOQT 10.18, 10.19].
bool session::impl::overlaps(request_kind kind, const track_namespace& prefix, request_id but) const {
  return std::ranges::any_of(peers_, [&](const auto& p) {
    return p.first != but && p.second.kind == kind && (p.second.ns.is_prefix_of(prefix) || prefix.is_prefix_of(p.second.ns));
  });
}

void session::impl::serve_subscribe_tracks(uint64_t stream, const moq::subscribe_tracks& m) {
  if (is_reserved(m.prefix)) return refuse(stream, request_code::does_not_exist, "the namespace is reserved");
  if (overlaps(request_kind::subscribe_tracks, m.prefix)) {
    return refuse(stream, request_code::prefix_overlap, "the prefix overlaps with another subscription");
  }
  if (store_ && store_->under(m.prefix).size() > limits::moq_namespace_matches_max) {
    return refuse(stream, request_code::namespace_too_large, "too many tracks under the prefix");
  }
  bidis_[stream].request = m.id;
  auto& r = peers_[m.id];
  r.kind = request_kind::subscribe_tracks;
  r.stream = stream;
  r.ns = m.prefix;
  r.forward = m.params.forward.value_or(true);
  send(stream, request_ok{});
  offer_under(m.id);
}

void session::impl::update_tracks(request_id id, peer_request& r, const request_update& m) {
  if (m.params.prefix && overlaps(r.kind, *m.params.prefix, id)) {
    refuse(r.stream, request_code::prefix_overlap, "the prefix overlaps with another subscription");
    return end_peer(id);
  }
  r.forward = m.params.forward.value_or(r.forward);
  send(r.stream, request_ok{});
  if (!m.params.prefix) return;
  r.ns = *m.params.prefix;
  offer_under(id);
}

/// All tracks under the prefix of a SUBSCRIBE_TRACKS.
void session::impl::offer_under(request_id id) {
  if (!store_) return;
  for (track* t : store_->under(peers_.at(id).ns)) {
    if (closed_ || !peers_.contains(id)) return;
    offer_to(id, *t);
  }
}

/// A track that came: to the SUBSCRIBE_TRACKS under whose prefix it is; there is one at most.
void session::impl::offer_track(track& t) {
  if (closed_) return;
  for (const auto& [id, r] : peers_) {
    if (r.kind == request_kind::subscribe_tracks && r.ns.is_prefix_of(t.name().ns)) return offer_to(id, t);
  }
}

/// PUBLISH, or PUBLISH_BLOCKED if no stream is free for it. Nothing for a track that the peer has already, or that comes from it.
void session::impl::offer_to(request_id id, track& t) {
  const auto& name = t.name();
  if (goaway_received_ || is_reserved(name.ns) || waits_to_publish(name) || cannot_publish(name)) return;
  const bool theirs = std::ranges::any_of(own_, [&](const auto& r) {
    return (r.second.kind == request_kind::subscribe || r.second.kind == request_kind::publish) && r.second.track == name;
  });
  if (theirs) return;
  const auto& asked = peers_.at(id);
  std::optional<uint64_t> stream;
  if (requests_of(true) < config_.requests_max && queued_.empty()) stream = lower_.open_bidi();
  if (!stream) {
    if (blocked_.size() >= limits::moq_namespace_matches_max) return; // what was said must be remembered
    ++counters_.publishes_blocked;
    blocked_.insert(name);
    return send(asked.stream, publish_blocked{{name.ns.suffix_after(asked.ns), name.name}});
  }
  lower_.set_priority(*stream, urgency_request);
  const request_id offer = next_own_;
  next_own_ += 2;
  auto& r = peers_[offer];
  r.kind = request_kind::publish;
  r.offer = std::make_unique<offered_track>();
  r.offer->name = name;
  r.offer->options.forward = asked.forward;
  r.offer->asked_for = true;
  send_publish(offer, r, *stream);
}

/// What SUBSCRIBE_OK would say, from what was really seen [MOQT 10.14]. What is not here is asked for first.
void session::impl::serve_track_status(uint64_t stream, const moq::track_status& m) {
  if (is_reserved(m.track.ns)) return refuse(stream, request_code::does_not_exist, "the namespace is reserved");
  if (!store_) return refuse(stream, request_code::does_not_exist, "no such track");
  std::optional<request_error> no;
  auto interest = store_->want(m.track, now_, no);
  if (track* t = store_->find(m.track)) return tell_status(stream, m, *t);
  if (no) return refuse(stream, no->code, no->reason, no->retry_after_ms);
  bidis_[stream].request = m.id;
  auto& r = peers_[m.id];
  r.kind = request_kind::track_status;
  r.stream = stream;
  r.interest = std::move(interest);
  r.waiting_status = std::make_unique<moq::track_status>(m);
}

void session::impl::tell_status(uint64_t stream, const moq::track_status& m, track& t) {
  served_subscription probe;
  probe.t = &t;
  std::string why;
  if (!set_window(probe, m.params.filter, why)) {
    const bool unknown = m.params.filter->type == subscription_filter::kind::unsupported;
    return refuse(stream, unknown ? request_code::not_supported : request_code::invalid_range, why);
  }
  request_ok ok;
  if (!peer_is_moq_lite_) ok.params.largest = t.largest(); // it refuses the parameter [interop 3.4]
  ok.properties = t.properties();
  send(stream, ok, true);
  if (const auto s = bidis_.find(stream); s != bidis_.end()) s->second.over = true;
}

request_id session::impl::subscribe_tracks(const track_namespace& prefix, bool forward) {
  moq::subscribe_tracks m;
  m.prefix = prefix;
  if (!forward) m.params.forward = false;
  own_request r;
  r.kind = request_kind::subscribe_tracks;
  r.prefix = prefix;
  return new_request(std::move(r), std::move(m));
}

request_id session::impl::track_status(const full_track_name& track) {
  moq::track_status m;
  m.track = track;
  own_request r;
  r.kind = request_kind::track_status;
  r.track = track;
  return new_request(std::move(r), std::move(m));
}

void session::impl::update_prefix(request_id id, const track_namespace& prefix) {
  const auto it = own_.find(id);
  if (closed_ || it == own_.end()) return;
  auto& r = it->second;
  if (r.kind != request_kind::subscribe_namespace && r.kind != request_kind::subscribe_tracks) return;
  if (!r.stream) { // not sent yet: say it at once
    if (auto* ns = std::get_if<moq::subscribe_namespace>(&r.first)) ns->prefix = prefix;
    if (auto* tracks = std::get_if<moq::subscribe_tracks>(&r.first)) tracks->prefix = prefix;
    r.prefix = prefix;
    return;
  }
  request_update m;
  m.id = next_own_;
  next_own_ += 2;
  m.params.prefix = prefix;
  ++r.updates_open;
  r.new_prefixes.push_back(prefix);
  send(*r.stream, m);
}

/// The peer agreed to another prefix: suffixes are behind that one from here on.
void session::impl::move_prefix(request_id id, const request_ok& ok) {
  auto& r = own_.at(id);
  const auto before = r.prefix;
  r.prefix = std::move(r.new_prefixes.front());
  r.new_prefixes.pop_front();
  const auto after = r.prefix;
  auto were = std::exchange(r.active, {});
  const auto ways = std::exchange(r.ways, {});
  for (const auto& suffix : were) {
    const auto ns = before.joined(suffix);
    if (!after.is_prefix_of(ns)) continue;
    const auto now = ns.suffix_after(after);
    r.active.insert(now);
    if (const auto way = ways.find(suffix); way != ways.end()) r.ways[now] = way->second;
  }
  std::erase_if(were, [&](const auto& suffix) {
    const auto way = ways.find(suffix);
    return way != ways.end() && loops(way->second);
  });
  auto are = r.active;
  std::erase_if(are, [&](const auto& suffix) { return !is_heard(r, suffix); });
  const auto open = [&] { return !closed_ && own_.contains(id); };
  for (const auto& suffix : were) {
    if (open()) upper_.on_namespace(id, suffix, false);
  }
  if (open()) upper_.on_request_ok(id, ok);
  for (const auto& suffix : are) {
    if (open()) upper_.on_namespace(id, suffix, true);
  }
}

} // namespace ec::moq
