#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ec::base {

/// What is known of a file without reading it.
struct file_facts {
  enum class kind { regular, directory, other };
  kind what = kind::other;
  uint64_t size = 0;
  unsigned mode = 0; ///< rights, 0 to 07777
};

/// The operating system's files, by as few calls as base/file and the HLS directory need: what they write can then be tried on a
/// simulated disk that fills, fails, and forgets what was not synced. Each call answers as the system call of its name does, but with
/// the negative errno (-ENOSPC) where that one answers -1; `open` takes its flags.
class disk {
public:
  virtual ~disk() = default;

  /// A descriptor, 0 or more.
  virtual int open(const std::string& path, int flags, unsigned mode) = 0;
  /// Makes a file with a name that is not taken: the XXXXXX in front of the last `suffix` characters of `path` are filled in.
  virtual int open_temporary(std::string& path, int suffix) = 0;
  virtual int close(int fd) = 0;
  /// How many bytes came; 0: the end.
  virtual int64_t read(int fd, std::span<uint8_t> to) = 0;
  virtual int64_t read_at(int fd, uint64_t offset, std::span<uint8_t> to) = 0;
  /// How many bytes were taken, perhaps fewer than given.
  virtual int64_t write(int fd, std::span<const uint8_t> from) = 0;
  /// Moves the place of the next read or write.
  virtual int seek(int fd, uint64_t offset) = 0;
  virtual int fsync(int fd) = 0;
  virtual int fdatasync(int fd) = 0;
  virtual int truncate(int fd, uint64_t size) = 0;
  virtual int set_mode(int fd, unsigned mode) = 0;
  /// Locks it against all others, or answers -EWOULDBLOCK at once.
  virtual int lock(int fd) = 0;
  virtual int facts(int fd, file_facts& out) = 0;
  /// Of what stands at `path` itself: a link is not followed.
  virtual int facts_of(const std::string& path, file_facts& out) = 0;
  /// Without `replace` never over something: -EEXIST.
  virtual int rename(const std::string& from, const std::string& to, bool replace) = 0;
  virtual int remove(const std::string& path) = 0;
  /// Makes a folder and those above it; one that is there is fine.
  virtual int make_folders(const std::string& path) = 0;
  /// Names of the regular files in a folder, in no order.
  virtual int list(const std::string& path, std::vector<std::string>& out) = 0;
};

/// This machine's.
disk& system_disk();

} // namespace ec::base
