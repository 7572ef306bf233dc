#include "discovery/resolve.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>
#include <utility>

namespace ec::discovery {
namespace {

constexpr std::array<std::pair<std::string_view, policy>, 4> policies{
  {{"direct-first", policy::direct_first}, {"relay-first", policy::relay_first}, {"direct", policy::direct}, {"relay", policy::relay}}};

} // namespace

std::optional<policy> parse_policy(std::string_view text) {
  for (const auto& [n, p] : policies)
    if (n == text) return p;
  return std::nullopt;
}

std::string_view name(policy p) {
  return std::ranges::find(policies, p, [](const auto& of) { return of.second; })->first;
}

std::vector<way> ways(const std::vector<source>& sources, policy p) {
  using rank = std::tuple<bool, bool, bool, size_t, int64_t>;
  std::vector<std::pair<rank, way>> found;
  for (const auto& s : sources) {
    const auto& a = *s.what;
    for (size_t i = 0; i < a.transports.size(); ++i) {
      const bool direct = std::holds_alternative<direct_transport>(a.transports[i]);
      if ((p == policy::direct && !direct) || (p == policy::relay && direct)) continue;
      const bool other_kind = direct == (p == policy::relay_first);
      const bool other_name = a.stream_id != sources.front().what->stream_id;
      found.push_back({{other_name, other_kind, !(a.chunks && a.manifests), i, -static_cast<int64_t>(a.updated_unix_ms)}, {s, a.transports[i]}});
    }
  }
  std::ranges::stable_sort(found, {}, &std::pair<rank, way>::first);
  std::vector<way> out;
  std::set<std::string> seen;
  for (auto& [unused, w] : found)
    if (seen.insert(full_address(w.by)).second) out.push_back(std::move(w));
  return out;
}

void leave_out(std::vector<way>& found, const acquaintances& known) {
  std::erase_if(found, [&](const way& w) {
    if (known.self && w.to.what->signer == *known.self) return true;
    const auto* direct = std::get_if<direct_transport>(&w.by);
    const auto pin = direct ? std::optional(direct->spki) : std::get<relay_transport>(w.by).spki;
    if (pin && std::ranges::find(known.pins, *pin) != known.pins.end()) return true;
    return direct && std::ranges::find(known.addresses, direct->address) != known.addresses.end();
  });
}

} // namespace ec::discovery
