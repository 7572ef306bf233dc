#include "crypto/digest.hpp"

#include <doctest/doctest.h>

#include <set>

#include "base/bytes.hpp"
#include "crypto/random.hpp"

using namespace ec::crypto;
using ec::base::as_span;

namespace {

/// The input of the reference vectors: 0, 1, ... 250, 0, 1, ...
std::vector<uint8_t> counting(size_t size) {
  std::vector<uint8_t> out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(i % 251);
  return out;
}

} // namespace

TEST_CASE("BLAKE3 in its three modes gives the digests of the reference vectors") {
  struct vector {
    size_t size;
    const char* plain;
    const char* keyed;
    const char* derived;
  };
  // From the test vectors that the authors of BLAKE3 publish: first 32 bytes of each output.
  const vector vectors[] = {
    {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
     "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26",
     "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d"},
    {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
     "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b",
     "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c"},
  };
  key32 key;
  std::ranges::copy(as_span("whats the Elvish word for friend"), key.begin());
  for (const auto& v : vectors) {
    CAPTURE(v.size);
    const auto in = counting(v.size);
    CHECK(blake3(in).hex() == v.plain);
    CHECK(keyed_blake3(key, in).hex() == v.keyed);
    const digest derived{derive_key("BLAKE3 2019-12-27 16:29:52 test vectors context", in)};
    CHECK(derived.hex() == v.derived);
  }
}

TEST_CASE("a digest does not depend on how its input was cut") {
  const auto in = counting(100000);
  key32 key{};
  key[3] = 9;
  for (const size_t step : {1000, 1024, 65424, 99999}) {
    hasher plain;
    hasher keyed(key);
    for (size_t at = 0; at < in.size(); at += step) {
      const auto part = std::span(in).subspan(at, std::min(step, in.size() - at));
      plain.update(part);
      keyed.update(part);
    }
    CHECK(plain.finish() == blake3(in));
    CHECK(keyed.finish() == keyed_blake3(key, in));
    CHECK(keyed.finish() != plain.finish());
  }
}

TEST_CASE("a hasher may be asked in between and copied") {
  hasher one;
  one.update("ab");
  CHECK(one.finish() == blake3(as_span("ab")));
  hasher two = one;
  one.update("c");
  two.update("d");
  CHECK(one.finish() == blake3(as_span("abc")));
  CHECK(two.finish() == blake3(as_span("abd")));
}

TEST_CASE("a digest has one spelling") {
  const auto d = blake3(as_span("x"));
  CHECK(digest::from_hex(d.hex()) == d);
  std::string upper = d.hex();
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  CHECK_FALSE(digest::from_hex(upper));
  CHECK_FALSE(digest::from_hex(d.hex() + "00"));
  CHECK_FALSE(digest::from_hex(d.hex().substr(1)));
  CHECK_FALSE(digest::from_hex(""));
}

TEST_CASE("random bytes differ, and a wiped secret is zero") {
  std::set<std::vector<uint8_t>> seen;
  for (int i = 0; i < 100; ++i) seen.insert(random_bytes(16));
  CHECK(seen.size() == 100);
  auto secret = random_bytes(32);
  wipe(secret);
  CHECK(secret == std::vector<uint8_t>(32));
}

TEST_CASE("comparing in constant time finds every difference") {
  const auto a = random_bytes(32);
  CHECK(equal_constant_time(a, a));
  CHECK(equal_constant_time({}, {}));
  CHECK_FALSE(equal_constant_time(a, std::span(a).first(31)));
  for (size_t i = 0; i < a.size(); ++i) {
    auto b = a;
    b[i] ^= 0x80;
    CHECK_FALSE(equal_constant_time(a, b));
  }
}
