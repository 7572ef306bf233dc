// Tracks of the store to a moq-lite peer: SUBSCRIBE, FETCH and TRACK. Groups are pulled from what the store holds, as the peer takes them.
#include <algorithm>

#include "base/limits.hpp"
#include "moq/internal/lite_session.hpp"

namespace ec::moq {

namespace limits = base::limits;
namespace code = lite::code;

namespace {

constexpr uint64_t id_max = ~uint64_t{0};
constexpr auto again = std::chrono::milliseconds(10); // for a lower layer that does not tell when it can take more
/// What TRACK_INFO says of a track that says nothing itself: time in milliseconds, and groups held for as long as a relay holds them.
constexpr uint64_t default_timescale = 1000, default_latency_ms = 120'000;

bool is_reserved_name(const track_namespace& ns) {
  return !ns.fields.empty() && (ns.fields[0] == "." || ns.fields[0] == ".session");
}

} // namespace

std::optional<full_track_name> lite_session::name_of(const lite::track_request& m) {
  auto ns = lite::to_namespace(m.broadcast);
  if (!ns || is_reserved_name(*ns)) return std::nullopt;
  full_track_name name{std::move(*ns), m.track};
  return is_valid(name) ? std::optional(std::move(name)) : std::nullopt;
}

void lite_session::serve_track(uint64_t stream, const lite::track_request& m) {
  const auto name = name_of(m);
  if (!name) return refuse(stream, code::not_found);
  if (const auto no = not_allowed(request_kind::track_status, *name)) return refuse(stream, lite_code_of_request(no->code));
  lower_.set_priority(stream, urgency_request);
  std::optional<request_error> no;
  auto interest = store_ ? store_->want(*name, now_, no) : nullptr;
  const auto* t = store_ ? store_->find(*name) : nullptr;
  if (t) return answer_track(stream, *t);
  if (!store_ || no) return refuse(stream, no ? lite_code_of_request(no->code) : code::not_found);
  streams_.at(stream).what = lite_stream::kind::track_served;
  questions_[stream] = {*name, std::move(interest)};
}

void lite_session::answer_track(uint64_t stream, const track& t) {
  const auto& c = t.config();
  put(stream, false, lite::track_info{static_cast<uint8_t>(255 - c.priority), c.order == group_order::ascending, c.max_cache_duration_ms.value_or(default_latency_ms),
                                      timescale_of(t.properties()).value_or(default_timescale)});
  finish_stream(stream);
}

void lite_session::serve(uint64_t stream, lite_served s) {
  const auto kind = s.is_fetch ? request_kind::fetch : request_kind::subscribe;
  if (const auto no = not_allowed(kind, s.name)) return refuse(stream, lite_code_of_request(no->code));
  lower_.set_priority(stream, urgency_request);
  std::optional<request_error> no;
  s.interest = store_ ? store_->want(s.name, now_, no) : nullptr;
  track* t = store_ ? store_->find(s.name) : nullptr;
  if (!t && (!store_ || no)) return refuse(stream, no ? lite_code_of_request(no->code) : code::not_found);
  ++(s.is_fetch ? counters_.fetches_in : counters_.subscriptions_in);
  streams_.at(stream).what = lite_stream::kind::served;
  auto& one = served_[stream] = std::move(s);
  if (t) begin(stream, one, *t);
}

/// Its track is here.
void lite_session::begin(uint64_t stream, lite_served& s, track& t) {
  s.t = &t;
  s.over = t.ended();
  watch(t);
  if (s.is_fetch) {
    s.first = *s.how.start;
    s.out[*s.first].stream = stream;
    lower_.set_priority(stream, urgency_of(s, *s.first));
  } else if (version_ < lite::version::v05) {
    put(stream, false, lite::subscribe_reply{.what = lite::subscribe_reply::kind::ok, .how = s.how}, version_);
  }
  pump(stream);
}

void lite_session::watch(track& t) {
  if (++watched_[&t] == 1 && !t.ended()) t.observe(*this);
}

void lite_session::unwatch(track& t) {
  const auto it = watched_.find(&t);
  if (it == watched_.end() || --it->second > 0) return;
  watched_.erase(it);
  t.forget(*this);
}

void lite_session::read_update(uint64_t stream) {
  for (;;) {
    const auto it = served_.find(stream);
    const auto at = streams_.find(stream);
    if (closed_ || it == served_.end() || at == streams_.end() || at->second.in.size() == 0) return;
    auto& s = it->second;
    if (s.is_fetch) return fail(code::unexpected_message, "a message follows FETCH");
    base::byte_reader in(at->second.in.view());
    const auto m = lite::decode_subscribe_update(in);
    if (!m) {
      if (!m.error().need_more) return fail(m.error().code, m.error().reason);
      if (at->second.in_ended) fail(code::protocol_violation, "SUBSCRIBE_UPDATE ends before its end");
      return;
    }
    at->second.in.consume(in.position());
    const bool earlier = s.first && m.value().start && *m.value().start < *s.first;
    s.how = m.value();
    // The window may widen backwards; what went out does not come again.
    if (earlier) s.first = *s.how.start;
    std::vector<uint64_t> outside;
    for (const auto& [group, o] : s.out) {
      if ((s.how.end && group > *s.how.end) || (s.how.start && group < *s.how.start)) outside.push_back(group);
    }
    for (const uint64_t group : outside) give_up(stream, s, group, code::cancel);
    reprioritise(s);
    pump(stream);
  }
}

uint64_t lite_session::urgency_of(const lite_served& s, uint64_t group) const {
  const auto order = s.how.ordered ? group_order::ascending : group_order::descending;
  const uint8_t of_track = s.t ? s.t->config().priority : 128;
  return urgency(static_cast<uint8_t>(255 - s.how.priority), of_track, order, s.first.value_or(group), group, 0);
}

void lite_session::reprioritise(lite_served& s) {
  for (const auto& [group, o] : s.out) {
    if (o.stream) lower_.set_priority(*o.stream, urgency_of(s, group));
  }
}

void lite_session::note_done(lite_served& s, uint64_t group) {
  s.done.insert(group);
  while (s.done.erase(s.done_below) > 0) ++s.done_below;
  while (s.done.size() > limits::lite_groups_seen_max) {
    s.done_below = *s.done.begin() + 1;
    s.done.erase(s.done.begin());
  }
}

bool lite_session::give_up(uint64_t stream, lite_served& s, uint64_t group, uint64_t c) {
  if (s.is_fetch) {
    ++counters_.request_errors_out;
    if (s.t) unwatch(*s.t);
    drop_stream(stream, c);
    served_.erase(stream);
    return true;
  }
  const auto it = s.out.find(group);
  if (it != s.out.end()) {
    if (it->second.stream) {
      ++counters_.subgroups_reset_out;
      group_streams_.erase(*it->second.stream);
      lower_.reset(*it->second.stream, c);
    }
    s.out.erase(it);
  }
  note_done(s, group);
  return false;
}

/// Where the subscription begins, once that can be known. False: not yet.
bool lite_session::resolve(uint64_t stream, lite_served& s) {
  if (s.first) return true;
  const auto& groups = s.t->groups();
  const auto largest = s.t->largest();
  if (!largest && (groups.empty() || !groups.rbegin()->second.part())) return false;
  const uint64_t newest = std::max(largest ? largest->group : 0, groups.empty() ? 0 : groups.rbegin()->first);
  if (!s.how.start) {
    s.first = newest;
  } else {
    if (newest < *s.how.start) return false;
    const auto held = groups.lower_bound(*s.how.start);
    s.first = held == groups.end() ? newest : held->first;
  }
  if (version_ >= lite::version::v05) {
    put(stream, false, lite::subscribe_reply{.what = lite::subscribe_reply::kind::start, .how = {}, .group = *s.first}, version_);
  }
  return true;
}

void lite_session::pump(uint64_t stream) {
  const auto it = served_.find(stream);
  if (closed_ || it == served_.end() || !it->second.t) return;
  auto& s = it->second;
  if (!resolve(stream, s)) return try_finish(stream);
  if (!s.is_fetch) {
    const auto& groups = s.t->groups();
    for (auto g = groups.lower_bound(*s.first); g != groups.end() && (!s.how.end || g->first <= *s.how.end); ++g) {
      if (!is_done(s, g->first)) s.out.try_emplace(g->first);
    }
    // The group that it begins with may have to be brought before anything of it is held.
    if (!is_done(s, *s.first) && (!s.how.end || *s.first <= *s.how.end)) s.out.try_emplace(*s.first);
    expire(stream, s);
  }
  std::vector<uint64_t> order;
  for (const auto& [group, o] : s.out) {
    if (!o.finished) order.push_back(group);
  }
  if (!s.how.ordered) std::ranges::reverse(order);
  for (const uint64_t group : order) {
    const auto o = s.out.find(group);
    if (o != s.out.end() && pump_group(stream, s, group, o->second)) return; // a fetch that is over
  }
  keep_within_bound(stream, s);
  try_finish(stream);
}

/// True if all of a group that will ever be here is here.
bool lite_session::is_over(const track& t, uint64_t group, const cached_group& held) const {
  if (held.ended || t.ended()) return true;
  const bool newer = t.largest() && t.largest()->group > group;
  if (held.subgroups.empty()) return newer;
  if (!std::ranges::all_of(held.subgroups, [](const auto& s) { return s.second.ended; })) return false;
  return newer || std::ranges::any_of(held.subgroups, [](const auto& s) { return s.second.ends_group; });
}

/// Asks for what is missing of a group, once. True: it will come, or may.
bool lite_session::bring(lite_served& s, uint64_t group, lite_group_out& o) {
  if (o.brought && o.brought->is == fill::state::asked) return true;
  if (std::exchange(o.asked, true) || !store_) return false;
  const auto largest = s.t->largest();
  const location last{group, largest && largest->group == group ? largest->object : id_max};
  o.brought = store_->bring(*s.t, {group, o.next}, last, now_);
  return o.brought && o.brought->is == fill::state::asked;
}

/// Writes what is held of a group from where it stands. True: it was a fetch, and is over.
bool lite_session::pump_group(uint64_t stream, lite_served& s, uint64_t group, lite_group_out& o) {
  if (o.finished) return false;
  for (;;) {
    const auto& groups = s.t->groups();
    const auto held = groups.find(group);
    if (held == groups.end() || (held->second.objects.empty() && !held->second.part()) || held->second.was_reset) {
      if (o.part || o.next > 0 || !bring(s, group, o)) return give_up(stream, s, group, held != groups.end() && held->second.was_reset ? code::dropped : s.is_fetch ? code::not_found : code::evicted);
      return false;
    }
    const auto& g = held->second;
    const auto at = g.objects.find(o.next);
    if (at == g.objects.end()) {
      if (const auto* part = g.part(o.next)) { // the rest of it comes
        if ((o.stream || open_group(s, group, o)) && has_room(o)) write_part(s, o, g, part->begun, part->payload_bytes);
        return false;
      }
      if (o.part) return give_up(stream, s, group, code::dropped);
      const auto* other = g.part();
      const bool hole = g.objects.upper_bound(o.next) != g.objects.end() || (other && other->begun.id > o.next);
      const bool head = hole && o.next == 0;
      if (head && bring(s, group, o)) return false;
      // What its publisher broke off, or left open when the track ended, is not whole.
      const bool reset = std::ranges::any_of(g.subgroups, [&](const auto& sub) { return sub.second.was_reset || (s.t->ended() && !g.ended && !sub.second.ended); });
      if (!hole && !reset && !is_over(*s.t, group, g)) return false; // more comes
      if (hole && !reset && !is_over(*s.t, group, g)) return false;  // other subgroups may fill it
      if (hole || reset) {
        if (hole) ++counters_.groups_unmapped;
        return give_up(stream, s, group, code::dropped);
      }
      break;
    }
    if (at->second.status != object_status::normal) break;
    if (at->second.datagram && version_ >= lite::version::v05 && !s.is_fetch && o.next == 0 && !o.stream) {
      // A group that is one datagram stays one [lite Datagrams]. Nothing else of the group can be said then.
      bool others = false;
      base::byte_writer out;
      const uint64_t ts = timestamp_of(at->second.properties, others).value_or(static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(g.since.time_since_epoch()).count()));
      lite::encode(out, lite::datagram{s.subscribe_id, group, std::min(ts, lite::timestamp_max)});
      out.raw(at->second.payload.span());
      if (out.size() > std::min(lower_.datagram_bytes_max(), lite::datagram_bytes_max)) ++counters_.datagrams_too_large;
      else if (!lower_.send_datagram(base::bytes::adopt(out.take()))) ++counters_.datagrams_dropped;
      else ++counters_.datagrams_out;
      s.out.erase(group);
      note_done(s, group);
      return false;
    }
    if (!o.stream && !open_group(s, group, o)) return false;
    if (!has_room(o)) return false;
    write_frame(s, o, g, at->second);
  }
  if (!o.stream) { // empty: there is nothing to say
    s.out.erase(group);
    note_done(s, group);
    return false;
  }
  if (s.is_fetch) {
    unwatch(*s.t);
    finish_stream(stream);
    served_.erase(stream);
    return true;
  }
  lower_.write(*o.stream, {}, true);
  o.finished = true;
  o.brought = nullptr;
  note_done(s, group);
  return false;
}

bool lite_session::open_group(lite_served& s, uint64_t group, lite_group_out& o) {
  o.stream = lower_.open_uni();
  if (!o.stream) {
    ++counters_.waiting_for_stream_credit;
    return false;
  }
  ++counters_.subgroups_out;
  const auto request = std::ranges::find_if(served_, [&](const auto& e) { return &e.second == &s; });
  group_streams_[*o.stream] = request->first;
  lower_.set_priority(*o.stream, urgency_of(s, group));
  base::byte_writer out;
  lite::put_type(out, lite::uni_type::group);
  lite::encode(out, lite::group{s.subscribe_id, group});
  lower_.write(*o.stream, base::bytes::adopt(out.take()), false);
  return true;
}

/// Otherwise it is looked at again in a moment.
bool lite_session::has_room(const lite_group_out& o) {
  if (lower_.unsent(*o.stream) < limits::moq_fetch_unsent_bytes_max) return true;
  again_ = now_ + again;
  lower_.deadline_moved();
  return false;
}

void lite_session::write_frame(lite_served& s, lite_group_out& o, const cached_group& held, const object& what) {
  write_part(s, o, held, what, what.payload.size());
  o.part.reset();
  ++o.next;
  ++counters_.objects_out;
}

/// What there is of an object of `payload_bytes` and not yet written. The header is ours, the payload is shared by all subscriptions.
void lite_session::write_part(lite_served& s, lite_group_out& o, const cached_group& held, const object& what, uint64_t payload_bytes) {
  if (o.part) {
    if (what.payload.size() <= *o.part) return;
    lower_.write(*o.stream, what.payload.slice(*o.part), false);
    counters_.payload_bytes_out += what.payload.size() - *o.part;
    o.part = what.payload.size();
    return;
  }
  lite::frame h;
  h.payload_bytes = payload_bytes;
  if (version_ >= lite::version::v05) {
    bool others = false;
    const auto said = timestamp_of(what.properties, others);
    if (others) ++counters_.properties_left_out;
    uint64_t at = o.timestamp;
    // A track without times of its own gets those at which its groups came, the same for all who ask.
    if (timescale_of(s.t->properties())) at = said.value_or(o.timestamp);
    else at = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(held.since.time_since_epoch()).count());
    at = std::min(at, lite::timestamp_max);
    h.timestamp_delta = static_cast<int64_t>(at) - static_cast<int64_t>(o.timestamp);
    o.timestamp = at;
  } else if (!what.properties.empty()) {
    ++counters_.properties_left_out;
  }
  base::byte_writer out;
  lite::encode(out, h, version_);
  lower_.write(*o.stream, base::bytes::adopt(out.take()), false);
  if (!what.payload.empty()) lower_.write(*o.stream, what.payload, false);
  o.part = what.payload.size();
  counters_.payload_bytes_out += what.payload.size();
}

/// Groups that are older than the newest by more than the subscriber wants to wait. 0 is what clients send who set nothing, and their own
/// publishers then drop nothing: by the draft's words each group would be cut off when the next begins (docs/moq.md).
void lite_session::expire(uint64_t stream, lite_served& s) {
  const auto& groups = s.t->groups();
  if (s.how.max_latency_ms == 0 || groups.empty()) return;
  const auto& latest = *groups.rbegin();
  const auto first_time = [&](const cached_group& g) -> std::optional<uint64_t> {
    bool others = false;
    return g.objects.empty() ? std::nullopt : timestamp_of(g.objects.begin()->second.properties, others);
  };
  const auto scale = timescale_of(s.t->properties());
  const auto latest_time = scale ? first_time(latest.second) : std::nullopt;
  const auto limit = std::chrono::milliseconds(std::min<uint64_t>(s.how.max_latency_ms, 86'400'000));
  std::vector<uint64_t> old;
  for (const auto& [group, o] : s.out) {
    const auto g = groups.find(group);
    if (group >= latest.first || g == groups.end() || (o.finished && o.stream && lower_.unsent(*o.stream) == 0)) continue;
    bool late = latest.second.since - g->second.since > limit;
    if (const auto time = latest_time ? first_time(g->second) : std::nullopt; time && *time < *latest_time) {
      late = late || static_cast<double>(*latest_time - *time) / static_cast<double>(*scale) > std::chrono::duration<double>(limit).count();
    }
    if (late) old.push_back(group);
  }
  for (const uint64_t group : old) {
    ++counters_.groups_delivery_timeout;
    give_up(stream, s, group, code::old);
  }
}

/// A subscriber that reads too slowly loses its oldest group, whole, as often as it takes.
void lite_session::keep_within_bound(uint64_t stream, lite_served& s) {
  for (;;) {
    size_t queued = 0;
    for (auto o = s.out.begin(); o != s.out.end();) {
      const size_t left = o->second.stream ? lower_.unsent(*o->second.stream) : 0;
      if (left == 0 && o->second.finished) { // all of it went out
        group_streams_.erase(*o->second.stream);
        o = s.out.erase(o);
        continue;
      }
      queued += left;
      ++o;
    }
    if (queued <= config_.subscription_unsent_bytes_max || s.out.empty()) return;
    ++counters_.groups_too_far_behind;
    give_up(stream, s, s.out.begin()->first, code::lagged);
  }
}

/// Ends a subscription of which nothing more can come.
void lite_session::try_finish(uint64_t stream) {
  const auto it = served_.find(stream);
  if (closed_ || it == served_.end() || it->second.is_fetch) return;
  auto& s = it->second;
  const bool open = std::ranges::any_of(s.out, [](const auto& o) { return !o.second.finished; });
  const bool past_end = s.t && s.how.end && s.t->largest() && (s.t->largest()->group > *s.how.end || is_done(s, *s.how.end));
  if ((!s.over && !past_end) || open) return;
  if (version_ >= lite::version::v05) {
    uint64_t end = s.done_below;
    if (!s.done.empty()) end = std::max(end, *s.done.rbegin() + 1);
    if (!s.first) end = 0;
    put(stream, false, lite::subscribe_reply{.what = lite::subscribe_reply::kind::end, .how = {}, .group = end}, version_);
  }
  for (const auto& [group, o] : s.out) {
    if (o.stream) group_streams_.erase(*o.stream);
  }
  if (s.t) unwatch(*s.t);
  served_.erase(it);
  finish_stream(stream);
}

/// The peer wants it no more. What is whole and on its way may arrive.
void lite_session::end_served(uint64_t stream, bool reset) {
  const auto it = served_.find(stream);
  if (it == served_.end()) return;
  auto& s = it->second;
  for (const auto& [group, o] : s.out) {
    if (!o.stream || s.is_fetch) continue;
    group_streams_.erase(*o.stream);
    if (o.finished && !reset) continue;
    ++counters_.subgroups_reset_out;
    lower_.reset(*o.stream, code::cancel);
  }
  if (s.t) unwatch(*s.t);
  served_.erase(it);
  if (reset) drop_stream(stream, code::cancel);
  else finish_stream(stream);
}

/// By the stream's id, which is all that a request of the peer has here.
void lite_session::end_subscription(request_id id, uint64_t, std::string_view) {
  const auto it = served_.find(id);
  if (it == served_.end() || it->second.is_fetch) return;
  std::vector<uint64_t> open;
  for (const auto& [group, o] : it->second.out) {
    if (!o.finished) open.push_back(group);
  }
  for (const uint64_t group : open) give_up(id, it->second, group, code::cancel);
  it->second.over = true;
  try_finish(id);
}

void lite_session::pump_all(const track* only) {
  std::vector<std::pair<uint64_t, uint64_t>> order; // the most urgent first: stream credit may be short
  for (const auto& [stream, s] : served_) {
    if (s.t && (!only || s.t == only)) order.emplace_back(255u - s.how.priority, stream);
  }
  std::ranges::stable_sort(order, {}, &std::pair<uint64_t, uint64_t>::first);
  for (const auto& [priority, stream] : order) {
    if (closed_) return;
    pump(stream);
  }
}

/// Something happened to a track: it is seen what of it can go out, or cannot any more.
void lite_session::stirred(track& t, mono_time now) {
  if (closed_) return;
  now_ = now;
  pump_all(&t);
}

void lite_session::on_append(track& t, const object&, bool, mono_time now) { stirred(t, now); }
void lite_session::on_part(track& t, const object_part&, bool, mono_time now) { stirred(t, now); }
void lite_session::on_end_subgroup(track& t, uint64_t, uint64_t, mono_time now) { stirred(t, now); }
void lite_session::on_end_group(track& t, uint64_t, mono_time now) { stirred(t, now); }
void lite_session::on_reset_subgroup(track& t, uint64_t, uint64_t, uint64_t, mono_time now) { stirred(t, now); }

void lite_session::on_reset_group(track& t, uint64_t group, uint64_t c, mono_time now) {
  if (closed_) return;
  now_ = now;
  std::vector<uint64_t> of;
  for (const auto& [stream, s] : served_) {
    if (s.t == &t && s.out.contains(group)) of.push_back(stream);
  }
  for (const uint64_t stream : of) {
    const auto it = served_.find(stream);
    if (it != served_.end() && !give_up(stream, it->second, group, lite_code_of_reset(c))) try_finish(stream);
  }
}

void lite_session::on_end_track(track& t, uint64_t, std::string_view, mono_time now) {
  if (closed_) return;
  now_ = now;
  for (auto& [stream, s] : served_) {
    if (s.t == &t) s.over = true;
  }
  pump_all(&t);
}

void lite_session::on_track_added(track& t, mono_time now) {
  if (closed_) return;
  now_ = now;
  std::vector<uint64_t> asked, wanted;
  for (const auto& [stream, q] : questions_) {
    if (q.name == t.name()) asked.push_back(stream);
  }
  for (const auto& [stream, s] : served_) {
    if (!s.t && !s.over && s.name == t.name()) wanted.push_back(stream);
  }
  for (const uint64_t stream : asked) {
    answer_track(stream, t);
    questions_.erase(stream);
  }
  for (const uint64_t stream : wanted) {
    const auto it = served_.find(stream);
    if (it != served_.end()) begin(stream, it->second, t);
    if (closed_) return;
  }
}

void lite_session::on_track_refused(const full_track_name& name, const request_error& why, mono_time now) {
  if (closed_) return;
  now_ = now;
  std::vector<uint64_t> over;
  for (const auto& [stream, q] : questions_) {
    if (q.name == name) over.push_back(stream);
  }
  for (const auto& [stream, s] : served_) {
    if (!s.t && s.name == name) over.push_back(stream);
  }
  for (const uint64_t stream : over) {
    questions_.erase(stream);
    served_.erase(stream);
    refuse(stream, lite_code_of_request(why.code));
  }
}

void lite_session::on_track_removed(track& t, mono_time now) {
  if (closed_) return;
  now_ = now;
  std::vector<uint64_t> lost;
  for (const auto& [stream, s] : served_) {
    if (s.t == &t) lost.push_back(stream);
  }
  for (const uint64_t stream : lost) {
    const auto it = served_.find(stream);
    if (it == served_.end()) continue;
    auto& s = it->second;
    std::vector<uint64_t> open;
    for (const auto& [group, o] : s.out) {
      if (!o.finished) open.push_back(group);
    }
    bool gone = false;
    for (const uint64_t group : open) gone = gone || give_up(stream, s, group, code::dropped);
    if (gone) continue;
    s.over = true;
    try_finish(stream);
  }
  watched_.erase(&t);
}

void lite_session::on_filled(const fill& what, mono_time now) {
  if (closed_) return;
  now_ = now;
  std::vector<uint64_t> of;
  for (const auto& [stream, s] : served_) {
    if (std::ranges::any_of(s.out, [&](const auto& o) { return o.second.brought.get() == &what; })) of.push_back(stream);
  }
  for (const uint64_t stream : of) pump(stream);
}

void lite_session::on_store_gone() {
  watched_.clear();
  for (auto& [stream, s] : served_) s.t = nullptr;
  store_ = nullptr;
}

} // namespace ec::moq
