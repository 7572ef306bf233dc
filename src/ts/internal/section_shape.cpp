#include "ts/internal/section_shape.hpp"

#include <optional>

#include "base/byte_io.hpp"

namespace ec::ts::internal {
namespace {

using base::byte_reader;

/// A length in the low bits of 16, and that many bytes.
bool part(byte_reader& in, uint16_t mask) {
  const auto length = in.u16();
  return length && in.skip(*length & mask);
}

/// Descriptors up to the end [13818-1 2.6].
bool descriptors(byte_reader& in) {
  while (!in.done()) {
    const auto tag = in.u8(), length = in.u8();
    if (!tag || !length || !in.skip(*length)) return false;
  }
  return true;
}

/// A length in the low bits of 16 that says how much is left.
bool rest(byte_reader& in, uint16_t mask) {
  const auto length = in.u16();
  return length && (*length & mask) == in.left();
}

/// Entries of a fixed head and a part, up to the end.
bool entries(byte_reader& in, size_t head) {
  while (!in.done())
    if (!in.skip(head) || !part(in, 0x0fff)) return false;
  return true;
}

/// So many of them, and a part of the table's own behind.
template <class Count>
bool counted(byte_reader& in, std::optional<Count> count, size_t head, uint16_t mask) {
  if (!count) return false;
  for (Count i = 0; i < *count; ++i)
    if (!in.skip(head) || !part(in, mask)) return false;
  return part(in, mask);
}

} // namespace

bool lengths_fit(std::span<const uint8_t> section) {
  constexpr size_t head = 3, extended = 5, crc = 4;
  if (section.size() < head) return false;
  const uint8_t table = section[0];
  const size_t tail = table == 0x70 ? 0 : crc;
  if (section.size() < head + tail) return false;
  byte_reader in(section.subspan(head, section.size() - head - tail));
  if (table == 0x70) return in.skip(5);                     // TDT [EN 300 468 5.2.5]
  if (table == 0x73) return in.skip(5) && part(in, 0x0fff); // TOT [5.2.6]
  if (!in.skip(extended)) return false;
  switch (table) {
  case 0x00: return in.left() % 4 == 0;                                        // PAT [13818-1 2.4.4.3]
  case 0x02: return in.skip(2) && part(in, 0x0fff) && entries(in, 3);          // PMT [2.4.4.8]
  case 0x40: return part(in, 0x0fff) && rest(in, 0x0fff) && entries(in, 4);    // NIT [EN 300 468 5.2.1]
  case 0x42: return in.skip(3) && entries(in, 3);                              // SDT [EN 300 468 5.2.3]
  case 0xc7: return in.skip(1) && counted(in, in.u16(), 9, 0x0fff);            // MGT [A/65 6.2]
  case 0xc8: case 0xc9: return in.skip(1) && counted(in, in.u8(), 30, 0x03ff); // TVCT, CVCT [6.3]
  case 0xcd: return in.skip(8) && descriptors(in);                             // STT [6.1]
  default: return false;
  }
}

} // namespace ec::ts::internal
