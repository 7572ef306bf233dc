#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "base/result.hpp"

/// Reading members of a format that allows exactly the members it names.
namespace ec::base::json::fields {

inline constexpr int64_t number_max = int64_t{1} << 53;

inline auto malformed(std::string text) {
  return base::fail(base::errc::malformed, std::move(text));
}

/// The object in `v`, all of whose members are in `allowed` or begin with "x-" where `extra` says so.
inline base::result<const base::json::object*> members(const base::json::value& v, std::string_view what,
                                                       std::initializer_list<std::string_view> allowed, bool extra = false) {
  const auto* o = v.as_object();
  if (o == nullptr) return malformed(std::string(what) + " is " + std::string(v.kind()) + ", expected an object");
  for (const auto& [key, unused] : *o) {
    if (std::ranges::find(allowed, key) != allowed.end() || (extra && key.starts_with("x-"))) continue;
    return malformed(std::string(what) + " has the unknown member \"" + key + "\"");
  }
  return o;
}

inline base::result<uint64_t> whole_number(const base::json::value& v, std::string_view key, uint64_t least = 0) {
  const auto* found = v.find(key);
  const auto* n = found == nullptr ? nullptr : found->as_int();
  if (n == nullptr || *n < 0 || *n > number_max || static_cast<uint64_t>(*n) < least)
    return malformed("\"" + std::string(key) + "\" is no whole number from " + std::to_string(least) + " to 2^53");
  return static_cast<uint64_t>(*n);
}

inline base::result<std::string> text(const base::json::value& v, std::string_view key) {
  const auto* found = v.find(key);
  const auto* s = found == nullptr ? nullptr : found->as_string();
  if (s == nullptr) return malformed("\"" + std::string(key) + "\" is no string");
  return *s;
}

} // namespace ec::base::json::fields
