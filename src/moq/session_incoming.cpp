// Data streams of the peer: subgroups of our subscriptions, objects of our fetches.
#include <algorithm>

#include "moq/internal/session_impl.hpp"

namespace ec::moq {

namespace limits = base::limits;

void session::impl::start_subgroup(uint64_t stream, uni_stream& s) {
  const auto known = aliases_.find(s.subgroup.alias);
  if (known == aliases_.end()) {
    // It may belong to a SUBSCRIBE that is not answered yet or to a PUBLISH that it overtook; otherwise nobody waits for it.
    const bool hope = std::ranges::find(retired_aliases_, s.subgroup.alias) == retired_aliases_.end() &&
                      (takes_publish() || std::ranges::any_of(own_, [](const auto& r) { return r.second.kind == request_kind::subscribe && !r.second.answered; }));
    if (!s.parked_until) {
      park(s, config_.unknown_alias_wait);
    }
    early_bytes_ += s.in.size() - s.held;
    s.held = s.in.size();
    if (!hope || early_streams_ > limits::moq_early_streams_max || early_bytes_ > limits::moq_early_bytes_max) {
      drop_uni(stream, reset_code::cancelled, true);
    }
    return;
  }
  release_held(s);
  s.request = known->second;
  auto& r = own_.at(s.request);
  ++r.streams_seen;
  r.data_streams.insert(stream);
  read_subgroup(stream);
}

/// SUBSCRIBE_OK or PUBLISH told an alias: streams that came before it go on.
void session::impl::unpark() {
  std::vector<uint64_t> waiting;
  for (const auto& [id, s] : unis_) {
    if (s.what == uni_stream::kind::subgroup && s.request == no_request && aliases_.contains(s.subgroup.alias)) waiting.push_back(id);
  }
  std::ranges::sort(waiting);
  for (const uint64_t id : waiting) {
    const auto it = unis_.find(id);
    if (closed_) return;
    if (it != unis_.end()) start_subgroup(id, it->second);
  }
}

/// Stops a stream within an object that is too large; its subgroup or fetch ends there.
void session::impl::give_up_object(uint64_t stream, uni_stream& s) {
  const request_id id = s.request;
  const auto header = s.subgroup;
  const bool of_fetch = s.what == uni_stream::kind::fetch;
  auto& r = own_.at(id);
  r.data_streams.erase(stream);
  drop_uni(stream, reset_code::excessive_load, false);
  if (of_fetch) {
    r.data_ended = true;
    r.data_reset = reset_code::excessive_load;
    settle_fetch(id);
  } else {
    upper_.on_subgroup_end(id, header.group, header.subgroup.value_or(0), reset_code::excessive_load, false);
    if (!closed_) settle_done(id);
  }
}

/// Notes the header of the next object. False: the stream is dropped or the session closed.
bool session::impl::take_header(uint64_t stream, uni_stream& s, const object_header& h) {
  const auto p = draft_.check_object_properties(h.properties);
  if (!p) {
    fail(p.error());
    return false;
  }
  if (h.payload_bytes > config_.object_bytes_max) {
    ++counters_.objects_too_large;
    s.subgroup.subgroup = s.subgroup.subgroup.value_or(h.id);
    give_up_object(stream, s);
    return false;
  }
  s.current = {};
  s.current.group = h.group;
  s.current.subgroup = h.subgroup;
  s.current.id = h.id;
  s.current.priority = h.priority;
  s.current.status = h.status;
  s.current.datagram = h.datagram;
  if (!h.properties.empty()) s.current.properties = base::bytes::copy(h.properties);
  s.payload_bytes = h.payload_bytes;
  s.told = {.told = 0, .since = now_};
  s.has_object = true;
  return true;
}

/// Collects the payload of the object under way. True: it is whole.
bool session::impl::take_payload(uni_stream& s) {
  if (s.payload.empty() && s.in.size() >= s.payload_bytes) {
    s.current.payload = s.payload_bytes > 0 ? s.in.take(s.payload_bytes) : base::bytes{};
    return true;
  }
  s.payload.take(s.in, s.payload_bytes);
  if (s.payload.size() < s.payload_bytes) return false;
  s.current.payload = s.payload.finish();
  return true;
}

/// What came of the object under way. Nobody has judged it yet: if it contradicts what came before, its request ends with it.
void session::impl::tell_part(uint64_t stream) {
  auto& s = unis_.at(stream);
  if (draft_.check_object_properties(s.current.properties).value().malformed) return;
  s.told = {.told = s.payload.size(), .since = now_};
  object_part p{.begun = s.current, .payload_bytes = s.payload_bytes};
  p.begun.payload = s.payload.view();
  const request_id id = s.request;
  const auto header = s.subgroup;
  if (!s.previous && !std::exchange(s.begun, true)) upper_.on_subgroup_begin(id, p.begun.group, p.begun.subgroup, header.first_object, header.end_of_group);
  if (!closed_ && own_.contains(id)) upper_.on_object_part(id, p);
}

/// Those whose time has come, although nothing more comes of them now.
void session::impl::tell_parts() {
  parts_due_.reset();
  std::vector<uint64_t> streams;
  for (const auto& [stream, s] : unis_) {
    if (s.what != uni_stream::kind::subgroup || !s.has_object || !own_.contains(s.request)) continue;
    if (is_part_due(s.told, s.payload.size(), s.payload_bytes)) streams.push_back(stream);
  }
  std::ranges::sort(streams);
  for (const uint64_t stream : streams) {
    const auto it = unis_.find(stream);
    if (closed_) return;
    if (it != unis_.end() && it->second.has_object && own_.contains(it->second.request)) tell_part(stream);
  }
}

void session::impl::read_subgroup(uint64_t stream) {
  for (;;) {
    const auto it = unis_.find(stream);
    if (closed_ || it == unis_.end() || it->second.what != uni_stream::kind::subgroup) return;
    auto& s = it->second;
    const auto owner = own_.find(s.request);
    if (owner == own_.end()) return drop_uni(stream, reset_code::cancelled, false);
    auto& r = owner->second;
    if (!s.has_object) {
      base::byte_reader in(s.in.view());
      const auto h = draft_.decode_subgroup_object(in, s.subgroup, s.previous);
      if (!h) {
        if (!h.error().need_more) return fail(h.error());
        if (!s.in_ended) return;
        if (s.in.size() > 0) return fail(session_code::protocol_violation, "a stream ends within an object");
        const request_id id = s.request;
        const auto header = s.subgroup;
        const auto last = s.previous;
        const uint64_t subgroup = header.subgroup.value_or(0);
        r.data_streams.erase(stream);
        unis_.erase(it);
        if (!r.seen->finish(header.group, subgroup, last, header.end_of_group)) return malformed(id, "a subgroup or group has two ends");
        upper_.on_subgroup_end(id, header.group, subgroup, std::nullopt, header.end_of_group);
        if (!closed_) settle_done(id);
        return;
      }
      auto header = h.value();
      if (!s.subgroup.subgroup) s.subgroup.subgroup = header.id;
      header.subgroup = *s.subgroup.subgroup;
      header.priority = s.subgroup.priority.value_or(r.default_priority);
      // Properties are borrowed from the buffer: they are taken over before it moves on.
      const size_t used = in.position();
      if (!take_header(stream, s, header)) return;
      s.in.consume(used);
    }
    if (!take_payload(s)) {
      if (s.in_ended) return fail(session_code::protocol_violation, "a stream ends within an object");
      if (is_part_due(s.told, s.payload.size(), s.payload_bytes)) tell_part(stream);
      return;
    }
    s.has_object = false;
    const bool begins = !s.previous && !s.begun;
    const auto header = s.subgroup;
    s.previous = s.current.id;
    const object o = std::exchange(s.current, {});
    const auto p = draft_.check_object_properties(o.properties);
    switch (r.seen->object(o, p.value())) {
    case seen_objects::verdict::malformed: return malformed(s.request, "an object contradicts what came before");
    case seen_objects::verdict::duplicate: ++counters_.objects_duplicate; continue;
    case seen_objects::verdict::fresh: break;
    }
    ++counters_.objects_in;
    counters_.payload_bytes_in += o.payload.size();
    const request_id id = s.request;
    if (begins) upper_.on_subgroup_begin(id, o.group, o.subgroup, header.first_object, header.end_of_group);
    if (!closed_ && own_.contains(id)) upper_.on_object(id, o);
  }
}

void session::impl::start_fetch(uint64_t stream, uni_stream& s) {
  const auto owner = own_.find(s.request);
  if (owner == own_.end() || owner->second.kind != request_kind::fetch) return drop_uni(stream, reset_code::cancelled, true);
  auto& r = owner->second;
  if (r.data_started) return fail(session_code::protocol_violation, "a second stream for a fetch");
  r.data_started = true;
  r.data_streams.insert(stream);
  s.cursor.order = r.order;
  read_fetch(stream);
}

void session::impl::read_fetch(uint64_t stream) {
  for (;;) {
    const auto it = unis_.find(stream);
    if (closed_ || it == unis_.end() || it->second.what != uni_stream::kind::fetch) return;
    auto& s = it->second;
    const auto owner = own_.find(s.request);
    if (owner == own_.end()) return drop_uni(stream, reset_code::cancelled, false);
    auto& r = owner->second;
    if (!s.has_object) {
      base::byte_reader in(s.in.view());
      const auto item = draft_.decode_fetch_item(in, s.cursor);
      if (!item) {
        if (!item.error().need_more) return fail(item.error());
        if (!s.in_ended) return;
        if (s.in.size() > 0) return fail(session_code::protocol_violation, "a stream ends within an object");
        const request_id id = s.request;
        r.data_streams.erase(stream);
        r.data_ended = true;
        unis_.erase(it);
        return settle_fetch(id);
      }
      const size_t used = in.position();
      if (const auto* gap = std::get_if<fetch_range_end>(&item.value())) {
        const auto end = *gap;
        s.in.consume(used);
        upper_.on_fetch_gap(s.request, end.last, end.unknown);
        continue;
      }
      const auto& h = std::get<object_header>(item.value());
      const location at{h.group, h.id};
      const bool in_order = !s.previous_at || (h.group == s.previous_at->group ? h.id > s.previous_at->object : (h.group > s.previous_at->group) == (r.order == group_order::ascending));
      if (!in_order || (r.start && r.order == group_order::ascending && at < *r.start)) {
        return malformed(s.request, "a fetched object is out of order");
      }
      s.previous_at = at;
      if (!take_header(stream, s, h)) return;
      s.in.consume(used);
    }
    if (!take_payload(s)) {
      if (s.in_ended) return fail(session_code::protocol_violation, "a stream ends within an object");
      return;
    }
    s.has_object = false;
    const object o = std::exchange(s.current, {});
    const auto p = draft_.check_object_properties(o.properties);
    if (p.value().malformed || (r.seen && !r.seen->agrees(o))) return malformed(s.request, "an object contradicts what came before");
    ++counters_.objects_in;
    counters_.payload_bytes_in += o.payload.size();
    upper_.on_object(s.request, o);
  }
}

void session::impl::uni_reset(uint64_t stream, uint64_t code) {
  const auto it = unis_.find(stream);
  if (it == unis_.end()) return;
  release_held(it->second);
  const uni_stream s = std::move(it->second);
  unis_.erase(it);
  const auto owner = own_.find(s.request);
  if (owner == own_.end()) return;
  const request_id id = s.request;
  if (s.what == uni_stream::kind::subgroup) {
    ++counters_.subgroups_reset_in;
    owner->second.data_streams.erase(stream);
    upper_.on_subgroup_end(id, s.subgroup.group, s.subgroup.subgroup.value_or(0), code, false);
    if (!closed_) settle_done(id);
  } else if (s.what == uni_stream::kind::fetch) {
    owner->second.data_streams.erase(stream);
    owner->second.data_ended = true;
    owner->second.data_reset = code;
    settle_fetch(id);
  }
}

} // namespace ec::moq
