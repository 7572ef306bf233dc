// Objects of our tracks to the peer's subscriptions.
#include <algorithm>

#include "moq/internal/session_impl.hpp"

namespace ec::moq {
namespace {

constexpr size_t given_up_max = 256;

} // namespace

bool session::impl::open_subgroup(served_subscription& s, out_subgroup& o) {
  o.stream = lower_.open_uni();
  if (!o.stream) {
    ++counters_.waiting_for_stream_credit;
    return false;
  }
  ++counters_.subgroups_out;
  ++s.streams_opened;
  data_out_[*o.stream] = s.request.id;
  lower_.set_priority(*o.stream, urgency(s.priority, o.priority, s.order, *s.base_group, o.header.group, o.header.subgroup.value_or(0)));
  auto head = draft_.encode_subgroup_header(o.header);
  o.written += head.size();
  lower_.write(*o.stream, base::bytes::adopt(std::move(head)), false);
  return true;
}

/// The same for all subscribers whose stream has the same object before it: encoded once.
base::bytes session::impl::object_head(track* t, const out_subgroup& o, const object& what, uint64_t payload_bytes) const {
  if (t != nullptr) {
    const auto& made = t->head();
    if (made.by == &draft_ && made.at == what.at() && made.previous == o.last_id && made.has_properties == o.header.has_properties) return made.bytes;
  }
  object_header h;
  h.id = what.id;
  h.properties = what.properties;
  h.payload_bytes = payload_bytes;
  h.status = what.status;
  auto bytes = base::bytes::adopt(draft_.encode_subgroup_object(h, o.header, o.last_id));
  if (t != nullptr) t->head() = {&draft_, what.at(), o.last_id, o.header.has_properties, bytes};
  return bytes;
}

/// What there is of an object of `payload_bytes` and not yet written. The header and the payload are shared with other subscriptions: no copy.
void session::impl::write_part(served_subscription& s, out_subgroup& o, const object& what, uint64_t payload_bytes) {
  if (!o.part) {
    auto head = object_head(s.t, o, what, payload_bytes);
    o.written += head.size();
    lower_.write(*o.stream, std::move(head), false);
    o.part = {.id = what.id};
  }
  const size_t fresh = what.payload.size() - o.part->payload;
  if (fresh == 0) return;
  lower_.write(*o.stream, what.payload.slice(o.part->payload), false);
  o.part->payload += fresh;
  o.written += fresh;
  counters_.payload_bytes_out += fresh;
}

void session::impl::write_object(served_subscription& s, out_subgroup& o, const object& what) {
  write_part(s, o, what, what.payload.size());
  o.part.reset();
  o.last_id = what.id;
  ++counters_.objects_out;
}

void session::impl::finish_subgroup(out_subgroup& o) {
  if (o.fin) return;
  o.fin = true;
  o.fin_at = now_;
  if (o.stream) lower_.write(*o.stream, {}, true);
}

void session::impl::reset_subgroup(out_subgroup& o, uint64_t code) {
  if (o.stream) {
    ++counters_.subgroups_reset_out;
    data_out_.erase(*o.stream);
    lower_.reset(*o.stream, code);
  }
  o.waiting.clear();
  o.waiting_bytes = 0;
}

void session::impl::note_given_up(served_subscription& s, std::pair<uint64_t, uint64_t> key) {
  s.given_up.insert(key);
  if (s.given_up.size() > given_up_max) s.given_up.erase(s.given_up.begin());
}

void session::impl::give_up(served_subscription& s, uint64_t group, uint64_t code) {
  for (auto o = s.out.lower_bound({group, 0}); o != s.out.end() && o->first.first == group;) {
    note_given_up(s, o->first);
    reset_subgroup(o->second, code);
    o = s.out.erase(o);
  }
}

/// A subscriber that reads too slowly loses its oldest group, whole, as often as it takes: memory stays bounded.
void session::impl::keep_within_bound(served_subscription& s) {
  for (;;) {
    size_t queued = 0;
    for (auto o = s.out.begin(); o != s.out.end();) {
      const size_t left = o->second.stream ? lower_.unsent(*o->second.stream) : o->second.waiting_bytes;
      if (left == 0 && o->second.fin && o->second.stream) { // all of it went out
        data_out_.erase(*o->second.stream);
        o = s.out.erase(o);
        continue;
      }
      queued += left;
      ++o;
    }
    if (queued <= config_.subscription_unsent_bytes_max || s.out.empty()) return;
    ++counters_.groups_too_far_behind;
    give_up(s, s.out.begin()->first.first, reset_code::too_far_behind);
  }
}

/// Delivery timeouts, as far as they can be seen here: an object counts as sent when its bytes left the queue, a subgroup
/// when its queue is empty [MOQT 8].
void session::impl::check_ages(served_subscription& s) {
  if (s.object_timeout_ms == 0 && s.subgroup_timeout_ms == 0) return;
  for (auto it = s.out.begin(); it != s.out.end();) {
    auto& o = it->second;
    const size_t left = o.stream ? lower_.unsent(*o.stream) : o.waiting_bytes + 1;
    const uint64_t sent = o.stream ? o.written - std::min<uint64_t>(left, o.written) : 0;
    while (o.stream && !o.ages.empty() && o.ages.front().end <= sent) o.ages.pop_front();
    const bool object_late = s.object_timeout_ms > 0 && !o.ages.empty() && now_ >= o.ages.front().since + std::chrono::milliseconds(s.object_timeout_ms);
    const bool subgroup_late = s.subgroup_timeout_ms > 0 && o.fin && left > 0 && now_ >= o.fin_at + std::chrono::milliseconds(s.subgroup_timeout_ms);
    if (object_late || subgroup_late) {
      ++counters_.groups_delivery_timeout;
      note_given_up(s, it->first);
      reset_subgroup(o, reset_code::delivery_timeout);
      it = s.out.erase(it);
    } else if (o.fin && o.stream && left == 0) {
      data_out_.erase(*o.stream);
      it = s.out.erase(it);
    } else {
      ++it;
    }
  }
}

/// Only ages give a subscription a deadline: most have none, and are not to be asked at each object.
void session::impl::ages_moved(const served_subscription& s) {
  if (s.object_timeout_ms > 0 || s.subgroup_timeout_ms > 0) lower_.deadline_moved();
}

/// True if the subscription is for the object, and its draft can say where it is.
bool session::impl::is_wanted(const served_subscription& s, const object& o) {
  if (!s.forward || o.at() < s.start || (s.end_group && o.group > *s.end_group)) return false;
  if (o.group <= draft_.id_max() && o.id <= draft_.id_max()) return true;
  ++counters_.groups_unmapped;
  return false;
}

/// The subgroup that an object goes out in, with a stream if there was one to be had. Null: the subscriber does not get it.
out_subgroup* session::impl::outgoing(served_subscription& s, const track& t, const object& o, bool first_of_subgroup) {
  const std::pair key{o.group, o.subgroup};
  auto it = s.out.find(key);
  // What has begun on a stream ends there, wherever the window is by now.
  const bool under_way = it != s.out.end() && it->second.part;
  if ((!under_way && !is_wanted(s, o)) || s.given_up.contains(key)) return nullptr;
  if (!s.base_group) s.base_group = o.group;
  if (it == s.out.end()) {
    it = s.out.try_emplace(key).first;
    auto& fresh = it->second;
    fresh.header = {.alias = s.alias, .group = o.group, .subgroup = o.subgroup,
                    .priority = o.priority == t.config().priority ? std::nullopt : std::optional(o.priority),
                    .has_properties = t.config().object_properties, .end_of_group = t.groups().at(o.group).subgroups.at(o.subgroup).ends_group,
                    .first_object = first_of_subgroup};
    fresh.priority = o.priority;
  }
  if (!it->second.stream && it->second.waiting.empty()) open_subgroup(s, it->second);
  return &it->second;
}

void session::impl::on_part(track& t, const object_part& p, bool first_of_subgroup, mono_time now) {
  auto* r = serving(t);
  if (closed_ || !r) return;
  now_ = now;
  auto& s = *r->sub;
  const auto& o = p.begun;
  ages_moved(s);
  auto* out = outgoing(s, t, o, first_of_subgroup);
  if (!out) return;
  if (!out->stream) { // without one nothing of it is queued: it is held in the store
    if (out->waiting.empty()) s.out.erase({o.group, o.subgroup});
    return;
  }
  const bool begins = !out->part;
  write_part(s, *out, o, p.payload_bytes);
  // Its time runs from its first byte on [MOQT 8].
  if (begins && s.object_timeout_ms > 0) out->ages.push_back({out->written + (p.payload_bytes - o.payload.size()), now});
  check_ages(s);
  keep_within_bound(s);
}

void session::impl::on_append(track& t, const object& o, bool first_of_subgroup, mono_time now) {
  auto* r = serving(t);
  if (closed_ || !r) return;
  now_ = now;
  auto& s = *r->sub;
  ages_moved(s);
  auto* const to = o.datagram ? nullptr : outgoing(s, t, o, first_of_subgroup);
  if (o.datagram && is_wanted(s, o)) write_datagram(s, t, o);
  if (!to) return try_finish(served_.at(&t));
  auto& out = *to;
  if (out.stream) {
    const bool begun = out.part.has_value();
    write_object(s, out, o);
    if (s.object_timeout_ms > 0 && !begun) out.ages.push_back({out.written, now});
  } else {
    out.waiting.push_back(o);
    // Empty objects count too: their records are memory.
    out.waiting_bytes += o.payload.size() + o.properties.size() + 64;
    if (s.object_timeout_ms > 0) out.ages.push_back({~uint64_t{0}, now});
  }
  check_ages(s);
  keep_within_bound(s);
}

void session::impl::on_end_subgroup(track& t, uint64_t group, uint64_t subgroup, mono_time now) {
  auto* r = serving(t);
  if (closed_ || !r) return;
  now_ = now;
  ages_moved(*r->sub);
  const auto o = r->sub->out.find({group, subgroup});
  if (o != r->sub->out.end()) finish_subgroup(o->second);
  r->sub->given_up.erase({group, subgroup});
}

void session::impl::on_end_group(track& t, uint64_t group, mono_time now) {
  auto* r = serving(t);
  if (closed_ || !r) return;
  now_ = now;
  auto& s = *r->sub;
  ages_moved(s);
  for (auto o = s.out.lower_bound({group, 0}); o != s.out.end() && o->first.first == group; ++o) finish_subgroup(o->second);
  std::erase_if(s.given_up, [&](const auto& key) { return key.first == group; });
  check_ages(s);
  keep_within_bound(s);
  try_finish(served_.at(&t));
}

void session::impl::on_reset_subgroup(track& t, uint64_t group, uint64_t subgroup, uint64_t code, mono_time now) {
  auto* r = serving(t);
  if (closed_ || !r) return;
  now_ = now;
  auto& s = *r->sub;
  s.given_up.erase({group, subgroup});
  if (const auto o = s.out.find({group, subgroup}); o != s.out.end()) {
    reset_subgroup(o->second, code);
    s.out.erase(o);
  }
  try_finish(served_.at(&t));
}

void session::impl::on_reset_group(track& t, uint64_t group, uint64_t code, mono_time now) {
  auto* r = serving(t);
  if (closed_ || !r) return;
  now_ = now;
  auto& s = *r->sub;
  for (auto o = s.out.lower_bound({group, 0}); o != s.out.end() && o->first.first == group;) {
    reset_subgroup(o->second, code);
    o = s.out.erase(o);
  }
  try_finish(served_.at(&t));
}

void session::impl::on_end_track(track& t, uint64_t status, std::string_view reason, mono_time now) {
  const auto it = served_.find(&t);
  if (it == served_.end()) return;
  now_ = now;
  settle_subscription(it->second, status, std::string(reason));
}

/// No more objects for this subscription; PUBLISH_DONE when what waits has gone.
void session::impl::settle_subscription(request_id id, uint64_t status, std::string reason) {
  const auto it = peers_.find(id);
  if (closed_ || it == peers_.end() || !it->second.sub || it->second.sub->end) return;
  auto& s = *it->second.sub;
  s.end = served_subscription::ending{status, std::move(reason)};
  if (s.t) {
    served_.erase(s.t);
    s.t->forget(*this);
    s.t = nullptr;
  }
  // A subgroup that was not ended misses objects.
  for (auto o = s.out.begin(); o != s.out.end();) {
    if (o->second.fin) {
      ++o;
    } else {
      reset_subgroup(o->second, reset_code::cancelled);
      o = s.out.erase(o);
    }
  }
  try_finish(id);
}

void session::impl::try_finish(request_id id) {
  const auto it = peers_.find(id);
  if (closed_ || it == peers_.end() || !it->second.sub || !it->second.sub->established) return;
  auto& r = it->second;
  auto& s = *r.sub;
  if (!s.end && s.end_group && s.t) {
    // Behind the end group, or at its end: nothing more can pass the filter.
    const auto largest = s.t->largest();
    const auto last = s.t->groups().find(*s.end_group);
    const bool last_ended = last != s.t->groups().end() && (last->second.ended || last->second.was_reset);
    const bool beyond = largest && largest->group > *s.end_group;
    const bool open = std::ranges::any_of(s.out, [](const auto& o) { return !o.second.fin; });
    const bool last_open = last != s.t->groups().end() && !last_ended && s.forward;
    if ((last_ended || (beyond && !last_open)) && !open) {
      return settle_subscription(id, done_code::subscription_ended, "the end group was published");
    }
  }
  if (!s.end || std::ranges::any_of(s.out, [](const auto& o) { return !o.second.stream; })) return;
  send(r.stream, publish_done{.status = s.end->status, .stream_count = s.streams_opened, .reason = s.end->reason}, true);
  if (r.offer && !r.offer->asked_for) {
    offers_over_.push_back(id);
    lower_.deadline_moved();
  }
  end_peer(id);
}

void session::impl::reprioritise(served_subscription& s) {
  for (const auto& [key, o] : s.out) {
    if (o.stream) lower_.set_priority(*o.stream, urgency(s.priority, o.priority, s.order, *s.base_group, key.first, key.second));
  }
}

/// Streams for what waits, the most urgent first.
void session::impl::pump_streams() {
  struct candidate {
    uint64_t urgency;
    request_id id;
    std::pair<uint64_t, uint64_t> key;
  };
  std::vector<candidate> waiting;
  for (const auto& [id, r] : peers_) {
    if (!r.sub) continue;
    for (const auto& [key, o] : r.sub->out) {
      if (!o.stream) waiting.push_back({urgency(r.sub->priority, o.priority, r.sub->order, *r.sub->base_group, key.first, key.second), id, key});
    }
  }
  std::ranges::sort(waiting, {}, &candidate::urgency);
  for (const auto& w : waiting) {
    const auto it = peers_.find(w.id);
    if (it == peers_.end()) continue;
    auto& s = *it->second.sub;
    const auto at = s.out.find(w.key);
    if (at == s.out.end()) continue;
    auto& o = at->second;
    if (!open_subgroup(s, o)) break;
    const bool timed = !o.ages.empty();
    size_t i = 0;
    for (const auto& object : std::exchange(o.waiting, {})) {
      write_object(s, o, object);
      if (timed && i < o.ages.size()) o.ages[i++].end = o.written;
    }
    o.waiting_bytes = 0;
    if (o.fin) lower_.write(*o.stream, {}, true);
    try_finish(w.id);
  }
  std::vector<request_id> fetches;
  for (const auto& [id, r] : peers_) {
    if (r.fetched && !r.fetched->stream) fetches.push_back(id);
  }
  for (const request_id id : fetches) pump_fetch(id);
}

void session::impl::on_track_added(track& t, mono_time now) {
  if (closed_) return;
  now_ = now;
  lower_.deadline_moved();
  std::vector<std::pair<uint64_t, moq::fetch>> fetches;
  std::vector<std::pair<request_id, moq::track_status>> statuses;
  for (auto it = peers_.begin(); it != peers_.end();) {
    const auto at = it++;
    auto& r = at->second;
    if (r.waiting_status && r.waiting_status->track == t.name()) statuses.emplace_back(at->first, *r.waiting_status);
    if (!r.waiting_fetch || r.waiting_fetch->track != t.name()) continue;
    if (r.fill_until) r.waiting_fetch->params.fill_timeout_ms = static_cast<uint64_t>(std::max<int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(*r.fill_until - now).count()));
    fetches.emplace_back(r.stream, std::move(*r.waiting_fetch));
    peers_.erase(at);
  }
  for (const auto& [id, m] : statuses) {
    tell_status(peers_.at(id).stream, m, t);
    end_peer(id);
    if (closed_) return;
  }
  for (auto& [id, r] : peers_) {
    if (!r.sub || r.sub->established || r.sub->name != t.name()) continue;
    r.sub->t = &t;
    establish(id, r);
    break;
  }
  for (const auto& [stream, m] : fetches) {
    if (closed_) return;
    serve_fetch(stream, m);
  }
  if (!closed_) offer_track(t);
}

void session::impl::on_track_refused(const full_track_name& name, const request_error& why, mono_time now) {
  if (closed_) return;
  now_ = now;
  lower_.deadline_moved();
  std::vector<request_id> over;
  for (auto& [id, r] : peers_) {
    const bool waits = (r.waiting_fetch && r.waiting_fetch->track == name) || (r.waiting_status && r.waiting_status->track == name);
    if (waits) over.push_back(id);
    if (!r.sub || r.sub->established || r.sub->name != name) continue;
    r.sub->asked = false;
    if (now >= r.sub->rendezvous_until) over.push_back(id);
  }
  for (const request_id id : over) {
    refuse(peers_.at(id).stream, why.code, why.reason, why.retry_after_ms);
    end_peer(id);
  }
}

void session::impl::on_filled(const fill& what, mono_time now) {
  if (closed_) return;
  now_ = now;
  lower_.deadline_moved();
  std::vector<request_id> filled;
  for (const auto& [id, r] : peers_) {
    if (r.fetched && r.fetched->waiting && r.fetched->brought.get() == &what) filled.push_back(id);
  }
  for (const request_id id : filled) {
    const auto it = peers_.find(id);
    if (it != peers_.end()) answer_waiting_fetch(id, it->second);
    if (closed_) return;
  }
}

void session::impl::on_track_removed(track& t, mono_time now) {
  if (closed_) return;
  now_ = now;
  lower_.deadline_moved();
  std::vector<request_id> lost;
  for (const auto& [id, r] : peers_) {
    if (r.fetched && r.fetched->t == &t) lost.push_back(id);
  }
  for (const request_id id : lost) {
    auto& r = peers_.at(id);
    if (!r.fetched->waiting) {
      finish_fetch(id, reset_code::unknown_object_status);
    } else {
      refuse(r.stream, request_code::does_not_exist, "no such track");
      end_peer(id);
    }
  }
}

void session::impl::on_namespace(const track_namespace& ns, bool, mono_time now) {
  if (closed_) return;
  now_ = now;
  for (auto& [id, r] : peers_)
    if (r.kind == request_kind::subscribe_namespace && r.ns.is_prefix_of(ns)) tell_namespace(r, ns);
}

void session::impl::on_store_gone() {
  for (auto& [id, r] : peers_) {
    if (r.sub) r.sub->t = nullptr;
    if (r.fetched) {
      r.fetched->t = nullptr;
      r.fetched->lost = true;
    }
  }
  served_.clear();
  store_ = nullptr;
}

} // namespace ec::moq
