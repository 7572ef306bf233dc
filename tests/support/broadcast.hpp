#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "media/test_broadcast.hpp"

namespace ec::test {

/// The lighter of the test broadcasts, always the same: H.264, 8 Mbit/s, a random access point every half second.
inline std::shared_ptr<media::test_broadcast> small_broadcast() {
  media::test_broadcast_config c;
  c.codec = media::test_codec::h264;
  c.start = base::wall_time(std::chrono::milliseconds(1'785'000'000'000));
  auto made = media::test_broadcast::create(c);
  REQUIRE_MESSAGE(made.has_value(), made.error().message());
  return std::make_shared<media::test_broadcast>(std::move(made).value());
}

/// Its first `seconds` in bursts, as a source would hand them on.
inline std::vector<base::bytes> broadcast_bursts(unsigned seconds) {
  const auto made = small_broadcast();
  std::vector<base::bytes> out;
  const uint64_t wanted = made->bit_rate() / 8 * seconds;
  for (uint64_t size = 0; size < wanted; size += out.back().size()) out.push_back(made->next(1024));
  return out;
}

/// The same in a file.
inline void record_broadcast(const std::string& path, unsigned seconds) {
  std::ofstream out(path, std::ios::binary);
  for (const auto& part : broadcast_bursts(seconds))
    out.write(reinterpret_cast<const char*>(part.data()), static_cast<std::streamsize>(part.size()));
  REQUIRE(out.good());
}

} // namespace ec::test
