#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "base/result.hpp"

/// What the hls room asks of a disk beyond base/file: lock, list, remove, append.
namespace ec::hls::internal {

/// Holds a directory against other writers, on this host, for as long as it lives (flock).
class directory_lock {
public:
  /// Errors: busy, permission, io.
  [[nodiscard]] static base::result<directory_lock> take(base::disk& on, const std::string& file);

  directory_lock(directory_lock&& from) noexcept;
  directory_lock& operator=(directory_lock&&) = delete;
  ~directory_lock();

private:
  directory_lock(base::disk& on, int fd) : disk_(&on), fd_(fd) {}
  base::disk* disk_;
  int fd_ = -1;
};

/// Makes `dir` and its parents where they are missing. Errors: permission, io.
[[nodiscard]] base::result<void> make_directory(base::disk& on, const std::string& dir);

/// Names of the regular files in `dir`, sorted. Errors: not_found, permission, io.
[[nodiscard]] base::result<std::vector<std::string>> file_names(base::disk& on, const std::string& dir);

/// Size of a regular file; nothing if it is not there.
std::optional<uint64_t> file_size(base::disk& on, const std::string& path);

/// Removes a file; true if it is gone, also if it was not there.
bool remove_file(base::disk& on, const std::string& path);

/// Appends whole lines, or leaves the file as it was. Errors: io, permission; `internal` if the half-written rest could not
/// be taken back, after which the file has to be written anew.
[[nodiscard]] base::result<void> append_lines(base::disk& on, const std::string& path, std::string_view lines, bool sync);

} // namespace ec::hls::internal
