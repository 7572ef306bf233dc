// A copy of a chunk as another publisher offers it, judged by what was received: no bytes crash it, and what it takes holds all that was
// received. Input: u16 packets that were received, u8 share, u64 first PTS, u32 duration, those packets, the offer.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "ts/chunk_repair.hpp"
#include "ts/packet.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec::ts;
  constexpr size_t front = 2 + 1 + 8 + 4;
  if (size < front) return 0;
  const auto number = [&](size_t at, size_t bytes) {
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; ++i) v = v << 8 | data[at + i];
    return v;
  };
  const unsigned share = data[2] % 101;
  const uint64_t first_pts = number(3, 8) & ((uint64_t{1} << 33) - 1);
  const auto duration = static_cast<int64_t>(number(11, 4));
  const std::span<const uint8_t> rest(data + front, size - front);
  const auto mine = rest.first(std::min(rest.size() / packet_bytes, static_cast<size_t>(number(0, 2))) * packet_bytes);
  const auto offer = rest.subspan(mine.size());
  // In two parts, as pieces come.
  const auto half = mine.size() / packet_bytes / 2 * packet_bytes;
  const std::vector<ec::base::bytes> pieces{ec::base::bytes::copy(mine.first(half)), ec::base::bytes::copy(mine.subspan(half))};
  const auto v = judge_repair({7, first_pts, duration, damage::continuity, pieces}, {7, first_pts, static_cast<uint64_t>(duration), offer}, share);
  if (!v.taken()) return 0;
  if (v.matched + v.on_trust != v.packets || uint64_t{v.on_trust} * 100 > uint64_t{share} * v.packets) std::abort();
  size_t at = 0;
  for (size_t n = 0; n < mine.size(); n += packet_bytes) {
    const packet_view p(mine.data() + n);
    if (!p.has_payload()) continue;
    while (at < offer.size() && !std::equal(p.data(), p.data() + packet_bytes, offer.data() + at)) at += packet_bytes;
    if (at >= offer.size()) std::abort();
    at += packet_bytes;
  }
  return 0;
}
