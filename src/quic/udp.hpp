#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "quic/address.hpp"

namespace ec::quic {

/// Datagrams to one peer, laid end to end: each `segment` bytes long, only the last may be shorter.
struct udp_batch {
  socket_address local; ///< source address; unspecified or wildcard: the system chooses
  socket_address remote;
  uint8_t ecn = 0; ///< the two ECN bits
  std::span<const uint8_t> bytes;
  size_t segment = 0;
};

/// Received datagrams of one peer, laid out like those of a `udp_batch`. `bytes` is valid until the next `receive`.
struct udp_arrival {
  socket_address local; ///< destination address of the datagrams; unspecified when the system did not say
  socket_address remote;
  uint8_t ecn = 0;
  std::span<const uint8_t> bytes;
  size_t segment = 0;
};

/// A peer that the network says cannot be reached (an ICMP answer to one of our datagrams).
struct udp_unreachable {
  socket_address remote;
  int system_error = 0; ///< ECONNREFUSED, EHOSTUNREACH, ...
};

struct udp_counters {
  uint64_t sent_datagrams = 0;
  uint64_t sent_bytes = 0;
  uint64_t send_calls = 0;
  uint64_t send_errors = 0; ///< datagrams that the system refused and that were dropped (too big, no route)
  uint64_t received_datagrams = 0;
  uint64_t received_bytes = 0;
  uint64_t receive_calls = 0;
};

/// What an endpoint sends and receives through: a socket, or the simulated network of a test. Never blocks.
class udp_port {
public:
  virtual ~udp_port() = default;

  /// The descriptor to poll for reading; -1 when there is none (simulated).
  virtual int fd() const = 0;
  virtual socket_address local() const = 0;
  /// Takes batches from the front; returns how many were taken (sent, or dropped and counted). Fewer than given: the
  /// system's buffer is full, try the rest later. `now` is for simulated networks.
  virtual size_t send(std::span<const udp_batch> batches, base::mono_time now) = 0;
  /// The next arrivals, none when there are none; valid until the next call.
  virtual std::span<const udp_arrival> receive() = 0;
  /// The next ICMP report, if any.
  virtual std::optional<udp_unreachable> next_unreachable() = 0;
  virtual const udp_counters& counters() const = 0;
  /// The time now, not before `given`. A long flush asks in between, or its round trips would look longer than they are;
  /// a simulated network answers what it was given.
  virtual base::mono_time now(base::mono_time given) const { return given; }
};

struct udp_options {
  bool gso = true;
  bool gro = true;
  bool reuse_port = false;
  size_t receive_buffer_bytes = 4u << 20; ///< asked for; the system grants what it allows
  size_t send_buffer_bytes = 2u << 20;
};

/// A UDP socket bound to `local`; unspecified: any free port, both families where the system has them.
base::result<std::unique_ptr<udp_port>> open_udp(const socket_address& local, const udp_options& options);

} // namespace ec::quic
