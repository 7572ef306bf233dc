#include "ts/internal/scan.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace ec::ts::internal {
namespace {

/// Bytes side by side, in the compiler's own notation: it knows what amd64 and arm64 have for it.
using block = uint8_t __attribute__((vector_size(16)));

block load(const uint8_t* p) {
  block out;
  std::memcpy(&out, p, sizeof out);
  return out;
}

/// A byte is 0 where a start code begins; reads two bytes more than a block.
block differs(const uint8_t* p) {
  return load(p) | load(p + 1) | (load(p + 2) ^ 1);
}

/// The bytes that are 0, as bytes of ones, in two halves.
struct zeros {
  explicit zeros(block b) {
    const auto found = b == 0;
    std::memcpy(&low, &found, sizeof low);
    std::memcpy(&high, reinterpret_cast<const char*>(&found) + sizeof low, sizeof high);
  }
  explicit operator bool() const { return (low | high) != 0; }
  /// Place of the first; there is one.
  int first() const { return low ? std::countr_zero(low) / 8 : 8 + std::countr_zero(high) / 8; }

  uint64_t low, high;
};
static_assert(std::endian::native == std::endian::little);

const uint8_t* one_by_one(const uint8_t* p, const uint8_t* end) {
  for (; end - p >= 3; ++p)
    if (p[0] == 0 && p[1] == 0 && p[2] == 1) return p;
  return end;
}

/// [k][v]: the CRC of byte v with k zero bytes behind it, so that eight bytes are looked up at once.
constexpr auto crc_tables = [] {
  std::array<std::array<uint16_t, 256>, 8> t{};
  for (unsigned v = 0; v < 256; ++v) {
    auto c = static_cast<uint16_t>(v << 8);
    for (int bit = 0; bit < 8; ++bit) c = static_cast<uint16_t>(c & 0x8000 ? c << 1 ^ 0x8005 : c << 1);
    t[0][v] = c;
  }
  for (size_t k = 1; k < t.size(); ++k)
    for (size_t v = 0; v < 256; ++v) t[k][v] = static_cast<uint16_t>(t[k - 1][v] << 8 ^ t[0][t[k - 1][v] >> 8]);
  return t;
}();

} // namespace

const uint8_t* find_start_code(const uint8_t* from, const uint8_t* end) {
  constexpr ptrdiff_t width = sizeof(block), reach = width + 2;
  const uint8_t* p = from;
  for (; end - p >= 3 * width + reach; p += 4 * width) {
    const auto none = (differs(p) != 0) & (differs(p + width) != 0) & (differs(p + 2 * width) != 0) & (differs(p + 3 * width) != 0);
    if (zeros(reinterpret_cast<const block&>(none))) break;
  }
  for (; end - p >= reach; p += width)
    if (const zeros found(differs(p)); found) return p + found.first();
  if (end - from < reach) return one_by_one(p, end);
  // The rest is shorter than a block: look at the last whole one, of which nothing stands in the part that is known.
  p = end - reach;
  const zeros found(differs(p));
  return found ? p + found.first() : end;
}

uint16_t crc16_ac3(uint16_t crc, std::span<const uint8_t> in) {
  const auto& t = crc_tables;
  const uint8_t* p = in.data();
  size_t left = in.size();
  for (; left >= 8; left -= 8, p += 8)
    crc = static_cast<uint16_t>(t[7][p[0] ^ crc >> 8] ^ t[6][p[1] ^ (crc & 0xff)] ^ t[5][p[2]] ^ t[4][p[3]] ^ t[3][p[4]] ^ t[2][p[5]] ^
                                t[1][p[6]] ^ t[0][p[7]]);
  for (; left > 0; --left, ++p) crc = static_cast<uint16_t>(crc << 8 ^ t[0][(crc >> 8 ^ *p) & 0xff]);
  return crc;
}

} // namespace ec::ts::internal
