// Makes the disk under one directory bad for one process, for a test: preloaded, it looks at the file named by EC_DISK_SHIM (eight bytes,
// signed) before each write and sync of a file under EC_DISK_SHIM_DIR. 0: nothing happens. -1: EIO. More: so many bytes a second.
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

int64_t mode() {
  static const volatile int64_t* const told = [] {
    const char* path = std::getenv("EC_DISK_SHIM");
    const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void* at = fd < 0 ? MAP_FAILED : mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0) close(fd);
    return at == MAP_FAILED ? nullptr : static_cast<const volatile int64_t*>(at);
  }();
  return told ? *told : 0;
}

bool meant(int fd) {
  static const char* const folder = std::getenv("EC_DISK_SHIM_DIR");
  if (!folder) return false;
  char link[32] = "/proc/self/fd/";
  size_t end = std::strlen(link);
  char digits[12];
  size_t n = 0;
  for (unsigned left = static_cast<unsigned>(fd); n == 0 || left > 0; left /= 10) digits[n++] = static_cast<char>('0' + left % 10);
  while (n > 0) link[end++] = digits[--n];
  char path[4096];
  const auto size = readlink(link, path, sizeof path);
  const auto length = std::strlen(folder);
  return size > 0 && static_cast<size_t>(size) > length && std::strncmp(path, folder, length) == 0;
}

/// True if the call is to fail; else it was held up for as long as so many bytes take.
bool fails(int fd, size_t bytes) {
  const auto how = mode();
  if (how == 0 || fd < 3 || !meant(fd)) return false;
  if (how < 0) {
    errno = EIO;
    return true;
  }
  const auto ns = static_cast<int64_t>(bytes) * 1'000'000'000 / how;
  const timespec wait{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  nanosleep(&wait, nullptr);
  return false;
}

} // namespace

extern "C" {

ssize_t write(int fd, const void* from, size_t size) { return fails(fd, size) ? -1 : syscall(SYS_write, fd, from, size); }
int fsync(int fd) { return fails(fd, 0) ? -1 : static_cast<int>(syscall(SYS_fsync, fd)); }
int fdatasync(int fd) { return fails(fd, 0) ? -1 : static_cast<int>(syscall(SYS_fdatasync, fd)); }

}
