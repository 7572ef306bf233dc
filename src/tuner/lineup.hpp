#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// The JSON documents of an HDHomeRun, read tolerantly: fields come and go with model and firmware, flags are present with
/// value 1 or absent, unknown fields are skipped. What is absent stays unset: unknown, not zero.
namespace ec::tuner {

/// `/discover.json`: what the device says about itself. The recording engine answers it too, without a device id.
struct discover_document {
  std::string friendly_name;
  std::string model_number;
  std::string firmware_name;
  std::string firmware_version;
  std::optional<std::string> device_id; ///< eight hexadecimal digits, upper case here whatever the device wrote
  std::optional<std::string> base_url;
  std::optional<std::string> lineup_url; ///< unset: not a tuner
  std::optional<unsigned> tuner_count;   ///< older firmware does not say

  bool is_tuner() const { return device_id && lineup_url; }
};

/// One virtual channel of `/lineup.json`.
struct lineup_entry {
  std::string guide_number; ///< "5.1" of ATSC, "1" of DVB
  std::string guide_name;
  std::string url;          ///< may be empty
  std::optional<std::string> video_codec; ///< "MPEG2", "H264", "HEVC"
  std::optional<std::string> audio_codec; ///< "AC3", "AAC", "MPEG", "AC4"
  std::optional<bool> hd;
  std::optional<bool> favorite;
  std::optional<bool> drm;      ///< content protection: no stream will come
  std::optional<bool> enabled;
  std::optional<unsigned> signal_strength; ///< percent
  std::optional<unsigned> signal_quality;  ///< percent
};

/// `/lineup_status.json`.
struct lineup_status {
  bool scanning = false;
  std::optional<unsigned> progress; ///< percent
  std::optional<unsigned> found;
  std::string source; ///< "Antenna" or "Cable"
};

/// Errors of all three: malformed (no JSON, or not of the expected shape), too_large.
[[nodiscard]] base::result<discover_document> parse_discover(std::string_view json);
/// Entries without a GuideNumber are left out. At most limits::lineup_entries_max.
[[nodiscard]] base::result<std::vector<lineup_entry>> parse_lineup(std::string_view json);
[[nodiscard]] base::result<lineup_status> parse_lineup_status(std::string_view json);

/// The same documents as a device of current firmware writes them.
std::string print_discover(const discover_document& d);
std::string print_lineup(const std::vector<lineup_entry>& entries);
std::string print_lineup_status(const lineup_status& s);

/// "5.1", "5-1" or "v5.1" as the "5.1" of URLs; nothing if `text` is no channel number (1..65535 with an optional minor).
std::optional<std::string> normal_channel(std::string_view text);

/// True if the device id carries the right check digit and so was not mistyped.
bool device_id_valid(std::string_view id);

} // namespace ec::tuner
