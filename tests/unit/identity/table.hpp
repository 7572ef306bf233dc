#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/data.hpp"

namespace ec::test {

/// The rows of the table of docs/formats/stream-id.md whose first column is headed `heading`: cells without their back quotes.
inline std::vector<std::vector<std::string>> golden_table(std::string_view heading) {
  const char* root = std::getenv("EC_SOURCE_ROOT");
  const auto text = read_text(std::filesystem::path(root == nullptr ? "." : root) / "docs/formats/stream-id.md");
  const auto start = text.find("\n| " + std::string(heading) + " |");
  REQUIRE(start != text.npos);
  std::vector<std::vector<std::string>> out;
  size_t at = start + 1;
  for (size_t line = 0; at < text.size() && text[at] == '|'; ++line) {
    const auto end = std::min(text.find('\n', at), text.size());
    std::string_view left = std::string_view(text).substr(at + 1, end - at - 1);
    at = end + 1;
    if (line < 2) continue; // the heading and the rule under it
    std::vector<std::string> cells;
    while (!left.empty()) {
      // A bar inside back quotes is text.
      size_t bar = 0;
      for (bool code = false; bar < left.size() && (code || left[bar] != '|'); ++bar) code = code != (left[bar] == '`');
      auto cell = left.substr(0, bar);
      left.remove_prefix(std::min(bar + 1, left.size()));
      while (!cell.empty() && cell.front() == ' ') cell.remove_prefix(1);
      while (!cell.empty() && cell.back() == ' ') cell.remove_suffix(1);
      if (cell.size() >= 2 && cell.front() == '`' && cell.back() == '`') cell = cell.substr(1, cell.size() - 2);
      cells.emplace_back(cell);
    }
    out.push_back(std::move(cells));
  }
  return out;
}

} // namespace ec::test
