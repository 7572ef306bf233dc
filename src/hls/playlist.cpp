#include "hls/playlist.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "base/limits.hpp"

namespace ec::hls {
namespace {

namespace limits = base::limits;
using base::errc;
using base::fail;

constexpr int64_t ticks_per_s = 90'000;
constexpr int64_t duration_pts_max = int64_t{1} << 33; // one turn of the PTS: nothing longer has a meaning

/// A decimal number without sign, leading zeros or white space: the one spelling that we write.
std::optional<uint64_t> plain_number(std::string_view text) {
  if (text.empty() || text.size() > 19 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  uint64_t value = 0;
  const auto [end, why] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (why != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int> digits(std::string_view text, size_t at, size_t count) {
  int value = 0;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

/// Walks over the lines of a playlist; a line without its line feed is no line.
class line_reader {
public:
  explicit line_reader(std::string_view text) : text_(text) {}

  bool done() const { return at_ == text_.size(); }
  size_t number() const { return number_; }

  /// The next line without its end, not consumed; empty at the end.
  std::string_view peek() const {
    const auto end = text_.find('\n', at_);
    return end == std::string_view::npos ? std::string_view{} : text_.substr(at_, end - at_);
  }
  void next() {
    at_ += peek().size() + 1;
    ++number_;
  }
  bool take(std::string_view line) {
    if (peek() != line) return false;
    next();
    return true;
  }
  /// What stands behind `tag` on the next line.
  std::optional<std::string_view> take_value(std::string_view tag) {
    const auto line = peek();
    if (!line.starts_with(tag)) return std::nullopt;
    next();
    return line.substr(tag.size());
  }

private:
  std::string_view text_;
  size_t at_ = 0;
  size_t number_ = 1;
};

auto malformed(const line_reader& in, const std::string& expected) {
  return fail(errc::malformed, "line " + std::to_string(in.number()) + ": expected " + expected);
}

base::result<playlist_entry> read_entry(line_reader& in, int64_t target_duration_s) {
  playlist_entry entry;
  entry.discontinuity = in.take("#EXT-X-DISCONTINUITY");
  const auto dated = in;
  if (const auto text = in.take_value("#EXT-X-PROGRAM-DATE-TIME:")) {
    entry.program_date_time = parse_date_time(*text);
    if (!entry.program_date_time) return malformed(dated, "a date as 2026-03-01T17:04:05.250Z");
  }
  const auto timed = in;
  auto text = in.take_value("#EXTINF:");
  if (!text || !text->ends_with(',')) return malformed(timed, "#EXTINF:<seconds>,");
  text->remove_suffix(1);
  const auto ticks = parse_extinf(*text);
  if (!ticks || *ticks <= 0) return malformed(timed, "a duration over 0 with five decimals");
  if (rounded_seconds(*ticks) > target_duration_s) return malformed(timed, "no duration over EXT-X-TARGETDURATION");
  entry.duration_pts = *ticks;
  if (!is_plain_file_name(in.peek())) return malformed(in, "a file name");
  entry.uri = in.peek();
  in.next();
  return entry;
}

} // namespace

std::string extinf(int64_t duration_pts) {
  // A tick is 10/9 of 10 us, so that rounding to 10 us keeps the ticks apart.
  const auto whole = duration_pts / ticks_per_s;
  const auto rest = (duration_pts % ticks_per_s * 10 + 4) / 9;
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), "%lld.%05lld", static_cast<long long>(whole), static_cast<long long>(rest));
  return out.data();
}

std::optional<int64_t> parse_extinf(std::string_view text) {
  const auto point = text.find('.');
  if (point == std::string_view::npos || text.size() - point != 6) return std::nullopt;
  const auto whole = plain_number(text.substr(0, point));
  const auto part = digits(text, point + 1, 5);
  if (!whole || !part || *whole > static_cast<uint64_t>(duration_pts_max / ticks_per_s)) return std::nullopt;
  const auto ticks = static_cast<int64_t>(*whole) * ticks_per_s + (int64_t{*part} * 9 + 5) / 10;
  if (extinf(ticks) != text) return std::nullopt;
  return ticks;
}

int64_t rounded_seconds(int64_t duration_pts) {
  return (duration_pts + ticks_per_s / 2) / ticks_per_s;
}

std::string date_time(base::wall_time t) {
  using namespace std::chrono;
  const auto day = floor<days>(t);
  const year_month_day date(day);
  const hh_mm_ss time(t - day);
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
    static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
    static_cast<int>(time.subseconds().count()));
  return out.data();
}

std::optional<base::wall_time> parse_date_time(std::string_view text) {
  using namespace std::chrono;
  if (text.size() != 24) return std::nullopt;
  const auto y = digits(text, 0, 4), mo = digits(text, 5, 2), d = digits(text, 8, 2), h = digits(text, 11, 2),
             mi = digits(text, 14, 2), s = digits(text, 17, 2), ms = digits(text, 20, 3);
  if (!y || !mo || !d || !h || !mi || !s || !ms || *y < 1970) return std::nullopt;
  const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)}, day{static_cast<unsigned>(*d)}};
  if (!date.ok()) return std::nullopt;
  const base::wall_time t = sys_days{date} + hours{*h} + minutes{*mi} + seconds{*s} + milliseconds{*ms};
  // Whatever the fields above let through (25 o'clock, another separator) does not print as it was written.
  if (date_time(t) != text) return std::nullopt;
  return t;
}

bool is_plain_file_name(std::string_view name) {
  if (name.empty() || name.size() > limits::hls_file_name_bytes_max || name.front() == '.') return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

std::string render(const media_playlist& p) {
  std::string out = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:" + std::to_string(p.target_duration_s) + '\n';
  if (p.kind == playlist_kind::window) {
    out += "#EXT-X-MEDIA-SEQUENCE:" + std::to_string(p.media_sequence) + '\n';
    out += "#EXT-X-DISCONTINUITY-SEQUENCE:" + std::to_string(p.discontinuity_sequence) + '\n';
  } else {
    out += p.kind == playlist_kind::event ? "#EXT-X-PLAYLIST-TYPE:EVENT\n" : "#EXT-X-PLAYLIST-TYPE:VOD\n";
  }
  for (const auto& entry : p.entries) {
    if (entry.discontinuity) out += "#EXT-X-DISCONTINUITY\n";
    if (entry.program_date_time) out += "#EXT-X-PROGRAM-DATE-TIME:" + date_time(*entry.program_date_time) + '\n';
    out += "#EXTINF:" + extinf(entry.duration_pts) + ",\n" + entry.uri + '\n';
  }
  if (p.ended) out += "#EXT-X-ENDLIST\n";
  return out;
}

base::result<media_playlist> parse(std::string_view text) {
  if (text.size() > limits::hls_playlist_bytes_max)
    return fail(errc::too_large, "a playlist of " + std::to_string(text.size()) + " bytes, the limit is " +
                                   std::to_string(limits::hls_playlist_bytes_max));
  if (!text.empty() && text.back() != '\n') return fail(errc::malformed, "the last line has no end: the file was cut");
  line_reader in(text);
  media_playlist p;
  if (!in.take("#EXTM3U")) return malformed(in, "#EXTM3U");
  if (!in.take("#EXT-X-VERSION:3")) return malformed(in, "#EXT-X-VERSION:3");
  const auto read_number = [&](std::string_view tag) -> std::optional<uint64_t> {
    auto ahead = in;
    const auto value = ahead.take_value(tag);
    const auto number = value ? plain_number(*value) : std::nullopt;
    if (number) in = ahead;
    return number;
  };
  const auto target = read_number("#EXT-X-TARGETDURATION:");
  if (!target || *target == 0 || *target > limits::hls_target_duration_s_max)
    return malformed(in, "#EXT-X-TARGETDURATION:<seconds> of 1 to " + std::to_string(limits::hls_target_duration_s_max));
  p.target_duration_s = static_cast<int64_t>(*target);
  if (in.take("#EXT-X-PLAYLIST-TYPE:EVENT")) {
    p.kind = playlist_kind::event;
  } else if (in.take("#EXT-X-PLAYLIST-TYPE:VOD")) {
    p.kind = playlist_kind::vod;
  } else {
    const auto first = read_number("#EXT-X-MEDIA-SEQUENCE:");
    if (!first) return malformed(in, "#EXT-X-PLAYLIST-TYPE or #EXT-X-MEDIA-SEQUENCE");
    p.media_sequence = *first;
    const auto breaks = read_number("#EXT-X-DISCONTINUITY-SEQUENCE:");
    if (!breaks) return malformed(in, "#EXT-X-DISCONTINUITY-SEQUENCE");
    p.discontinuity_sequence = *breaks;
  }
  while (!in.done() && !p.ended) {
    if (in.take("#EXT-X-ENDLIST")) {
      p.ended = true;
      continue;
    }
    if (p.entries.size() >= limits::hls_segments_max) return fail(errc::too_large, "too many segments in a playlist");
    EC_TRY(auto entry, read_entry(in, p.target_duration_s));
    p.entries.push_back(std::move(entry));
  }
  if (!in.done()) return malformed(in, "nothing behind #EXT-X-ENDLIST");
  return p;
}

} // namespace ec::hls
