// Tracks of a moq-lite peer: our SUBSCRIBE, FETCH and TRACK, and the groups that come for them.
#include <algorithm>

#include "base/limits.hpp"
#include "moq/internal/lite_session.hpp"

namespace ec::moq {

namespace limits = base::limits;
namespace code = lite::code;

namespace {

constexpr uint64_t id_max = ~uint64_t{0};

} // namespace

request_id lite_session::subscribe(const full_track_name& track, const subscribe_options& options) {
  const request_id id = new_own_id();
  if (closed_ || goaway_received_) return local_failure(id, closed_ ? request_code::internal_error : request_code::going_away, "the session ends");
  if (own_.size() >= config_.requests_max) return local_failure(id, request_code::excessive_load, "too many requests");
  if (!lite::to_path(track.ns) || !lite::is_utf8(track.name)) {
    ++counters_.names_unmapped;
    return local_failure(id, request_code::not_supported, "moq-lite has no name for this track");
  }
  if (!options.forward) return local_failure(id, request_code::not_supported, "moq-lite cannot pause a subscription");
  auto& r = own_[id];
  r.name = track;
  r.subscribe_id = next_subscribe_++;
  r.how.priority = static_cast<uint8_t>(255 - options.priority);
  r.how.ordered = options.order == group_order::ascending;
  r.how.max_latency_ms = options.subgroup_delivery_timeout_ms.value_or(0);
  using filter = subscription_filter::kind;
  if (options.filter.type == filter::absolute_start || options.filter.type == filter::absolute_range) {
    r.from = options.filter.start;
    r.how.start = r.from.group;
  }
  if (options.filter.type == filter::absolute_range) r.how.end = options.filter.end_group;
  subscriptions_[r.subscribe_id] = id;
  ++counters_.subscriptions_out;
  advance(id);
  return id;
}

request_id lite_session::track_status(const full_track_name& track) {
  const request_id id = new_own_id();
  if (closed_ || goaway_received_) return local_failure(id, closed_ ? request_code::internal_error : request_code::going_away, "the session ends");
  if (version_ < lite::version::v05) return local_failure(id, request_code::not_supported, "this draft of moq-lite has no TRACK");
  if (!lite::to_path(track.ns) || !lite::is_utf8(track.name)) {
    ++counters_.names_unmapped;
    return local_failure(id, request_code::not_supported, "moq-lite has no name for this track");
  }
  auto& r = own_[id];
  r.kind = request_kind::track_status;
  r.name = track;
  advance(id);
  return id;
}

request_id lite_session::fetch_track(moq::fetch m, const fetch_options& options, request_id joined) {
  const request_id id = new_own_id();
  if (closed_ || goaway_received_) return local_failure(id, closed_ ? request_code::internal_error : request_code::going_away, "the session ends");
  if (version_ < lite::version::v05) return local_failure(id, request_code::not_supported, "this draft of moq-lite has no FETCH that is served");
  if (own_.size() >= config_.requests_max) return local_failure(id, request_code::excessive_load, "too many requests");
  lite_own r;
  r.kind = request_kind::fetch;
  r.priority = static_cast<uint8_t>(255 - options.priority);
  r.joined = joined;
  if (joined != no_request) {
    const auto of = own_.find(joined);
    if (of == own_.end() || of->second.kind != request_kind::subscribe) return local_failure(id, request_code::invalid_joining_request_id, "no such subscription");
    r.name = of->second.name;
    r.groups_back = m.joining_start;
    r.first = {m.joining_start, 0};
    r.last = {m.type == moq::fetch::kind::relative_joining ? 1u : 0u, 0}; // until the subscription has begun: how `groups_back` counts
  } else {
    if (!lite::to_path(m.track.ns) || !lite::is_utf8(m.track.name)) {
      ++counters_.names_unmapped;
      return local_failure(id, request_code::not_supported, "moq-lite has no name for this track");
    }
    r.name = m.track;
    r.first = m.start;
    r.last = m.end.object == 0 ? location{m.end.group, id_max} : location{m.end.group, m.end.object - 1};
    if (r.last < r.first) return local_failure(id, request_code::invalid_range, "the range ends before its start");
    if (r.last.group - r.first.group >= limits::lite_fetch_groups_max) return local_failure(id, request_code::invalid_range, "more groups than are fetched one by one");
  }
  ++counters_.fetches_out;
  own_[id] = std::move(r);
  advance(id);
  return id;
}

void lite_session::update(request_id id, const update_options& options) {
  const auto it = own_.find(id);
  if (it == own_.end()) return;
  auto& r = it->second;
  if (options.forward == false) {
    local_failure(id, request_code::not_supported, "moq-lite cannot pause a subscription");
    return end_own(id, code::cancel);
  }
  if (options.priority) r.how.priority = r.priority = static_cast<uint8_t>(255 - *options.priority);
  using filter = subscription_filter::kind;
  if (options.filter && (options.filter->type == filter::absolute_start || options.filter->type == filter::absolute_range)) {
    r.from = options.filter->start;
    r.how.start = r.from.group;
    r.how.end = options.filter->type == filter::absolute_range ? std::optional(options.filter->end_group) : std::nullopt;
  }
  if (r.kind == request_kind::subscribe && r.stream) put(*r.stream, false, r.how);
  local_answers_.emplace_back(id, request_ok{});
  lower_.deadline_moved();
}

/// True if the request's stream is there, or could be opened.
bool lite_session::open_request(lite_own& r, request_id id, std::optional<uint64_t>& stream, lite_stream::kind what) {
  if (stream) return false;
  stream = lower_.open_bidi();
  if (!stream) {
    ++counters_.waiting_for_stream_credit;
    return false;
  }
  lower_.set_priority(*stream, urgency_request);
  auto& s = streams_[*stream];
  s.what = what;
  s.request = id;
  r.asked_at = now_;
  return true;
}

/// Asks what is to be asked next of a request: what its track is, then for its groups. Clients of moq-lite do so one after the other, and
/// some publishers take two questions at once for two tracks.
void lite_session::advance(request_id id) {
  const auto it = own_.find(id);
  if (closed_ || !connected_ || !peer_setup_ || it == own_.end() || it->second.ends) return;
  auto& r = it->second;
  const lite::track_request track{*lite::to_path(r.name.ns), r.name.name};
  base::byte_writer out;
  if (version_ >= lite::version::v05 && !r.info) {
    if (r.kind == request_kind::fetch && r.joined != no_request) {
      // What it is joined to knows the track, and where it begins.
      const auto of = own_.find(r.joined);
      if (of == own_.end()) return failed(id, request_code::invalid_joining_request_id, "the subscription is over");
      if (!of->second.info || !of->second.start) return;
      const uint64_t start = *of->second.start;
      const bool relative = r.last.group == 1;
      r.info = of->second.info;
      r.first = {relative ? start - std::min(r.groups_back, start) : r.groups_back, 0};
      if (start > r.first.group + limits::lite_fetch_groups_max) return failed(id, request_code::invalid_range, "more groups than are fetched one by one");
      r.last = start == 0 ? location{0, 0} : location{start - 1, id_max};
      r.group = r.first.group;
      accepted(id);
      if (!own_.contains(id)) return;
      if (start == 0 || r.first.group >= start) { // the subscription itself brings all of its first group
        own_.erase(id);
        upper_.on_fetch_end(id, std::nullopt);
        return;
      }
      return next_group(id);
    }
    if (!open_request(r, id, r.info_stream, lite_stream::kind::info)) return;
    lite::put_type(out, lite::bidi_type::track);
    lite::encode(out, track);
    lower_.write(*r.info_stream, base::bytes::adopt(out.take()), false); // some publishers take FIN for a change of mind
    return;
  }
  if (r.kind == request_kind::fetch) return next_group(id);
  if (r.kind != request_kind::subscribe || !open_request(r, id, r.stream, lite_stream::kind::subscription)) return;
  if (r.answered) r.asked_at.reset(); // its groups may be long in coming
  lite::put_type(out, lite::bidi_type::subscribe);
  lite::encode(out, lite::subscribe{r.subscribe_id, track.broadcast, track.track, r.how});
  lower_.write(*r.stream, base::bytes::adopt(out.take()), false);
}

void lite_session::advance_all() {
  std::vector<request_id> all;
  for (const auto& [id, r] : own_) all.push_back(id);
  for (const request_id id : all) advance(id);
}

track_properties lite_session::properties_of(const lite_own& r) const {
  track_properties p;
  if (!r.info) return p;
  if (r.info->priority != 255 - 128) p.priority = static_cast<uint8_t>(255 - r.info->priority);
  if (!r.info->ordered) p.order = group_order::descending;
  p.max_cache_duration_ms = r.info->max_latency_ms;
  p.others.push_back({.type = loc::timescale, .number = r.info->timescale, .value = {}});
  return p;
}

/// The peer has the track.
void lite_session::accepted(request_id id) {
  auto& r = own_.at(id);
  r.answered = true;
  r.asked_at.reset();
  const auto properties = properties_of(r);
  switch (r.kind) {
  case request_kind::subscribe: {
    subscribe_ok ok;
    ok.alias = r.subscribe_id;
    ok.properties = properties; // without its largest location: the newest group comes from its beginning
    return upper_.on_subscribe_ok(id, ok);
  }
  case request_kind::fetch: {
    fetch_ok ok;
    ok.end = r.last.object == id_max ? location{r.last.group, 0} : location{r.last.group, r.last.object + 1};
    ok.properties = properties;
    r.group = r.first.group;
    return upper_.on_fetch_ok(id, ok);
  }
  default: {
    own_.erase(id);
    request_ok ok;
    ok.properties = properties;
    return upper_.on_request_ok(id, ok);
  }
  }
}

void lite_session::read_info(uint64_t stream) {
  auto& s = streams_.at(stream);
  const request_id id = s.request;
  base::byte_reader in(s.in.view());
  const auto m = lite::decode_track_info(in);
  if (!m) {
    if (!m.error().need_more) return fail(m.error().code, m.error().reason);
    if (s.in_ended) own_over(id, std::nullopt);
    return;
  }
  s.in.consume(in.position());
  if (s.in.size() > 0) return fail(code::unexpected_message, "more than TRACK_INFO on its stream");
  finish_stream(stream);
  const auto it = own_.find(id);
  if (it == own_.end()) return;
  it->second.info_stream.reset();
  it->second.info = m.value();
  accepted(id);
  if (!closed_) advance(id);
}

void lite_session::read_replies(uint64_t stream) {
  using kind = lite::subscribe_reply::kind;
  for (;;) {
    const auto at = streams_.find(stream);
    if (closed_ || at == streams_.end() || at->second.what != lite_stream::kind::subscription) return;
    auto& s = at->second;
    const request_id id = s.request;
    const auto it = own_.find(id);
    if (it == own_.end()) return;
    auto& r = it->second;
    base::byte_reader in(s.in.view());
    const auto m = lite::decode_subscribe_reply(in, version_);
    if (!m) {
      if (!m.error().need_more) return fail(m.error().code, m.error().reason);
      if (!s.in_ended) return;
      if (s.in.size() > 0) return fail(code::protocol_violation, "an answer to SUBSCRIBE ends before its end");
      return own_over(id, std::nullopt);
    }
    s.in.consume(in.position());
    switch (m.value().what) {
    case kind::ok:
      if (!r.answered) accepted(id);
      break;
    case kind::start:
      r.start = m.value().group;
      advance_all(); // joining fetches wait for it
      break;
    case kind::end: r.end_group = m.value().group; break;
    case kind::drop: ++counters_.groups_dropped_in; break;
    }
  }
}

/// The stream of one of our requests is over.
void lite_session::own_over(request_id id, std::optional<uint64_t> reset) {
  const auto it = own_.find(id);
  if (it == own_.end()) return;
  auto& r = it->second;
  if (!r.answered || (r.kind != request_kind::subscribe)) {
    const uint64_t why = reset.value_or(code::not_found);
    return failed(id, request_code_of(why), reset ? "the peer refused the request with code " + std::to_string(*reset) : "the peer ended the request without an answer");
  }
  lite_own::ending e;
  e.status = reset ? done_code::internal_error : r.end_group || version_ < lite::version::v05 ? done_code::track_ended : done_code::subscription_ended;
  e.reason = reset ? "the peer reset the subscription with code " + std::to_string(*reset) : "the track ended";
  e.until = now_ + config_.done_wait;
  if (r.stream) {
    const uint64_t stream = *std::exchange(r.stream, std::nullopt);
    if (reset) drop_stream(stream, code::cancel);
    else finish_stream(stream);
  }
  r.ends = std::move(e);
  // Groups may still be on their way beside it. When the last that can be is whole, all is told.
  const bool open = std::ranges::any_of(streams_, [&](const auto& s) { return s.second.group && s.second.group->request == id; });
  const bool all = r.end_group && (*r.end_group == 0 || r.seen.contains(*r.end_group - 1));
  if (!open && all) settle(id);
}

/// Tells the end of a subscription, after its last group.
void lite_session::settle(request_id id) {
  const auto it = own_.find(id);
  if (it == own_.end() || !it->second.ends) return;
  const auto e = *it->second.ends;
  end_own(id, code::cancel);
  upper_.on_publish_done(id, e.status, e.reason, publish_done::streams_unknown);
}

/// Forgets a request and stops what still comes for it.
void lite_session::end_own(request_id id, uint64_t c) {
  const auto it = own_.find(id);
  if (it == own_.end()) return;
  const auto r = std::move(it->second);
  own_.erase(it);
  if (r.kind == request_kind::subscribe) subscriptions_.erase(r.subscribe_id);
  std::vector<uint64_t> groups;
  for (const auto& [stream, s] : streams_) {
    if (s.group && s.group->request == id && (stream & 2)) groups.push_back(stream);
  }
  for (const uint64_t stream : groups) drop_stream(stream, code::cancel);
  for (const auto& stream : {r.info_stream, r.stream}) {
    if (stream) drop_stream(*stream, c);
  }
}

void lite_session::failed(request_id id, uint64_t c, std::string reason) {
  const auto it = own_.find(id);
  if (it == own_.end()) return;
  const bool begun = it->second.answered;
  const auto kind = it->second.kind;
  end_own(id, code::cancel);
  ++counters_.request_errors_in;
  if (begun && kind == request_kind::fetch) return upper_.on_fetch_end(id, reset_code::internal_error);
  upper_.on_request_error(id, {.code = c, .retry_after_ms = {}, .reason = std::move(reason), .to = {}});
}

void lite_session::cancel(request_id id, request_kind kind) {
  if (const auto o = offers_.find(id); o != offers_.end() && kind == request_kind::publish_namespace) {
    const auto ns = o->second.ns;
    offers_.erase(o);
    return retell(ns);
  }
  if (kind == request_kind::subscribe_namespace) {
    const auto q = std::ranges::find_if(inquiries_, [&](const auto& one) { return one.id == id && id != no_request; });
    if (q == inquiries_.end()) return;
    if (q->stream) drop_stream(*q->stream, code::cancel);
    inquiries_.erase(q);
    return;
  }
  const auto it = own_.find(id);
  if (it == own_.end() || it->second.kind != kind) return;
  end_own(id, code::cancel);
}

/// Fetches go one group after the other.
void lite_session::next_group(request_id id) {
  auto& r = own_.at(id);
  if (!open_request(r, id, r.stream, lite_stream::kind::fetch)) return;
  auto& s = streams_.at(*r.stream);
  s.group = std::make_unique<lite_group_in>();
  s.group->request = id;
  s.group->group = r.group;
  ++groups_open_;
  base::byte_writer out;
  lite::put_type(out, lite::bidi_type::fetch);
  lite::encode(out, lite::fetch{{*lite::to_path(r.name.ns), r.name.name}, r.priority, r.group});
  lower_.write(*r.stream, base::bytes::adopt(out.take()), false);
}

/// A group's stream has its head, or waits for it.
void lite_session::start_group(uint64_t stream) {
  auto& s = streams_.at(stream);
  base::byte_reader in(s.in.view());
  const auto m = lite::decode_group(in);
  if (!m) {
    if (!m.error().need_more) return fail(m.error().code, m.error().reason);
    if (s.in_ended && s.in.size() > 0) return fail(code::protocol_violation, "a group ends within its head");
    if (s.in_ended) streams_.erase(stream);
    return;
  }
  s.in.consume(in.position());
  const auto of = subscriptions_.find(m.value().subscribe);
  if (of == subscriptions_.end()) {
    if (m.value().subscribe >= next_subscribe_) ++counters_.streams_unknown_alias;
    return drop_stream(stream, code::cancel); // mostly of a subscription that is over
  }
  auto& r = own_.at(of->second);
  if (groups_open_ >= limits::lite_groups_open_max) {
    ++counters_.requests_refused_load;
    return drop_stream(stream, code::dropped);
  }
  if (r.seen.contains(m.value().sequence)) {
    ++counters_.objects_duplicate;
    return drop_stream(stream, code::duplicate);
  }
  r.seen.insert(m.value().sequence);
  if (r.seen.size() > limits::lite_groups_seen_max) r.seen.erase(r.seen.begin());
  s.group = std::make_unique<lite_group_in>();
  s.group->request = of->second;
  s.group->group = m.value().sequence;
  ++groups_open_;
  read_frames(stream);
}

void lite_session::read_frames(uint64_t stream) {
  for (;;) {
    const auto at = streams_.find(stream);
    if (closed_ || at == streams_.end() || !at->second.group) return;
    auto& s = at->second;
    auto& g = *s.group;
    if (!g.frame) {
      base::byte_reader in(s.in.view());
      const auto m = lite::decode_frame(in, version_);
      if (!m) {
        if (!s.in_ended) return;
        if (s.in.size() > 0) return fail(code::protocol_violation, "a group ends within a frame");
        return group_over(stream, std::nullopt);
      }
      s.in.consume(in.position());
      const auto delta = m.value().timestamp_delta;
      const auto back = delta < 0 ? uint64_t{0} - static_cast<uint64_t>(delta) : 0;
      if (m.value().payload_bytes > config_.object_bytes_max) {
        ++counters_.objects_too_large;
        drop_stream(stream, code::frame_too_large);
        return;
      }
      if (back > g.timestamp || (delta > 0 && g.timestamp + static_cast<uint64_t>(delta) > base::quic_varint_max)) {
        ++counters_.tracks_malformed;
        return group_over(stream, code::timestamp_mismatch);
      }
      g.timestamp = g.timestamp + static_cast<uint64_t>(delta);
      g.frame = m.value();
      g.told = {.told = 0, .since = now_};
    }
    const auto size = static_cast<size_t>(g.frame->payload_bytes);
    base::bytes payload;
    if (g.payload.empty() && s.in.size() >= size) {
      payload = s.in.take(size);
    } else {
      g.payload.take(s.in, size);
      if (g.payload.size() < size) {
        if (s.in_ended) return fail(code::protocol_violation, "a group ends within a frame");
        if (is_part_due(g.told, g.payload.size(), size)) tell_part(stream);
        return;
      }
      payload = g.payload.finish();
    }
    g.frame.reset();
    if (!deliver(stream, g, std::move(payload))) return;
  }
}

/// The frame that comes next in a group.
object lite_session::object_of(const lite_own& r, const lite_group_in& g, base::bytes payload) const {
  object o;
  o.group = g.group;
  o.id = g.next;
  if (r.info) o.priority = static_cast<uint8_t>(255 - r.info->priority);
  if (version_ >= lite::version::v05) o.properties = timestamp_properties(g.timestamp);
  o.payload = std::move(payload);
  return o;
}

/// True if it was not asked for: groups come whole.
bool lite_session::is_passed_over(const lite_own& r, const object& o) const {
  return r.kind == request_kind::fetch ? o.at() < r.first || o.at() > r.last : o.at() < r.from;
}

/// What came of the frame under way.
void lite_session::tell_part(uint64_t stream) {
  auto& g = *streams_.at(stream).group;
  const request_id id = g.request;
  const auto r = own_.find(id);
  if (r == own_.end() || r->second.kind == request_kind::fetch) return;
  g.told = {.told = g.payload.size(), .since = now_};
  const object_part p{.begun = object_of(r->second, g, g.payload.view()), .payload_bytes = g.frame->payload_bytes};
  if (is_passed_over(r->second, p.begun)) return;
  if (!std::exchange(g.begun, true)) upper_.on_subgroup_begin(id, p.begun.group, 0, p.begun.id == 0, true);
  if (!closed_ && own_.contains(id)) upper_.on_object_part(id, p);
}

/// Those whose time has come, although nothing more comes of them now.
void lite_session::tell_parts() {
  parts_due_.reset();
  std::vector<uint64_t> due;
  for (const auto& [stream, s] : streams_) {
    if (s.group && s.group->frame && is_part_due(s.group->told, s.group->payload.size(), s.group->frame->payload_bytes)) due.push_back(stream);
  }
  std::ranges::sort(due);
  for (const uint64_t stream : due) {
    const auto at = streams_.find(stream);
    if (closed_) return;
    if (at != streams_.end() && at->second.group && at->second.group->frame) tell_part(stream);
  }
}

/// False: the request is over, and the group with it.
bool lite_session::deliver(uint64_t stream, lite_group_in& g, base::bytes payload) {
  const request_id id = g.request;
  const auto it = own_.find(id);
  if (it == own_.end()) return false;
  const auto& r = it->second;
  const auto o = object_of(r, g, std::move(payload));
  ++g.next;
  ++counters_.objects_in;
  counters_.payload_bytes_in += o.payload.size();
  const bool fetched = r.kind == request_kind::fetch;
  if (is_passed_over(r, o)) return true;
  if (!fetched && !std::exchange(g.begun, true)) upper_.on_subgroup_begin(id, o.group, 0, o.id == 0, true);
  if (own_.contains(id)) upper_.on_object(id, o);
  const auto still = streams_.find(stream);
  return !closed_ && own_.contains(id) && still != streams_.end() && still->second.group;
}

/// A group ended, whole or not.
void lite_session::group_over(uint64_t stream, std::optional<uint64_t> reset) {
  const auto at = streams_.find(stream);
  if (at == streams_.end() || !at->second.group) return;
  const auto g = std::move(at->second.group);
  if (groups_open_ > 0) --groups_open_;
  const bool fetched = !(stream & 2);
  if (reset) drop_stream(stream, fetched ? code::cancel : *reset);
  else if (fetched) finish_stream(stream);
  else streams_.erase(stream);
  const request_id id = g->request;
  const auto it = own_.find(id);
  if (it == own_.end()) return;
  if (fetched) {
    auto& r = it->second;
    r.stream.reset();
    r.asked_at.reset();
    const auto group = r.group;
    const location last{group, id_max};
    const bool more = group < r.last.group;
    if (more) ++r.group;
    if (reset) upper_.on_fetch_gap(id, std::min(last, r.last), true);
    if (closed_ || !own_.contains(id)) return;
    if (more) return next_group(id);
    own_.erase(id);
    return upper_.on_fetch_end(id, std::nullopt);
  }
  if (reset) ++counters_.subgroups_reset_in;
  if (g->begun) upper_.on_subgroup_end(id, g->group, 0, reset ? std::optional(reset_code_of(*reset)) : std::nullopt, !reset);
  const auto left = own_.find(id);
  if (closed_ || left == own_.end() || !left->second.ends || !left->second.end_group) return;
  const bool open = std::ranges::any_of(streams_, [&](const auto& s) { return s.second.group && s.second.group->request == id; });
  if (!open && (*left->second.end_group == 0 || left->second.seen.contains(*left->second.end_group - 1))) settle(id);
}

void lite_session::on_datagram(base::bytes data, mono_time now) {
  if (closed_ || version_ < lite::version::v05) return;
  now_ = now;
  base::byte_reader in(data.span());
  const auto m = lite::decode_datagram(in);
  if (!m || data.size() > lite::datagram_bytes_max) {
    ++counters_.datagrams_ignored; // a datagram is never fatal [lite Datagrams]
    return;
  }
  const auto of = subscriptions_.find(m.value().subscribe);
  if (of == subscriptions_.end() || !own_.at(of->second).answered) {
    ++counters_.datagrams_ignored;
    return;
  }
  const request_id id = of->second;
  auto& r = own_.at(id);
  if (!r.seen.insert(m.value().sequence).second) {
    ++counters_.objects_duplicate;
    return;
  }
  if (r.seen.size() > limits::lite_groups_seen_max) r.seen.erase(r.seen.begin());
  object o;
  o.group = m.value().sequence;
  if (r.info) o.priority = static_cast<uint8_t>(255 - r.info->priority);
  o.properties = timestamp_properties(m.value().timestamp);
  o.payload = data.slice(in.position());
  o.datagram = true;
  ++counters_.datagrams_in;
  ++counters_.objects_in;
  counters_.payload_bytes_in += o.payload.size();
  if (o.at() >= r.from) upper_.on_object(id, o);
}

} // namespace ec::moq
