#include "ts/internal/scan.hpp"

#include <doctest/doctest.h>

#include <array>
#include <random>
#include <vector>

using namespace ec::ts::internal;

namespace {

const uint8_t* find_plainly(const uint8_t* p, const uint8_t* end) {
  for (; end - p >= 3; ++p)
    if (p[0] == 0 && p[1] == 0 && p[2] == 1) return p;
  return end;
}

/// [A/52 7.10.1], a bit at a time.
uint16_t crc_plainly(uint16_t crc, std::span<const uint8_t> in) {
  for (const uint8_t b : in)
    for (int bit = 7; bit >= 0; --bit) {
      const bool out = ((crc >> 15) ^ (b >> bit & 1)) != 0;
      crc = static_cast<uint16_t>(crc << 1 ^ (out ? 0x8005 : 0));
    }
  return crc;
}

} // namespace

TEST_CASE("a start code is found at every place of every length, and none where it is cut off") {
  for (size_t size = 0; size <= 200; ++size) {
    const std::vector<uint8_t> clean(size, 0xff);
    CHECK(find_start_code(clean.data(), clean.data() + size) == clean.data() + size);
    for (size_t at = 0; at < size; ++at) {
      auto in = clean;
      const std::array<uint8_t, 3> code{0, 0, 1};
      for (size_t i = 0; i < 3 && at + i < size; ++i) in[at + i] = code[i];
      const auto* found = find_start_code(in.data(), in.data() + size);
      if (static_cast<size_t>(found - in.data()) != (at + 3 <= size ? at : size)) FAIL("size " << size << " at " << at);
    }
  }
}

TEST_CASE("in bytes that are mostly 0 and 1 the first start code is found") {
  std::mt19937_64 rng(3);
  size_t found = 0;
  for (int run = 0; run < 20'000; ++run) {
    std::vector<uint8_t> in(rng() % 190);
    const auto many = 2 + rng() % 8;
    for (auto& b : in) b = static_cast<uint8_t>(rng() % many);
    const auto* end = in.data() + in.size();
    const auto* expected = find_plainly(in.data(), end);
    found += expected != end;
    if (find_start_code(in.data(), end) != expected) FAIL("run " << run);
  }
  CHECK(found > 5'000);
}

TEST_CASE("the AC-3 checksum is that of its definition, however the bytes are split") {
  // The check value of this CRC (polynomial 8005, nothing reflected, from 0) in the catalogues.
  const std::array<uint8_t, 9> digits{'1', '2', '3', '4', '5', '6', '7', '8', '9'};
  CHECK(crc16_ac3(0, digits) == 0xfee8);
  std::mt19937_64 rng(5);
  for (int run = 0; run < 500; ++run) {
    std::vector<uint8_t> in(rng() % 100);
    for (auto& b : in) b = static_cast<uint8_t>(rng());
    const auto start = static_cast<uint16_t>(rng());
    const size_t cut = in.empty() ? 0 : rng() % in.size();
    const auto expected = crc_plainly(start, in);
    CHECK(crc16_ac3(start, in) == expected);
    CHECK(crc16_ac3(crc16_ac3(start, std::span(in).first(cut)), std::span(in).subspan(cut)) == expected);
  }
}
