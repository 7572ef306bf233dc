#include "tuner/internal/grid.hpp"

#include <algorithm>

#include "tuner/internal/packet.hpp"

namespace ec::tuner::internal {
namespace {

/// Sync bytes at `at` and at the places after it, up to four or the end of the capture; the first packet must be whole.
bool in_step(std::span<const uint8_t> in, size_t at, size_t stride) {
  if (at + packet_bytes > in.size()) return false;
  for (size_t i = 0; i < 4; ++i, at += stride) {
    if (at >= in.size()) return true;
    if (in[at] != 0x47) return false;
  }
  return true;
}

} // namespace

base::result<grid> grid::find(base::bytes capture) {
  grid out;
  out.capture_ = std::move(capture);
  const auto in = out.capture_.span();
  size_t at = in.size();
  for (size_t from = 0; from < std::min<size_t>(in.size(), 65536) && at == in.size(); ++from)
    for (const size_t stride : {188, 192, 204})
      if (in_step(in, from, stride) && from + 3 * stride < in.size()) {
        out.stride_ = stride;
        at = from;
        break;
      }
  if (at == in.size()) return base::fail(base::errc::malformed, "no transport stream packets were found");
  while (at + packet_bytes <= in.size()) {
    out.runs_.push_back({out.count_, at});
    while (at + packet_bytes <= in.size() && in[at] == 0x47) {
      ++out.count_;
      at += out.stride_;
    }
    while (at + packet_bytes <= in.size() && !in_step(in, at, out.stride_)) ++at;
  }
  return out;
}

std::span<const uint8_t> grid::packet(uint64_t index) const {
  const auto holds = [&](size_t r) {
    return index >= runs_[r].first && (r + 1 == runs_.size() || index < runs_[r + 1].first);
  };
  if (!holds(last_run_)) {
    const auto next = std::upper_bound(runs_.begin(), runs_.end(), index, [](uint64_t i, const run& r) { return i < r.first; });
    last_run_ = static_cast<size_t>(next - runs_.begin()) - 1;
  }
  return capture_.span().subspan(runs_[last_run_].offset + static_cast<size_t>(index - runs_[last_run_].first) * stride_, packet_bytes);
}

} // namespace ec::tuner::internal
