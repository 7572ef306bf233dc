#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ec::tuner::internal {

/// One segment of a media playlist.
struct origin_segment {
  uint64_t sequence = 0;      ///< media sequence number
  std::string uri;            ///< as written: relative to the playlist
  bool discontinuity = false; ///< right before it
  bool missing = false;       ///< EXT-X-GAP: it is not there

  friend bool operator==(const origin_segment&, const origin_segment&) = default;
};

/// What is read of a media playlist [RFC 8216 4.3].
struct origin_playlist {
  std::chrono::milliseconds target_duration{0};
  bool ended = false; ///< EXT-X-ENDLIST: nothing is added any more
  std::vector<origin_segment> segments;
};

/// Reads a media playlist whose segments are whole files of transport stream in the clear. Tags that nobody knows are skipped. Errors: malformed, too_large
/// (over limits::origin_playlist_bytes_max or limits::origin_segments_max), unsupported (a multivariant playlist, byte ranges, encryption,
/// fragmented MP4).
[[nodiscard]] base::result<origin_playlist> parse_origin_playlist(std::string_view text);

} // namespace ec::tuner::internal
