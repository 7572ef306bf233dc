#include "base/bytes.hpp"

#include <doctest/doctest.h>

#include "base/hex.hpp"

using ec::base::bytes;

TEST_CASE("a slice shares the memory and clamps what is out of range") {
  const auto whole = bytes::copy(std::string_view{"0123456789"});
  const auto part = whole.slice(2, 3);
  CHECK(part.text() == "234");
  CHECK(part.data() == whole.data() + 2);
  CHECK(whole.slice(8, 9).text() == "89");
  CHECK(whole.slice(11).empty());
}

TEST_CASE("a slice keeps its memory alive after the whole is gone") {
  bytes part;
  {
    auto whole = bytes::adopt({1, 2, 3, 4});
    part = whole.slice(1, 2);
  }
  CHECK(part == bytes::adopt({2, 3}));
}

TEST_CASE("hexadecimal: both ways, and one spelling where text is compared") {
  const uint8_t raw[] = {0x00, 0xab, 0xff};
  CHECK(ec::base::to_hex(raw) == "00abff");
  CHECK(ec::base::from_hex("00ABff") == std::vector<uint8_t>{0x00, 0xab, 0xff});
  CHECK_FALSE(ec::base::from_hex("0"));
  CHECK_FALSE(ec::base::from_hex("0g"));
  uint8_t out[3] = {};
  CHECK(ec::base::from_lower_hex("00abff", out));
  CHECK_FALSE(ec::base::from_lower_hex("00ABFF", out));
  CHECK_FALSE(ec::base::from_lower_hex("00ab", out));
}
