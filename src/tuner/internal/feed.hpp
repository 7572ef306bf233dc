#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tuner/simulator.hpp"

namespace ec::tuner::internal {

/// One channel on the air: its thread paces the broadcast into a short queue that all clients read.
class feed {
public:
  feed(simulated_channel channel, double speed, fault_plan faults);
  ~feed() { stop(); }

  const simulated_channel& channel() const { return channel_; }

  /// `reboot`: called from the feed's own thread with true when the plan reboots the device, and after that with false until it answers true.
  void start(std::function<bool(bool down)> reboot = {});
  void stop();
  void end_streams();
  void set_silent(bool silent);

  /// What the plan says of a request that comes now.
  fault_plan::answer answers() const;
  std::string broken() const;
  /// Of the whole multiplex since the start, bit/s; 0 before the first burst.
  uint64_t bit_rate() const;

  /// Where a client stands: the number of the next burst, and which cut it was opened after.
  struct place {
    uint64_t next = 0;
    uint64_t cut = 0;
    uint64_t torn = 0; ///< and after which reset
  };
  place tune_in() const;

  struct taken {
    broadcast_burst burst;
    uint64_t lost = 0;
  };
  /// The burst at `at`, which then moves on; nothing within `wait`: an empty burst. Errors: closed, io (the connection is to break off).
  base::result<taken> take(place& at, std::chrono::milliseconds wait);

private:
  void run();
  void play_faults(std::chrono::nanoseconds at);

  simulated_channel channel_;
  const double speed_;
  const fault_plan faults_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<broadcast_burst> bursts_;
  uint64_t first_ = 0; ///< number of bursts_.front()
  size_t bytes_ = 0;
  uint64_t bytes_all_ = 0; ///< since the start
  uint64_t live_from_ = 0; ///< what came before was swallowed by a silence
  uint64_t cut_ = 0;
  uint64_t torn_ = 0;
  bool silent_ = false;
  bool stalled_ = false; ///< the plan says so
  std::chrono::nanoseconds at_{0};    ///< end of the last burst
  bool over_ = false;
  bool down_ = false;    ///< rebooting
  std::function<bool(bool)> reboot_;
  std::string broken_;
  std::thread thread_;
};

/// The tuners of the device, each with the channel that it is tuned to and who holds it: a stream over HTTP, or the control port.
class tuner_bank {
public:
  explicit tuner_bank(unsigned count) : tuners_(count) {}

  std::optional<size_t> take_any(const std::string& channel);
  bool take(size_t which, const std::string& channel);
  void give_back(size_t which);
  /// For the control port, which may call it again for what it holds: false if a stream over HTTP has this tuner.
  bool hold(size_t which, const std::string& channel);
  /// What the control port held; does nothing to others.
  void let_go(size_t which);
  bool taken_by_http(size_t which) const;
  size_t count() const { return tuners_.size(); }
  /// By tuner; empty: free.
  std::vector<std::string> channels() const;
  unsigned in_use() const;

private:
  struct one {
    std::string channel;
    bool by_control = false;
  };
  mutable std::mutex mutex_;
  std::vector<one> tuners_;
};

} // namespace ec::tuner::internal
