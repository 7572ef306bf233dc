#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "tests/simulation/random.hpp"
#include "tests/simulation/trace.hpp"

namespace ec::simulation {

/// How a node goes down.
enum class crash {
  kill,      ///< the process: what was written is there, the write under way perhaps in part
  power_cut, ///< the machine: of what was not synced any part may be lost, and a file may be torn where it ends
};

/// One node's disk in memory. It knows what a power cut would leave: a file's bytes up to its last sync, a name once its folder was
/// synced; of the rest, by chance, a part.
class sim_disk final : public base::disk {
public:
  sim_disk(random& rng, trace& log) : rng_(rng), trace_(log) {}

  // Faults that the simulation switches on and off.
  bool full = false;          ///< ENOSPC, after a part of the bytes
  bool failing = false;       ///< EIO on each write and rename
  bool lies = false;          ///< a sync answers well and does nothing
  bool tears = false;         ///< a kill tears the playlist: what a writer without temporary files would risk
  unsigned sync_fails = 0;    ///< so many syncs answer EIO; what they would have brought to the disk never comes there
  std::optional<uint64_t> crash_at_call; ///< the node goes down within this call, counted from 1 on
  std::function<void()> on_crash;        ///< told within the call

  /// Down: every call fails and changes nothing.
  bool down() const { return down_; }
  void go_down(crash how);
  void come_up() { down_ = false; }

  /// A look at the disk that is no call of the node: no fault, no trace.
  class glance {
  public:
    explicit glance(sim_disk& d);
    ~glance();

  private:
    sim_disk& disk_;
    bool full_, failing_, down_;
    unsigned sync_fails_;
    std::optional<uint64_t> crash_at_call_;
  };

  /// What stands at `path` if the power is cut at the worst moment from here on; nothing: perhaps no file.
  std::optional<std::vector<uint8_t>> durable(const std::string& path) const;
  /// Called when a finished file came to stand at `path`.
  std::function<void(const std::string& path, const std::vector<uint8_t>& content)> on_placed;
  uint64_t calls() const { return calls_; }
  size_t files() const { return names_.size(); }

  // base::disk
  int open(const std::string& path, int flags, unsigned mode) override;
  int open_temporary(std::string& path, int suffix) override;
  int close(int fd) override;
  int64_t read(int fd, std::span<uint8_t> to) override;
  int64_t read_at(int fd, uint64_t offset, std::span<uint8_t> to) override;
  int64_t write(int fd, std::span<const uint8_t> from) override;
  int seek(int fd, uint64_t offset) override;
  int fsync(int fd) override;
  int fdatasync(int fd) override;
  int truncate(int fd, uint64_t size) override;
  int set_mode(int fd, unsigned mode) override;
  int lock(int fd) override;
  int facts(int fd, base::file_facts& out) override;
  int facts_of(const std::string& path, base::file_facts& out) override;
  int rename(const std::string& from, const std::string& to, bool replace) override;
  int remove(const std::string& path) override;
  int make_folders(const std::string& path) override;
  int list(const std::string& path, std::vector<std::string>& out) override;

private:
  struct file {
    std::vector<uint8_t> bytes;
    size_t synced = 0;   ///< a power cut leaves at least so many
    bool lost = false;   ///< a sync failed: nothing more of it comes to the disk
    unsigned mode = 0;
    bool locked = false;
  };
  using file_ptr = std::shared_ptr<file>;
  struct descriptor {
    file_ptr of;        ///< null: of a folder
    std::string folder;
    size_t place = 0;
    bool append = false;
    bool locks = false;
  };
  /// Names that were given, changed or taken in one step, since their folder was synced: what stood there before.
  struct name_change {
    std::string folder;
    std::vector<std::pair<std::string, file_ptr>> before;
  };

  static std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }
  /// Counts the call, and goes down in it if that is its time; 0, or the errno.
  int enter();
  void put_names(std::vector<std::pair<std::string, file_ptr>> names);
  int add(descriptor d);
  descriptor* find(int fd);
  int sync_file(int fd);

  random& rng_;
  trace& trace_;
  std::map<std::string, file_ptr> names_;
  std::map<std::string, bool> folders_;
  std::vector<name_change> changes_;
  std::map<int, descriptor> open_;
  int next_fd_ = 3;
  uint64_t next_temporary_ = 0;
  uint64_t calls_ = 0;
  bool down_ = false;
  bool quiet_ = false;
};

} // namespace ec::simulation
