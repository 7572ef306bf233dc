#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ec::identity {

/// A station as its regulator names it: no two stations of a country have one callsign, and the first letter is the country's.
struct callsign {
  std::string text;     ///< in its one form: "wptv", "wxyz-ld", "w24cp", "ciii-41", "xew"
  bool certain = false; ///< the name cannot well mean anything else: it carries a suffix of stations ("WPTV-TV"), or digits ("W24CP")

  friend bool operator==(const callsign&, const callsign&) = default;
};

/// The callsign in the name of a channel, as a lineup (GuideName) or a virtual channel table (short_name, UTF-8) has it; nothing if
/// the name is none ("MeTV", "CBS"). Callsigns of the USA, Canada and Mexico. The rules and their golden examples stand in
/// docs/formats/stream-id.md.
std::optional<callsign> read_callsign(std::string_view name);

} // namespace ec::identity
