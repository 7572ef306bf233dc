#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// `segments.jsonl`, which stands beside the playlist: one line of JSON per segment file with what the playlist cannot
/// say (docs/formats/hls.md). Text in, text out, no files.
namespace ec::hls {

/// What is known of one segment file.
struct segment_record {
  uint64_t sequence = 0;    ///< media sequence number, counted from 0 for as long as the directory lives
  uint64_t index = 0;       ///< chunk index (MoQ group id)
  std::string file{};        ///< a plain file name
  uint64_t bytes = 0;       ///< size of the file
  int64_t duration_pts = 0; ///< 90 kHz, > 0
  bool discontinuity = false;
  bool damaged = false;     ///< its publisher said that packets are missing
  bool verified = false;    ///< a manifest signed by a trusted key listed its digest
  std::string digest{};      ///< of the bytes, lower-case hexadecimal; may be empty if `verified` is false
  std::string signer{};      ///< "ed25519:<hex>" of the key that vouched for it; may be empty

  friend bool operator==(const segment_record&, const segment_record&) = default;
};

/// The file name of a segment: "segment-<sequence, 8 digits or more>-<index>.ts".
std::string segment_file_name(uint64_t sequence, uint64_t index);

/// Sequence and index of a name that segment_file_name() made.
struct segment_name {
  uint64_t sequence = 0;
  uint64_t index = 0;
};
std::optional<segment_name> parse_segment_file_name(std::string_view name);

/// One line with its line feed.
std::string render(const segment_record& r);

/// Reads one line, without its line feed. Errors: malformed, too_large.
[[nodiscard]] base::result<segment_record> parse_segment_record(std::string_view line);

/// A sidecar as it was found.
struct sidecar {
  std::vector<segment_record> records; ///< in the order of the file; of two with one sequence number the later counts
  std::string unreadable;              ///< the lines that are torn or malformed: a killed writer leaves at most the last
  size_t unreadable_lines = 0;
};

/// Reads all lines. A last line without its end was cut and is not read, whatever it says.
sidecar parse_sidecar(std::string_view text);

} // namespace ec::hls
