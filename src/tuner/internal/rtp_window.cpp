#include "tuner/internal/rtp_window.hpp"

#include <algorithm>
#include <utility>

#include "base/limits_tuner.hpp"

namespace ec::tuner::internal {
namespace {

using base::errc;
using base::fail;

constexpr size_t head_bytes = 12;
constexpr int restart_distance = 3000; ///< a sequence so far off is a sender that started anew, as in RFC 3550 A.1

} // namespace

base::result<rtp_packet> parse_rtp(std::span<const uint8_t> in) {
  if (in.size() < head_bytes || in[0] >> 6 != 2) return fail(errc::malformed, "no RTP of version 2");
  size_t at = head_bytes + 4u * (in[0] & 0x0fu);
  if ((in[0] & 0x10) != 0) {
    if (at + 4 > in.size()) return fail(errc::malformed, "the extension of an RTP packet is cut short");
    at += 4 + 4 * static_cast<size_t>(in[at + 2] << 8 | in[at + 3]);
  }
  size_t padding = 0;
  if ((in[0] & 0x20) != 0) {
    padding = in.back();
    if (padding == 0) return fail(errc::malformed, "RTP padding without a length");
  }
  if (at + padding > in.size()) return fail(errc::malformed, "the lengths of an RTP packet do not fit");
  rtp_packet out;
  out.sequence = static_cast<uint16_t>(in[2] << 8 | in[3]);
  out.source = static_cast<uint32_t>(in[8]) << 24 | static_cast<uint32_t>(in[9]) << 16 | static_cast<uint32_t>(in[10]) << 8 | in[11];
  out.payload_type = in[1] & 0x7f;
  out.payload = in.subspan(at, in.size() - at - padding);
  return out;
}

std::vector<rtp_window::piece> rtp_window::push(const rtp_packet& packet, base::mono_time now) {
  std::vector<piece> out;
  int step = next_ ? static_cast<int16_t>(static_cast<uint16_t>(packet.sequence - static_cast<uint16_t>(*next_))) : 0;
  if (!next_ || packet.source != source_ || step >= restart_distance || step <= -restart_distance) {
    while (!waiting_.empty()) skip_hole(out);
    gap_ = gap_ || next_.has_value();
    next_ = uint64_t{1} << 32 | packet.sequence; // far from 0, so that nothing is before it
    source_ = packet.source;
    step = 0;
  }
  if (step < 0) {
    ++late_;
    return out;
  }
  const uint64_t place = *next_ + static_cast<uint64_t>(step);
  if (!waiting_.emplace(place, waiting{base::bytes::copy(packet.payload), now}).second) ++late_;
  take_ready(out);
  while (waiting_.size() > base::limits::rtp_reorder_packets_max) skip_hole(out);
  return out;
}

std::vector<rtp_window::piece> rtp_window::expire(base::mono_time now) {
  std::vector<piece> out;
  while (due() && *due() <= now) skip_hole(out);
  return out;
}

std::optional<base::mono_time> rtp_window::due() const {
  if (waiting_.empty()) return std::nullopt;
  // The first to come behind the hole, which need not be the one next to it.
  auto oldest = waiting_.begin()->second.since;
  for (const auto& [place, w] : waiting_) oldest = std::min(oldest, w.since);
  return oldest + patience_;
}

void rtp_window::take_ready(std::vector<piece>& out) {
  while (!waiting_.empty() && waiting_.begin()->first == *next_) {
    out.push_back({std::move(waiting_.begin()->second.payload), std::exchange(gap_, false)});
    waiting_.erase(waiting_.begin());
    ++*next_;
  }
}

void rtp_window::skip_hole(std::vector<piece>& out) {
  if (waiting_.empty()) return;
  lost_ += waiting_.begin()->first - *next_;
  gap_ = true;
  next_ = waiting_.begin()->first;
  take_ready(out);
}

} // namespace ec::tuner::internal
