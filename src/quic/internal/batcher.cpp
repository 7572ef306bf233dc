#include "quic/internal/batcher.hpp"

namespace ec::quic::internal {

void send_batcher::add(const socket_address& local, const socket_address& remote, uint8_t ecn, size_t size) {
  const auto* at = arena_.get() + used_;
  used_ += size;
  if (segments_ > 0) {
    auto& last = batches_.back();
    if (size <= last.segment && last.ecn == ecn && segments_ < segments_max && last.bytes.size() + size <= message_bytes_max &&
        last.remote == remote && last.local == local) {
      last.bytes = {last.bytes.data(), last.bytes.size() + size};
      // A shorter one is the last of its message.
      segments_ = size == last.segment ? segments_ + 1 : 0;
      return;
    }
  }
  batches_.push_back({local, remote, ecn, {at, size}, size});
  segments_ = 1;
}

bool send_batcher::flush(udp_port& port, base::mono_time now) {
  if (batches_.empty()) return true;
  const size_t taken = port.send(batches_, now);
  segments_ = 0;
  if (taken < batches_.size()) {
    batches_.erase(batches_.begin(), batches_.begin() + static_cast<ptrdiff_t>(taken));
    return false;
  }
  batches_.clear();
  used_ = 0;
  return true;
}

} // namespace ec::quic::internal
