#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.hpp"
#include "quic/udp.hpp"

namespace ec::quic::internal {

/// Collects packets into as few system calls as possible: packets of equal size to one peer, the last may be shorter,
/// leave as one message [UDP_SEGMENT]; messages leave together. A packet that is larger than the ones before it (a probe
/// of the path MTU) or differs in ECN begins a new message.
class send_batcher {
public:
  static constexpr size_t arena_bytes = 256u << 10;
  static constexpr size_t message_bytes_max = 65'000; ///< below what a UDP datagram's length field says
  static constexpr size_t segments_max = 64;          ///< what Linux takes in one message
  static constexpr size_t messages_max = 64;

  send_batcher() : arena_(std::make_unique_for_overwrite<uint8_t[]>(arena_bytes)) {}

  /// Room for the next packet; empty when it does not fit before the next flush.
  std::span<uint8_t> space(size_t bytes) {
    if (arena_bytes - used_ < bytes || batches_.size() >= messages_max) return {};
    return {arena_.get() + used_, bytes};
  }
  /// The packet of `size` bytes that was written to `space`.
  void add(const socket_address& local, const socket_address& remote, uint8_t ecn, size_t size);
  bool empty() const { return batches_.empty(); }
  /// Hands everything to `port`. False if it took only a part: the rest stays, call again later.
  bool flush(udp_port& port, base::mono_time now);

private:
  std::unique_ptr<uint8_t[]> arena_;
  size_t used_ = 0;
  std::vector<udp_batch> batches_;
  size_t segments_ = 0; ///< of the last batch; 0: it is complete
};

} // namespace ec::quic::internal
