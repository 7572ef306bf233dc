#include "tuner/internal/pacer.hpp"

#include <algorithm>

#include "tuner/internal/packet.hpp"

namespace ec::tuner::internal {

size_t pacer::allowed(std::span<const uint8_t> in, base::mono_time now) {
  due_.reset();
  size_t at = std::min(skip_, in.size());
  skip_ -= at;
  while (at < in.size()) {
    if (in[at] != 0x47) {
      ++at; // out of step: what is no packet costs no time
      continue;
    }
    if (in.size() - at < packet_bytes) {
      // The head of a packet, whose PCR is not known yet: it may go, and its rest is passed over.
      skip_ = packet_bytes - (in.size() - at);
      return in.size();
    }
    const auto packet = in.subspan(at, packet_bytes);
    if (const auto pcr = pcr_of(packet)) {
      if (!pid_) pid_ = pid_of(packet);
      if (*pid_ == pid_of(packet)) {
        const uint64_t step = (*pcr + pcr_wrap - last_pcr_) % pcr_wrap;
        // A step of over a second is a jump of the clock, not time to wait for.
        const bool jump = !last_due_ || step > pcr_hz;
        const auto span = std::chrono::nanoseconds(static_cast<int64_t>(static_cast<double>(step) * (1000.0 / 27.0) / speed_));
        const auto due = jump ? now : *last_due_ + span;
        if (due > now) {
          due_ = due;
          return at;
        }
        last_due_ = due;
        last_pcr_ = *pcr;
      }
    }
    at += packet_bytes;
  }
  return in.size();
}

} // namespace ec::tuner::internal
