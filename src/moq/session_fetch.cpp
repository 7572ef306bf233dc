// Fetches of the peer, served from what a track still holds.
#include <algorithm>

#include "moq/internal/session_impl.hpp"

namespace ec::moq {
namespace {

constexpr uint64_t id_max = ~uint64_t{0};
constexpr auto again = std::chrono::milliseconds(10); // for a lower layer that does not tell when it can take more

/// Until when a fetch lets us look for what is not here; nothing: as long as the finder likes.
std::optional<mono_time> fill_end(const parameters& p, mono_time now) {
  if (!p.fill_timeout_ms) return std::nullopt;
  return now + std::chrono::milliseconds(std::min(*p.fill_timeout_ms, wait_ms_max));
}

} // namespace

void session::impl::serve_fetch(uint64_t stream, const moq::fetch& m) {
  location start = m.start, end = m.end;
  track* t = nullptr;
  std::shared_ptr<const void> interest;
  if (m.type == moq::fetch::kind::standalone) {
    if (is_reserved(m.track.ns)) return refuse(stream, request_code::does_not_exist, "the namespace is reserved");
    std::optional<request_error> no;
    interest = store_ ? store_->want(m.track, now_, no) : nullptr;
    t = store_ ? store_->find(m.track) : nullptr;
    if (!t && (!store_ || no)) {
      return no ? refuse(stream, no->code, no->reason, no->retry_after_ms) : refuse(stream, request_code::does_not_exist, "no such track");
    }
    if (!t && m.params.fill_timeout_ms == 0) return refuse(stream, request_code::timeout, "the track is not held here", 1000);
    if (!t) { // answered when somebody was found who has it
      bidis_[stream].request = m.id;
      auto& r = peers_[m.id];
      r.kind = request_kind::fetch;
      r.stream = stream;
      r.interest = std::move(interest);
      r.waiting_fetch = std::make_unique<moq::fetch>(m);
      r.fill_until = fill_end(m.params, now_);
      return;
    }
  } else {
    const auto joined = peers_.find(m.joining_id);
    if (joined == peers_.end() || !joined->second.sub || (joined->second.sub->end && !joined->second.sub->established)) {
      return refuse(stream, request_code::invalid_joining_request_id, "no such subscription");
    }
    auto& s = *joined->second.sub;
    if (!s.established) { // answered with the subscription
      if (s.joins_waiting.size() >= 16) return refuse(stream, request_code::excessive_load, "too many joining fetches");
      bidis_[stream].request = m.id;
      auto& r = peers_[m.id];
      r.kind = request_kind::fetch;
      r.stream = stream;
      s.joins_waiting.push_back(m);
      return;
    }
    t = store_ ? store_->find(s.name) : nullptr;
    if (!t) return refuse(stream, request_code::does_not_exist, "no such track");
    if (!s.forward) return refuse(stream, request_code::invalid_range, "the subscription does not forward");
    if (!s.joining) return refuse(stream, request_code::invalid_range, "nothing is published yet");
    end = {s.joining->group, s.joining->object + 1};
    if (m.type == moq::fetch::kind::relative_joining) {
      start = {s.joining->group - std::min(m.joining_start, s.joining->group), 0};
    } else {
      start = {m.joining_start, 0};
    }
  }
  const auto largest = t->largest();
  if (!largest || start > *largest) return refuse(stream, request_code::invalid_range, "nothing is published there");
  if (end.group < start.group || (end.group == start.group && end.object != 0 && end.object <= start.object)) {
    return refuse(stream, request_code::invalid_range, "the range ends before its start");
  }
  ++counters_.fetches_in;
  bidis_[stream].request = m.id;
  auto& r = peers_[m.id];
  r.kind = request_kind::fetch;
  r.stream = stream;
  r.interest = std::move(interest);
  start_served_fetch(m.id, r, *t, start, end, m.params);
}

void session::impl::start_served_fetch(request_id id, peer_request& r, track& t, location start, location end, const parameters& p) {
  const location largest = *t.largest();
  location last = end.object == 0 ? location{end.group, id_max} : location{end.group, end.object - 1};
  fetch_ok ok;
  ok.end = end;
  // The whole of the largest group ends where publishing is; so does everything beyond.
  if (last > largest) {
    last = largest;
    ok.end = {largest.group, largest.object + 1};
  }
  ok.end_of_track = t.ended() && last == largest;
  ok.properties = t.properties();
  r.fetched = std::make_unique<served_fetch>();
  auto& f = *r.fetched;
  f.t = &t;
  f.cursor.order = p.order.value_or(group_order::ascending);
  f.first = start;
  f.last = last;
  f.next = f.cursor.order == group_order::ascending ? start : location{last.group, start.group == last.group ? start.object : 0};
  f.priority = p.priority.value_or(128);
  f.sure = start;
  f.ok = std::move(ok);
  f.waiting = true;
  f.brought = store_->bring(t, start, last, now_);
  r.fill_until = fill_end(p, now_);
  if (!f.brought || f.brought->is != fill::state::asked) return answer_waiting_fetch(id, r);
  if (r.fill_until && *r.fill_until <= now_) give_up_filling(id, r);
}

/// The time is over in which what is not here may be looked for: the rest is unknown, and what comes yet goes along.
void session::impl::give_up_filling(request_id id, peer_request& r) {
  if (r.waiting_fetch) {
    refuse(r.stream, request_code::timeout, "nobody gave the track in time", 1000);
    return end_peer(id);
  }
  answer_waiting_fetch(id, r);
}

void session::impl::answer_waiting_fetch(request_id id, peer_request& r) {
  auto& f = *r.fetched;
  f.waiting = false;
  r.fill_until.reset();
  if (f.brought && f.brought->is == fill::state::failed) {
    const auto why = f.brought->error;
    refuse(r.stream, why.code, why.reason, why.retry_after_ms);
    return end_peer(id);
  }
  f.holes_unknown = f.brought && f.brought->is != fill::state::whole;
  send(r.stream, f.ok);
  pump_fetch(id);
}

void session::impl::pump_fetch(request_id id) {
  const auto it = peers_.find(id);
  if (closed_ || it == peers_.end() || !it->second.fetched) return;
  auto& f = *it->second.fetched;
  if (f.waiting) return;
  if (!f.stream) {
    f.stream = lower_.open_uni();
    if (!f.stream) {
      ++counters_.waiting_for_stream_credit;
      return;
    }
    data_out_[*f.stream] = id;
    lower_.set_priority(*f.stream, urgency(f.priority, 128, f.cursor.order, 0, 0, 0));
    lower_.write(*f.stream, base::bytes::adopt(draft_.encode_fetch_header({id})), false);
  }
  // Backwards there is no way to say it.
  if (f.lost || (f.holes_unknown && f.cursor.order == group_order::descending)) return finish_fetch(id, reset_code::unknown_object_status);
  while (lower_.unsent(*f.stream) < base::limits::moq_fetch_unsent_bytes_max) {
    if (!fetch_step(f)) return finish_fetch(id, std::nullopt);
  }
  fetch_again_ = now_ + again;
}

/// Writes the next object or range. False: there is none.
bool session::impl::fetch_step(served_fetch& f) {
  const auto& groups = f.t->groups();
  const bool up = f.cursor.order == group_order::ascending;
  const auto put_gap = [&](location last) {
    f.sure = {last.group, last.object + (last.object < id_max ? 1 : 0)};
    lower_.write(*f.stream, base::bytes::adopt(draft_.encode_fetch_item(fetch_range_end{last, true}, f.cursor)), false);
  };
  for (;;) {
    const auto nothing_more = [&] {
      if (!f.holes_unknown || f.sure > f.last) return false;
      put_gap(f.last);
      f.next = {id_max, id_max}, f.last = {0, 0};
      return true;
    };
    if (up ? f.next > f.last : f.next.group == id_max && f.next.object == id_max) return nothing_more();
    const auto evicted = f.t->evicted_through();
    if (evicted && f.next <= *evicted && !groups.contains(f.next.group)) {
      // What is no longer held is unknown, not missing; what was brought back is held.
      if (up) {
        const auto back = groups.lower_bound(f.next.group);
        const location until = back != groups.end() && back->first <= evicted->group ? location{back->first - 1, id_max} : *evicted;
        const location last = std::min(until, f.last);
        put_gap(last);
        f.next = {until.group + 1, 0};
        f.sure = f.next;
      } else {
        put_gap(f.first);
        f.next = {id_max, id_max};
      }
      return true;
    }
    // The group at, or next in order to, where we are.
    auto g = groups.lower_bound(f.next.group);
    if (up) {
      if (g == groups.end() || g->first > f.last.group) return nothing_more();
      if (g->first > f.next.group) f.next = {g->first, 0};
    } else if (g == groups.end() || g->first > f.next.group) {
      // Nothing in this group: step down to the one before.
      const bool below = g != groups.begin() && std::prev(g)->first >= f.first.group;
      if (!below) {
        if (evicted && evicted->group >= f.first.group) {
          f.next = {std::min(evicted->group, f.last.group), 0};
          continue;
        }
        return false;
      }
      --g;
      f.next = {g->first, g->first == f.first.group ? f.first.object : 0};
    }
    const auto step_on = [&] {
      if (up) {
        if (g->first == id_max) f.next = {id_max, id_max}, f.last = {0, 0};
        else f.next = {g->first + 1, 0};
      } else if (g->first == f.first.group || g->first == 0) {
        f.next = {id_max, id_max};
      } else {
        f.next = {g->first - 1, g->first - 1 == f.first.group ? f.first.object : 0};
      }
    };
    if (g->second.was_reset) {
      const location last = up ? std::min(location{g->first, g->second.largest}, f.last) : location{g->first, f.next.object};
      put_gap(last);
      step_on();
      return true;
    }
    auto o = g->second.objects.lower_bound(f.next.object);
    if (const auto& trimmed = g->second.trimmed; trimmed && f.next.object <= *trimmed && (o == g->second.objects.end() || o->first > f.next.object)) {
      const uint64_t until = o == g->second.objects.end() ? *trimmed : std::min(*trimmed, o->first - 1);
      put_gap(std::min(location{g->first, until}, f.last));
      f.next = {g->first, until + (until < id_max ? 1 : 0)};
      return true;
    }
    while (o != g->second.objects.end() && o->second.status != object_status::normal) ++o;
    if (o == g->second.objects.end() || o->second.at() > f.last) {
      if (up && o != g->second.objects.end()) return nothing_more();
      if (g->second.ended && f.sure.group == g->first && g->first < id_max && (o == g->second.objects.end() && f.sure.object > g->second.largest)) f.sure = {g->first + 1, 0};
      step_on();
      continue;
    }
    if (f.holes_unknown && o->second.at() > f.sure) {
      put_gap(o->first > 0 ? location{g->first, o->first - 1} : location{g->first - 1, id_max});
      f.sure = o->second.at();
      f.next = f.sure;
      return true;
    }
    object_header h;
    h.group = g->first;
    h.subgroup = o->second.subgroup;
    h.id = o->first;
    h.priority = o->second.priority;
    h.datagram = o->second.datagram;
    h.properties = o->second.properties;
    h.payload_bytes = o->second.payload.size();
    lower_.write(*f.stream, base::bytes::adopt(draft_.encode_fetch_item(h, f.cursor)), false);
    if (!o->second.payload.empty()) lower_.write(*f.stream, o->second.payload, false);
    ++counters_.objects_out;
    counters_.payload_bytes_out += o->second.payload.size();
    f.sure = {g->first, o->first + (o->first < id_max ? 1 : 0)};
    if (o->first == id_max) step_on();
    else f.next = {g->first, o->first + 1};
    return true;
  }
}

void session::impl::finish_fetch(request_id id, std::optional<uint64_t> reset) {
  const auto it = peers_.find(id);
  if (it == peers_.end() || !it->second.fetched) return;
  auto& f = *it->second.fetched;
  const uint64_t request_stream = it->second.stream;
  if (f.stream) {
    data_out_.erase(*f.stream);
    if (reset) {
      lower_.reset(*f.stream, *reset);
    } else {
      lower_.write(*f.stream, {}, true);
    }
  }
  lower_.write(request_stream, {}, true);
  end_peer(id);
}

} // namespace ec::moq
