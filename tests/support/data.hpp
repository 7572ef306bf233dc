#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

/// Captures and vectors that are not part of the project: EC_TEST_DATA, else `../shared/data` beside the checkout.
namespace ec::test {

/// Name of the running test case, kept by the listener in support/main.cpp.
const char* current_test();

inline std::filesystem::path data_root() {
  if (const char* set = std::getenv("EC_TEST_DATA")) return set;
  if (const char* source = std::getenv("EC_SOURCE_ROOT")) return std::filesystem::path(source).parent_path() / "shared/data";
  return "../shared/data";
}

/// The path of a data file or folder, or nothing after printing the line by which the runner counts a skipped test.
/// Use: `const auto path = test_data("ts/atsc/kulx-10_rrt.ts"); if (!path) return;`
inline std::optional<std::filesystem::path> test_data(const std::string& relative) {
  auto path = data_root() / relative;
  if (std::filesystem::exists(path)) return path;
  std::printf("SKIPPED: %s: no %s (set EC_TEST_DATA)\n", current_test(), path.c_str());
  return std::nullopt;
}

inline std::vector<uint8_t> read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), "cannot read " << path.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline std::string read_text(const std::filesystem::path& path) {
  const auto raw = read_file(path);
  return {raw.begin(), raw.end()};
}

} // namespace ec::test
