#include "moq/track_store.hpp"

#include <algorithm>
#include <utility>

#include "moq/internal/stored.hpp"

namespace ec::moq {
namespace {

using base::errc;
using base::fail;
namespace limits = base::limits;

track_properties properties_of(const track_config& c) {
  track_properties p;
  p.object_delivery_timeout_ms = c.object_delivery_timeout_ms;
  p.max_cache_duration_ms = c.max_cache_duration_ms;
  p.dynamic_groups = c.dynamic_groups;
  p.subgroup_delivery_timeout_ms = c.subgroup_delivery_timeout_ms;
  if (c.priority != 128) p.priority = c.priority;
  if (c.order != group_order::ascending) p.order = c.order;
  p.others = c.properties;
  std::ranges::stable_sort(p.others, {}, &track_properties::other::type);
  return p;
}

request_error no_such_track() {
  return {.code = request_code::does_not_exist, .retry_after_ms = {}, .reason = "no such track", .to = {}};
}

bool pinned(cached_group& g) {
  std::erase_if(g.pins, [](const auto& pin) { return pin.expired(); });
  return !g.pins.empty();
}

size_t properties_bytes(const track_config& c) {
  size_t sum = 0;
  for (const auto& p : c.properties) sum += p.value.size() + 20;
  return sum;
}

} // namespace

void track::observe(track_observer& who) {
  observers_.push_back(&who);
}

void track::forget(track_observer& who) {
  if (telling_ > 0) {
    std::ranges::replace(observers_, &who, nullptr);
  } else {
    std::erase(observers_, &who);
  }
}

size_t track::observers() const {
  return observers_.size() - static_cast<size_t>(std::ranges::count(observers_, nullptr));
}

track_store::~track_store() {
  for (auto* who : std::vector(observers_)) who->on_store_gone();
}

base::result<track*> track_store::add(full_track_name name, track_config config, base::mono_time now, std::optional<location> largest) {
  if (!is_valid(name)) return fail(errc::invalid_argument, "the track name is too long or has an empty field", to_string(name));
  if (!name.ns.fields.empty() && (name.ns.fields[0] == "." || name.ns.fields[0] == ".session")) {
    return fail(errc::invalid_argument, "the namespace is reserved", to_string(name));
  }
  if (properties_bytes(config) > limits::moq_properties_bytes_max) {
    return fail(errc::invalid_argument, "the properties of the track are too long", to_string(name));
  }
  if (tracks_.contains(name)) return fail(errc::exists, "the track is published already", to_string(name));
  auto t = std::make_unique<track>();
  t->name_ = name;
  t->properties_ = properties_of(config);
  t->config_ = std::move(config);
  t->largest_ = largest;
  track* added = t.get();
  tracks_.emplace(std::move(name), std::move(t));
  if (added->config_.announced) announce(added->name_.ns, now);
  for (auto* who : std::vector(observers_)) who->on_track_added(*added, now);
  return added;
}

track* track_store::find(const full_track_name& name) {
  const auto it = tracks_.find(name);
  return it == tracks_.end() ? nullptr : it->second.get();
}

std::vector<track*> track_store::under(const track_namespace& prefix) {
  std::vector<track*> out;
  for (const auto& [name, t] : tracks_) {
    if (prefix.is_prefix_of(name.ns)) out.push_back(t.get());
  }
  std::ranges::sort(out, {}, [](const track* t) -> const full_track_name& { return t->name(); });
  return out;
}

void track_store::end_track(track& t, uint64_t status, std::string_view reason, base::mono_time now) {
  if (t.ended_) return;
  t.ended_ = true;
  for (auto& [id, group] : t.groups_) cut_off(t, id, group, reset_code::cancelled, now);
  t.end_status_ = status;
  t.end_reason_ = reason;
  // The list goes first: an observer hears nothing behind the end.
  const auto observers = std::exchange(t.observers_, {});
  for (auto* who : observers) {
    if (who) who->on_end_track(t, status, t.end_reason_, now);
  }
}

void track_store::remove(track& t, base::mono_time now) {
  end_track(t, done_code::track_ended, "the track was removed", now);
  for (auto* who : std::vector(observers_)) who->on_track_removed(t, now);
  const auto name = t.name_;
  const bool announced = t.config_.announced;
  bytes_ -= t.bytes_;
  tracks_.erase(name);
  if (announced) withdraw(name.ns, now);
}

/// A datagram is in no subgroup; it may come in any order.
base::result<void> track_store::append_datagram(track& t, cached_group& group, const object& o, base::mono_time now) {
  if (o.subgroup != 0) return fail(errc::invalid_argument, "a datagram is in no subgroup", to_string(t.name_));
  hold(t, group, o);
  if (!group.for_fetch) t.tell([&](track_observer& who) { who.on_append(t, o, false, now); });
  evict(t);
  return base::ok();
}

/// The group that an object may join, if it may.
base::result<cached_group*> track_store::group_for(track& t, const object& o, uint64_t payload_bytes, base::mono_time now) {
  now_ = now;
  if (t.ended_) return fail(errc::closed, "the track has ended", about(t, o));
  if (payload_bytes > limits::moq_object_bytes_max || o.properties.size() > limits::moq_properties_bytes_max) {
    return fail(errc::too_large, "the object is too large", about(t, o));
  }
  if (o.status != object_status::normal && !(payload_bytes == 0 && o.properties.empty())) {
    return fail(errc::invalid_argument, "only a normal object has payload or properties", about(t, o));
  }
  if (!t.config_.object_properties && !o.properties.empty()) {
    return fail(errc::invalid_argument, "the track was added without object properties", about(t, o));
  }
  auto it = t.groups_.find(o.group);
  if (it == t.groups_.end()) {
    if (t.evicted_ && o.group <= t.evicted_->group) return fail(errc::invalid_argument, "the group is no longer held", about(t, o));
    it = t.groups_.try_emplace(o.group).first;
    it->second.since = now;
  }
  if (it->second.was_reset) return fail(errc::invalid_argument, "the group was reset", about(t, o));
  return &it->second;
}

/// The subgroup of an object that is the next in it.
base::result<cached_group::subgroup_state*> track_store::subgroup_for(track& t, cached_group& group, const object& o, stream_facts facts) {
  const auto known = group.subgroups.find(o.subgroup);
  if (known != group.subgroups.end()) {
    auto& sub = known->second;
    if (sub.ended) return fail(errc::invalid_argument, "the subgroup has ended", about(t, o));
    if (sub.part) return fail(errc::invalid_argument, "the object before it is not whole", about(t, o));
    if (o.id <= *sub.last) return fail(errc::invalid_argument, "objects of a subgroup come in ascending order", about(t, o));
    if (o.priority != sub.priority) return fail(errc::invalid_argument, "a subgroup has one priority", about(t, o));
    return &sub;
  }
  if (t.config_.single_subgroup && !group.subgroups.empty()) return fail(errc::invalid_argument, "the track has one subgroup in each group", about(t, o));
  if (group.subgroups.size() >= limits::moq_group_subgroups_max) return fail(errc::too_large, "the group has too many subgroups", about(t, o));
  auto& sub = group.subgroups[o.subgroup];
  sub.first = o.id;
  sub.from_start = facts.from_start;
  sub.priority = o.priority;
  sub.ends_group = facts.ends_group || t.config_.single_subgroup;
  return &sub;
}

base::result<void> track_store::append(track& t, object o, base::mono_time now, stream_facts facts) {
  if (t.config_.datagrams) o.datagram = true;
  EC_TRY(auto* const joined, group_for(t, o, o.payload.size(), now));
  auto& group = *joined;
  if (auto* const sub = group.under_way(o)) return append_rest(t, group, *sub, o, now);
  if (const auto known = group.objects.find(o.id); known != group.objects.end()) {
    if (same(known->second, o)) return fail(errc::exists, "the object was published before", about(t, o));
    return fail(errc::mismatch, "the object was published before with other bytes", about(t, o));
  }
  if (group.ended) return fail(errc::invalid_argument, "the group has ended", about(t, o));
  if (o.datagram) return append_datagram(t, group, o, now);
  EC_TRY(auto* const sub, subgroup_for(t, group, o, facts));
  sub->last = o.id;
  const bool first = o.id == sub->first && sub->from_start;
  hold(t, group, o);
  if (!group.for_fetch) t.tell([&](track_observer& who) { who.on_append(t, o, first, now); });
  evict(t);
  return base::ok();
}

base::result<void> track_store::keep(track& t, object o, const std::shared_ptr<const fill>& by, base::mono_time now) {
  if (o.payload.size() > limits::moq_object_bytes_max || o.properties.size() > limits::moq_properties_bytes_max) {
    return fail(errc::too_large, "the object is too large", about(t, o));
  }
  const auto [it, fresh] = t.groups_.try_emplace(o.group);
  auto& group = it->second;
  if (fresh) group.since = now;
  if (by && std::ranges::none_of(group.pins, [&](const auto& pin) { return pin.lock() == by; })) group.pins.push_back(by);
  if (group.was_reset) restore_group(t, o.group);
  if (const auto known = group.objects.find(o.id); known != group.objects.end()) {
    if (same(known->second, o)) return fail(errc::exists, "the object is held", about(t, o));
    return fail(errc::mismatch, "the object is held with other bytes", about(t, o));
  }
  if (const auto* under_way = group.part(o.id); under_way && !goes_with(*under_way, o, o.payload.size())) {
    return fail(errc::mismatch, "the object began with other bytes", about(t, o));
  }
  hold(t, group, o);
  evict(t);
  return base::ok();
}

void track_store::hold(track& t, cached_group& g, const object& o) {
  g.largest = g.objects.empty() ? std::max(o.id, g.trimmed.value_or(0)) : std::max(g.largest, o.id);
  const size_t cost = charge(o);
  g.bytes += cost;
  t.bytes_ += cost;
  bytes_ += cost;
  if (!t.largest_ || o.at() > *t.largest_) t.largest_ = o.at();
  g.objects.emplace(o.id, o);
}

void track_store::kept_whole(track& t, uint64_t group) {
  const auto it = t.groups_.find(group);
  if (it != t.groups_.end() && it->second.subgroups.empty() && !it->second.was_reset) it->second.ended = true;
}

void track_store::raise_largest(track& t, location largest) {
  if (!t.largest_ || largest > *t.largest_) t.largest_ = largest;
}

void track_store::drop(track& t, std::map<uint64_t, cached_group>::iterator group) {
  t.evicted_ = std::max(t.evicted_.value_or(location{}), location{group->first, group->second.largest});
  t.bytes_ -= group->second.bytes;
  bytes_ -= group->second.bytes;
  auto gone = t.groups_.extract(group);
  cut_off(t, gone.key(), gone.mapped(), reset_code::too_far_behind, now_); // what has begun to go out ends with its group
}

bool track_store::drop_oldest(track& t) {
  for (auto it = t.groups_.begin(); it != t.groups_.end() && std::next(it) != t.groups_.end(); ++it) {
    if (pinned(it->second)) continue;
    drop(t, it);
    return true;
  }
  return false;
}

void track_store::drop_before(track& t, base::mono_time since) {
  for (auto it = t.groups_.begin(); it != t.groups_.end() && std::next(it) != t.groups_.end();) {
    const auto at = it++;
    if (at->second.since < since && !pinned(at->second)) drop(t, at);
  }
}

void track_store::evict(track& t) {
  while (t.groups_.size() > t.config_.cache_groups_max || t.bytes_ > t.config_.cache_bytes_max) {
    if (!drop_oldest(t)) break;
  }
  if (t.bytes_ <= t.config_.cache_bytes_max || t.groups_.empty()) return;
  // A group without end, or larger than all that may be held: the rest of it still goes to who is subscribed.
  const size_t pins = pinned(t.groups_.rbegin()->second) ? t.config_.cache_bytes_max : 0;
  trim_newest(t, t.config_.cache_bytes_max + pins);
}

size_t track_store::trim_newest(track& t, size_t bytes) {
  if (t.groups_.empty()) return 0;
  auto& g = t.groups_.rbegin()->second;
  size_t left = 0;
  for (; t.bytes_ > bytes && !g.objects.empty(); ++left) {
    const auto first = g.objects.begin();
    const size_t cost = charge(first->second);
    g.trimmed = std::max(g.trimmed.value_or(0), first->first);
    g.bytes -= cost;
    t.bytes_ -= cost;
    bytes_ -= cost;
    g.objects.erase(first);
  }
  return left;
}

void track_store::reset_subgroup(track& t, uint64_t group, uint64_t subgroup, uint64_t code, base::mono_time now) {
  const auto it = t.groups_.find(group);
  if (it == t.groups_.end()) return;
  const auto sub = it->second.subgroups.find(subgroup);
  if (sub == it->second.subgroups.end() || sub->second.ended) return;
  if (sub->second.part) {
    ++parts_cut_off_;
    set_part(t, it->second, sub->second, nullptr);
  }
  sub->second.ended = sub->second.was_reset = true;
  t.tell([&](track_observer& who) { who.on_reset_subgroup(t, group, subgroup, code, now); });
}

std::shared_ptr<const void> track_store::want(const full_track_name& name, base::mono_time now, std::optional<request_error>& no) {
  if (finder_->who == nullptr) {
    if (find(name) == nullptr) no = no_such_track();
    return nullptr;
  }
  no = finder_->who->wanted(name, now);
  return std::shared_ptr<const void>(nullptr, [place = finder_, name](const void*) {
    if (place->who != nullptr) place->who->unwanted(name);
  });
}

std::shared_ptr<const fill> track_store::bring(track& t, location first, location last, base::mono_time now) {
  return finder_->who == nullptr ? nullptr : finder_->who->bring(t, first, last, now);
}

void track_store::refuse(const full_track_name& name, const request_error& why, base::mono_time now) {
  for (auto* who : std::vector(observers_)) who->on_track_refused(name, why, now);
}

void track_store::filled(const fill& what, base::mono_time now) {
  for (auto* who : std::vector(observers_)) who->on_filled(what, now);
}

void track_store::end_subgroup(track& t, uint64_t group, uint64_t subgroup, base::mono_time now) {
  const auto it = t.groups_.find(group);
  if (it == t.groups_.end()) return;
  const auto sub = it->second.subgroups.find(subgroup);
  if (sub == it->second.subgroups.end() || sub->second.ended) return;
  if (sub->second.part) return reset_subgroup(t, group, subgroup, reset_code::internal_error, now);
  sub->second.ended = true;
  t.tell([&](track_observer& who) { who.on_end_subgroup(t, group, subgroup, now); });
}

void track_store::end_group(track& t, uint64_t group, base::mono_time now) {
  const auto it = t.groups_.find(group);
  if (it != t.groups_.end()) {
    if (it->second.ended || it->second.was_reset) return;
    cut_off(t, group, it->second, reset_code::internal_error, now);
    it->second.ended = true;
    if (it->second.for_fetch) return;
  }
  t.tell([&](track_observer& who) { who.on_end_group(t, group, now); });
}

void track_store::reset_group(track& t, uint64_t group, uint64_t code, base::mono_time now) {
  const auto it = t.groups_.find(group);
  if (it != t.groups_.end()) {
    if (it->second.was_reset) return;
    t.bytes_ -= it->second.bytes;
    bytes_ -= it->second.bytes;
    it->second.bytes = 0;
    for (const auto& [id, sub] : it->second.subgroups) parts_cut_off_ += sub.part ? 1 : 0;
    it->second.objects.clear();
    it->second.subgroups.clear();
    it->second.was_reset = true;
    if (std::exchange(it->second.for_fetch, false)) return;
  }
  t.tell([&](track_observer& who) { who.on_reset_group(t, group, code, now); });
}

void track_store::restore_group(track& t, uint64_t group) {
  const auto it = t.groups_.find(group);
  if (it == t.groups_.end() || !it->second.was_reset) return;
  auto pins = std::move(it->second.pins);
  const auto since = it->second.since;
  it->second = {};
  it->second.pins = std::move(pins);
  it->second.since = since;
  it->second.for_fetch = true;
}

void track_store::announce(const track_namespace& ns, base::mono_time now, const hop_path& hops) {
  namespaces_[ns].push_back(hops);
  for (auto* who : std::vector(observers_)) who->on_namespace(ns, true, now);
}

void track_store::withdraw(const track_namespace& ns, base::mono_time now, const hop_path& hops) {
  const auto it = namespaces_.find(ns);
  if (it == namespaces_.end()) return;
  auto& ways = it->second;
  const auto way = std::ranges::find(ways, hops);
  ways.erase(way == ways.end() ? ways.begin() : way);
  const track_namespace of = it->first;
  const bool active = !ways.empty();
  if (!active) namespaces_.erase(it);
  for (auto* who : std::vector(observers_)) who->on_namespace(of, active, now);
}

void track_store::observe(store_observer& who) {
  observers_.push_back(&who);
}

void track_store::forget(store_observer& who) {
  std::erase(observers_, &who);
}

} // namespace ec::moq
