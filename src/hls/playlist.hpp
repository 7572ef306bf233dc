#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

/// HLS media playlists as this project writes them (docs/formats/hls.md): text in, text out, no files.
namespace ec::hls {

/// What may happen to a playlist after it was first shown [RFC 8216 4.3.3.5].
enum class playlist_kind {
  window, ///< old segments leave at the front; no EXT-X-PLAYLIST-TYPE
  event,  ///< only grows
  vod,    ///< never changes
};

/// One media segment of a playlist.
struct playlist_entry {
  std::string uri{};                                  ///< a plain file name: [A-Za-z0-9._-], no leading dot
  int64_t duration_pts = 0;                           ///< 90 kHz, > 0
  bool discontinuity = false;                         ///< the timeline or the coding breaks before this segment
  std::optional<base::wall_time> program_date_time{}; ///< of its first picture; years 1970 to 9999

  friend bool operator==(const playlist_entry&, const playlist_entry&) = default;
};

/// A media playlist of TS segments [RFC 8216 4.3.3].
struct media_playlist {
  playlist_kind kind = playlist_kind::window;
  int64_t target_duration_s = 0;       ///< no EXTINF, rounded to the nearest second, is longer
  uint64_t media_sequence = 0;         ///< of entries.front(); 0 unless the kind is window
  uint64_t discontinuity_sequence = 0; ///< discontinuities that left at the front; 0 unless the kind is window
  bool ended = false;                  ///< EXT-X-ENDLIST
  std::vector<playlist_entry> entries{};

  friend bool operator==(const media_playlist&, const media_playlist&) = default;
};

/// The EXTINF value: seconds with exactly five decimals, from which parse_extinf() gives back the same ticks.
/// `duration_pts` in 90 kHz, >= 0.
std::string extinf(int64_t duration_pts);

/// The ticks (90 kHz) of an EXTINF value of our own writing; nothing if extinf() would have spelled it otherwise.
std::optional<int64_t> parse_extinf(std::string_view text);

/// Seconds, rounded to the nearest as the rule of EXT-X-TARGETDURATION rounds [RFC 8216 4.3.3.1].
int64_t rounded_seconds(int64_t duration_pts);

/// "2026-03-01T17:04:05.250Z" [RFC 8216 4.3.2.6]. `t` in years 1970 to 9999.
std::string date_time(base::wall_time t);
std::optional<base::wall_time> parse_date_time(std::string_view text);

/// True for names that may stand in a playlist and be opened in its directory: one path element that hides nothing.
bool is_plain_file_name(std::string_view name);

/// The text of `p`. The same playlist always gives the same text.
std::string render(const media_playlist& p);

/// Reads a playlist that render() wrote; render(parse(text)) == text. Strict: another writer's playlist is refused, so
/// that nothing of it is taken over or overwritten by mistake. Errors: malformed (with the line), too_large.
[[nodiscard]] base::result<media_playlist> parse(std::string_view text);

} // namespace ec::hls
