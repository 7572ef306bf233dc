#include "discovery/stream_listing.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "identity/stream_names.hpp"

namespace ec::discovery {
namespace {

using identity::name_strength;

/// What is announced under one id.
struct bearer {
  std::vector<const source*> sources;
  std::set<std::string> said; ///< the other names that all of them give it
  const bearer* joins = nullptr;

  const identity::stream_id& id() const { return sources.front()->what->stream_id; }
  name_strength strength() const { return identity::strength(id()); }
};

using bearers = std::map<std::string, bearer>; // by stream id

bearers by_id(const std::vector<source>& sources) {
  bearers out;
  for (const auto& s : sources) {
    auto& b = out[s.what->stream_id.text()];
    const auto all = names(*s.what);
    std::set<std::string> others(std::next(all.begin()), all.end());
    if (!b.sources.empty()) std::erase_if(others, [&](const std::string& n) { return !b.said.contains(n); });
    b.said = std::move(others);
    b.sources.push_back(&s);
  }
  return out;
}

/// The stronger name that all who announce `b` give it. Who says of himself that he has another stream too takes nobody along.
const bearer* by_own_word(const bearer& b, const bearers& all) {
  const bearer* best = nullptr;
  for (const auto& n : b.said) {
    const auto at = all.find(n);
    if (at == all.end() || at->second.strength() <= b.strength()) continue;
    if (best == nullptr || at->second.strength() > best->strength()) best = &at->second;
  }
  return best;
}

/// Joins those that have no word of their own to whom others say they are. The others' word is nobody's proof: it counts for one name
/// only, of a broadcast, that may be the same by the looks of it, and that nobody else claims.
void join_by_others(bearers& all) {
  std::map<std::string, std::vector<const bearer*>> claims; // by the id that is claimed
  for (const auto& [unused, b] : all) {
    if (b.joins != nullptr) continue;
    std::vector<std::string> of;
    for (const auto& n : b.said)
      if (const auto at = all.find(n); at != all.end() && at->second.strength() < b.strength() && identity::alike(at->second.id(), b.id())) of.push_back(n);
    if (of.size() == 1) claims[of.front()].push_back(&b);
  }
  for (const auto& [id, by] : claims)
    if (auto& claimed = all.at(id); by.size() == 1 && claimed.joins == nullptr) claimed.joins = by.front();
}

const bearer* root(const bearer* b) {
  while (b->joins != nullptr) b = b->joins; // ever stronger names: it ends
  return b;
}

} // namespace

std::vector<stream_sources> list_streams(const std::vector<source>& sources) {
  auto all = by_id(sources);
  for (auto& [unused, b] : all) b.joins = by_own_word(b, all);
  join_by_others(all);
  std::map<const bearer*, std::vector<const bearer*>> streams;
  for (const auto& [unused, b] : all) streams[root(&b)].push_back(&b);
  std::vector<stream_sources> out;
  for (auto& [unused, members] : streams) {
    auto& made = out.emplace_back();
    std::set<std::string> bears;
    std::set<std::string> nodes;
    std::set<std::pair<std::string, std::string>> listed; // signer and node
    std::ranges::stable_sort(members, [](const bearer* a, const bearer* b) { return a->strength() > b->strength(); });
    for (const auto* b : members) {
      bears.insert(b->id().text());
      std::ranges::copy_if(b->said, std::inserter(bears, bears.end()), [&](const std::string& n) { return !all.contains(n); });
      for (const auto* s : b->sources) {
        nodes.insert(node_of(*s->what));
        if (listed.emplace(s->what->signer.to_string(), s->what->source_node).second) made.sources.push_back(*s);
      }
    }
    made.names.assign(bears.begin(), bears.end());
    made.nodes = nodes.size();
    const auto place = [](const source& s) { return std::tie(s.what->stream_id.text(), s.what->signer, s.what->source_node); };
    std::ranges::sort(made.sources, [&](const source& a, const source& b) { return place(a) < place(b); });
  }
  std::ranges::sort(out, {}, &stream_sources::names);
  return out;
}

} // namespace ec::discovery
