#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

/// Structured logs: a component, a stable event id, fields. `log::info("chunker", "pcr-jump", {{"pid", 49}})` prints
/// `chunker pcr-jump pid=49`. Nothing above trace per object: count instead.
namespace ec::base::log {

enum class level { trace, debug, info, warn, error, off };
enum class format { text, json };

/// One named value of a log line; numbers stay numbers in JSON.
struct field {
  std::string_view key;
  std::string text;
  bool number = false;

  field(std::string_view k, std::string_view v) : key(k), text(v) {}
  field(std::string_view k, const char* v) : key(k), text(v) {}
  field(std::string_view k, const std::string& v) : key(k), text(v) {}
  field(std::string_view k, bool v) : key(k), text(v ? "true" : "false"), number(true) {}
  template <std::integral T>
  field(std::string_view k, T v) : key(k), text(std::to_string(v)), number(true) {}
  field(std::string_view k, double v);
};

using fields = std::initializer_list<field>;

/// Sets format and threshold for the process; lines go to standard error. Call once, before threads start.
void set_up(format f, level threshold);
/// True if a line of this level would be written: lets a caller skip costly fields.
bool enabled(level l);
void write(level l, std::string_view component, std::string_view event, fields f = {});

inline void trace(std::string_view c, std::string_view e, fields f = {}) { write(level::trace, c, e, f); }
inline void debug(std::string_view c, std::string_view e, fields f = {}) { write(level::debug, c, e, f); }
inline void info(std::string_view c, std::string_view e, fields f = {}) { write(level::info, c, e, f); }
inline void warn(std::string_view c, std::string_view e, fields f = {}) { write(level::warn, c, e, f); }
inline void error(std::string_view c, std::string_view e, fields f = {}) { write(level::error, c, e, f); }

} // namespace ec::base::log
