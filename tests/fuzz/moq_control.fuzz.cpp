// Control messages of MoQ: the first byte chooses the request they follow on. What decodes must come back equal.
#include <cstdint>
#include <cstdlib>

#include "moq/profile.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec;
  if (size == 0) return 0;
  std::optional<moq::request_kind> on;
  if (data[0] % 8 < 7) on = static_cast<moq::request_kind>(data[0] % 8);
  base::byte_reader in({data + 1, size - 1});
  while (const auto m = moq::moqt18().decode_control(in, on)) {
    // Kinds that only a foreign peer sends have no bytes of ours.
    const auto bytes = moq::moqt18().encode_control(m.value());
    base::byte_reader again(bytes);
    const auto same = moq::moqt18().decode_control(again, on);
    if (!same || !again.done()) std::abort();
  }
  return 0;
}
