#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "base/file.hpp"
#include "base/result.hpp"

namespace ec::hls {

inline constexpr const char* manifest_log_file_name = "manifests.jsonl";

/// What makes a segment provable: the signed manifest that lists its chunk, and the two facts that the chunk digest binds beside the
/// bytes. One line of `manifests.jsonl` (docs/formats/hls.md).
struct manifest_record {
  uint64_t index = 0;       ///< chunk index
  uint64_t first_pts = 0;   ///< 90 kHz, 33 bits
  uint64_t duration = 0;    ///< 90 kHz; 0: unknown, of a damaged version
  std::string manifest;     ///< the object of track `manifests`, as it came
  std::string publisher{};  ///< of a damaged version: who says so; empty: the chunk is whole
  std::string reason{};     ///< of a damaged version

  friend bool operator==(const manifest_record&, const manifest_record&) = default;
};

std::string render(const manifest_record& r);
/// Errors: malformed, too_large.
[[nodiscard]] base::result<manifest_record> parse_manifest_record(const std::string& line);

/// Keeps `manifests.jsonl` in an HLS directory. Blocks on the disk.
class manifest_log {
public:
  /// `records_max`: only the newest so many stay (a sliding playlist); 0: all. `must`: what each record outlives, as its segment
  /// does. `on` must outlive the log.
  manifest_log(std::string dir, size_t records_max, base::durability must = base::durability::process, base::disk& on = base::system_disk()) :
    dir_(std::move(dir)), records_max_(records_max), must_(must), disk_(&on) {}

  /// Before the segment is listed: then no listed segment is without its proof. Whole or not at all, and behind whole lines only: what a crash
  /// left of one is dropped. Errors: not_found (the directory is gone), permission, busy, io.
  [[nodiscard]] base::result<void> append(const manifest_record& r);

  /// The segment of the last record was not listed after all: a sliding log leaves it out from the next one on, so that it pushes no
  /// listed segment's record out.
  void take_back();

  /// The records of a directory, in the order of the file; a torn last line is left out. Errors: not_found, io.
  [[nodiscard]] static base::result<std::vector<manifest_record>> read(const std::string& dir, base::disk& on = base::system_disk());

private:
  std::string dir_;
  size_t records_max_;
  base::durability must_;
  base::disk* disk_;
  base::result<void> append_sliding(const std::string& path, const std::string& line);
  std::optional<std::deque<std::string>> lines_; ///< of a sliding log: what counts of the file, once it was read
  std::deque<std::string> pushed_out_;           ///< by the last append
};

} // namespace ec::hls
