#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

/// The JSON documents of an HDHomeRun, read tolerantly: fields come and go with model and firmware, flags are present with
/// value 1 or absent. What is absent stays unset: unknown, not zero. What is not known here is kept in `other` as it was sent;
/// the same goes for a known field whose value makes no sense. Each document has at most limits::http_body_bytes_max.
namespace ec::tuner {

/// `/discover.json`: what the device says about itself. The recording engine answers it too, without a device id. DeviceAuth is
/// a secret of the device's owner and not kept at all.
struct discover_document {
  std::string friendly_name;
  std::string model_number;
  std::string firmware_name;
  std::string firmware_version;
  std::optional<std::string> device_id; ///< eight hexadecimal digits, upper case here whatever the device wrote
  std::optional<std::string> base_url;  ///< with or without port, perhaps of a `.local` name
  std::optional<std::string> lineup_url; ///< unset: not a tuner
  std::optional<unsigned> tuner_count;   ///< older firmware does not say
  std::optional<bool> legacy;            ///< a device before lineup.json: its lineup is `{}`
  std::optional<bool> conditional_access; ///< a cable device with a card
  base::json::object other;

  bool is_tuner() const { return device_id && lineup_url; }
};

/// One virtual channel of `/lineup.json`. The last group comes with `/lineup.json?tuning` of newer firmware only.
struct lineup_entry {
  std::string guide_number; ///< "5.1" of ATSC, "1" of DVB; text: "9.10" is not "9.1"
  std::string guide_name;
  std::string url;          ///< may be empty
  std::optional<std::string> video_codec; ///< "MPEG2", "H264", "HEVC"
  std::optional<std::string> audio_codec; ///< "AC3", "AAC", "MPEG", "AC4"
  std::optional<bool> hd;
  std::optional<bool> favorite;
  std::optional<bool> drm;      ///< content protection: no stream will come
  std::optional<bool> enabled;
  std::optional<bool> atsc3;
  std::optional<unsigned> signal_strength; ///< percent
  std::optional<unsigned> signal_quality;  ///< percent

  std::optional<uint16_t> transport_stream_id;
  std::optional<uint16_t> original_network_id; ///< of DVB
  std::optional<uint16_t> program_number;      ///< ProgramNumber, or ProgramID of some firmware; never 0
  std::optional<uint64_t> frequency_hz;
  std::optional<std::string> modulation;       ///< "8vsb", "qam256", "atsc3", "t8qam64", ...
  base::json::object other;
};

/// `/lineup_status.json`.
struct lineup_status {
  bool scanning = false;
  std::optional<unsigned> progress; ///< percent
  std::optional<unsigned> found;
  std::string source; ///< "Antenna" or "Cable"; empty if the device does not say
  base::json::object other;
};

/// One tuner in `/status.json`. One that is idle has a name and nothing else.
struct tuner_status {
  std::string resource;                    ///< "tuner0"
  std::optional<std::string> guide_number; ///< VctNumber
  std::optional<std::string> guide_name;   ///< VctName
  std::optional<uint64_t> frequency_hz;
  std::optional<uint16_t> program_number;
  std::optional<unsigned> signal_strength; ///< percent, as the next two
  std::optional<unsigned> signal_quality;
  std::optional<unsigned> symbol_quality;
  std::optional<std::string> target;       ///< the client that takes the stream
  base::json::object other;

  bool idle() const { return !guide_number && !frequency_hz && !target; }
};

/// Errors of all four: malformed (no JSON, or not of the expected shape), too_large (over http_body_bytes_max, or too many entries).
[[nodiscard]] base::result<discover_document> parse_discover(std::string_view json);
/// Entries without a GuideNumber are left out. At most limits::lineup_entries_max. `{}`, of a legacy device, has no entries.
[[nodiscard]] base::result<std::vector<lineup_entry>> parse_lineup(std::string_view json);
[[nodiscard]] base::result<lineup_status> parse_lineup_status(std::string_view json);
/// Entries without a Resource are left out. At most limits::device_tuners_max.
[[nodiscard]] base::result<std::vector<tuner_status>> parse_status(std::string_view json);

/// The same documents as a device of current firmware writes them, with `other` behind the rest.
std::string print_discover(const discover_document& d);
std::string print_lineup(const std::vector<lineup_entry>& entries);
std::string print_lineup_status(const lineup_status& s);
std::string print_status(const std::vector<tuner_status>& tuners);

/// "5.1", "5-1" or "v5.1" as the "5.1" of URLs; nothing if `text` is no channel number (1..65535 with an optional minor).
std::optional<std::string> normal_channel(std::string_view text);

/// True if the device id carries the right check digit and so was not mistyped.
bool device_id_valid(std::string_view id);

} // namespace ec::tuner
