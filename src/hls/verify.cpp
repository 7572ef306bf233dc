#include "hls/verify.hpp"

#include <map>
#include <set>

#include "base/file.hpp"
#include "base/limits.hpp"
#include "hls/internal/directory.hpp"
#include "hls/playlist.hpp"
#include "hls/segment_writer.hpp"
#include "hls/sidecar.hpp"

namespace ec::hls {
namespace {

namespace limits = base::limits;
using base::errc;

/// Gathers findings, and the number of segments that had none.
class inspector {
public:
  inspector(std::string dir, const digest_function& digest, const verify_options& options, base::disk& on) :
    dir_(std::move(dir)), digest_(digest), options_(options), disk_(on) {}

  directory_report report;

  void add(fault what, std::string about, std::string text) {
    report.findings.push_back({what, std::move(about), std::move(text)});
  }

  void check_listed(const playlist_entry& entry, uint64_t sequence, const std::map<uint64_t, segment_record>& records) {
    const auto before = report.findings.size();
    const auto it = records.find(sequence);
    if (it == records.end()) {
      add(fault::no_record, entry.uri, "has no line in " + std::string(sidecar_file_name));
      if (!internal::file_size(disk_, path(entry.uri))) add(fault::missing_file, entry.uri, "is listed, but not there");
    } else {
      const auto& r = it->second;
      report.verified += r.verified ? 1 : 0;
      report.damaged += r.damaged ? 1 : 0;
      compare(entry, r);
      if (!r.verified && !options_.allow_unverified) add(fault::not_verified, entry.uri, "no trusted manifest listed it when it was written");
      if (r.digest.empty()) add(fault::no_digest, entry.uri, "has no digest: its bytes cannot be checked");
      check_file(r, true);
    }
    if (report.findings.size() == before) ++report.right;
  }

  /// Size and digest of the file of `r`. One that has left the playlist may be gone.
  void check_file(const segment_record& r, bool listed) {
    const auto content = base::read_file(path(r.file), limits::chunk_bytes_max, disk_);
    if (!content.has_value()) {
      if (content.error().code != errc::not_found) add(fault::missing_file, r.file, content.error().text);
      else if (listed) add(fault::missing_file, r.file, "is listed, but not there");
      return;
    }
    if (content.value().size() != r.bytes) {
      add(fault::wrong_size, r.file, std::to_string(content.value().size()) + " bytes, recorded were " + std::to_string(r.bytes));
    } else if (!r.digest.empty()) {
      const auto is = digest_(content.value());
      if (is != r.digest) add(fault::wrong_digest, r.file, "digest " + is + ", recorded was " + r.digest);
    }
  }

private:
  std::string path(const std::string& name) const { return dir_ + '/' + name; }

  void compare(const playlist_entry& entry, const segment_record& r) {
    const auto differ = [&](const std::string& what) { add(fault::contradiction, entry.uri, "playlist and record differ in " + what); };
    if (r.file != entry.uri) differ("the file: " + r.file);
    if (r.duration_pts != entry.duration_pts) differ("the duration: " + extinf(r.duration_pts) + " s");
    if (r.discontinuity != entry.discontinuity) differ("the discontinuity");
    const auto name = parse_segment_file_name(entry.uri);
    if (!name || name->sequence != r.sequence || name->index != r.index) differ("sequence number or chunk index");
  }

  std::string dir_;
  const digest_function& digest_;
  const verify_options& options_;
  base::disk& disk_;
};

} // namespace

std::string_view name(fault f) {
  switch (f) {
  case fault::playlist_malformed: return "playlist-malformed";
  case fault::sidecar_malformed: return "sidecar-malformed";
  case fault::missing_file: return "missing-file";
  case fault::wrong_size: return "wrong-size";
  case fault::wrong_digest: return "wrong-digest";
  case fault::no_record: return "no-record";
  case fault::contradiction: return "contradiction";
  case fault::not_verified: return "not-verified";
  case fault::no_digest: return "no-digest";
  }
  return "unknown";
}

base::result<directory_report> verify_directory(const std::string& dir, const digest_function& digest, const verify_options& options,
                                                base::disk& on) {
  EC_TRY(const auto text, base::read_file(dir + '/' + playlist_file_name, limits::hls_playlist_bytes_max, on));
  inspector found(dir, digest, options, on);
  const auto playlist = parse(text.text());
  if (!playlist.has_value()) {
    found.add(fault::playlist_malformed, playlist_file_name, playlist.error().text);
    return std::move(found.report);
  }
  std::map<uint64_t, segment_record> records;
  auto lines = base::read_file(dir + '/' + sidecar_file_name, limits::hls_sidecar_bytes_max, on);
  if (lines.has_value()) {
    auto parsed = parse_sidecar(lines.value().text());
    if (parsed.unreadable_lines != 0)
      found.add(fault::sidecar_malformed, sidecar_file_name, std::to_string(parsed.unreadable_lines) + " lines cannot be read");
    for (auto& r : parsed.records) records.insert_or_assign(r.sequence, std::move(r));
  } else if (lines.error().code != errc::not_found) {
    return base::fail(std::move(lines).error());
  }

  const auto& p = playlist.value();
  found.report.ended = p.ended;
  found.report.listed = p.entries.size();
  std::set<std::string> listed;
  for (size_t i = 0; i < p.entries.size(); ++i) {
    if (!listed.insert(p.entries[i].uri).second) found.add(fault::contradiction, p.entries[i].uri, "is listed twice");
    found.check_listed(p.entries[i], p.media_sequence + i, records);
  }
  EC_TRY(const auto names, internal::file_names(on, dir));
  for (const auto& file : names) {
    const auto parsed = parse_segment_file_name(file);
    if (!parsed || listed.contains(file)) continue;
    ++found.report.unlisted;
    if (const auto it = records.find(parsed->sequence); it != records.end() && it->second.file == file) found.check_file(it->second, false);
  }
  return std::move(found.report);
}

} // namespace ec::hls
