// Heads, tails and sealed pieces as they come from the network. The first byte chooses.
#include <algorithm>
#include <cstdlib>
#include <span>

#include "object/cipher.hpp"
#include "object/format.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ec::object;
  if (size == 0) return 0;
  const std::span<const uint8_t> in(data + 1, size - 1);
  const auto on = (data[0] & 1) != 0 ? track::damaged : track::chunks;
  switch (data[0] >> 1 & 3) {
  case 0:
    if (const auto head = decode_head(on, in)) {
      if (!std::ranges::equal(encode(head.value()), in) || !valid(head.value())) std::abort();
    }
    break;
  case 1:
    if (const auto tail = decode_tail(on, in)) {
      if (!std::ranges::equal(encode(tail.value()), in) || !valid(tail.value())) std::abort();
    }
    break;
  default: {
    static const auto cipher = stream_cipher::make("ec/stream/v1/test").value();
    if (const auto opened = cipher.open({1, 2, {}}, in)) {
      if (!std::ranges::equal(cipher.seal({1, 2, {}}, opened.value().plaintext, opened.value().digest), in)) std::abort();
    }
  }
  }
  return 0;
}
