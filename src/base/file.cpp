#include "base/file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ec::base {
namespace {

/// A file descriptor that is closed when it goes out of scope.
class handle {
public:
  explicit handle(int fd) : fd_(fd) {}
  handle(const handle&) = delete;
  handle& operator=(const handle&) = delete;
  ~handle() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  /// Closes now and tells whether that worked: a network file system may report a failed write only here.
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

private:
  int fd_;
};

error os_error(std::string_view doing, const std::string& path, int number) {
  errc code = errc::io;
  if (number == ENOENT || number == ENOTDIR) code = errc::not_found;
  if (number == EACCES || number == EPERM || number == EROFS) code = errc::permission;
  if (number == EEXIST) code = errc::exists;
  return {code, "cannot " + std::string(doing) + ": " + std::generic_category().message(number), path};
}

error too_large(const std::string& path, size_t bytes_max) {
  return {errc::too_large, "is larger than " + std::to_string(bytes_max) + " bytes", path};
}

result<std::vector<uint8_t>> read_all(const handle& file, const std::string& path, const struct stat& facts, size_t bytes_max) {
  if (S_ISDIR(facts.st_mode)) return fail(os_error("read", path, EISDIR));
  if (S_ISREG(facts.st_mode) && static_cast<uint64_t>(facts.st_size) > bytes_max) return fail(too_large(path, bytes_max));
  std::vector<uint8_t> out;
  if (S_ISREG(facts.st_mode)) out.reserve(static_cast<size_t>(facts.st_size));
  std::array<uint8_t, 16384> part;
  while (true) {
    const ssize_t got = ::read(file.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(os_error("read", path, errno));
    if (got == 0) break;
    if (out.size() + static_cast<size_t>(got) > bytes_max) return fail(too_large(path, bytes_max));
    out.insert(out.end(), part.begin(), part.begin() + got);
  }
  ::explicit_bzero(part.data(), part.size());
  return out;
}

bool write_all(int fd, std::span<const uint8_t> content) {
  while (!content.empty()) {
    const ssize_t done = ::write(fd, content.data(), content.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    content = content.subspan(static_cast<size_t>(done));
  }
  return true;
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Puts the finished file `from` at `to`; false and errno if not.
bool put(const std::string& from, const std::string& to, bool replace) {
  if (replace) return ::rename(from.c_str(), to.c_str()) == 0;
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  // This file system does not know the flag; a second name for the file does the same.
  if (::link(from.c_str(), to.c_str()) != 0) return false;
  ::unlink(from.c_str());
  return true;
}

result<void> write_whole(const std::string& path, std::span<const uint8_t> content, unsigned mode, durability must, bool replace) {
  const std::string folder = folder_of(path);
  const std::string name = path.substr(path.rfind('/') + 1);
  if (name.empty()) return fail(errc::invalid_argument, "names no file", path);
  std::string temporary = folder + "/." + name + ".XXXXXX.tmp";
  handle file(::mkostemps(temporary.data(), 4, O_CLOEXEC));
  if (!file.open()) return fail(os_error("write", path, errno));
  const auto give_up = [&](std::string_view doing) {
    const int why = errno;
    ::unlink(temporary.c_str());
    return fail(os_error(doing, path, why));
  };
  if (::fchmod(file.get(), mode) != 0) return give_up("set the mode of");
  if (!write_all(file.get(), content)) return give_up("write");
  if (must == durability::power_cut && ::fsync(file.get()) != 0) return give_up("bring to the disk");
  if (!file.close()) return give_up("write");
  if (!put(temporary, path, replace)) return give_up(replace ? "replace" : "create");
  if (must == durability::power_cut) {
    handle dir(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!dir.open() || ::fsync(dir.get()) != 0) return fail(os_error("bring its folder to the disk", path, errno));
  }
  return ok();
}

} // namespace

result<bytes> read_file(const std::string& path, size_t bytes_max) {
  const handle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts {};
  if (!file.open() || ::fstat(file.get(), &facts) != 0) return fail(os_error("open", path, errno));
  EC_TRY(auto all, read_all(file, path, facts, bytes_max));
  return bytes::adopt(std::move(all));
}

result<std::vector<uint8_t>> read_secret_file(const std::string& path, size_t bytes_max, secret_rights must) {
  // O_NONBLOCK: a pipe in the place of the file must not make us wait for its writer.
  const handle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (!file.open() || ::fstat(file.get(), &facts) != 0) return fail(os_error("open", path, errno));
  if (!S_ISREG(facts.st_mode)) return fail(errc::invalid_argument, "is no regular file", path);
  if (must == secret_rights::owner && (facts.st_mode & 077) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(facts.st_mode & 07777));
    return fail(errc::permission, "others than its owner may use this secret file (mode " + std::string(mode) + "): run chmod 600 on it", path);
  }
  return read_all(file, path, facts, bytes_max);
}

result<void> write_file_atomic(const std::string& path, std::span<const uint8_t> content, unsigned mode, durability must) {
  return write_whole(path, content, mode, must, true);
}

result<void> write_new_file(const std::string& path, std::span<const uint8_t> content, unsigned mode, durability must) {
  return write_whole(path, content, mode, must, false);
}

result<input_file> input_file::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(os_error("open", path, errno));
  return input_file(path, fd);
}

input_file& input_file::operator=(input_file&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

input_file::~input_file() {
  if (fd_ >= 0) ::close(fd_);
}

result<bytes> input_file::read(size_t bytes_max) {
  std::vector<uint8_t> out(bytes_max);
  while (true) {
    const ssize_t got = ::read(fd_, out.data(), out.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(os_error("read", path_, errno));
    out.resize(static_cast<size_t>(got));
    return bytes::adopt(std::move(out));
  }
}

result<append_file> append_file::open(const std::string& path, unsigned mode) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, mode);
  if (fd < 0) return fail(os_error("open", path, errno));
  append_file out(path, fd, 0);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(errc::busy, "another process writes it", path);
    return fail(os_error("lock", path, errno));
  }
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return fail(os_error("open", path, errno));
  if (!S_ISREG(facts.st_mode)) return fail(errc::invalid_argument, "is no regular file", path);
  out.size_ = static_cast<uint64_t>(facts.st_size);
  return out;
}

append_file& append_file::operator=(append_file&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  std::swap(spoilt_, other.spoilt_);
  return *this;
}

append_file::~append_file() {
  if (fd_ >= 0) ::close(fd_);
}

result<bytes> append_file::read_at(uint64_t offset, size_t bytes_max) const {
  std::vector<uint8_t> out(offset >= size_ ? 0 : static_cast<size_t>(std::min<uint64_t>(bytes_max, size_ - offset)));
  size_t at = 0;
  while (at < out.size()) {
    const ssize_t got = ::pread(fd_, out.data() + at, out.size() - at, static_cast<off_t>(offset + at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(os_error("read", path_, errno));
    if (got == 0) break;
    at += static_cast<size_t>(got);
  }
  out.resize(at);
  return bytes::adopt(std::move(out));
}

result<void> append_file::append(std::span<const std::span<const uint8_t>> parts, durability must) {
  if (spoilt_) return fail(errc::internal, "half an append is in it and could not be taken back: move it away", path_);
  if (::lseek(fd_, static_cast<off_t>(size_), SEEK_SET) < 0) return fail(os_error("write", path_, errno));
  uint64_t added = 0;
  bool done = true;
  for (const auto part : parts) {
    if (!(done = write_all(fd_, part))) break;
    added += part.size();
  }
  if (done && must == durability::power_cut) done = ::fdatasync(fd_) == 0;
  if (!done) {
    const int why = errno;
    spoilt_ = ::ftruncate(fd_, static_cast<off_t>(size_)) != 0;
    return fail(os_error("write", path_, why));
  }
  size_ += added;
  return ok();
}

result<void> append_file::cut(uint64_t size) {
  if (size >= size_) return ok();
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return fail(os_error("cut", path_, errno));
  size_ = size;
  return ok();
}

} // namespace ec::base
