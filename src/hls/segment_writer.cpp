#include "hls/segment_writer.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "base/file.hpp"
#include "base/limits.hpp"
#include "hls/internal/directory.hpp"
#include "hls/sidecar.hpp"

namespace ec::hls {
namespace {

namespace limits = base::limits;
using base::errc;
using base::fail;

constexpr size_t ts_packet_bytes = 188;
constexpr size_t window_segments_min = 3;
constexpr unsigned file_mode = 0644;

bool is_lower_hex(std::string_view digits) {
  return std::ranges::all_of(digits, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

base::result<void> check(const writer_config& cfg) {
  if (cfg.dir.empty()) return fail(errc::invalid_argument, "no directory is named", "dir");
  if (cfg.window_segments < window_segments_min || cfg.window_segments > limits::hls_segments_max)
    return fail(errc::invalid_argument, "a window has 3 segments or more", "window_segments");
  if (cfg.target_duration_s < 1 || cfg.target_duration_s > static_cast<int64_t>(limits::hls_target_duration_s_max))
    return fail(errc::invalid_argument, "the target duration is 1 to " + std::to_string(limits::hls_target_duration_s_max) + " s",
      "target_duration_s");
  return base::ok();
}

base::result<void> check(const segment& s) {
  if (s.index > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return fail(errc::invalid_argument, "over 2^63 - 1", "index");
  if (s.data.empty() || s.data.size() % ts_packet_bytes != 0)
    return fail(errc::invalid_argument, "a segment is N x 188 bytes, this one has " + std::to_string(s.data.size()), "data");
  if (s.data.size() > limits::chunk_bytes_max) return fail(errc::too_large, "larger than any chunk", "data");
  if (s.duration_pts <= 0) return fail(errc::invalid_argument, "a segment lasts longer than nothing", "duration_pts");
  if (s.program_date_time && parse_date_time(date_time(*s.program_date_time)) != s.program_date_time)
    return fail(errc::invalid_argument, "not in the years 1970 to 9999", "program_date_time");
  if (!is_lower_hex(s.digest_hex) || s.digest_hex.size() % 2 != 0 || s.digest_hex.size() > 128)
    return fail(errc::invalid_argument, "expected lower-case hexadecimal", "digest_hex");
  if (s.verified && s.digest_hex.empty()) return fail(errc::invalid_argument, "verified, but without a digest", "digest_hex");
  if (s.signer.size() > 256 || !std::ranges::all_of(s.signer, [](char c) { return c > ' ' && c < 0x7f; }))
    return fail(errc::invalid_argument, "expected ed25519:<hex>", "signer");
  return base::ok();
}

/// `.NAME.XXXXXX.tmp` of one of our files: left by a writer that was killed while it wrote.
bool is_left_over(std::string_view name) {
  if (!name.starts_with('.') || !name.ends_with(".tmp")) return false;
  const auto inner = name.substr(1);
  return inner.starts_with("segment-") || inner.starts_with(playlist_file_name) || inner.starts_with(sidecar_file_name);
}

/// What is whole of a playlist that was cut, perhaps with zeros in the place of the rest.
struct torn_playlist {
  std::string text;
  bool only_head = false; ///< it was cut before its first entry
};

torn_playlist whole_entries(std::string_view text) {
  text = text.substr(0, text.find('\0'));
  const auto end = text.rfind('\n');
  const auto whole = text.substr(0, end == std::string_view::npos ? 0 : end + 1);
  // Tags belong to the name behind them.
  torn_playlist out;
  std::string tags;
  bool entries = false, ours = true;
  for (size_t at = 0; at < whole.size();) {
    const auto line = whole.substr(at, whole.find('\n', at) + 1 - at);
    at += line.size();
    const bool name = !line.starts_with('#');
    const bool of_entry = line.starts_with("#EXTINF:") || line.starts_with("#EXT-X-DISCONTINUITY\n") || line.starts_with("#EXT-X-PROGRAM-DATE-TIME:");
    if (name || of_entry) tags += line;
    else out.text += line;
    ours = ours && (name ? parse_segment_file_name(line.substr(0, line.size() - 1)).has_value() : line.starts_with("#EXT"));
    if (!name) continue;
    out.text += std::exchange(tags, {});
    entries = true;
  }
  constexpr std::string_view head = "#EXTM3U\n";
  out.only_head = !entries && ours && head.starts_with(whole.empty() ? text.substr(0, head.size()) : whole.substr(0, head.size()));
  return out;
}

} // namespace

struct segment_writer::state {
  /// A segment that left the playlist: players that hold an old playlist may still ask for it.
  struct retired_segment {
    segment_record record;
    int64_t keep_pts = 0; ///< so much more media must pass before the file may go
  };

  state(writer_config c, internal::directory_lock l) : cfg(std::move(c)), lock(std::move(l)) {}

  writer_config cfg;
  internal::directory_lock lock;
  base::durability must = base::durability::process;
  media_playlist playlist;
  std::vector<segment_record> listed;         ///< of playlist.entries; kept for a window only
  std::deque<retired_segment> retired;        ///< oldest first
  int64_t longest_playlist_pts = 0;
  std::map<uint64_t, std::string> known;      ///< chunk index -> digest of what a former run listed, until the first append
  std::vector<std::string> unlisted_files;    ///< written, but the playlist could not be; removed when it can
  std::optional<uint64_t> last_index;
  bool break_next = false;
  bool first_of_run = true;
  bool rewrite_sidecar = false;
  bool finished = false;
  writer_counters counters;
  recovery found;

  base::disk& disk() const { return *cfg.disk; }
  std::string path(std::string_view name) const { return cfg.dir + '/' + std::string(name); }
  bool is_window() const { return cfg.kind == playlist_kind::window; }
  uint64_t next_sequence() const { return playlist.media_sequence + playlist.entries.size(); }

  base::result<void> recover();
  base::result<void> recover_playlist(const base::bytes& text, const std::vector<std::string>& names);
  base::result<std::map<uint64_t, segment_record>> read_sidecar();
  void take_over(const std::map<uint64_t, segment_record>& records);
  void remove_orphans(const std::vector<std::string>& names);
  base::result<void> write_playlist(const media_playlist& p) const;
  base::result<void> write_record(const segment_record& r);
  base::result<void> write_sidecar_anew(const segment_record& r);
  base::result<void> accepts(const segment& s) const;
  /// Takes what no longer fits off the front of `p`; answers how many.
  size_t slide(media_playlist& p) const;
  void retire(size_t count, int64_t appended_pts);
};

// --- opening ---

base::durability durability_of(const writer_config& cfg) {
  const bool power_cut = cfg.sync == sync_policy::power_cut || (cfg.sync == sync_policy::by_kind && cfg.kind != playlist_kind::window);
  return power_cut ? base::durability::power_cut : base::durability::process;
}

base::result<segment_writer> segment_writer::open(writer_config cfg) {
  EC_TRYV(check(cfg));
  EC_TRYV(internal::make_directory(*cfg.disk, cfg.dir));
  EC_TRY(auto lock, internal::directory_lock::take(*cfg.disk, cfg.dir + '/' + lock_file_name));
  auto s = std::make_unique<state>(std::move(cfg), std::move(lock));
  s->must = durability_of(s->cfg);
  // A vod playlist grows under the rules of an event until it is finished.
  s->playlist.kind = s->is_window() ? playlist_kind::window : playlist_kind::event;
  s->playlist.target_duration_s = s->cfg.target_duration_s;
  EC_TRYV(s->recover());
  return segment_writer(std::move(s));
}

base::result<void> segment_writer::state::recover() {
  EC_TRY(const auto names, internal::file_names(disk(), cfg.dir));
  auto text = base::read_file(path(playlist_file_name), limits::hls_playlist_bytes_max, disk());
  if (text.has_value()) {
    EC_TRYV(recover_playlist(text.value(), names));
  } else if (text.error().code != errc::not_found) {
    return fail(std::move(text).error());
  } else {
    // The first segment may have been written when its writer was killed; later ones never stand without a playlist.
    for (const auto& name : names) {
      const auto parsed = parse_segment_file_name(name);
      if (parsed && parsed->sequence != 0)
        return fail(errc::exists, "holds segments but no " + std::string(playlist_file_name) + ": empty it or choose another directory", cfg.dir);
    }
  }
  EC_TRY(const auto records, read_sidecar());
  take_over(records);
  remove_orphans(names);
  found.next_sequence = next_sequence();
  found.last_index = last_index;
  found.target_duration_s = playlist.target_duration_s;
  return base::ok();
}

base::result<void> segment_writer::state::recover_playlist(const base::bytes& text, const std::vector<std::string>& names) {
  const auto about = path(playlist_file_name);
  auto parsed = parse(text.text());
  if (!parsed.has_value() && is_window()) {
    // A power cut may tear what was not synced: its whole entries count, or nothing of it where not even those are left.
    const auto [rest, only_head] = whole_entries(text.text());
    parsed = parse(rest);
    if (!parsed.has_value() && only_head) {
      parsed = media_playlist{.kind = playlist_kind::window, .target_duration_s = cfg.target_duration_s};
      for (const auto& name : names)
        if (const auto s = parse_segment_file_name(name)) parsed.value().media_sequence = std::max(parsed.value().media_sequence, s->sequence + 1);
    }
  }
  if (!parsed.has_value())
    return fail(errc::malformed, "not a playlist of this program (" + parsed.error().text + "): choose another directory", about);
  if (parsed.value().kind == playlist_kind::vod)
    return fail(errc::exists, "is finished and never changes: choose another directory", about);
  if (parsed.value().kind != playlist.kind)
    return fail(errc::exists, std::string("is ") + (is_window() ? "an event" : "a window") + " playlist: keep its kind or choose another directory", about);
  playlist = std::move(parsed).value();
  // Players that saw the end have stopped asking; those that come now find a playlist that goes on.
  playlist.ended = false;
  found.resumed = true;
  break_next = true;
  return base::ok();
}

base::result<std::map<uint64_t, segment_record>> segment_writer::state::read_sidecar() {
  std::map<uint64_t, segment_record> records;
  auto text = base::read_file(path(sidecar_file_name), limits::hls_sidecar_bytes_max, disk());
  if (!text.has_value()) {
    if (text.error().code == errc::not_found) return records;
    return fail(std::move(text).error());
  }
  auto parsed = parse_sidecar(text.value().text());
  if (parsed.unreadable_lines != 0) {
    found.torn_bytes = parsed.unreadable.size() - 1;
    EC_TRYV(base::write_file_atomic(path(sidecar_file_name) + ".torn", base::as_span(parsed.unreadable), file_mode, must, disk()));
    std::string kept;
    for (const auto& r : parsed.records) kept += hls::render(r);
    EC_TRYV(base::write_file_atomic(path(sidecar_file_name), base::as_span(kept), file_mode, must, disk()));
  }
  for (auto& r : parsed.records) records.insert_or_assign(r.sequence, std::move(r));
  return records;
}

void segment_writer::state::take_over(const std::map<uint64_t, segment_record>& records) {
  size_t drop = 0;
  for (size_t i = 0; i < playlist.entries.size(); ++i) {
    const auto& entry = playlist.entries[i];
    const auto sequence = playlist.media_sequence + i;
    const auto size = internal::file_size(disk(), path(entry.uri));
    segment_record r{.sequence = sequence, .file = entry.uri, .bytes = size.value_or(0), .duration_pts = entry.duration_pts,
      .discontinuity = entry.discontinuity};
    if (const auto name = parse_segment_file_name(entry.uri)) r.index = name->index;
    if (const auto it = records.find(sequence); it != records.end() && it->second.file == entry.uri) r = it->second;
    if (!size || *size != r.bytes || *size == 0) {
      ++found.missing;
      drop = i + 1;
    }
    last_index = r.index;
    known[r.index] = r.digest;
    if (is_window()) listed.push_back(std::move(r));
  }
  if (!is_window()) return; // an event never loses an entry: verify tells what is missing
  // Entries leave at the front only, so whole ones before a missing one go with it.
  for (size_t i = 0; i < drop; ++i)
    if (playlist.entries[i].discontinuity) ++playlist.discontinuity_sequence;
  int64_t total = 0;
  for (const auto& entry : playlist.entries) total += entry.duration_pts;
  longest_playlist_pts = total;
  for (const auto& [sequence, r] : records)
    if (sequence < playlist.media_sequence && internal::file_size(disk(), path(r.file))) retired.push_back({r, r.duration_pts + total});
  // For each that left after it, about as much media has come.
  int64_t passed = 0;
  for (auto it = retired.rbegin(); it != retired.rend(); ++it) {
    it->keep_pts -= passed;
    passed += it->record.duration_pts;
  }
  for (size_t i = 0; i < drop; ++i) {
    known.erase(listed[i].index);
    retired.push_back({listed[i], listed[i].duration_pts + total});
  }
  playlist.media_sequence += drop;
  playlist.entries.erase(playlist.entries.begin(), playlist.entries.begin() + static_cast<ptrdiff_t>(drop));
  listed.erase(listed.begin(), listed.begin() + static_cast<ptrdiff_t>(drop));
}

void segment_writer::state::remove_orphans(const std::vector<std::string>& names) {
  std::set<std::string_view> ours;
  for (const auto& entry : playlist.entries) ours.insert(entry.uri);
  for (const auto& r : retired) ours.insert(r.record.file);
  for (const auto& name : names) {
    const bool orphan = is_left_over(name) || (parse_segment_file_name(name) && !ours.contains(name));
    if (orphan && internal::remove_file(disk(), path(name))) ++found.orphans;
  }
}

// --- writing ---

base::result<void> segment_writer::state::write_playlist(const media_playlist& p) const {
  return base::write_file_atomic(path(playlist_file_name), base::as_span(hls::render(p)), file_mode, must, disk());
}

base::result<void> segment_writer::state::write_record(const segment_record& r) {
  // A window's sidecar is short and loses lines at the front; that of an event only grows.
  if (!is_window() && !rewrite_sidecar) {
    auto done = internal::append_lines(disk(), path(sidecar_file_name), hls::render(r), must == base::durability::power_cut);
    if (!done.has_value() && done.error().code == errc::internal) rewrite_sidecar = true;
    return done;
  }
  EC_TRYV(write_sidecar_anew(r));
  rewrite_sidecar = false;
  return base::ok();
}

base::result<void> segment_writer::state::write_sidecar_anew(const segment_record& r) {
  std::string lines;
  if (is_window()) {
    for (const auto& old : retired) lines += hls::render(old.record);
    for (const auto& old : listed) lines += hls::render(old);
  } else {
    EC_TRY(const auto records, read_sidecar());
    for (const auto& [sequence, old] : records)
      if (sequence < r.sequence) lines += hls::render(old);
  }
  lines += hls::render(r);
  return base::write_file_atomic(path(sidecar_file_name), base::as_span(lines), file_mode, must, disk());
}

base::result<void> segment_writer::state::accepts(const segment& s) const {
  const auto about = "chunk " + std::to_string(s.index);
  if (finished) return fail(errc::closed, "the playlist is finished", about);
  EC_TRYV(check(s));
  if (first_of_run) {
    // A new run may count from anywhere, but what is listed is not listed again.
    const auto it = known.find(s.index);
    if (it != known.end() && (it->second.empty() || it->second == s.digest_hex))
      return fail(errc::exists, "is in the playlist already", about);
  } else if (last_index && s.index <= *last_index) {
    return fail(errc::exists, "is not behind the last, " + std::to_string(*last_index), about);
  }
  if (rounded_seconds(s.duration_pts) > playlist.target_duration_s)
    return fail(errc::too_large, "lasts " + extinf(s.duration_pts) + " s, the target duration is " +
      std::to_string(playlist.target_duration_s) + " s and must not change: start with a longer one", about);
  if (playlist.entries.size() >= limits::hls_segments_max) return fail(errc::too_large, "the playlist is full", about);
  return base::ok();
}

size_t segment_writer::state::slide(media_playlist& p) const {
  if (!is_window()) return 0;
  int64_t total = 0;
  for (const auto& entry : p.entries) total += entry.duration_pts;
  // A playlist never gets shorter than three target durations by losing segments [RFC 8216 6.2.2].
  const auto least = 3 * p.target_duration_s * 90'000;
  size_t count = 0;
  while (p.entries.size() - count > cfg.window_segments && total - p.entries[count].duration_pts >= least) {
    total -= p.entries[count].duration_pts;
    if (p.entries[count].discontinuity) ++p.discontinuity_sequence;
    ++count;
  }
  p.entries.erase(p.entries.begin(), p.entries.begin() + static_cast<ptrdiff_t>(count));
  p.media_sequence += count;
  return count;
}

void segment_writer::state::retire(size_t count, int64_t appended_pts) {
  if (!is_window()) return;
  for (auto& r : retired) r.keep_pts -= appended_pts;
  for (size_t i = 0; i < count; ++i) retired.push_back({listed[i], listed[i].duration_pts + longest_playlist_pts});
  listed.erase(listed.begin(), listed.begin() + static_cast<ptrdiff_t>(count));
  int64_t total = 0;
  for (const auto& entry : playlist.entries) total += entry.duration_pts;
  longest_playlist_pts = std::max(longest_playlist_pts, total);
  while (!retired.empty() && retired.front().keep_pts <= 0) {
    if (internal::remove_file(disk(), path(retired.front().record.file))) ++counters.deleted;
    else ++counters.delete_errors;
    retired.pop_front();
  }
}

base::result<written> segment_writer::append(const segment& s) {
  auto& st = *state_;
  if (auto may = st.accepts(s); !may.has_value()) {
    auto why = std::move(may).error();
    if (why.code == errc::exists) ++st.counters.refused_index;
    if (why.code == errc::too_large) ++st.counters.refused_over_target;
    // A segment that is left out is a hole; one that comes twice is none.
    if (why.code != errc::exists) st.break_next = true;
    return fail(std::move(why));
  }
  const auto sequence = st.next_sequence();
  const bool hole = st.last_index && s.index != *st.last_index + 1;
  written out{sequence, segment_file_name(sequence, s.index), sequence != 0 && (s.discontinuity || st.break_next || hole)};
  const auto broke = [&](base::error why) {
    ++st.counters.write_errors;
    st.break_next = true;
    return fail(std::move(why));
  };

  // A playlist that failed half-way may list a file of this name: then it stays.
  const auto take_back = [&] {
    if (std::ranges::find(st.unlisted_files, out.file) == st.unlisted_files.end()) internal::remove_file(st.disk(), st.path(out.file));
  };
  if (auto done = base::write_file_atomic(st.path(out.file), s.data, file_mode, st.must, st.disk()); !done.has_value()) {
    take_back();
    return broke(std::move(done).error());
  }
  const segment_record record{sequence, s.index, out.file, s.data.size(), s.duration_pts, out.discontinuity, s.damaged,
    s.verified, s.digest_hex, s.signer};
  if (auto done = st.write_record(record); !done.has_value()) {
    take_back();
    return broke(std::move(done).error());
  }
  auto next = st.playlist;
  next.entries.push_back({out.file, s.duration_pts, out.discontinuity, s.program_date_time});
  const auto left = st.slide(next);
  if (auto done = st.write_playlist(next); !done.has_value()) {
    // The new playlist may stand there nevertheless (its sync failed): its files stay until another one is written.
    st.unlisted_files.push_back(out.file);
    return broke(std::move(done).error());
  }

  st.playlist = std::move(next);
  if (st.is_window()) st.listed.push_back(record);
  st.retire(left, s.duration_pts);
  for (const auto& file : st.unlisted_files)
    if (file != out.file) internal::remove_file(st.disk(), st.path(file));
  st.unlisted_files.clear();
  st.last_index = s.index;
  st.break_next = st.first_of_run = false;
  st.known.clear();
  ++st.counters.segments;
  st.counters.bytes += s.data.size();
  st.counters.damaged += s.damaged ? 1 : 0;
  st.counters.unverified += s.verified ? 0 : 1;
  st.counters.discontinuities += out.discontinuity ? 1 : 0;
  return out;
}

base::result<void> segment_writer::finish() {
  auto& st = *state_;
  if (st.finished || st.playlist.entries.empty()) {
    st.finished = true;
    return base::ok();
  }
  auto last = st.playlist;
  last.ended = true;
  if (st.cfg.kind == playlist_kind::vod) last.kind = playlist_kind::vod;
  EC_TRYV(st.write_playlist(last));
  st.playlist = std::move(last);
  st.finished = true;
  return base::ok();
}

segment_writer::segment_writer(std::unique_ptr<state> s) : state_(std::move(s)) {}
segment_writer::segment_writer(segment_writer&&) noexcept = default;
segment_writer& segment_writer::operator=(segment_writer&&) noexcept = default;
segment_writer::~segment_writer() = default;

const writer_counters& segment_writer::counters() const {
  return state_->counters;
}

const recovery& segment_writer::recovered() const {
  return state_->found;
}

std::optional<uint64_t> segment_writer::last_index() const {
  return state_->last_index;
}

std::string segment_writer::playlist_path() const {
  return state_->path(playlist_file_name);
}

} // namespace ec::hls
