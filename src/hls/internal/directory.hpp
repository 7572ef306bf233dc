#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// The few system calls of the hls room beyond base/file: lock, list, remove, append.
namespace ec::hls::internal {

/// Holds a directory against other writers, on this host, for as long as it lives (flock).
class directory_lock {
public:
  /// Errors: busy, permission, io.
  [[nodiscard]] static base::result<directory_lock> take(const std::string& file);

  directory_lock(directory_lock&& from) noexcept;
  directory_lock& operator=(directory_lock&&) = delete;
  ~directory_lock();

private:
  explicit directory_lock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

/// Makes `dir` and its parents where they are missing. Errors: permission, io.
[[nodiscard]] base::result<void> make_directory(const std::string& dir);

/// Names of the regular files in `dir`, sorted. Errors: not_found, permission, io.
[[nodiscard]] base::result<std::vector<std::string>> file_names(const std::string& dir);

/// Size of a regular file; nothing if it is not there.
std::optional<uint64_t> file_size(const std::string& path);

/// Removes a file; true if it is gone, also if it was not there.
bool remove_file(const std::string& path);

/// Appends whole lines, or leaves the file as it was. Errors: io, permission; `internal` if the half-written rest could not
/// be taken back, after which the file has to be written anew.
[[nodiscard]] base::result<void> append_lines(const std::string& path, std::string_view lines, bool sync);

} // namespace ec::hls::internal
