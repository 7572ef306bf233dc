#include "identity/stream_names.hpp"

#include <algorithm>
#include <variant>

namespace ec::identity {

name_strength strength(const stream_id& id) {
  const auto* name = std::get_if<broadcast_scope>(&id.scope());
  if (name == nullptr) return name_strength::source;
  // The numbers of DVB are all that it has, and registered.
  return name->callsign || name->network ? name_strength::station : name_strength::number;
}

bool contradict(const stream_id& a, const stream_id& b) {
  const auto *x = std::get_if<broadcast_scope>(&a.scope()), *y = std::get_if<broadcast_scope>(&b.scope());
  if (x == nullptr || y == nullptr || *x == *y) return false;
  if (x->standard != y->standard) return true;
  const auto same_fields = [](const auto& one, const auto& other) { return one.has_value() == other.has_value(); };
  // A channel is one thing in all names; of the other fields only names of one make can be compared.
  if (x->virtual_channel && y->virtual_channel && x->virtual_channel != y->virtual_channel) return true;
  return same_fields(x->network, y->network) && same_fields(x->tsid, y->tsid) && same_fields(x->program_number, y->program_number) &&
         same_fields(x->virtual_channel, y->virtual_channel) && same_fields(x->callsign, y->callsign);
}

bool alike(const stream_id& a, const stream_id& b) {
  const auto *x = std::get_if<broadcast_scope>(&a.scope()), *y = std::get_if<broadcast_scope>(&b.scope());
  return x != nullptr && y != nullptr && x->standard == y->standard && x->virtual_channel && x->virtual_channel == y->virtual_channel &&
         a.profile() == b.profile() && a.variant() == b.variant() && !contradict(a, b);
}

stream_names::stream_names(stream_id id, std::vector<stream_id> aliases) : id_(std::move(id)), aliases_(std::move(aliases)) {}

stream_names::learnt stream_names::learn(std::span<const stream_id> names) {
  learnt out;
  const auto wrong = [&](const stream_id& name) {
    return contradict(id_, name) || std::ranges::any_of(aliases_, [&](const stream_id& known) { return contradict(known, name); });
  };
  std::ranges::copy_if(names, std::back_inserter(out.contradicting), wrong);
  if (!out.contradicting.empty()) return out;
  std::vector<stream_id> fresh;
  for (const auto& name : names)
    if (name != id_ && std::ranges::find(aliases_, name) == aliases_.end() && std::ranges::find(fresh, name) == fresh.end()) fresh.push_back(name);
  std::ranges::stable_sort(fresh, [](const stream_id& a, const stream_id& b) { return strength(a) > strength(b); });
  for (auto& name : fresh) {
    aliases_.push_back(name);
    const bool stronger = strength(name) > strength(id_);
    out.fresh.push_back({std::move(name), stronger});
  }
  return out;
}

} // namespace ec::identity
