#include "tests/simulation/disk.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>

namespace ec::simulation {

int sim_disk::enter() {
  if (quiet_) return 0;
  if (down_) return -EIO;
  ++calls_;
  if (crash_at_call && --*crash_at_call == 0) {
    crash_at_call.reset();
    on_crash();
  }
  return down_ ? -EIO : 0;
}

sim_disk::descriptor* sim_disk::find(int fd) {
  const auto at = open_.find(fd);
  return at == open_.end() ? nullptr : &at->second;
}

int sim_disk::add(descriptor d) {
  open_.emplace(next_fd_, std::move(d));
  return next_fd_++;
}

void sim_disk::put_names(std::vector<std::pair<std::string, file_ptr>> names) {
  auto& change = changes_.emplace_back(name_change{folder_of(names.front().first), {}});
  for (auto& [path, what] : names) {
    auto& slot = names_[path];
    change.before.emplace_back(path, slot);
    slot = std::move(what);
    if (slot == nullptr) names_.erase(path);
    if (!quiet_) trace_.add(path);
  }
}

// --- going down

void sim_disk::go_down(crash how) {
  down_ = true;
  open_.clear();
  for (auto& [path, f] : names_) f->locked = false;
  if (tears)
    for (auto& [path, f] : names_)
      if (path.ends_with(".m3u8")) {
        f->bytes.resize(f->bytes.size() / 2);
        f->synced = std::min(f->synced, f->bytes.size());
      }
  if (how == crash::kill) return;
  // Names first: each folder keeps the first of its changes, in their order.
  std::map<std::string, size_t> keeps, seen;
  for (const auto& c : changes_) ++keeps[c.folder];
  for (auto& [folder, count] : keeps) count = rng_.below(count + 1);
  std::vector<const name_change*> undo;
  for (const auto& c : changes_)
    if (seen[c.folder]++ >= keeps[c.folder]) undo.push_back(&c);
  for (auto at = undo.rbegin(); at != undo.rend(); ++at) {
    for (const auto& [path, what] : (*at)->before) {
      if (what) names_[path] = what;
      else names_.erase(path);
    }
  }
  changes_.clear();
  for (auto& [path, f] : names_) {
    const auto loose = f->bytes.size() - f->synced;
    if (loose == 0) continue;
    const auto kept = f->lost ? 0 : rng_.below(loose + 1);
    const bool torn = rng_.chance(300); // the length came to the disk, the bytes did not
    if (torn) std::fill(f->bytes.begin() + static_cast<ptrdiff_t>(f->synced + kept), f->bytes.end(), uint8_t{0});
    else f->bytes.resize(f->synced + kept);
    f->synced = f->bytes.size();
    f->lost = false;
  }
}

sim_disk::glance::glance(sim_disk& d) :
  disk_(d), full_(d.full), failing_(d.failing), down_(d.down_), sync_fails_(d.sync_fails), crash_at_call_(d.crash_at_call) {
  d.quiet_ = true;
  d.full = d.failing = d.down_ = false;
  d.sync_fails = 0;
  d.crash_at_call.reset();
}

sim_disk::glance::~glance() {
  disk_.quiet_ = false;
  disk_.full = full_;
  disk_.failing = failing_;
  disk_.down_ = down_;
  disk_.sync_fails = sync_fails_;
  disk_.crash_at_call = crash_at_call_;
}

std::optional<std::vector<uint8_t>> sim_disk::durable(const std::string& path) const {
  const bool loose = std::ranges::any_of(changes_, [&](const auto& c) {
    return std::ranges::any_of(c.before, [&](const auto& b) { return b.first == path; });
  });
  const auto at = names_.find(path);
  if (loose || at == names_.end()) return std::nullopt;
  return std::vector(at->second->bytes.begin(), at->second->bytes.begin() + static_cast<ptrdiff_t>(at->second->synced));
}

// --- calls

int sim_disk::open(const std::string& path, int flags, unsigned mode) {
  if (const int why = enter(); why < 0) return why;
  if (folders_.contains(path)) return flags & (O_WRONLY | O_RDWR) ? -EISDIR : add({nullptr, path, 0, false, false});
  if (flags & O_DIRECTORY) return -ENOENT;
  auto at = names_.find(path);
  if (at == names_.end()) {
    if (!(flags & O_CREAT)) return -ENOENT;
    if (!folders_.contains(folder_of(path))) return -ENOENT;
    if (full) return -ENOSPC;
    if (failing) return -EIO;
    auto made = std::make_shared<file>();
    made->mode = mode;
    put_names({{path, made}});
    at = names_.find(path);
  }
  return add({at->second, {}, 0, (flags & O_APPEND) != 0, false});
}

int sim_disk::open_temporary(std::string& path, int suffix) {
  if (const int why = enter(); why < 0) return why;
  if (!folders_.contains(folder_of(path))) return -ENOENT;
  if (full && rng_.chance(500)) return -ENOSPC;
  if (failing) return -EIO;
  auto digits = std::to_string(next_temporary_++ % 1'000'000);
  digits.insert(0, 6 - digits.size(), '0');
  path.replace(path.size() - static_cast<size_t>(suffix) - 6, 6, digits);
  auto made = std::make_shared<file>();
  made->mode = 0600;
  put_names({{path, made}});
  return add({made, {}, 0, false, false});
}

int sim_disk::close(int fd) {
  const auto at = open_.find(fd);
  if (at == open_.end()) return down_ ? 0 : -EBADF;
  if (at->second.locks) at->second.of->locked = false;
  open_.erase(at);
  return 0;
}

int64_t sim_disk::read(int fd, std::span<uint8_t> to) {
  auto* d = find(fd);
  if (d == nullptr) return -EBADF;
  const auto got = read_at(fd, d->place, to);
  if (got > 0) d->place += static_cast<size_t>(got);
  return got;
}

int64_t sim_disk::read_at(int fd, uint64_t offset, std::span<uint8_t> to) {
  if (const int why = enter(); why < 0) return why;
  auto* d = find(fd);
  if (d == nullptr || d->of == nullptr) return -EBADF;
  const auto& all = d->of->bytes;
  if (offset >= all.size()) return 0;
  const auto count = std::min<size_t>(to.size(), all.size() - offset);
  std::copy_n(all.begin() + static_cast<ptrdiff_t>(offset), count, to.begin());
  return static_cast<int64_t>(count);
}

int64_t sim_disk::write(int fd, std::span<const uint8_t> from) {
  auto* d = find(fd);
  if (d == nullptr || d->of == nullptr) return down_ ? -EIO : -EBADF;
  const bool dies = !quiet_ && crash_at_call && *crash_at_call == 1;
  // A node that goes down, or a disk that is full or fails, leaves a part of what was given.
  if (full && !dies && rng_.chance(500)) return -ENOSPC;
  const auto count = dies || full || failing ? rng_.below(from.size()) : from.size();
  const auto put = [&] {
    auto& f = *d->of;
    const auto place = d->append ? f.bytes.size() : d->place;
    f.bytes.resize(std::max(f.bytes.size(), place + count));
    std::copy_n(from.begin(), count, f.bytes.begin() + static_cast<ptrdiff_t>(place));
    f.synced = std::min(f.synced, place);
    d->place = place + count;
    if (!quiet_) trace_.add(from.first(count));
  };
  if (dies) put();
  if (const int why = enter(); why < 0) return why;
  put();
  if (failing) return -EIO;
  return full && count == 0 && !from.empty() ? -ENOSPC : static_cast<int64_t>(count);
}

int sim_disk::seek(int fd, uint64_t offset) {
  if (const int why = enter(); why < 0) return why;
  auto* d = find(fd);
  if (d == nullptr) return -EBADF;
  d->place = offset;
  return 0;
}

int sim_disk::sync_file(int fd) {
  if (const int why = enter(); why < 0) return why;
  auto* d = find(fd);
  if (d == nullptr) return -EBADF;
  if (sync_fails > 0) {
    --sync_fails;
    if (d->of) d->of->lost = true;
    return -EIO;
  }
  if (lies && !quiet_) return 0;
  if (d->of) {
    if (!d->of->lost) d->of->synced = d->of->bytes.size();
  } else {
    std::erase_if(changes_, [&](const name_change& c) { return c.folder == d->folder; });
  }
  return 0;
}

int sim_disk::fsync(int fd) { return sync_file(fd); }
int sim_disk::fdatasync(int fd) { return sync_file(fd); }

int sim_disk::truncate(int fd, uint64_t size) {
  if (const int why = enter(); why < 0) return why;
  auto* d = find(fd);
  if (d == nullptr || d->of == nullptr) return -EBADF;
  if (failing) return -EIO;
  d->of->bytes.resize(size);
  d->of->synced = std::min<size_t>(d->of->synced, size);
  return 0;
}

int sim_disk::set_mode(int fd, unsigned mode) {
  if (const int why = enter(); why < 0) return why;
  auto* d = find(fd);
  if (d == nullptr || d->of == nullptr) return -EBADF;
  d->of->mode = mode;
  return 0;
}

int sim_disk::lock(int fd) {
  if (const int why = enter(); why < 0) return why;
  auto* d = find(fd);
  if (d == nullptr || d->of == nullptr) return -EBADF;
  if (d->of->locked) return -EWOULDBLOCK;
  d->of->locked = d->locks = true;
  return 0;
}

int sim_disk::facts(int fd, base::file_facts& out) {
  if (const int why = enter(); why < 0) return why;
  auto* d = find(fd);
  if (d == nullptr) return -EBADF;
  if (d->of) out = {base::file_facts::kind::regular, d->of->bytes.size(), d->of->mode};
  else out = {base::file_facts::kind::directory, 0, 0755};
  return 0;
}

int sim_disk::facts_of(const std::string& path, base::file_facts& out) {
  if (const int why = enter(); why < 0) return why;
  const auto at = names_.find(path);
  if (at != names_.end()) out = {base::file_facts::kind::regular, at->second->bytes.size(), at->second->mode};
  else if (folders_.contains(path)) out = {base::file_facts::kind::directory, 0, 0755};
  else return -ENOENT;
  return 0;
}

int sim_disk::rename(const std::string& from, const std::string& to, bool replace) {
  if (const int why = enter(); why < 0) return why;
  const auto at = names_.find(from);
  if (at == names_.end()) return -ENOENT;
  if (failing) return -EIO;
  if (!replace && names_.contains(to)) return -EEXIST;
  const auto what = at->second;
  put_names({{to, what}, {from, nullptr}});
  if (on_placed) on_placed(to, what->bytes);
  return 0;
}

int sim_disk::remove(const std::string& path) {
  if (const int why = enter(); why < 0) return why;
  if (!names_.contains(path)) return -ENOENT;
  put_names({{path, nullptr}});
  return 0;
}

int sim_disk::make_folders(const std::string& path) {
  if (const int why = enter(); why < 0) return why;
  for (size_t at = 1; at != std::string::npos; at = path.find('/', at + 1)) folders_[path.substr(0, at == 1 ? path.find('/', 1) : at)] = true;
  folders_[path] = true;
  return 0;
}

int sim_disk::list(const std::string& path, std::vector<std::string>& out) {
  if (const int why = enter(); why < 0) return why;
  if (!folders_.contains(path)) return -ENOENT;
  for (auto at = names_.lower_bound(path + '/'); at != names_.end() && at->first.starts_with(path + '/'); ++at)
    out.push_back(at->first.substr(path.size() + 1));
  return 0;
}

} // namespace ec::simulation
