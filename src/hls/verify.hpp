#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "base/result.hpp"

namespace ec::hls {

/// Lower-case hexadecimal digest of a segment's bytes, as the sidecar states it.
using digest_function = std::function<std::string(std::span<const uint8_t>)>;

/// What can be wrong with an HLS directory.
enum class fault {
  playlist_malformed,  ///< not a playlist of ours
  sidecar_malformed,   ///< lines that cannot be read
  missing_file,        ///< listed, not there
  wrong_size,          ///< other than the sidecar says
  wrong_digest,        ///< other than the sidecar says
  no_record,           ///< listed, but the sidecar has no line for it
  contradiction,       ///< playlist and sidecar tell different things of one segment
  not_verified,        ///< listed although no trusted manifest listed it
  no_digest,           ///< listed without a digest: its bytes cannot be checked
};

/// Stable lower-case name: "wrong-digest".
std::string_view name(fault f);

/// One thing that is not right.
struct finding {
  fault what = fault::contradiction;
  std::string about; ///< file name, or "index.m3u8 line 7"
  std::string text;  ///< for a person
};

struct directory_report {
  size_t listed = 0;    ///< segments in the playlist
  size_t right = 0;     ///< of them, those with nothing to say against
  size_t verified = 0;  ///< of them, those that a trusted manifest listed when they were written
  size_t damaged = 0;   ///< of them, those marked damaged by their publisher (no fault in itself)
  size_t unlisted = 0;  ///< segment files that are not (or no longer) in the playlist; checked if the sidecar has them
  bool ended = false;
  std::vector<finding> findings;

  bool ok() const { return findings.empty(); }
};

struct verify_options {
  bool allow_unverified = false; ///< not_verified is no finding
};

/// Reads playlist, sidecar and files of `dir` again and compares. The sidecar is not signed: to know that digests are the
/// signer's, compare them with manifests. A directory that a writer works on right now may show a segment as missing.
/// Errors: not_found (no playlist in `dir`), io, permission.
[[nodiscard]] base::result<directory_report> verify_directory(const std::string& dir, const digest_function& digest,
                                                              const verify_options& options = {}, base::disk& on = base::system_disk());

} // namespace ec::hls
