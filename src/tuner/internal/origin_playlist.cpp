#include "tuner/internal/origin_playlist.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/limits_tuner.hpp"

namespace ec::tuner::internal {
namespace {

using base::errc;
using base::fail;

constexpr uint64_t sequence_max = uint64_t{1} << 62;
constexpr uint64_t duration_s_max = 3600;

std::optional<uint64_t> parse_number(std::string_view text, uint64_t max) {
  uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  return ec == std::errc() && end == text.data() + text.size() && value <= max ? std::optional(value) : std::nullopt;
}

/// The value of a tag, if `line` is that tag.
std::optional<std::string_view> tag(std::string_view line, std::string_view name) {
  if (!line.starts_with(name)) return std::nullopt;
  line.remove_prefix(name.size());
  if (line.empty()) return line;
  return line.front() == ':' ? std::optional(line.substr(1)) : std::nullopt;
}

} // namespace

base::result<origin_playlist> parse_origin_playlist(std::string_view text) {
  if (text.size() > base::limits::origin_playlist_bytes_max) return fail(errc::too_large, "the playlist has " + std::to_string(text.size()) + " bytes");
  if (text.starts_with("\xef\xbb\xbf")) return fail(errc::malformed, "a playlist does not begin with a byte order mark");
  origin_playlist out;
  origin_segment next;
  bool first = true, timed = false;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (std::exchange(first, false)) {
      if (line != "#EXTM3U") return fail(errc::malformed, "a playlist begins with #EXTM3U");
      continue;
    }
    if (line.empty()) continue;
    if (line.front() != '#') {
      if (!timed) return fail(errc::malformed, "a segment without its #EXTINF");
      if (out.segments.size() >= base::limits::origin_segments_max) return fail(errc::too_large, "the playlist has too many segments");
      const auto sequence = next.sequence;
      next.uri = line;
      out.segments.push_back(std::move(next));
      next = {.sequence = sequence + 1, .uri = {}, .discontinuity = false, .missing = false};
      timed = false;
    } else if (tag(line, "#EXTINF")) {
      timed = true; // how long it is, is seen in the stream itself
    } else if (const auto duration = tag(line, "#EXT-X-TARGETDURATION")) {
      const auto seconds = parse_number(*duration, duration_s_max);
      if (!seconds) return fail(errc::malformed, "#EXT-X-TARGETDURATION takes whole seconds", std::string(duration->substr(0, 40)));
      out.target_duration = std::chrono::seconds(*seconds);
    } else if (const auto sequence = tag(line, "#EXT-X-MEDIA-SEQUENCE")) {
      const auto number = parse_number(*sequence, sequence_max);
      if (!number || !out.segments.empty()) return fail(errc::malformed, "#EXT-X-MEDIA-SEQUENCE takes a number, before the first segment");
      next.sequence = *number;
    } else if (tag(line, "#EXT-X-DISCONTINUITY")) {
      next.discontinuity = true;
    } else if (tag(line, "#EXT-X-GAP")) {
      next.missing = true;
    } else if (tag(line, "#EXT-X-ENDLIST")) {
      out.ended = true;
    } else if (const auto key = tag(line, "#EXT-X-KEY")) {
      if (key->find("METHOD=NONE") == std::string_view::npos) return fail(errc::unsupported, "its segments are encrypted");
    } else if (tag(line, "#EXT-X-MAP")) {
      return fail(errc::unsupported, "its segments are fragmented MP4, not transport stream");
    } else if (tag(line, "#EXT-X-BYTERANGE")) {
      return fail(errc::unsupported, "its segments are ranges of bytes");
    } else if (tag(line, "#EXT-X-STREAM-INF")) {
      return fail(errc::unsupported, "this is a multivariant playlist: name one of the media playlists that it lists");
    }
  }
  if (first) return fail(errc::malformed, "the playlist is empty");
  if (out.target_duration.count() == 0) return fail(errc::malformed, "a media playlist says #EXT-X-TARGETDURATION");
  return out;
}

} // namespace ec::tuner::internal
