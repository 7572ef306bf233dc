#include "object/source_account.hpp"

#include <algorithm>

namespace ec::object {

void source_account::add(source_id source, std::string node) {
  nodes_[source] = std::move(node);
  counters_.try_emplace(source);
}

void source_account::lose(source_id source) {
  expected_from_.erase(source);
}

void source_account::expect(source_id source, uint64_t index) {
  if (nodes_.contains(source)) expected_from_.try_emplace(source, index + 1);
}

void source_account::count_object(source_id source, bool duplicate) {
  const auto it = counters_.find(source);
  if (it != counters_.end()) ++(duplicate ? it->second.objects_duplicate : it->second.objects_first);
}

bool source_account::two_nodes(const chunk& of) const {
  for (size_t a = 0; a < of.same.size(); ++a) {
    for (size_t b = a + 1; b < of.same.size(); ++b) {
      const auto& first = nodes_.at(of.same[a]);
      if (first.empty() || first != nodes_.at(of.same[b])) return true;
    }
  }
  return false;
}

void source_account::hear(chunk& of, source_id source, const crypto::digest& digest) {
  if (!nodes_.contains(source) || std::ranges::find(of.heard, source) != of.heard.end()) return;
  of.heard.push_back(source);
  if (digest != of.digest) {
    ++counters_[source].chunks_other;
    return;
  }
  ++counters_[source].chunks_same;
  of.same.push_back(source);
  if (of.corroborated || !two_nodes(of)) return;
  of.corroborated = true;
  ++corroborated_;
}

void source_account::shown(uint64_t index, const crypto::digest& digest, const given& by) {
  auto& now = shown_[index];
  now.digest = digest;
  for (const auto& [source, theirs] : by) hear(now, source, theirs);
  while (shown_.size() > window) {
    const auto oldest = shown_.begin();
    for (const auto& [source, from] : expected_from_)
      if (from <= oldest->first && std::ranges::find(oldest->second.heard, source) == oldest->second.heard.end()) ++counters_[source].chunks_missed;
    shown_.erase(oldest);
  }
}

bool source_account::awaits(source_id source, uint64_t index) const {
  const auto it = shown_.find(index);
  return it != shown_.end() && nodes_.contains(source) && std::ranges::find(it->second.heard, source) == it->second.heard.end();
}

void source_account::late(source_id source, uint64_t index, const crypto::digest& digest) {
  const auto it = shown_.find(index);
  if (it != shown_.end()) hear(it->second, source, digest);
}

} // namespace ec::object
