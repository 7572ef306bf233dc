#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

/// Whole files, read with a bound and written so that a crash never leaves half of one. The one place in base that makes
/// system calls. Every error names the path and what the operating system said.
namespace ec::base {

/// What a write must outlive. `power_cut` syncs file and folder before it answers; `process` is enough where the file is
/// made anew after a reboot (a live playlist).
enum class durability { power_cut, process };

/// The content of the file at `path`. Errors: not_found, permission, too_large (over `bytes_max`), io.
[[nodiscard]] result<bytes> read_file(const std::string& path, size_t bytes_max);

/// Like read_file, for keys and secrets: a regular file that group and others have no right to. The caller wipes what it
/// gets. Errors: permission if the mode lets others read, write or run it; those of read_file.
[[nodiscard]] result<std::vector<uint8_t>> read_secret_file(const std::string& path, size_t bytes_max);

/// Replaces the file at `path` by `content` in one step: a reader sees the old content or the new one. The file gets
/// exactly `mode` (say 0644), whatever the umask. A crash may leave a file `.NAME.XXXXXX.tmp` beside it. After an io error
/// nothing is known about what the disk holds: do not simply try again.
[[nodiscard]] result<void> write_file_atomic(const std::string& path, std::span<const uint8_t> content, unsigned mode,
                                             durability must = durability::power_cut);

/// Like write_file_atomic, but never over an existing file or link. Errors: exists; those of write_file_atomic.
[[nodiscard]] result<void> write_new_file(const std::string& path, std::span<const uint8_t> content, unsigned mode,
                                          durability must = durability::power_cut);

} // namespace ec::base
