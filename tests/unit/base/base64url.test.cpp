#include "base/base64url.hpp"

#include <doctest/doctest.h>

#include "base/bytes.hpp"

using namespace ec::base;

namespace {

std::optional<std::string> text_of(std::string_view spelled) {
  const auto raw = from_base64url(spelled);
  if (!raw) return std::nullopt;
  return std::string(raw->begin(), raw->end());
}

} // namespace

TEST_CASE("the vectors of RFC 4648 without their padding go both ways") {
  const std::pair<const char*, const char*> vectors[] = {{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, spelled] : vectors) {
    CHECK(to_base64url(as_span(plain)) == spelled);
    CHECK(text_of(spelled) == plain);
  }
}

TEST_CASE("the two characters that differ from plain base64 are those of URLs") {
  const uint8_t raw[] = {0xfb, 0xef, 0xff};
  CHECK(to_base64url(raw) == "--__");
  CHECK_FALSE(from_base64url("++//"));
}

TEST_CASE("a text has one meaning only in its one spelling") {
  CHECK_FALSE(from_base64url("Zg=="));     // padding
  CHECK_FALSE(from_base64url("Z"));        // of no whole byte
  CHECK_FALSE(from_base64url("Zh"));       // bits behind the last byte
  CHECK_FALSE(from_base64url("Zm9"));      // the same of two bytes
  CHECK_FALSE(from_base64url("Zm 9v"));
  CHECK_FALSE(from_base64url("Zm9v\n"));
  CHECK_FALSE(from_base64url(std::string_view("Zm\0v", 4)));
}

TEST_CASE("every byte at every place comes back") {
  for (size_t size = 0; size < 70; ++size) {
    std::vector<uint8_t> raw(size);
    for (size_t i = 0; i < size; ++i) raw[i] = static_cast<uint8_t>(i * 37 + size);
    CHECK(from_base64url(to_base64url(raw)) == raw);
  }
}
