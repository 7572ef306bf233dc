#include "base/byte_io.hpp"

#include <bit>
#include <cassert>

namespace ec::base {

std::optional<uint64_t> byte_reader::quic_varint() {
  if (done()) return std::nullopt;
  const size_t count = size_t{1} << (in_[at_] >> 6);
  if (left() < count) return std::nullopt;
  uint64_t value = in_[at_] & 0x3f;
  for (size_t i = 1; i < count; ++i) value = value << 8 | in_[at_ + i];
  at_ += count;
  return value;
}

std::optional<uint64_t> byte_reader::moqt_vi64() {
  if (done()) return std::nullopt;
  const uint8_t first = in_[at_];
  const auto extra = static_cast<size_t>(std::countl_one(first));
  if (left() < extra + 1) return std::nullopt;
  // The bits behind the terminating zero belong to the value; eight ones leave none.
  uint64_t value = extra >= 7 ? 0 : first & (0x7fu >> extra);
  for (size_t i = 1; i <= extra; ++i) value = value << 8 | in_[at_ + i];
  at_ += extra + 1;
  return value;
}

std::optional<std::span<const uint8_t>> byte_reader::take(uint64_t count) {
  if (left() < count) return std::nullopt;
  auto part = in_.subspan(at_, static_cast<size_t>(count));
  at_ += static_cast<size_t>(count);
  return part;
}

size_t quic_varint_size(uint64_t value) {
  return value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x4000'0000 ? 4 : 8;
}

size_t moqt_vi64_size(uint64_t value) {
  const auto bits = static_cast<size_t>(std::bit_width(value));
  return bits <= 7 ? 1 : bits > 56 ? 9 : (bits + 6) / 7;
}

void byte_writer::quic_varint(uint64_t value) {
  assert(value <= quic_varint_max);
  const size_t count = quic_varint_size(value);
  const auto prefix = static_cast<uint64_t>(std::countr_zero(count)) << (8 * count - 2);
  fixed(value | prefix, count);
}

void byte_writer::moqt_vi64(uint64_t value) {
  const size_t count = moqt_vi64_size(value);
  if (count == 9) {
    u8(0xff);
    u64(value);
    return;
  }
  // count - 1 leading ones, then a zero, then the value.
  const auto prefix = static_cast<uint64_t>(0xff00u >> (count - 1) & 0xff) << (8 * (count - 1));
  fixed(value | prefix, count);
}

void byte_writer::patch_u16(size_t at, uint16_t value) {
  assert(at + 2 <= out_.size());
  out_[at] = static_cast<uint8_t>(value >> 8);
  out_[at + 1] = static_cast<uint8_t>(value);
}

} // namespace ec::base
