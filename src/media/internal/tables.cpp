#include "media/internal/tables.hpp"

#include <array>

#include "base/byte_io.hpp"

namespace ec::media::internal {
namespace {

using base::byte_writer;

uint32_t crc32(const std::vector<uint8_t>& in) {
  uint32_t crc = 0xffffffff;
  for (const uint8_t byte : in) {
    crc ^= uint32_t{byte} << 24;
    for (int i = 0; i < 8; ++i) crc = (crc & 0x80000000u) != 0 ? crc << 1 ^ 0x04c11db7u : crc << 1;
  }
  return crc;
}

/// Section header of eight bytes, body, CRC; `flags` are the two bits in front of the reserved ones.
section close(uint8_t table_id, uint8_t flags, uint16_t extension, const std::vector<uint8_t>& body) {
  byte_writer w;
  w.u8(table_id);
  w.u16(static_cast<uint16_t>(flags << 14 | 0x3000 | (body.size() + 9)));
  w.u16(extension);
  w.u8(0xc1); // version 0, current
  w.u8(0);
  w.u8(0);
  w.raw(body);
  auto out = w.take();
  const uint32_t crc = crc32(out);
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(crc >> shift));
  return out;
}

constexpr uint8_t psi = 0b10;  // section syntax
constexpr uint8_t psip = 0b11; // and the private bit

uint8_t video_type(const test_broadcast_config& c) { return c.codec == test_codec::mpeg2 ? 0x02 : 0x1b; }
uint8_t audio_type(const test_broadcast_config& c) { return c.codec == test_codec::mpeg2 ? 0x81 : 0x0f; }

} // namespace

section make_pat(const test_broadcast_config& c) {
  byte_writer w;
  w.u16(c.program_number);
  w.u16(0xe000 | pmt_pid);
  return close(0x00, psi, c.transport_stream_id, w.take());
}

section make_pmt(const test_broadcast_config& c) {
  byte_writer w;
  w.u16(0xe000 | video_pid);
  w.u16(0xf000 | 6);
  w.u8(0x05); // registration
  w.u8(4);
  w.raw("GA94");
  w.u8(video_type(c));
  w.u16(0xe000 | video_pid);
  w.u16(0xf000);
  byte_writer sound;
  if (c.codec == test_codec::mpeg2) {
    sound.u8(0x05);
    sound.u8(4);
    sound.raw("AC-3");
    sound.u8(0x81); // AC-3 audio [A/52 A4.3]
    sound.u8(3);
    sound.u8(0x08); // 48 kHz, bsid 8
    sound.u8(static_cast<uint8_t>((c.surround ? 14 : 10) << 2)); // 384 or 192 kbit/s
    sound.u8(static_cast<uint8_t>((c.surround ? 13 : 2) << 1 | 1)); // channels, full service
  }
  sound.u8(0x0a); // ISO 639 language
  sound.u8(4);
  sound.raw("eng");
  sound.u8(0);
  w.u8(audio_type(c));
  w.u16(0xe000 | audio_pid);
  w.u16(static_cast<uint16_t>(0xf000 | sound.size()));
  w.raw(sound.span());
  return close(0x02, psi, c.program_number, w.take());
}

section make_tvct(const test_broadcast_config& c) {
  byte_writer w;
  w.u8(0); // protocol version
  w.u8(1); // channels
  for (size_t i = 0; i < 7; ++i) w.u16(i < c.callsign.size() ? static_cast<uint8_t>(c.callsign[i]) : uint16_t{0});
  w.u32(0xf0000000u | uint32_t{c.major} << 18 | uint32_t{c.minor} << 8 | 0x04); // 8-VSB
  w.u32(0);                                                                       // carrier frequency: not given
  w.u16(c.transport_stream_id);
  w.u16(c.program_number);
  w.u16(0x0dc0 | 2); // digital television, shown and in guides
  w.u16(1);          // source id
  w.u16(0xfc00 | 17);
  w.u8(0xa1); // service location
  w.u8(15);
  w.u16(0xe000 | video_pid);
  w.u8(2);
  w.u8(video_type(c));
  w.u16(0xe000 | video_pid);
  w.u24(0);
  w.u8(audio_type(c));
  w.u16(0xe000 | audio_pid);
  w.raw("eng");
  w.u16(0xfc00);
  return close(0xc8, psip, c.transport_stream_id, w.take());
}

section make_mgt(size_t tvct_bytes) {
  byte_writer w;
  w.u8(0);
  w.u16(1); // tables
  w.u16(0); // TVCT, current
  w.u16(0xe000 | psip_pid);
  w.u8(0xe0);
  w.u32(static_cast<uint32_t>(tvct_bytes));
  w.u16(0xf000);
  w.u16(0xf000);
  return close(0xc7, psip, 0, w.take());
}

section make_stt(int64_t unix_s) {
  constexpr int64_t gps_epoch = 315964800; // 1980-01-06 00:00:00 UTC
  byte_writer w;
  w.u8(0);
  w.u32(static_cast<uint32_t>(unix_s - gps_epoch + gps_utc_offset));
  w.u8(gps_utc_offset);
  w.u16(0x6000); // no daylight saving time, reserved bits set
  return close(0xcd, psip, 0, w.take());
}

} // namespace ec::media::internal
