#include "base/file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>

namespace ec::base {
namespace {

/// A file descriptor that is closed when it goes out of scope; or the negative errno that came in its place.
class handle {
public:
  handle(disk& on, int fd) : disk_(on), fd_(fd) {}
  handle(const handle&) = delete;
  handle& operator=(const handle&) = delete;
  ~handle() {
    if (fd_ >= 0) disk_.close(fd_);
  }
  int get() const { return fd_; }
  disk& on() const { return disk_; }
  /// Closes now and tells whether that worked: a network file system may report a failed write only here.
  int close() { return disk_.close(std::exchange(fd_, -1)); }

private:
  disk& disk_;
  int fd_;
};

/// `answer`: the negative errno.
error os_error(std::string_view doing, const std::string& path, int64_t answer) {
  const int number = static_cast<int>(-answer);
  errc code = errc::io;
  if (number == ENOENT || number == ENOTDIR) code = errc::not_found;
  if (number == EACCES || number == EPERM || number == EROFS) code = errc::permission;
  if (number == EEXIST) code = errc::exists;
  return {code, "cannot " + std::string(doing) + ": " + std::generic_category().message(number), path};
}

error too_large(const std::string& path, size_t bytes_max) {
  return {errc::too_large, "is larger than " + std::to_string(bytes_max) + " bytes", path};
}

result<std::vector<uint8_t>> read_all(const handle& file, const std::string& path, const file_facts& facts, size_t bytes_max) {
  if (facts.what == file_facts::kind::directory) return fail(os_error("read", path, -EISDIR));
  const bool regular = facts.what == file_facts::kind::regular;
  if (regular && facts.size > bytes_max) return fail(too_large(path, bytes_max));
  std::vector<uint8_t> out;
  if (regular) out.reserve(static_cast<size_t>(facts.size));
  std::array<uint8_t, 16384> part;
  while (true) {
    const auto got = file.on().read(file.get(), part);
    if (got == -EINTR) continue;
    if (got < 0) return fail(os_error("read", path, got));
    if (got == 0) break;
    if (out.size() + static_cast<size_t>(got) > bytes_max) return fail(too_large(path, bytes_max));
    out.insert(out.end(), part.begin(), part.begin() + got);
  }
  ::explicit_bzero(part.data(), part.size());
  return out;
}

/// 0, or the negative errno.
int64_t write_all(disk& on, int fd, std::span<const uint8_t> content) {
  while (!content.empty()) {
    const auto done = on.write(fd, content);
    if (done == -EINTR) continue;
    if (done < 0) return done;
    content = content.subspan(static_cast<size_t>(done));
  }
  return 0;
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

result<void> write_whole(const std::string& path, std::span<const uint8_t> content, unsigned mode, durability must, bool replace, disk& on) {
  const std::string folder = folder_of(path);
  const std::string name = path.substr(path.rfind('/') + 1);
  if (name.empty()) return fail(errc::invalid_argument, "names no file", path);
  std::string temporary = folder + "/." + name + ".XXXXXX.tmp";
  const int made = on.open_temporary(temporary, 4);
  if (made < 0) return fail(os_error("write", path, made));
  handle file(on, made);
  const auto give_up = [&](std::string_view doing, int64_t why) {
    on.remove(temporary);
    return fail(os_error(doing, path, why));
  };
  if (const auto why = on.set_mode(made, mode); why < 0) return give_up("set the mode of", why);
  if (const auto why = write_all(on, made, content); why < 0) return give_up("write", why);
  if (must == durability::power_cut)
    if (const auto why = on.fsync(made); why < 0) return give_up("bring to the disk", why);
  if (const auto why = file.close(); why < 0) return give_up("write", why);
  if (const auto why = on.rename(temporary, path, replace); why < 0) return give_up(replace ? "replace" : "create", why);
  if (must == durability::power_cut) {
    const handle dir(on, on.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
    const int why = dir.get() < 0 ? dir.get() : on.fsync(dir.get());
    if (why < 0) return fail(os_error("bring its folder to the disk", path, why));
  }
  return ok();
}

} // namespace

result<bytes> read_file(const std::string& path, size_t bytes_max, disk& on) {
  const handle file(on, on.open(path, O_RDONLY | O_CLOEXEC, 0));
  if (file.get() < 0) return fail(os_error("open", path, file.get()));
  file_facts facts;
  if (const auto why = on.facts(file.get(), facts); why < 0) return fail(os_error("open", path, why));
  EC_TRY(auto all, read_all(file, path, facts, bytes_max));
  return bytes::adopt(std::move(all));
}

result<std::vector<uint8_t>> read_secret_file(const std::string& path, size_t bytes_max, secret_rights must) {
  auto& on = system_disk();
  // O_NONBLOCK: a pipe in the place of the file must not make us wait for its writer.
  const handle file(on, on.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0));
  if (file.get() < 0) return fail(os_error("open", path, file.get()));
  file_facts facts;
  if (const auto why = on.facts(file.get(), facts); why < 0) return fail(os_error("open", path, why));
  if (facts.what != file_facts::kind::regular) return fail(errc::invalid_argument, "is no regular file", path);
  if (must == secret_rights::owner && (facts.mode & 077) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", facts.mode & 07777);
    return fail(errc::permission, "others than its owner may use this secret file (mode " + std::string(mode) + "): run chmod 600 on it", path);
  }
  return read_all(file, path, facts, bytes_max);
}

result<std::vector<uint8_t>> read_secret_text(const std::string& path, size_t bytes_max) {
  EC_TRY(auto text, read_secret_file(path, bytes_max));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

result<void> write_file_atomic(const std::string& path, std::span<const uint8_t> content, unsigned mode, durability must, disk& on) {
  return write_whole(path, content, mode, must, true, on);
}

result<void> write_new_file(const std::string& path, std::span<const uint8_t> content, unsigned mode, durability must, disk& on) {
  return write_whole(path, content, mode, must, false, on);
}

result<input_file> input_file::open(const std::string& path, disk& on) {
  const int fd = on.open(path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return fail(os_error("open", path, fd));
  return input_file(path, on, fd);
}

input_file& input_file::operator=(input_file&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(disk_, other.disk_);
  std::swap(fd_, other.fd_);
  return *this;
}

input_file::~input_file() {
  if (fd_ >= 0) disk_->close(fd_);
}

result<bytes> input_file::read(size_t bytes_max) {
  std::vector<uint8_t> out(bytes_max);
  while (true) {
    const auto got = disk_->read(fd_, out);
    if (got == -EINTR) continue;
    if (got < 0) return fail(os_error("read", path_, got));
    out.resize(static_cast<size_t>(got));
    return bytes::adopt(std::move(out));
  }
}

result<append_file> append_file::open(const std::string& path, unsigned mode, disk& on) {
  const int fd = on.open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode);
  if (fd < 0) return fail(os_error("open", path, fd));
  append_file out(path, on, fd, 0);
  if (const auto why = on.lock(fd); why < 0) {
    if (why == -EWOULDBLOCK) return fail(errc::busy, "another process writes it", path);
    return fail(os_error("lock", path, why));
  }
  file_facts facts;
  if (const auto why = on.facts(fd, facts); why < 0) return fail(os_error("open", path, why));
  if (facts.what != file_facts::kind::regular) return fail(errc::invalid_argument, "is no regular file", path);
  out.size_ = facts.size;
  return out;
}

append_file& append_file::operator=(append_file&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(disk_, other.disk_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  std::swap(spoilt_, other.spoilt_);
  return *this;
}

append_file::~append_file() {
  if (fd_ >= 0) disk_->close(fd_);
}

result<bytes> append_file::read_at(uint64_t offset, size_t bytes_max) const {
  std::vector<uint8_t> out(offset >= size_ ? 0 : static_cast<size_t>(std::min<uint64_t>(bytes_max, size_ - offset)));
  size_t at = 0;
  while (at < out.size()) {
    const auto got = disk_->read_at(fd_, offset + at, std::span(out).subspan(at));
    if (got == -EINTR) continue;
    if (got < 0) return fail(os_error("read", path_, got));
    if (got == 0) break;
    at += static_cast<size_t>(got);
  }
  out.resize(at);
  return bytes::adopt(std::move(out));
}

result<void> append_file::append(std::span<const std::span<const uint8_t>> parts, durability must) {
  if (spoilt_) return fail(errc::internal, "half an append is in it and could not be taken back: move it away", path_);
  if (const auto why = disk_->seek(fd_, size_); why < 0) return fail(os_error("write", path_, why));
  uint64_t added = 0;
  int64_t why = 0;
  for (const auto part : parts) {
    why = write_all(*disk_, fd_, part);
    if (why < 0) break;
    added += part.size();
  }
  if (why == 0 && must == durability::power_cut) why = disk_->fdatasync(fd_);
  if (why < 0) {
    spoilt_ = disk_->truncate(fd_, size_) < 0;
    return fail(os_error("write", path_, why));
  }
  size_ += added;
  return ok();
}

result<void> append_file::cut(uint64_t size) {
  if (size >= size_) return ok();
  if (const auto why = disk_->truncate(fd_, size); why < 0) return fail(os_error("cut", path_, why));
  size_ = size;
  return ok();
}

} // namespace ec::base
