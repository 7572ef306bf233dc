// The playlist parser: whatever it accepts, it must print back as it stood. The sidecar's lines ride along.
#include <cstdlib>
#include <string_view>

#include "hls/playlist.hpp"
#include "hls/sidecar.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto p = ec::hls::parse(text); p.has_value() && ec::hls::render(p.value()) != text) std::abort();
  for (const auto& r : ec::hls::parse_sidecar(text).records) {
    auto line = ec::hls::render(r);
    line.pop_back();
    const auto again = ec::hls::parse_segment_record(line);
    if (!again.has_value() || !(again.value() == r)) std::abort();
  }
  return 0;
}
