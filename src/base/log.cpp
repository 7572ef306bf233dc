#include "base/log.hpp"

#include <cstdio>
#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/json.hpp"

namespace ec::base::log {
namespace {

format current_format = format::text;

spdlog::level::level_enum to_spdlog(level l) {
  switch (l) {
  case level::trace: return spdlog::level::trace;
  case level::debug: return spdlog::level::debug;
  case level::info: return spdlog::level::info;
  case level::warn: return spdlog::level::warn;
  case level::error: return spdlog::level::err;
  case level::off: return spdlog::level::off;
  }
  return spdlog::level::off;
}

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("ec", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::warn);
    return made;
  }();
  return *instance;
}

bool plain(std::string_view s) {
  if (s.empty()) return false;
  for (const char c : s)
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return false;
  return true;
}

} // namespace

field::field(std::string_view k, double v) : key(k), number(true) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.6g", v);
  text = buffer;
}

void set_up(format f, level threshold) {
  current_format = f;
  auto& l = logger();
  l.set_level(to_spdlog(threshold));
  if (f == format::json)
    l.set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})", spdlog::pattern_time_type::utc);
}

bool enabled(level l) {
  return logger().should_log(to_spdlog(l));
}

void write(level l, std::string_view component, std::string_view event, fields f) {
  if (!enabled(l)) return;
  std::string line;
  if (current_format == format::json) {
    line = "\"component\":" + json::dump(component) + ",\"event\":" + json::dump(event);
    for (const auto& [key, text, number] : f) {
      line += ',' + json::dump(key) + ':';
      line += number ? text : json::dump(text);
    }
  } else {
    line = std::string(component) + ' ' + std::string(event);
    for (const auto& [key, text, number] : f) {
      line += ' ' + std::string(key) + '=';
      line += number || plain(text) ? text : json::dump(text);
    }
  }
  logger().log(to_spdlog(l), spdlog::string_view_t(line.data(), line.size()));
}

} // namespace ec::base::log
