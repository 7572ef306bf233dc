#include "tuner/internal/sections.hpp"

#include <algorithm>
#include <utility>

#include "tuner/internal/packet.hpp"

namespace ec::tuner::internal {

std::vector<found_section> section_finder::push(uint64_t index, std::span<const uint8_t> p) {
  std::vector<found_section> out;
  size_t at = payload_at(p);
  if (transport_error(p) || scrambled(p)) {
    active_ = false;
    return out;
  }
  if (at >= packet_bytes) return out;
  if (!unit_start(p)) {
    if (active_) append(index, p, at, out);
    return out;
  }
  const size_t begin = at + 1 + p[at];
  if (begin > packet_bytes) {
    active_ = false;
    return out;
  }
  if (active_) append(index, p.first(begin), at + 1, out);
  at = begin;
  while (at < packet_bytes && p[at] != 0xff) {
    open_ = {};
    active_ = true;
    at = append(index, p, at, out);
  }
  return out;
}

size_t section_finder::append(uint64_t index, std::span<const uint8_t> p, size_t at, std::vector<found_section>& out) {
  while (active_ && at < p.size()) {
    auto& b = open_.bytes;
    const size_t whole = b.size() < 3 ? 3 : 3u + ((b[1] & 0x0fu) << 8 | b[2]);
    const size_t part = std::min(whole - b.size(), p.size() - at);
    b.insert(b.end(), p.begin() + static_cast<ptrdiff_t>(at), p.begin() + static_cast<ptrdiff_t>(at + part));
    open_.pieces.push_back({index, static_cast<uint8_t>(at), static_cast<uint8_t>(part)});
    at += part;
    if (b.size() >= 3 && b.size() == 3u + ((b[1] & 0x0fu) << 8 | b[2])) {
      out.push_back(std::exchange(open_, {}));
      active_ = false;
    }
  }
  return at;
}

namespace {

unsigned from_bcd(uint8_t b) { return (b >> 4u) * 10u + (b & 15u); }
uint8_t to_bcd(int64_t v) { return static_cast<uint8_t>(v / 10 << 4 | v % 10); }

/// Modified Julian date and BCD time of day, five bytes [EN 300 468 annex C].
void advance_utc(uint8_t* at, int64_t seconds) {
  const int64_t day = at[0] << 8 | at[1];
  int64_t time = int64_t{from_bcd(at[2])} * 3600 + from_bcd(at[3]) * 60 + from_bcd(at[4]) + seconds;
  const int64_t days = day + time / 86400;
  time %= 86400;
  at[0] = static_cast<uint8_t>(days >> 8);
  at[1] = static_cast<uint8_t>(days);
  at[2] = to_bcd(time / 3600);
  at[3] = to_bcd(time / 60 % 60);
  at[4] = to_bcd(time % 60);
}

void renew_crc(std::vector<uint8_t>& s) {
  const uint32_t crc = section_crc(std::span<const uint8_t>(s).first(s.size() - 4));
  for (size_t i = 0; i < 4; ++i) s[s.size() - 4 + i] = static_cast<uint8_t>(crc >> (24 - 8 * i));
}

} // namespace

std::optional<std::vector<uint8_t>> advance_time(std::span<const uint8_t> section, int64_t seconds) {
  if (section.size() < 8) return std::nullopt;
  std::vector<uint8_t> out(section.begin(), section.end());
  switch (section[0]) {
  case 0xcd: { // STT [A/65 6.1]
    if (out.size() < 20 || section_crc(section) != 0) return std::nullopt;
    uint32_t time = 0;
    for (size_t i = 9; i < 13; ++i) time = time << 8 | out[i];
    time += static_cast<uint32_t>(seconds);
    for (size_t i = 0; i < 4; ++i) out[9 + i] = static_cast<uint8_t>(time >> (24 - 8 * i));
    renew_crc(out);
    return out;
  }
  case 0x70: // TDT, which has no CRC
    if (out.size() != 8) return std::nullopt;
    advance_utc(out.data() + 3, seconds);
    return out;
  case 0x73: // TOT
    if (out.size() < 14 || section_crc(section) != 0) return std::nullopt;
    advance_utc(out.data() + 3, seconds);
    renew_crc(out);
    return out;
  default: return std::nullopt;
  }
}

} // namespace ec::tuner::internal
