#include "manifest/repaired.hpp"

#include <algorithm>

#include "base/limits_repair.hpp"
#include "manifest/internal/json_fields.hpp"

namespace ec::manifest {
namespace {

namespace limits = base::limits;

/// No chunk has more packets.
constexpr uint64_t packets_max = limits::chunk_bytes_max / 188;

} // namespace

bool valid(std::span<const repaired_chunk> list, const content& c) {
  if (list.empty() || list.size() > limits::repairs_stated_max) return false;
  const repaired_chunk* before = nullptr;
  for (const auto& r : list) {
    if (before != nullptr && r.index <= before->index) return false;
    before = &r;
    if (!c.covers(r.index) || c.at(r.index).state != chunk_state::whole) return false;
    if (r.of == 0 || r.of > packets_max || r.packets > r.of) return false;
  }
  return true;
}

base::json::value to_json(std::span<const repaired_chunk> list) {
  base::json::array out;
  for (const auto& r : list) out.push_back(base::json::object{{"index", r.index}, {"of", r.of}, {"packets", r.packets}});
  return out;
}

base::result<std::vector<repaired_chunk>> repaired_in(const attestation& a, const content& c) {
  std::vector<repaired_chunk> out;
  const auto member = std::ranges::find(a.extra, repaired_member, &base::json::member::first);
  if (member == a.extra.end()) return out;
  const auto* list = member->second.as_array();
  if (list == nullptr) return internal::malformed("\"x-repaired\" is no array");
  if (list->size() > limits::repairs_stated_max)
    return base::fail(base::errc::too_large, std::to_string(list->size()) + " repaired chunks in one attestation");
  for (const auto& one : *list) {
    EC_TRYV(internal::members(one, "a repaired chunk", {"index", "of", "packets"}));
    auto& r = out.emplace_back();
    EC_TRY(r.index, internal::whole_number(one, "index"));
    EC_TRY(r.of, internal::whole_number(one, "of", 1));
    EC_TRY(r.packets, internal::whole_number(one, "packets"));
  }
  if (!valid(out, c)) return internal::malformed("\"x-repaired\" names chunks that the content does not list as whole, not in order, or with wrong counts");
  return out;
}

} // namespace ec::manifest
