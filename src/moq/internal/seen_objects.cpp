#include "moq/internal/seen_objects.hpp"

#include <algorithm>
#include <functional>
#include <string_view>

#include "base/limits.hpp"

namespace ec::moq {
namespace {

constexpr size_t gaps_max = 64;

/// Kept in memory only: any hash of the standard library will do.
uint64_t fingerprint(const object& o) {
  const std::hash<std::string_view> hash;
  uint64_t h = hash(o.payload.text());
  h = h * 0x9e3779b97f4a7c15u + hash(o.properties.text());
  h = h * 0x9e3779b97f4a7c15u + o.payload.size();
  return h * 0x9e3779b97f4a7c15u + 2 * static_cast<uint64_t>(o.status) + (o.datagram ? 1 : 0);
}

} // namespace

seen_objects::group_state* seen_objects::group(uint64_t id) {
  const auto it = groups_.find(id);
  if (it != groups_.end()) return &it->second;
  if (groups_.size() >= base::limits::moq_seen_groups_max) {
    if (id < groups_.begin()->first) return nullptr; // older than all that is remembered
    forget_lowest();
  }
  return &groups_[id];
}

void seen_objects::forget_lowest() {
  const auto& g = groups_.begin()->second;
  const size_t count = g.objects.size() + g.subgroups.size();
  entries_ -= count;
  budget_->entries -= count;
  groups_.erase(groups_.begin());
}

bool seen_objects::room(uint64_t group) {
  while (budget_->entries >= budget_->entries_max && groups_.begin()->first < group) forget_lowest();
  if (budget_->entries >= budget_->entries_max) return false;
  ++entries_;
  ++budget_->entries;
  return true;
}

bool seen_objects::close_group(group_state& g, uint64_t end) {
  if (g.end && *g.end != end) return false;
  if (!g.objects.empty() && g.objects.rbegin()->first >= end) return false;
  g.end = end;
  return true;
}

bool seen_objects::note_gaps(uint64_t group, group_state& g, const moq::object& o, const object_properties& p) {
  if (p.prior_object_gap && *p.prior_object_gap > 0) {
    if (*p.prior_object_gap > o.id) return false;
    const range gap{o.id - *p.prior_object_gap, o.id - 1};
    const auto inside = g.objects.lower_bound(gap.from);
    if (inside != g.objects.end() && gap.holds(inside->first)) return false;
    if (g.gaps.size() < gaps_max) g.gaps.push_back(gap);
  }
  if (p.prior_group_gap) {
    if (*p.prior_group_gap > group || (g.group_gap && *g.group_gap != *p.prior_group_gap)) return false;
    const bool known = g.group_gap.has_value();
    g.group_gap = p.prior_group_gap;
    if (!known && *p.prior_group_gap > 0) {
      const range gap{group - *p.prior_group_gap, group - 1};
      const auto inside = groups_.lower_bound(gap.from);
      if (inside != groups_.end() && gap.holds(inside->first) && !inside->second.objects.empty()) return false;
      if (group_gaps_.size() >= gaps_max) group_gaps_.erase(group_gaps_.begin());
      group_gaps_.push_back(gap);
    }
  }
  return true;
}

seen_objects::verdict seen_objects::object(const moq::object& o, const object_properties& p) {
  if (p.malformed) return verdict::malformed;
  auto* g = group(o.group);
  if (!g) return verdict::fresh;
  const uint64_t print = fingerprint(o);
  if (const auto known = g->objects.find(o.id); known != g->objects.end()) {
    return known->second == print ? verdict::duplicate : verdict::malformed;
  }
  if (end_ && o.at() >= *end_) return verdict::malformed;
  if (g->end && o.id >= *g->end) return verdict::malformed;
  if (std::ranges::any_of(g->gaps, [&](const range& r) { return r.holds(o.id); })) return verdict::malformed;
  if (std::ranges::any_of(group_gaps_, [&](const range& r) { return r.holds(o.group); })) return verdict::malformed;
  if (!o.datagram) { // datagrams are in no subgroup
    const auto sub = g->subgroups.find(o.subgroup);
    if (sub == g->subgroups.end()) {
      if (room(o.group)) g->subgroups.emplace(o.subgroup, subgroup_state{o.priority, {}});
    } else if (sub->second.priority != o.priority || (sub->second.final && o.id > *sub->second.final)) {
      return verdict::malformed;
    }
  }
  if (!note_gaps(o.group, *g, o, p)) return verdict::malformed;
  if (o.status == object_status::end_of_group && !close_group(*g, o.id)) return verdict::malformed;
  if (o.status == object_status::end_of_track) {
    if (end_ && *end_ != o.at()) return verdict::malformed;
    end_ = o.at();
  }
  // An end marker is no object that exists: its id stays free for `end`.
  if (o.status == object_status::normal && g->objects.size() < base::limits::moq_seen_objects_max && room(o.group)) g->objects.emplace(o.id, print);
  return verdict::fresh;
}

bool seen_objects::agrees(const moq::object& o) const {
  const auto g = groups_.find(o.group);
  if (g == groups_.end()) return true;
  const auto known = g->second.objects.find(o.id);
  return known == g->second.objects.end() || known->second == fingerprint(o);
}

bool seen_objects::end_group(uint64_t id, uint64_t last) {
  const auto g = groups_.find(id);
  return g == groups_.end() || last == ~uint64_t{0} || close_group(g->second, last + 1);
}

bool seen_objects::finish(uint64_t id, uint64_t subgroup, std::optional<uint64_t> last, bool end_of_group) {
  if (!last) return true;
  const auto found = groups_.find(id);
  if (found == groups_.end()) return true;
  auto* g = &found->second;
  const auto known = g->subgroups.find(subgroup);
  if (known == g->subgroups.end()) return true;
  auto& sub = known->second;
  if (sub.final && *sub.final != *last) return false;
  sub.final = last;
  if (end_of_group && *last < ~uint64_t{0}) {
    // Behind an end marker the group ends where the marker says, not after it.
    if (g->end && *g->end == *last) return true;
    return close_group(*g, *last + 1);
  }
  return true;
}

} // namespace ec::moq
