#include "ts/section.hpp"

#include <array>

namespace ec::ts {
namespace {

constexpr std::array<uint32_t, 256> crc_table = [] {
  std::array<uint32_t, 256> t{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i << 24;
    for (int bit = 0; bit < 8; ++bit) c = c & 0x80000000u ? c << 1 ^ 0x04c11db7u : c << 1;
    t[i] = c;
  }
  return t;
}();

} // namespace

uint32_t crc32_mpeg(std::span<const uint8_t> in) {
  uint32_t crc = 0xffffffffu;
  for (const uint8_t b : in) crc = crc << 8 ^ crc_table[(crc >> 24 ^ b) & 0xff];
  return crc;
}

void append_crc(std::vector<uint8_t>& section) {
  const uint32_t crc = crc32_mpeg(section);
  for (int shift = 24; shift >= 0; shift -= 8) section.push_back(static_cast<uint8_t>(crc >> shift));
}

void section_assembler::reset() {
  buffer_.clear();
  want_ = 0;
  collecting_ = false;
  counter_ = 0xff;
  ++gaps_;
}

void section_assembler::push(packet_view packet, const sink& out) {
  const size_t offset = packet.payload_offset();
  if (offset >= packet_bytes) return;
  const uint8_t cc = packet.continuity_counter();
  if (counter_ != 0xff) {
    if (cc == counter_) return; // a repeat
    if (cc != ((counter_ + 1) & 0x0f)) {
      collecting_ = false;
      ++gaps_;
    }
  }
  counter_ = cc;
  std::span<const uint8_t> payload{packet.data() + offset, packet_bytes - offset};
  if (!packet.payload_unit_start()) {
    if (collecting_) take(payload, out);
    return;
  }
  const size_t pointer = payload[0];
  payload = payload.subspan(1);
  if (pointer > payload.size()) {
    collecting_ = false;
    return;
  }
  if (collecting_) take(payload.first(pointer), out);
  payload = payload.subspan(pointer);
  collecting_ = true;
  buffer_.clear();
  want_ = 0;
  take(payload, out);
}

void section_assembler::take(std::span<const uint8_t> bytes, const sink& out) {
  while (collecting_ && !bytes.empty()) {
    if (buffer_.empty() && bytes[0] == 0xff) { // stuffing to the end of the packet
      collecting_ = false;
      return;
    }
    const size_t target = want_ ? want_ : 3;
    const size_t n = std::min(bytes.size(), target - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n));
    bytes = bytes.subspan(n);
    if (want_ == 0 && buffer_.size() == 3) want_ = 3u + ((buffer_[1] & 0x0fu) << 8 | buffer_[2]);
    if (want_ && buffer_.size() == want_) {
      complete(out);
      buffer_.clear();
      want_ = 0;
    }
  }
}

void section_assembler::complete(const sink& out) {
  // TOT has a CRC although its syntax indicator is 0 [EN 300 468 5.2.6].
  const bool has_crc = (buffer_[1] & 0x80) || buffer_[0] == 0x73;
  if (has_crc && (buffer_.size() < 7 || crc32_mpeg(buffer_) != 0)) {
    ++crc_errors_;
    return;
  }
  out(buffer_);
}

} // namespace ec::ts
