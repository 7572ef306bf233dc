#include "node/settings.hpp"

#include <algorithm>
#include <numeric>

namespace ec::node {
namespace {

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

} // namespace

std::string nearest_key(const std::string& key, const std::vector<std::string>& known) {
  std::string best;
  size_t least = std::max<size_t>(2, key.size() / 2) + 1;
  for (const auto& k : known)
    if (const size_t d = edit_distance(key, k); d < least) {
      least = d;
      best = k;
    }
  return best;
}

std::optional<std::string> scalar_text(const base::json::value& v) {
  if (const auto* s = v.as_string()) return *s;
  if (const auto* b = v.as_bool()) return *b ? "true" : "false";
  if (v.as_number()) return base::json::dump(v);
  return std::nullopt;
}

} // namespace ec::node
