#include "base/disk.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ec::base {
namespace {

namespace fs = std::filesystem;

template <class T>
T answer(T got) {
  return got < 0 ? static_cast<T>(-errno) : got;
}

file_facts facts_from(const struct stat& s) {
  const auto kind = S_ISREG(s.st_mode) ? file_facts::kind::regular : S_ISDIR(s.st_mode) ? file_facts::kind::directory : file_facts::kind::other;
  return {kind, static_cast<uint64_t>(s.st_size), static_cast<unsigned>(s.st_mode & 07777)};
}

class os_disk final : public disk {
public:
  int open(const std::string& path, int flags, unsigned mode) override { return answer(::open(path.c_str(), flags, mode)); }
  int open_temporary(std::string& path, int suffix) override { return answer(::mkostemps(path.data(), suffix, O_CLOEXEC)); }
  int close(int fd) override { return answer(::close(fd)); }
  int64_t read(int fd, std::span<uint8_t> to) override { return answer(int64_t{::read(fd, to.data(), to.size())}); }
  int64_t read_at(int fd, uint64_t offset, std::span<uint8_t> to) override {
    return answer(int64_t{::pread(fd, to.data(), to.size(), static_cast<off_t>(offset))});
  }
  int64_t write(int fd, std::span<const uint8_t> from) override { return answer(int64_t{::write(fd, from.data(), from.size())}); }
  int seek(int fd, uint64_t offset) override { return ::lseek(fd, static_cast<off_t>(offset), SEEK_SET) < 0 ? -errno : 0; }
  int fsync(int fd) override { return answer(::fsync(fd)); }
  int fdatasync(int fd) override { return answer(::fdatasync(fd)); }
  int truncate(int fd, uint64_t size) override { return answer(::ftruncate(fd, static_cast<off_t>(size))); }
  int set_mode(int fd, unsigned mode) override { return answer(::fchmod(fd, mode)); }
  int lock(int fd) override { return answer(::flock(fd, LOCK_EX | LOCK_NB)); }
  int facts(int fd, file_facts& out) override {
    struct stat s {};
    if (::fstat(fd, &s) != 0) return -errno;
    out = facts_from(s);
    return 0;
  }
  int facts_of(const std::string& path, file_facts& out) override {
    struct stat s {};
    if (::lstat(path.c_str(), &s) != 0) return -errno;
    out = facts_from(s);
    return 0;
  }
  int rename(const std::string& from, const std::string& to, bool replace) override {
    if (replace) return answer(::rename(from.c_str(), to.c_str()));
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -errno;
    // This file system does not know the flag; a second name for the file does the same.
    if (::link(from.c_str(), to.c_str()) != 0) return -errno;
    ::unlink(from.c_str());
    return 0;
  }
  int remove(const std::string& path) override { return answer(::unlink(path.c_str())); }
  int make_folders(const std::string& path) override {
    std::error_code why;
    fs::create_directories(path, why);
    if (why) return -why.value();
    return fs::is_directory(path, why) ? 0 : -ENOTDIR;
  }
  int list(const std::string& path, std::vector<std::string>& out) override {
    std::error_code why;
    for (fs::directory_iterator at(path, why), end; !why && at != end; at.increment(why)) {
      std::error_code gone; // a file may leave while the folder is read
      if (at->is_regular_file(gone)) out.push_back(at->path().filename().string());
    }
    return -why.value();
  }
};

} // namespace

disk& system_disk() {
  static os_disk made;
  return made;
}

} // namespace ec::base
