#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"

/// JSON for formats, config and logs. RapidJSON stays behind this header.
namespace ec::base::json {

class value;
using array = std::vector<value>;
using member = std::pair<std::string, value>;
/// Members in the order in which they were written; keys are unique.
using object = std::vector<member>;

/// One JSON value. Numbers without fraction or exponent that fit are int64, all others double.
class value {
public:
  value() = default;
  value(std::nullptr_t) {}                                                // NOLINT(google-explicit-constructor)
  value(bool v) : v_(v) {}                                                // NOLINT(google-explicit-constructor)
  value(int v) : v_(int64_t{v}) {}                                        // NOLINT(google-explicit-constructor)
  value(unsigned v) : v_(int64_t{v}) {}                                   // NOLINT(google-explicit-constructor)
  value(int64_t v) : v_(v) {}                                             // NOLINT(google-explicit-constructor)
  value(uint64_t v) : v_(static_cast<int64_t>(v)) {}                      // NOLINT(google-explicit-constructor)
  value(double v) : v_(v) {}                                              // NOLINT(google-explicit-constructor)
  value(const char* v) : v_(std::string(v)) {}                            // NOLINT(google-explicit-constructor)
  value(std::string_view v) : v_(std::string(v)) {}                       // NOLINT(google-explicit-constructor)
  value(std::string v) : v_(std::move(v)) {}                              // NOLINT(google-explicit-constructor)
  value(array v) : v_(std::move(v)) {}                                    // NOLINT(google-explicit-constructor)
  value(object v) : v_(std::move(v)) {}                                   // NOLINT(google-explicit-constructor)

  bool is_null() const { return std::holds_alternative<std::monostate>(v_); }
  const bool* as_bool() const { return std::get_if<bool>(&v_); }
  const int64_t* as_int() const { return std::get_if<int64_t>(&v_); }
  /// Any number, integers included.
  std::optional<double> as_number() const;
  const std::string* as_string() const { return std::get_if<std::string>(&v_); }
  const array* as_array() const { return std::get_if<array>(&v_); }
  const object* as_object() const { return std::get_if<object>(&v_); }
  array* as_array() { return std::get_if<array>(&v_); }
  object* as_object() { return std::get_if<object>(&v_); }

  /// The member `key` of an object; null if this is no object or has no such member.
  const value* find(std::string_view key) const;
  /// What a person calls this: "a string", "an object".
  std::string_view kind() const;

  friend bool operator==(const value&, const value&) = default;

private:
  std::variant<std::monostate, bool, int64_t, double, std::string, array, object> v_;
};

struct parse_options {
  size_t bytes_max = limits::config_bytes_max;
  size_t depth_max = limits::json_depth_max;
  size_t members_max = limits::json_members_max;
  bool i_json = false; ///< refuse numbers that are no exact double of at most 2^53 in magnitude [RFC 7493]
};

/// Parses exactly one value. Duplicate keys, trailing bytes, invalid UTF-8, lone surrogates and what is over a bound are
/// refused. Errors: malformed (with line and column), too_large.
[[nodiscard]] result<value> parse(std::string_view text, const parse_options& options = {});

/// Canonical form [RFC 8785]: members sorted by UTF-16 code units, shortest numbers, no white space.
std::string canonical(const value& v);

/// Compact text, members in the order in which they stand.
std::string dump(const value& v);

/// Indented by two spaces, for files that people read.
std::string pretty(const value& v);

} // namespace ec::base::json
