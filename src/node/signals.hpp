#pragma once

#include <optional>

namespace ec::node {

/// SIGINT and SIGTERM as something to wait for. Made before any thread is started, so that no thread is interrupted by them.
class stop_signals {
public:
  stop_signals();
  ~stop_signals();
  stop_signals(const stop_signals&) = delete;
  stop_signals& operator=(const stop_signals&) = delete;

  /// Waits for a signal (true) or for wake() (false).
  bool wait();
  /// From any thread: ends one wait().
  void wake();

private:
  int signal_fd_ = -1;
  int wake_fd_ = -1;
};

} // namespace ec::node
