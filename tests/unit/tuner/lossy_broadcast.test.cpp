#include "tuner/lossy_broadcast.hpp"

#include <cmath>
#include <set>
#include <vector>

#include <doctest/doctest.h>

using namespace ec;

namespace {

constexpr size_t packet = 188;

/// Packets that carry their number; 50 in a burst, and the last burst has some bytes more.
tuner::broadcast numbered(uint64_t bursts) {
  return [n = uint64_t{0}, bursts]() mutable -> base::result<tuner::broadcast_burst> {
    if (n == bursts) return base::fail(base::errc::closed, "over");
    std::vector<uint8_t> out(50 * packet, 0x47);
    for (uint64_t i = 0; i < 50; ++i)
      for (int b = 0; b < 4; ++b) out[i * packet + 4 + static_cast<size_t>(b)] = static_cast<uint8_t>((n * 50 + i) >> (8 * b));
    if (++n == bursts) out.insert(out.end(), 17, 0xee);
    return tuner::broadcast_burst{base::bytes::adopt(std::move(out)), std::chrono::milliseconds(n)};
  };
}

struct heard {
  std::set<uint32_t> packets;
  size_t rest = 0;
  std::chrono::nanoseconds until{0};
};

heard listen(tuner::broadcast from) {
  heard out;
  while (const auto burst = from()) {
    const auto bytes = burst.value().packets.span();
    for (size_t i = 0; i < bytes.size() / packet; ++i) {
      const auto* p = bytes.data() + i * packet + 4;
      CHECK(out.packets.insert(p[0] | p[1] << 8 | p[2] << 16 | static_cast<uint32_t>(p[3]) << 24).second);
    }
    out.rest = bytes.size() % packet;
    out.until = burst.value().until;
  }
  return out;
}

} // namespace

TEST_SUITE("tuner/lossy_broadcast") {

TEST_CASE("about the wanted share is lost, and time and broken packets go through") {
  for (const double share : {0.0, 0.0001, 0.01, 0.5}) {
    constexpr uint64_t bursts = 20'000;
    const auto got = listen(tuner::lossy(numbered(bursts), share, 5));
    const double all = bursts * 50;
    const double lost = all - static_cast<double>(got.packets.size());
    CHECK(std::abs(lost - all * share) <= 5 * std::sqrt(all * share));
    CHECK(got.rest == 17);
    CHECK(got.until == std::chrono::milliseconds(bursts));
  }
}

TEST_CASE("a seed loses the same packets again, and another one others") {
  const auto lost = [](uint64_t seed) {
    std::set<uint32_t> out;
    const auto got = listen(tuner::lossy(numbered(4000), 0.01, seed));
    for (uint32_t n = 0; n < 200'000; ++n)
      if (!got.packets.contains(n)) out.insert(n);
    return out;
  };
  const auto first = lost(1), again = lost(1), other = lost(2);
  CHECK(first == again);
  size_t both = 0;
  for (const auto n : first) both += other.contains(n);
  // Of about 2,000 each, about 20 are lost by both if they have nothing to do with each other.
  CHECK(both > 2);
  CHECK(both < 60);
}

}
