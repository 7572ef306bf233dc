#include "hls/internal/directory.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>

#include "base/bytes.hpp"

namespace ec::hls::internal {
namespace {

using base::errc;
using base::fail;
using kind = base::file_facts::kind;

/// `answer`: the negative errno.
auto refused(const char* what, int64_t answer, const std::string& path) {
  const int why = static_cast<int>(-answer);
  const auto code = why == EACCES || why == EPERM || why == EROFS ? errc::permission : why == ENOENT ? errc::not_found : errc::io;
  return fail(code, std::string(what) + ": " + std::generic_category().message(why), path);
}

/// Writes all of `text`; the negative errno of the first refusal, or 0.
int64_t write_all(base::disk& on, int fd, std::string_view text) {
  while (!text.empty()) {
    const auto count = on.write(fd, base::as_span(text));
    if (count == -EINTR) continue;
    if (count <= 0) return count == 0 ? -ENOSPC : count;
    text.remove_prefix(static_cast<size_t>(count));
  }
  return 0;
}

} // namespace

base::result<directory_lock> directory_lock::take(base::disk& on, const std::string& file) {
  const int fd = on.open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return refused("cannot open the lock file", fd, file);
  directory_lock lock(on, fd);
  if (const auto why = on.lock(fd); why < 0) {
    if (why == -EWOULDBLOCK) return fail(errc::busy, "another writer has this directory: stop it or choose another directory", file);
    return refused("cannot lock", why, file);
  }
  return lock;
}

directory_lock::directory_lock(directory_lock&& from) noexcept : disk_(from.disk_), fd_(std::exchange(from.fd_, -1)) {}

directory_lock::~directory_lock() {
  if (fd_ >= 0) disk_->close(fd_);
}

base::result<void> make_directory(base::disk& on, const std::string& dir) {
  if (const auto why = on.make_folders(dir); why < 0) return refused("cannot make the directory", why, dir);
  return base::ok();
}

base::result<std::vector<std::string>> file_names(base::disk& on, const std::string& dir) {
  std::vector<std::string> names;
  if (const auto why = on.list(dir, names); why < 0) return refused("cannot list the directory", why, dir);
  std::ranges::sort(names);
  return names;
}

std::optional<uint64_t> file_size(base::disk& on, const std::string& path) {
  base::file_facts found;
  if (on.facts_of(path, found) < 0 || found.what != kind::regular) return std::nullopt;
  return found.size;
}

bool remove_file(base::disk& on, const std::string& path) {
  const auto done = on.remove(path);
  return done >= 0 || done == -ENOENT;
}

base::result<void> append_lines(base::disk& on, const std::string& path, std::string_view lines, bool sync) {
  const int fd = on.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return refused("cannot open for appending", fd, path);
  base::file_facts before;
  int64_t why = on.facts(fd, before);
  if (why == 0) why = write_all(on, fd, lines);
  if (why == 0 && sync) why = on.fdatasync(fd);
  bool taken_back = true;
  if (why < 0) taken_back = on.truncate(fd, before.size) >= 0;
  if (const auto closed = on.close(fd); closed < 0 && why == 0) why = closed;
  if (!taken_back) return fail(errc::internal, "a half-written line could not be taken back", path);
  if (why < 0) return refused("cannot append", why, path);
  return base::ok();
}

} // namespace ec::hls::internal
