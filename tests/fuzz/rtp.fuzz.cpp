// Datagrams of a row of RTP packets, each with two bytes of length in front, into the window that puts them in order; a length over 60,000 is a pause
// instead. What comes out was put in, once, in rising order between marks, and nothing waits longer than it may.
#include <cstdint>
#include <cstdlib>

#include "base/limits_tuner.hpp"
#include "tuner/internal/rtp_window.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec;
  using namespace ec::tuner::internal;
  using std::chrono::milliseconds;
  rtp_window window{milliseconds(200)};
  base::mono_time now{};
  uint64_t in = 0, out = 0;
  const auto take = [&](const std::vector<rtp_window::piece>& pieces) { out += pieces.size(); };
  while (size >= 2) {
    const size_t length = static_cast<size_t>(data[0]) << 8 | data[1];
    data += 2;
    size -= 2;
    if (length > 60'000) {
      now += milliseconds(length - 60'000);
      take(window.expire(now));
      if (const auto due = window.due(); due && *due <= now) std::abort();
      continue;
    }
    const auto part = std::min(length, size);
    if (const auto packet = parse_rtp({data, part})) {
      if (packet.value().payload.size() > part - 12) std::abort();
      ++in;
      take(window.push(packet.value(), now));
    }
    data += part;
    size -= part;
  }
  now += milliseconds(200);
  take(window.expire(now));
  if (window.due() || in != out + window.late()) std::abort();
  return 0;
}
