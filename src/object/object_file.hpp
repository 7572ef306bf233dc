#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "object/format.hpp"

/// A file of objects: what a subscriber accepted, byte for byte as it came, to be judged again by anybody. Records are only
/// added; docs/formats/object-file.md is the text.
namespace ec::object {

/// The track that a record's object belongs to; the values stand in the file.
enum class record_track : uint8_t {
  chunks = 1,
  damaged = 2,
  manifests = 3,
};
/// The MoQ track name: "chunks", "damaged", "manifests".
std::string_view name(record_track t);
constexpr record_track record_track_of(track t) {
  return t == track::chunks ? record_track::chunks : record_track::damaged;
}

/// What stands in front of each record's payload.
struct record_front {
  record_track on = record_track::chunks;
  uint64_t group = 0;
  uint64_t object = 0;
  uint32_t size = 0; ///< bytes of payload, 1 to what an object of this track and id may have

  friend bool operator==(const record_front&, const record_front&) = default;
};
inline constexpr size_t record_front_bytes = 1 + 8 + 8 + 4;

/// One MoQ object.
struct file_record {
  record_track on = record_track::chunks;
  uint64_t group = 0;
  uint64_t object = 0;
  base::bytes payload; ///< as it came over MoQ; pieces are sealed

  friend bool operator==(const file_record&, const file_record&) = default;
};

/// The first bytes of every object file. Says nothing about its version.
inline constexpr std::string_view object_file_magic = "\x89" "ecobj\r\n";
inline constexpr size_t object_file_front_bytes_min = 8 + 2 + 2;

/// Magic, version and stream id: what the file begins with. `stream_id` has 1 to stream_id_bytes_max bytes.
std::vector<uint8_t> encode_file_front(std::string_view stream_id);
/// The stream id, and how many bytes it took; nothing if `in` ends too early. Errors: malformed (no object file), unsupported
/// (another version), too_large.
struct file_front {
  std::string stream_id;
  size_t bytes = 0;
};
[[nodiscard]] base::result<std::optional<file_front>> decode_file_front(std::span<const uint8_t> in);

/// The front of a valid record.
std::vector<uint8_t> encode(const record_front& front);
/// Reads a front off the first record_front_bytes of `in`, which must be there. Errors: malformed (no such track, or empty),
/// too_large (over the limit of its kind; looked at before anything else of it is read).
[[nodiscard]] base::result<record_front> decode_record_front(std::span<const uint8_t> in);

/// Reads an object file as its bytes come, in parts of any size. Holds one record and one part at most. After an error
/// nothing more can be read: where the next record begins is not known.
class object_file_reader {
public:
  void push(std::span<const uint8_t> part);

  /// The next whole record; nothing: push more, or that was all. Errors: as decode_file_front() and decode_record_front(),
  /// about the byte at which it is.
  [[nodiscard]] base::result<std::optional<file_record>> next();

  /// Of the file's front; empty until next() was called with the front there.
  const std::string& stream_id() const { return stream_id_; }
  /// Where the next record begins, bytes from the start of the file.
  uint64_t position() const { return position_; }

  /// At the end of the file: a last record, or the file's front, that is not all there. Nothing: it ends where a record ends.
  struct cut {
    uint64_t position = 0;          ///< where it begins
    uint64_t bytes = 0;             ///< of it that are here
    std::optional<uint64_t> wanted; ///< bytes that it says it has; unset if that is cut off too
  };
  std::optional<cut> cut_short() const;

private:
  std::span<const uint8_t> rest() const { return std::span(held_).subspan(used_); }
  void use(size_t bytes);

  std::vector<uint8_t> held_;
  size_t used_ = 0; ///< of held_
  uint64_t position_ = 0;
  std::string stream_id_;
  std::optional<base::error> broken_;
};

} // namespace ec::object
