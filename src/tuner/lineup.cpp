#include "tuner/lineup.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "base/json.hpp"
#include "base/limits.hpp"

namespace ec::tuner {
namespace {

namespace json = base::json;
using base::errc;
using base::fail;

/// The members of one object, taken out one by one; what is left in the end is what nobody knew, or what made no sense.
class fields {
public:
  /// `v` may be no object: it then has no fields.
  explicit fields(json::value v) {
    if (auto* o = v.as_object()) left_ = std::move(*o);
  }

  /// Text, or a whole number as text: some scripts write a channel "5" as a number. Empty text is none.
  std::optional<std::string> text(std::string_view key) {
    return take<std::string>(key, [](const json::value& v) -> std::optional<std::string> {
      if (const auto* s = v.as_string()) return s->empty() ? std::nullopt : std::optional(*s);
      if (const auto* n = v.as_int()) return std::to_string(*n);
      return std::nullopt;
    });
  }

  /// A count up to `max`; strings of digits are taken too.
  std::optional<uint64_t> number(std::string_view key, uint64_t max) {
    return take<uint64_t>(key, [max](const json::value& v) { return number_of(v, max); });
  }

  /// 1, true, "1": set. 0, false, "0": not set. Anything else: unknown.
  std::optional<bool> flag(std::string_view key) {
    return take<bool>(key, [](const json::value& v) -> std::optional<bool> {
      if (const auto* b = v.as_bool()) return *b;
      const auto n = number_of(v, 1'000'000);
      return n ? std::optional(*n != 0) : std::nullopt;
    });
  }

  /// Text that stays where it is.
  std::string peek(std::string_view key) {
    const auto at = find(key);
    const auto* s = at == left_.end() ? nullptr : at->second.as_string();
    return s ? *s : std::string();
  }

  void drop(std::string_view key) {
    if (const auto at = find(key); at != left_.end()) left_.erase(at);
  }

  json::object rest() { return std::move(left_); }

private:
  json::object::iterator find(std::string_view key) {
    return std::find_if(left_.begin(), left_.end(), [&](const json::member& m) { return m.first == key; });
  }

  static std::optional<uint64_t> number_of(const json::value& v, uint64_t max) {
    uint64_t out = 0;
    if (const auto* n = v.as_int()) {
      if (*n < 0) return std::nullopt;
      out = static_cast<uint64_t>(*n);
    } else if (const auto* s = v.as_string()) {
      const auto [end, ec] = std::from_chars(s->data(), s->data() + s->size(), out);
      if (ec != std::errc() || end != s->data() + s->size()) return std::nullopt;
    } else {
      return std::nullopt;
    }
    return out <= max ? std::optional(out) : std::nullopt;
  }

  template <class T, class Read>
  std::optional<T> take(std::string_view key, Read read) {
    const auto at = find(key);
    if (at == left_.end()) return std::nullopt;
    auto out = read(at->second);
    if (out) left_.erase(at);
    return out;
  }

  json::object left_;
};

constexpr uint64_t count_max = 1'000'000;
constexpr uint64_t hz_max = 100'000'000'000;

template <class T>
std::optional<T> narrow(std::optional<uint64_t> n) {
  return n ? std::optional(static_cast<T>(*n)) : std::nullopt;
}

std::optional<unsigned> count(fields& in, std::string_view key) {
  return narrow<unsigned>(in.number(key, count_max));
}

std::optional<uint16_t> id16(fields& in, std::string_view key) {
  return narrow<uint16_t>(in.number(key, 65535));
}

/// A program_number: 0 stands for the network table [13818-1 2.4.4.5], here for nothing.
std::optional<uint16_t> program(fields& in, std::string_view key) {
  const auto n = id16(in, key);
  return n && *n != 0 ? n : std::nullopt;
}

bool tagged(std::string_view tags, std::string_view tag) {
  while (!tags.empty()) {
    const auto end = std::min(tags.find(','), tags.size());
    if (tags.substr(0, end) == tag) return true;
    tags.remove_prefix(std::min(end + 1, tags.size()));
  }
  return false;
}

base::result<json::value> read(std::string_view text, std::string_view document) {
  auto v = json::parse(text, {.bytes_max = base::limits::http_body_bytes_max});
  if (!v) {
    auto why = v.error();
    if (why.about.empty()) why.about = document;
    return fail(std::move(why));
  }
  return v;
}

void put(json::object& out, std::string_view key, const std::optional<std::string>& v) {
  if (v) out.emplace_back(key, *v);
}

void put_flag(json::object& out, std::string_view key, const std::optional<bool>& v) {
  if (v) out.emplace_back(key, *v ? 1 : 0); // a 0 that was said stays: without it a tag of the same name would set the flag
}

template <class T>
void put_number(json::object& out, std::string_view key, const std::optional<T>& v) {
  if (v) out.emplace_back(key, static_cast<int64_t>(*v));
}

/// Of `other` what does not say a key twice.
void put_other(json::object& out, const json::object& other) {
  for (const auto& m : other)
    if (std::none_of(out.begin(), out.end(), [&](const json::member& o) { return o.first == m.first; })) out.push_back(m);
}

} // namespace

base::result<discover_document> parse_discover(std::string_view text) {
  EC_TRY(auto v, read(text, "discover.json"));
  if (!v.as_object()) return fail(errc::malformed, "discover.json is no object", std::string(v.kind()));
  fields in(std::move(v));
  discover_document out;
  out.friendly_name = in.text("FriendlyName").value_or("");
  out.model_number = in.text("ModelNumber").value_or("");
  out.firmware_name = in.text("FirmwareName").value_or("");
  out.firmware_version = in.text("FirmwareVersion").value_or("");
  out.device_id = in.text("DeviceID");
  if (out.device_id)
    for (auto& c : *out.device_id) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  out.base_url = in.text("BaseURL");
  out.lineup_url = in.text("LineupURL");
  out.tuner_count = count(in, "TunerCount");
  out.legacy = in.flag("Legacy");
  out.conditional_access = in.flag("ConditionalAccess");
  in.drop("DeviceAuth");
  out.other = in.rest();
  return out;
}

base::result<std::vector<lineup_entry>> parse_lineup(std::string_view text) {
  EC_TRY(auto v, read(text, "lineup.json"));
  std::vector<lineup_entry> out;
  if (const auto* o = v.as_object(); o && o->empty()) return out;
  auto* entries = v.as_array();
  if (!entries) return fail(errc::malformed, "lineup.json is no array", std::string(v.kind()));
  if (entries->size() > base::limits::lineup_entries_max) return fail(errc::too_large, "the lineup has too many channels");
  out.reserve(entries->size());
  for (auto& e : *entries) {
    fields in(std::move(e));
    lineup_entry entry;
    entry.guide_number = in.text("GuideNumber").value_or("");
    if (entry.guide_number.empty()) continue;
    entry.guide_name = in.text("GuideName").value_or("");
    entry.url = in.text("URL").value_or("");
    entry.video_codec = in.text("VideoCodec");
    entry.audio_codec = in.text("AudioCodec");
    entry.hd = in.flag("HD");
    entry.favorite = in.flag("Favorite");
    entry.drm = in.flag("DRM");
    entry.enabled = in.flag("Enabled");
    entry.atsc3 = in.flag("ATSC3");
    const auto tags = in.peek("Tags");
    if (!entry.favorite && tagged(tags, "favorite")) entry.favorite = true;
    if (!entry.drm && tagged(tags, "drm")) entry.drm = true;
    entry.signal_strength = count(in, "SignalStrength");
    entry.signal_quality = count(in, "SignalQuality");
    entry.transport_stream_id = id16(in, "TransportStreamID");
    entry.original_network_id = id16(in, "OriginalNetworkID");
    entry.program_number = program(in, "ProgramNumber");
    if (!entry.program_number) entry.program_number = program(in, "ProgramID");
    entry.frequency_hz = in.number("Frequency", hz_max);
    entry.modulation = in.text("Modulation");
    entry.other = in.rest();
    out.push_back(std::move(entry));
  }
  return out;
}

base::result<lineup_status> parse_lineup_status(std::string_view text) {
  EC_TRY(auto v, read(text, "lineup_status.json"));
  if (!v.as_object()) return fail(errc::malformed, "lineup_status.json is no object", std::string(v.kind()));
  fields in(std::move(v));
  lineup_status out;
  out.scanning = in.flag("ScanInProgress").value_or(false);
  out.progress = count(in, "Progress");
  out.found = count(in, "Found");
  out.source = in.text("Source").value_or("");
  out.other = in.rest();
  return out;
}

base::result<std::vector<tuner_status>> parse_status(std::string_view text) {
  EC_TRY(auto v, read(text, "status.json"));
  auto* entries = v.as_array();
  if (!entries) return fail(errc::malformed, "status.json is no array", std::string(v.kind()));
  if (entries->size() > base::limits::device_tuners_max) return fail(errc::too_large, "the device has too many tuners");
  std::vector<tuner_status> out;
  for (auto& e : *entries) {
    fields in(std::move(e));
    tuner_status tuner;
    tuner.resource = in.text("Resource").value_or("");
    if (tuner.resource.empty()) continue;
    tuner.guide_number = in.text("VctNumber");
    tuner.guide_name = in.text("VctName");
    tuner.frequency_hz = in.number("Frequency", hz_max);
    tuner.program_number = program(in, "ProgramNumber");
    tuner.signal_strength = count(in, "SignalStrengthPercent");
    tuner.signal_quality = count(in, "SignalQualityPercent");
    tuner.symbol_quality = count(in, "SymbolQualityPercent");
    tuner.target = in.text("TargetIP");
    tuner.other = in.rest();
    out.push_back(std::move(tuner));
  }
  return out;
}

std::string print_discover(const discover_document& d) {
  json::object out;
  out.emplace_back("FriendlyName", d.friendly_name);
  out.emplace_back("ModelNumber", d.model_number);
  out.emplace_back("FirmwareName", d.firmware_name);
  out.emplace_back("FirmwareVersion", d.firmware_version);
  put(out, "DeviceID", d.device_id);
  put_flag(out, "Legacy", d.legacy);
  put_flag(out, "ConditionalAccess", d.conditional_access);
  put(out, "BaseURL", d.base_url);
  put(out, "LineupURL", d.lineup_url);
  put_number(out, "TunerCount", d.tuner_count);
  put_other(out, d.other);
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
    put_flag(out, "Enabled", e.enabled);
    put_flag(out, "ATSC3", e.atsc3);
    put_number(out, "SignalStrength", e.signal_strength);
    put_number(out, "SignalQuality", e.signal_quality);
    put_number(out, "TransportStreamID", e.transport_stream_id);
    put_number(out, "OriginalNetworkID", e.original_network_id);
    put(out, "Modulation", e.modulation);
    put_number(out, "Frequency", e.frequency_hz);
    put_number(out, "ProgramNumber", e.program_number);
    out.emplace_back("URL", e.url);
    put_other(out, e.other);
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
  put_other(out, s.other);
  return json::dump(std::move(out));
}

std::string print_status(const std::vector<tuner_status>& tuners) {
  json::array all;
  for (const auto& t : tuners) {
    json::object out;
    out.emplace_back("Resource", t.resource);
    put(out, "VctNumber", t.guide_number);
    put(out, "VctName", t.guide_name);
    put_number(out, "Frequency", t.frequency_hz);
    put_number(out, "ProgramNumber", t.program_number);
    put_number(out, "SignalStrengthPercent", t.signal_strength);
    put_number(out, "SignalQualityPercent", t.signal_quality);
    put_number(out, "SymbolQualityPercent", t.symbol_quality);
    put(out, "TargetIP", t.target);
    put_other(out, t.other);
    all.emplace_back(std::move(out));
  }
  return json::dump(std::move(all));
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
