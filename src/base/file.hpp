#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/disk.hpp"
#include "base/result.hpp"

/// Whole files, read with a bound and written so that a crash never leaves half of one, on this machine's disk or another. Every
/// error names the path and what the operating system said.
namespace ec::base {

/// What a write must outlive. `power_cut` syncs file and folder before it answers; `process` is enough where the file is
/// made anew after a reboot (a live playlist).
enum class durability { power_cut, process };

/// The content of the file at `path`. Errors: not_found, permission, too_large (over `bytes_max`), io.
[[nodiscard]] result<bytes> read_file(const std::string& path, size_t bytes_max, disk& on = system_disk());

/// Who may have rights to a secret file.
enum class secret_rights {
  owner,    ///< its owner only
  as_it_is, ///< whoever its owner chose: a key that the operator shares with other services
};

/// Like read_file, for keys and secrets: a regular file, and with `owner` one that group and others have no right to. The caller
/// wipes what it gets. Errors: permission if the mode lets others read, write or run it; those of read_file.
[[nodiscard]] result<std::vector<uint8_t>> read_secret_file(const std::string& path, size_t bytes_max,
                                                            secret_rights must = secret_rights::owner);

/// Like read_secret_file, of text: without the line ends that an editor leaves behind it.
[[nodiscard]] result<std::vector<uint8_t>> read_secret_text(const std::string& path, size_t bytes_max);

/// Replaces the file at `path` by `content` in one step: a reader sees the old content or the new one. The file gets
/// exactly `mode` (say 0644), whatever the umask. A crash may leave a file `.NAME.XXXXXX.tmp` beside it. After an io error
/// nothing is known about what the disk holds: do not simply try again.
[[nodiscard]] result<void> write_file_atomic(const std::string& path, std::span<const uint8_t> content, unsigned mode,
                                             durability must = durability::power_cut, disk& on = system_disk());

/// Like write_file_atomic, but never over an existing file or link. Errors: exists; those of write_file_atomic.
[[nodiscard]] result<void> write_new_file(const std::string& path, std::span<const uint8_t> content, unsigned mode,
                                          durability must = durability::power_cut, disk& on = system_disk());

/// A file that is too long to hold, read from its front to its end. Move-only.
class input_file {
public:
  /// Errors: not_found, permission, io.
  [[nodiscard]] static result<input_file> open(const std::string& path, disk& on = system_disk());

  input_file(input_file&& other) noexcept : path_(std::move(other.path_)), disk_(other.disk_), fd_(std::exchange(other.fd_, -1)) {}
  input_file& operator=(input_file&& other) noexcept;
  ~input_file();

  /// The next bytes, at most `bytes_max`; empty at the end. Errors: io.
  [[nodiscard]] result<bytes> read(size_t bytes_max);

private:
  input_file(std::string path, disk& on, int fd) : path_(std::move(path)), disk_(&on), fd_(fd) {}

  std::string path_;
  disk* disk_;
  int fd_ = -1;
};

/// A file that only grows, and only by whole appends. One process has it open at a time. Move-only.
class append_file {
public:
  /// Opens the file at `path`, or makes it with `mode` (less the umask). Errors: busy (another process has it open), not_found
  /// (its folder), permission, io.
  [[nodiscard]] static result<append_file> open(const std::string& path, unsigned mode, disk& on = system_disk());

  append_file(append_file&& other) noexcept
      : path_(std::move(other.path_)), disk_(other.disk_), fd_(std::exchange(other.fd_, -1)), size_(other.size_), spoilt_(other.spoilt_) {}
  append_file& operator=(append_file&& other) noexcept;
  ~append_file();

  uint64_t size() const { return size_; }
  /// Up to `bytes_max` bytes from `offset` on; fewer at the end of the file. Errors: io.
  [[nodiscard]] result<bytes> read_at(uint64_t offset, size_t bytes_max) const;
  /// Adds `parts`, one behind the other, or nothing: what a full disk left of them is taken back. Errors: io; internal if it
  /// could not be taken back, and then of every further call.
  [[nodiscard]] result<void> append(std::span<const std::span<const uint8_t>> parts, durability must = durability::power_cut);
  /// Drops what lies behind the first `size` bytes. Errors: io.
  [[nodiscard]] result<void> cut(uint64_t size);

private:
  append_file(std::string path, disk& on, int fd, uint64_t size) : path_(std::move(path)), disk_(&on), fd_(fd), size_(size) {}

  std::string path_;
  disk* disk_;
  int fd_ = -1;
  uint64_t size_ = 0;
  bool spoilt_ = false; ///< a part of an append is in the file and cannot be taken back
};

} // namespace ec::base
