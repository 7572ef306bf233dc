#pragma once

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "tuner/broadcast.hpp"

namespace ec::test {

/// Packets that carry their number, ten in a burst, 1 ms each.
inline tuner::broadcast numbered() {
  return [n = uint64_t{0}]() mutable -> base::result<tuner::broadcast_burst> {
    std::vector<uint8_t> out;
    for (int i = 0; i < 10; ++i, ++n) {
      std::vector<uint8_t> p(188, 0xff);
      p[0] = 0x47;
      for (size_t k = 0; k < 8; ++k) p[4 + k] = static_cast<uint8_t>(n >> (56 - 8 * k));
      out.insert(out.end(), p.begin(), p.end());
    }
    return tuner::broadcast_burst{base::bytes::adopt(std::move(out)), std::chrono::milliseconds(n)};
  };
}

} // namespace ec::test
