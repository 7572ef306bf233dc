// The loop over arbitrary bytes: whole packets with a sync byte, a clock that never steps back, rounds that repeat.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "tuner/loop.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec;
  auto opened = tuner::loop::open(base::bytes::copy(std::span<const uint8_t>(data, size)));
  if (!opened) return 0;
  auto& l = opened.value();
  if (l.facts().round_pts <= 0 || l.facts().packets == 0) std::abort();
  std::chrono::nanoseconds last{0};
  for (int i = 0; i < 200; ++i) {
    const auto burst = l.next();
    if (burst.packets.empty() || burst.packets.size() % 188 != 0 || burst.until < last) std::abort();
    last = burst.until;
    for (size_t at = 0; at < burst.packets.size(); at += 188)
      if (burst.packets[at] != 0x47) std::abort();
  }
  return 0;
}
