#include "hls/internal/directory.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ec::hls::internal {
namespace {

namespace fs = std::filesystem;
using base::errc;
using base::fail;

auto refused(const char* what, int why, const std::string& path) {
  const auto code = why == EACCES || why == EPERM || why == EROFS ? errc::permission : why == ENOENT ? errc::not_found : errc::io;
  return fail(code, std::string(what) + ": " + std::generic_category().message(why), path);
}

/// Writes all of `text`; the errno of the first refusal, or 0.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count == 0 ? ENOSPC : errno;
    text.remove_prefix(static_cast<size_t>(count));
  }
  return 0;
}

} // namespace

base::result<directory_lock> directory_lock::take(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return refused("cannot open the lock file", errno, file);
  directory_lock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(errc::busy, "another writer has this directory: stop it or choose another directory", file);
    return refused("cannot lock", errno, file);
  }
  return lock;
}

directory_lock::directory_lock(directory_lock&& from) noexcept : fd_(std::exchange(from.fd_, -1)) {}

directory_lock::~directory_lock() {
  if (fd_ >= 0) ::close(fd_);
}

base::result<void> make_directory(const std::string& dir) {
  std::error_code why;
  fs::create_directories(dir, why);
  if (why) return refused("cannot make the directory", why.value(), dir);
  if (!fs::is_directory(dir, why)) return fail(errc::io, "is not a directory", dir);
  return base::ok();
}

base::result<std::vector<std::string>> file_names(const std::string& dir) {
  std::vector<std::string> names;
  std::error_code why;
  for (fs::directory_iterator at(dir, why), end; !why && at != end; at.increment(why)) {
    std::error_code gone; // a file may leave while the folder is read
    if (at->is_regular_file(gone)) names.push_back(at->path().filename().string());
  }
  if (why) return refused("cannot list the directory", why.value(), dir);
  std::ranges::sort(names);
  return names;
}

std::optional<uint64_t> file_size(const std::string& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0 || !S_ISREG(found.st_mode)) return std::nullopt;
  return static_cast<uint64_t>(found.st_size);
}

bool remove_file(const std::string& path) {
  return ::unlink(path.c_str()) == 0 || errno == ENOENT;
}

base::result<void> append_lines(const std::string& path, std::string_view lines, bool sync) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return refused("cannot open for appending", errno, path);
  struct stat before{};
  int why = ::fstat(fd, &before) != 0 ? errno : write_all(fd, lines);
  if (why == 0 && sync && ::fdatasync(fd) != 0) why = errno;
  bool taken_back = true;
  if (why != 0) taken_back = ::ftruncate(fd, before.st_size) == 0;
  if (::close(fd) != 0 && why == 0) why = errno;
  if (!taken_back) return fail(errc::internal, "a half-written line could not be taken back", path);
  if (why != 0) return refused("cannot append", why, path);
  return base::ok();
}

} // namespace ec::hls::internal
