#include "tuner/lineup.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/json.hpp"
#include "base/limits.hpp"

namespace ec::tuner {
namespace {

namespace json = base::json;
using base::errc;
using base::fail;

std::string text_of(const json::value& v, std::string_view key) {
  const auto* found = v.find(key);
  if (!found) return {};
  if (const auto* s = found->as_string()) return *s;
  if (const auto* n = found->as_int()) return std::to_string(*n); // some scripts write a channel "5" as a number
  return {};
}

std::optional<std::string> maybe_text(const json::value& v, std::string_view key) {
  auto s = text_of(v, key);
  if (s.empty()) return std::nullopt;
  return s;
}

/// A count or percentage; strings of digits are taken too.
std::optional<unsigned> number_of(const json::value& v, std::string_view key) {
  const auto* found = v.find(key);
  if (!found) return std::nullopt;
  if (const auto* n = found->as_int(); n && *n >= 0 && *n <= 1000000) return static_cast<unsigned>(*n);
  if (const auto* s = found->as_string(); s && !s->empty() && s->size() <= 6 &&
      std::all_of(s->begin(), s->end(), [](unsigned char c) { return std::isdigit(c) != 0; }))
    return static_cast<unsigned>(std::stoul(*s));
  return std::nullopt;
}

/// 1, true, "1": set. 0, false, "0": not set. Anything else: unknown.
std::optional<bool> flag_of(const json::value& v, std::string_view key) {
  if (const auto* found = v.find(key))
    if (const auto* b = found->as_bool()) return *b;
  const auto n = number_of(v, key);
  if (!n) return std::nullopt;
  return *n != 0;
}

bool tagged(std::string_view tags, std::string_view tag) {
  while (!tags.empty()) {
    const auto end = std::min(tags.find(','), tags.size());
    if (tags.substr(0, end) == tag) return true;
    tags.remove_prefix(std::min(end + 1, tags.size()));
  }
  return false;
}

void put(json::object& out, std::string_view key, const std::optional<std::string>& v) {
  if (v) out.emplace_back(key, *v);
}

void put_flag(json::object& out, std::string_view key, const std::optional<bool>& v) {
  if (v && *v) out.emplace_back(key, 1); // devices leave a flag out rather than write 0
}

void put_number(json::object& out, std::string_view key, const std::optional<unsigned>& v) {
  if (v) out.emplace_back(key, *v);
}

} // namespace

base::result<discover_document> parse_discover(std::string_view text) {
  EC_TRY(const auto v, json::parse(text, {.bytes_max = base::limits::http_body_bytes_max}));
  if (!v.as_object()) return fail(errc::malformed, "discover.json is no object", std::string(v.kind()));
  discover_document out;
  out.friendly_name = text_of(v, "FriendlyName");
  out.model_number = text_of(v, "ModelNumber");
  out.firmware_name = text_of(v, "FirmwareName");
  out.firmware_version = text_of(v, "FirmwareVersion");
  out.device_id = maybe_text(v, "DeviceID");
  if (out.device_id)
    for (auto& c : *out.device_id) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  out.base_url = maybe_text(v, "BaseURL");
  out.lineup_url = maybe_text(v, "LineupURL");
  out.tuner_count = number_of(v, "TunerCount");
  return out;
}

base::result<std::vector<lineup_entry>> parse_lineup(std::string_view text) {
  EC_TRY(const auto v, json::parse(text, {.bytes_max = base::limits::http_body_bytes_max}));
  const auto* entries = v.as_array();
  if (!entries) return fail(errc::malformed, "lineup.json is no array", std::string(v.kind()));
  if (entries->size() > base::limits::lineup_entries_max) return fail(errc::too_large, "the lineup has too many channels");
  std::vector<lineup_entry> out;
  out.reserve(entries->size());
  for (const auto& e : *entries) {
    lineup_entry entry;
    entry.guide_number = text_of(e, "GuideNumber");
    if (entry.guide_number.empty()) continue;
    entry.guide_name = text_of(e, "GuideName");
    entry.url = text_of(e, "URL");
    entry.video_codec = maybe_text(e, "VideoCodec");
    entry.audio_codec = maybe_text(e, "AudioCodec");
    entry.hd = flag_of(e, "HD");
    entry.favorite = flag_of(e, "Favorite");
    entry.drm = flag_of(e, "DRM");
    entry.enabled = flag_of(e, "Enabled");
    const auto tags = text_of(e, "Tags");
    if (!entry.favorite && tagged(tags, "favorite")) entry.favorite = true;
    if (!entry.drm && tagged(tags, "drm")) entry.drm = true;
    entry.signal_strength = number_of(e, "SignalStrength");
    entry.signal_quality = number_of(e, "SignalQuality");
    out.push_back(std::move(entry));
  }
  return out;
}

base::result<lineup_status> parse_lineup_status(std::string_view text) {
  EC_TRY(const auto v, json::parse(text, {.bytes_max = base::limits::http_body_bytes_max}));
  if (!v.as_object()) return fail(errc::malformed, "lineup_status.json is no object", std::string(v.kind()));
  lineup_status out;
  out.scanning = flag_of(v, "ScanInProgress").value_or(false);
  out.progress = number_of(v, "Progress");
  out.found = number_of(v, "Found");
  out.source = text_of(v, "Source");
  return out;
}

std::string print_discover(const discover_document& d) {
  json::object out;
  out.emplace_back("FriendlyName", d.friendly_name);
  out.emplace_back("ModelNumber", d.model_number);
  out.emplace_back("FirmwareName", d.firmware_name);
  out.emplace_back("FirmwareVersion", d.firmware_version);
  put(out, "DeviceID", d.device_id);
  put(out, "BaseURL", d.base_url);
  put(out, "LineupURL", d.lineup_url);
  put_number(out, "TunerCount", d.tuner_count);
  return json::dump(std::move(out));
}

std::string print_lineup(const std::vector<lineup_entry>& entries) {
  json::array all;
  for (const auto& e : entries) {
    json::object out;
    out.emplace_back("GuideNumber", e.guide_number);
    out.emplace_back("GuideName", e.guide_name);
    put(out, "VideoCodec", e.video_codec);
    put(out, "AudioCodec", e.audio_codec);
    put_flag(out, "HD", e.hd);
    put_flag(out, "Favorite", e.favorite);
    put_flag(out, "DRM", e.drm);
    put_number(out, "SignalStrength", e.signal_strength);
    put_number(out, "SignalQuality", e.signal_quality);
    out.emplace_back("URL", e.url);
    all.emplace_back(std::move(out));
  }
  return json::dump(std::move(all));
}

std::string print_lineup_status(const lineup_status& s) {
  json::object out;
  out.emplace_back("ScanInProgress", s.scanning ? 1 : 0);
  out.emplace_back("ScanPossible", 1);
  out.emplace_back("Source", s.source);
  out.emplace_back("SourceList", json::array{"Antenna", "Cable"});
  put_number(out, "Progress", s.progress);
  put_number(out, "Found", s.found);
  return json::dump(std::move(out));
}

std::optional<std::string> normal_channel(std::string_view text) {
  if (!text.empty() && (text.front() == 'v' || text.front() == 'V')) text.remove_prefix(1);
  const auto split = text.find_first_of(".-");
  const auto number = [](std::string_view part, unsigned from) -> std::optional<std::string> {
    if (part.empty() || part.size() > 5 || (part.size() > 1 && part.front() == '0')) return std::nullopt;
    unsigned value = 0;
    for (const char c : part) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + static_cast<unsigned>(c - '0');
    }
    if (value < from || value > 65535) return std::nullopt;
    return std::string(part);
  };
  const auto major = number(text.substr(0, split), 1);
  if (!major || split == std::string_view::npos) return major;
  const auto minor = number(text.substr(split + 1), 0);
  if (!minor) return std::nullopt;
  return *major + "." + *minor;
}

bool device_id_valid(std::string_view id) {
  constexpr std::array<uint8_t, 16> table{0xA, 0x5, 0xF, 0x6, 0x7, 0xC, 0x1, 0xB, 0x9, 0x2, 0x8, 0xD, 0x4, 0x3, 0xE, 0x0};
  if (id.size() != 8) return false;
  uint8_t sum = 0;
  for (size_t i = 0; i < id.size(); ++i) {
    const auto c = static_cast<unsigned char>(id[i]);
    if (!std::isxdigit(c)) return false;
    const auto nibble = static_cast<uint8_t>(std::isdigit(c) ? c - '0' : std::toupper(c) - 'A' + 10);
    sum ^= i % 2 == 0 ? table[nibble] : nibble;
  }
  return sum == 0;
}

} // namespace ec::tuner
