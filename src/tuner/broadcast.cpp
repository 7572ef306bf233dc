#include "tuner/broadcast.hpp"

#include <utility>

namespace ec::tuner {

broadcast constant_rate(std::function<base::bytes()> next_packets, uint64_t bit_rate) {
  return [next = std::move(next_packets), bit_rate, sent = uint64_t{0}]() mutable -> base::result<broadcast_burst> {
    broadcast_burst out{next(), {}};
    if (out.packets.empty() || bit_rate == 0) return base::fail(base::errc::closed, "the broadcast has no more packets");
    sent += out.packets.size();
    // Seconds and rest apart: bits x 10^9 would overflow within hours.
    const uint64_t bits = sent * 8;
    out.until = std::chrono::seconds(bits / bit_rate) + std::chrono::nanoseconds(bits % bit_rate * 1'000'000'000 / bit_rate);
    return out;
  };
}

} // namespace ec::tuner
