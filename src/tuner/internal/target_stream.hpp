#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <netinet/in.h>

#include "tuner/internal/descriptor.hpp"
#include "tuner/internal/feed.hpp"
#include "tuner/internal/pid_filter.hpp"

namespace ec::tuner::internal {

/// Where a tuner sends its stream: "udp://192.0.2.1:5000" or "rtp://...".
struct stream_target {
  bool rtp = false;
  sockaddr_in to{};

  bool multicast() const;
  /// The address without its port.
  std::string host() const;
};
/// What stands behind the address (words that devices take) is not looked at. Errors: malformed, unsupported (scheme).
[[nodiscard]] base::result<stream_target> parse_target(std::string_view text);

/// Sends what passes the filter of one channel in datagrams of seven packets, as devices do, from a thread of its own, until it is destroyed
/// or the receiver is gone. A channel whose streams are cut by a fault is tuned in again.
class target_stream {
public:
  /// Errors: io (no socket).
  [[nodiscard]] static base::result<std::unique_ptr<target_stream>> start(std::shared_ptr<feed> from, const stream_target& target, pid_filter filter);
  ~target_stream();
  target_stream(const target_stream&) = delete;
  target_stream& operator=(const target_stream&) = delete;

  /// True once the receiver's host said that nobody listens there.
  bool refused() const { return refused_; }
  /// Packets a second, of the last whole second.
  uint64_t packets_per_second() const { return packets_per_second_; }
  /// The PIDs that pass by now.
  std::string filter_text() const;

private:
  target_stream(std::shared_ptr<feed> from, descriptor socket, bool rtp, pid_filter filter);
  void run();
  bool send(const std::vector<uint8_t>& packets, std::chrono::nanoseconds at);

  const std::shared_ptr<feed> from_;
  const descriptor socket_;
  const bool rtp_;
  mutable std::mutex mutex_; ///< of the filter
  pid_filter filter_;
  uint16_t sequence_ = 0;
  std::atomic<bool> stop_{false}, refused_{false};
  std::atomic<uint64_t> packets_per_second_{0};
  std::thread thread_;
};

} // namespace ec::tuner::internal
