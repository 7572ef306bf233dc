#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/disk.hpp"
#include "base/file.hpp"
#include "base/result.hpp"
#include "hls/playlist.hpp"

/// Writes verified chunks as HLS segments into a directory: segment files, `index.m3u8`, `segments.jsonl`
/// (docs/formats/hls.md).
namespace ec::hls {

inline constexpr const char* playlist_file_name = "index.m3u8";
inline constexpr const char* sidecar_file_name = "segments.jsonl";
inline constexpr const char* lock_file_name = ".lock";

/// What a segment must outlive before it is listed.
enum class sync_policy {
  by_kind, ///< `power_cut` for event and vod, `process` for window
  process, ///< a crash or kill of this process; no fsync
  power_cut,
};

struct writer_config {
  std::string dir{};                           ///< made when missing
  playlist_kind kind = playlist_kind::window; ///< vod: grows as an event playlist, becomes VOD at finish()
  size_t window_segments = 15;                ///< listed at most when `kind` is window; at least 3
  /// EXT-X-TARGETDURATION, which never changes within a playlist: so with headroom over the nominal chunk, for chunks that
  /// had to wait for their random access point. Players start three of these behind the live edge.
  int64_t target_duration_s = 6;
  sync_policy sync = sync_policy::by_kind;
  base::disk* disk = &base::system_disk(); ///< must outlive the writer
};

/// What files of such a directory outlive.
base::durability durability_of(const writer_config& cfg);

/// One chunk to show.
struct segment {
  uint64_t index = 0;       ///< chunk index; rises from segment to segment, at most 2^63 - 1
  base::bytes data{};        ///< N x 188 bytes of TS that play alone
  int64_t duration_pts = 0; ///< 90 kHz, > 0
  bool discontinuity = false; ///< the timeline breaks before it; a hole in the indices counts as such without it
  std::optional<base::wall_time> program_date_time{};
  bool damaged = false;
  bool verified = false;
  std::string digest_hex{}; ///< lower-case hexadecimal; required if verified
  std::string signer{};     ///< "ed25519:<hex>"; may be empty
};

/// Where a segment went.
struct written {
  uint64_t sequence = 0;
  std::string file;
  bool discontinuity = false; ///< EXT-X-DISCONTINUITY stands before it
};

/// Since open().
struct writer_counters {
  uint64_t segments = 0;
  uint64_t bytes = 0;
  uint64_t damaged = 0;
  uint64_t unverified = 0;
  uint64_t discontinuities = 0;
  uint64_t refused_over_target = 0; ///< longer than EXT-X-TARGETDURATION allows
  uint64_t refused_index = 0;       ///< seen before, or behind the last
  uint64_t write_errors = 0;        ///< not listed because the disk refused
  uint64_t deleted = 0;             ///< files removed after they left the playlist
  uint64_t delete_errors = 0;
};

/// What open() found of an earlier run.
struct recovery {
  bool resumed = false;               ///< there was a playlist; its numbering goes on
  uint64_t next_sequence = 0;
  std::optional<uint64_t> last_index; ///< chunk index of the last segment that is listed
  int64_t target_duration_s = 0;      ///< in force: the old playlist's when resumed, whatever the config says
  size_t torn_bytes = 0;              ///< unreadable lines of the sidecar, moved to segments.jsonl.torn
  size_t missing = 0;                 ///< listed segments whose file is gone or of another size
  size_t orphans = 0;                 ///< unlisted or half-written files that were removed
};

/// Owner of one HLS directory. At every moment, also after a kill, the playlist on disk lists whole segments only.
/// Blocks on the disk: to be called from one thread that may wait.
class segment_writer {
public:
  /// Locks the directory and reads back what an earlier run left. The playlist appears with the first segment.
  /// Errors: busy (another writer has the directory), malformed (a foreign index.m3u8: never overwritten), exists (a
  /// finished vod playlist or one of another kind), invalid_argument, permission, io.
  [[nodiscard]] static base::result<segment_writer> open(writer_config cfg);

  segment_writer(segment_writer&&) noexcept;
  segment_writer& operator=(segment_writer&&) noexcept;
  /// Unlocks. Does not finish(): a playlist that is not finished may be gone on with.
  ~segment_writer();

  /// Writes the segment, then lists it. After an error nothing of it is listed or left over, and the next segment carries
  /// a discontinuity. Errors: exists (this index is listed or behind the last: drop it), too_large (longer than the target
  /// duration, or the playlist is full), invalid_argument, io (disk: the same segment may be given again later).
  [[nodiscard]] base::result<written> append(const segment& s);

  /// Ends the playlist (EXT-X-ENDLIST); append() fails from then on. A later open() of a window or event directory goes on
  /// with it, with a discontinuity. Errors: io; may be called again.
  [[nodiscard]] base::result<void> finish();

  const writer_counters& counters() const;
  const recovery& recovered() const;
  /// Chunk index of the last listed segment.
  std::optional<uint64_t> last_index() const;
  std::string playlist_path() const;

private:
  struct state;
  explicit segment_writer(std::unique_ptr<state> s);

  std::unique_ptr<state> state_;
};

} // namespace ec::hls
