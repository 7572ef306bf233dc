// Objects of which not all has come: their beginnings go to subscriptions, and are held beside the whole ones until their end.
#include <algorithm>
#include <utility>

#include "moq/internal/stored.hpp"

namespace ec::moq {
namespace {

using base::errc;
using base::fail;

} // namespace

cached_group::subgroup_state* cached_group::under_way(const object& o) {
  const auto sub = subgroups.find(o.subgroup);
  return sub != subgroups.end() && sub->second.part && sub->second.part->begun.id == o.id ? &sub->second : nullptr;
}

const object_part* cached_group::part(uint64_t id) const {
  for (const auto& [subgroup, s] : subgroups)
    if (s.part && s.part->begun.id == id) return s.part.get();
  return nullptr;
}

const object_part* cached_group::part() const {
  const object_part* first = nullptr;
  for (const auto& [subgroup, s] : subgroups)
    if (s.part && (!first || s.part->begun.id < first->begun.id)) first = s.part.get();
  return first;
}

/// Null: it is not held any more.
void track_store::set_part(track& t, cached_group& group, cached_group::subgroup_state& sub, const object_part* p) {
  const size_t before = sub.part ? charge(sub.part->begun) : 0, after = p ? charge(p->begun) : 0;
  for (size_t* const sum : {&group.bytes, &t.bytes_, &bytes_}) *sum = *sum - before + after;
  if (!p) sub.part.reset();
  else if (sub.part) *sub.part = *p;
  else sub.part = std::make_unique<object_part>(*p);
}

base::result<void> track_store::append_part(track& t, const object_part& p, base::mono_time now, stream_facts facts) {
  const auto& o = p.begun;
  if (o.datagram || t.config_.datagrams || o.payload.size() >= p.payload_bytes) return fail(errc::invalid_argument, "it is no part of an object", about(t, o));
  EC_TRY(auto* const joined, group_for(t, o, p.payload_bytes, now));
  auto& group = *joined;
  auto* sub = group.under_way(o);
  if (sub) {
    const auto& held = *sub->part;
    if (!goes_with(held, o, p.payload_bytes)) return fail(errc::mismatch, "the object began with other bytes", about(t, o));
    if (o.payload.size() <= held.begun.payload.size()) return base::ok();
  } else {
    if (group.objects.contains(o.id)) return fail(errc::exists, "the object was published before", about(t, o));
    if (group.ended) return fail(errc::invalid_argument, "the group has ended", about(t, o));
    EC_TRY(sub, subgroup_for(t, group, o, facts));
  }
  set_part(t, group, *sub, &p);
  const bool first = o.id == sub->first && sub->from_start;
  if (!group.for_fetch) t.tell([&](track_observer& who) { who.on_part(t, p, first, now); });
  evict(t);
  return base::ok();
}

/// The whole of an object that is under way.
base::result<void> track_store::append_rest(track& t, cached_group& group, cached_group::subgroup_state& sub, const object& o, base::mono_time now) {
  if (!goes_with(*sub.part, o, o.payload.size())) return fail(errc::mismatch, "the object began with other bytes", about(t, o));
  const auto fetched = group.objects.find(o.id); // meanwhile
  if (fetched != group.objects.end() && !same(fetched->second, o)) return fail(errc::mismatch, "the object was fetched with other bytes", about(t, o));
  set_part(t, group, sub, nullptr);
  sub.last = o.id;
  const bool first = o.id == sub.first && sub.from_start;
  if (fetched == group.objects.end()) hold(t, group, o);
  if (!group.for_fetch) t.tell([&](track_observer& who) { who.on_append(t, o, first, now); });
  evict(t);
  return base::ok();
}

/// Nothing more comes of what is under way in a group, which may not be held any more.
void track_store::cut_off(track& t, uint64_t id, cached_group& group, uint64_t code, base::mono_time now) {
  const bool held = t.groups_.contains(id);
  for (auto& [subgroup, sub] : group.subgroups) {
    if (!sub.part) continue;
    ++parts_cut_off_;
    if (held) set_part(t, group, sub, nullptr);
    sub.ended = sub.was_reset = true;
    if (!group.for_fetch) t.tell([&, s = subgroup](track_observer& who) { who.on_reset_subgroup(t, id, s, code, now); });
  }
}

} // namespace ec::moq
