#include <algorithm>
#include <cstdlib>

#include "quic/internal/tls_messages.hpp"

using namespace ec::quic::internal;

/// The same bytes as the extension with a client's ALPNs and as a session ticket. What is read of the names is in the bytes; a ticket that is read
/// reads alike with anything behind it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> in(data, size);
  size_t sum = 2;
  for (const auto& name : alpns_in(in)) {
    if (std::search(in.begin(), in.end(), name.begin(), name.end(), [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }) == in.end() && !name.empty()) std::abort();
    sum += 1 + name.size();
  }
  if (sum > 2 && sum > size) std::abort();
  if (const auto allowed = early_data_in(in)) {
    std::vector<uint8_t> longer(in.begin(), in.end());
    longer.push_back(0);
    if (early_data_in(longer) != allowed) std::abort();
  }
  return 0;
}
