#pragma once

#include <charconv>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

/// One table per command says which settings it has; the command line and config files both read that table, so an option
/// and its config key cannot drift apart. On the command line a name has dashes, in a file underscores.
namespace ec::node {

/// One setting of a config struct `C`.
template <class C>
struct setting {
  std::string name;    ///< with dashes: "hls-dir"
  std::string value;   ///< placeholder for help: "FILE"; empty for a switch
  std::string help;    ///< one line, with unit and default
  std::string expects; ///< for errors: "a whole number of milliseconds"
  bool repeatable = false;
  bool positional = false;
  std::function<bool(C&, const std::string&)> from_text; ///< false: the text is not what is expected
};

// Readers of single values; each answers false when the text is not one.

inline bool read_value(const std::string& text, std::string& out) {
  out = text;
  return !text.empty();
}
inline bool read_value(const std::string& text, std::filesystem::path& out) {
  out = text;
  return !text.empty();
}
inline bool read_value(const std::string& text, bool& out) {
  if (text == "true" || text == "1" || text == "yes" || text == "on") out = true;
  else if (text == "false" || text == "0" || text == "no" || text == "off") out = false;
  else return false;
  return true;
}
template <class T>
  requires(std::is_integral_v<T> || std::is_floating_point_v<T>)
bool read_value(const std::string& text, T& out) {
  const auto end = text.data() + text.size();
  const auto [at, problem] = std::from_chars(text.data(), end, out);
  return problem == std::errc{} && at == end;
}
template <class Rep, class Period>
bool read_value(const std::string& text, std::chrono::duration<Rep, Period>& out) {
  Rep count{};
  if (!read_value(text, count) || count < 0) return false;
  out = std::chrono::duration<Rep, Period>(count);
  return true;
}
template <class T>
bool read_value(const std::string& text, std::optional<T>& out) {
  T value{};
  if (!read_value(text, value)) return false;
  out = std::move(value);
  return true;
}
template <class T>
bool read_value(const std::string& text, std::vector<T>& out) {
  T value{};
  if (!read_value(text, value)) return false;
  out.push_back(std::move(value));
  return true;
}

template <class T>
std::string expected_of() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  else if constexpr (std::is_integral_v<T>) return "a whole number";
  else if constexpr (std::is_floating_point_v<T>) return "a number";
  else if constexpr (requires { typename T::period; }) return "a whole number, 0 or more";
  else if constexpr (std::is_same_v<T, std::filesystem::path>) return "a path";
  else if constexpr (requires(T v) { v.push_back({}); } && !std::is_same_v<T, std::string>) return "one or more values";
  else if constexpr (requires { typename T::value_type; } && !std::is_same_v<T, std::string>) return expected_of<typename T::value_type>();
  else return "a text that is not empty";
}

/// A setting that fills the member `at` of the config.
template <class C, class T>
setting<C> make_setting(std::string name, std::string value, std::string help, T C::*at) {
  setting<C> s;
  s.name = std::move(name);
  s.value = std::move(value);
  s.help = std::move(help);
  s.expects = expected_of<T>();
  s.repeatable = requires(T v) { v.push_back({}); } && !std::is_same_v<T, std::string>;
  s.from_text = [at](C& config, const std::string& text) { return read_value(text, config.*at); };
  return s;
}

/// Reads `settings` from a JSON object. Errors (config) name the file, the key, and what was expected; an unknown key names
/// the nearest one that exists.
template <class C>
base::result<void> read_settings(const base::json::object& from, const std::vector<setting<C>>& settings, const std::string& file,
  const std::string& path, C& out);

/// The known key nearest to `key` by edit distance; empty if none is near.
std::string nearest_key(const std::string& key, const std::vector<std::string>& known);
/// What a JSON scalar would be on the command line; nothing for arrays, objects and null.
std::optional<std::string> scalar_text(const base::json::value& v);

template <class C>
base::result<void> read_settings(const base::json::object& from, const std::vector<setting<C>>& settings, const std::string& file,
  const std::string& path, C& out) {
  using base::errc, base::fail;
  for (const auto& [key, value] : from) {
    std::string dashed = key;
    for (auto& c : dashed)
      if (c == '_') c = '-';
    const setting<C>* found = nullptr;
    std::vector<std::string> known;
    for (const auto& s : settings) {
      if (s.name == dashed && key.find('-') == std::string::npos) found = &s;
      std::string spelled = s.name;
      for (auto& c : spelled)
        if (c == '-') c = '_';
      known.push_back(spelled);
    }
    const auto where = file + ": key \"" + path + key + "\"";
    if (found == nullptr) {
      const auto near = nearest_key(key, known);
      return fail(errc::config, near.empty() ? "unknown key" : "unknown key; did you mean \"" + near + "\"?", where);
    }
    const auto wrong = [&](const base::json::value& v) {
      return fail(errc::config, "expected " + found->expects + ", found " + base::json::dump(v).substr(0, 80), where);
    };
    std::vector<const base::json::value*> values;
    if (const auto* list = value.as_array()) {
      if (!found->repeatable) return wrong(value);
      for (const auto& v : *list) values.push_back(&v);
    } else {
      values.push_back(&value);
    }
    for (const auto* v : values) {
      const auto text = scalar_text(*v);
      if (!text || !found->from_text(out, *text)) return wrong(*v);
    }
  }
  return base::ok();
}

} // namespace ec::node
