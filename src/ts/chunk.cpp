#include "ts/chunk.hpp"

#include <charconv>

namespace ec::ts {

base::result<chunk_profile> find_profile(std::string_view name) {
  static constexpr std::string_view prefix = "ts-v1";
  chunk_profile out;
  if (name == prefix) return out;
  const auto unknown = [&] {
    return base::fail(base::errc::not_found, "no such profile; there are ts-v1 and ts-v1-<100..60000>ms", std::string(name));
  };
  if (!name.starts_with("ts-v1-") || !name.ends_with("ms")) return unknown();
  const auto digits = name.substr(prefix.size() + 1, name.size() - prefix.size() - 3);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.duration_ms);
  // One spelling for each: no leading zero, and 2 s is ts-v1 itself.
  if (error != std::errc() || end != digits.data() + digits.size() || digits.starts_with('0')) return unknown();
  if (out.duration_ms < 100 || out.duration_ms > 60'000 || out.duration_ms == 2000) return unknown();
  out.name = name;
  return out;
}

std::string_view name(damage why) {
  switch (why) {
  case damage::none: return "none";
  case damage::continuity: return "continuity";
  case damage::transport_error: return "transport-error";
  case damage::resync: return "resync";
  case damage::stream_check: return "stream-check";
  case damage::uncertain_boundary: return "uncertain-boundary";
  case damage::source_gap: return "source-gap";
  case damage::scrambled: return "scrambled";
  case damage::too_large: return "too-large";
  case damage::clock_jump: return "clock-jump";
  case damage::program_change: return "program-change";
  case damage::neighbour_loss: return "neighbour-loss";
  case damage::stalled: return "stalled";
  case damage::end_of_input: return "end-of-input";
  }
  return "?";
}

} // namespace ec::ts
