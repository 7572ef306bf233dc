#include "tuner/lossy_broadcast.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "tuner/internal/packet.hpp"

namespace ec::tuner {
namespace {

using internal::packet_bytes;

/// Says how many packets come before the next one that is lost: one draw for each loss, not for each packet.
class gaps {
public:
  gaps(double share, uint64_t seed) : rng_(seed), scale_(share > 0 ? 1 / std::log1p(-share) : 0) {}

  uint64_t next() {
    if (scale_ == 0) return std::numeric_limits<uint64_t>::max();
    const double u = (static_cast<double>(rng_() >> 11) + 1) * 0x1p-53; // over 0, up to 1
    return static_cast<uint64_t>(std::min(std::floor(std::log(u) * scale_), 1e18));
  }

private:
  std::mt19937_64 rng_;
  double scale_;
};

} // namespace

broadcast lossy(broadcast from, double share, uint64_t seed) {
  gaps draw(share, seed);
  const uint64_t first = draw.next();
  return [from = std::move(from), draw, left = first]() mutable -> base::result<broadcast_burst> {
    EC_TRY(auto burst, from());
    const auto in = burst.packets.span();
    const size_t count = in.size() / packet_bytes;
    if (left >= count) {
      left -= count;
      return burst;
    }
    std::vector<uint8_t> kept;
    kept.reserve(in.size());
    for (size_t i = 0; i < count; ++i) {
      if (left == 0) {
        left = draw.next();
        continue;
      }
      --left;
      const auto packet = in.subspan(i * packet_bytes, packet_bytes);
      kept.insert(kept.end(), packet.begin(), packet.end());
    }
    const auto rest = in.subspan(count * packet_bytes);
    kept.insert(kept.end(), rest.begin(), rest.end());
    burst.packets = base::bytes::adopt(std::move(kept));
    return burst;
  };
}

} // namespace ec::tuner
