#include "base/byte_io.hpp"

#include <doctest/doctest.h>

#include "base/hex.hpp"
#include "base/json.hpp"
#include "tests/support/data.hpp"

using namespace ec::base;

namespace {

template <class Write>
std::string written(Write write) {
  byte_writer w;
  write(w);
  return to_hex(w.span());
}

} // namespace

TEST_CASE("QUIC varints: the examples of RFC 9000 A.1 both ways") {
  const std::pair<const char*, uint64_t> examples[] = {
    {"c2197c5eff14e88c", 151288809941952652}, {"9d7f3e7d", 494878333}, {"7bbd", 15293}, {"25", 37}};
  for (const auto& [hex, value] : examples) {
    const auto raw = *from_hex(hex);
    byte_reader r(raw);
    CHECK(r.quic_varint() == value);
    CHECK(r.done());
    CHECK(written([v = value](byte_writer& w) { w.quic_varint(v); }) == hex);
    CHECK(quic_varint_size(value) == raw.size());
  }
  const auto longer = *from_hex("4025");
  CHECK(byte_reader(longer).quic_varint() == 37);
}

TEST_CASE("MoQ Transport varints survive a round trip at every length") {
  for (unsigned bits = 0; bits <= 64; ++bits) {
    const uint64_t value = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
    byte_writer w;
    w.moqt_vi64(value);
    CHECK(w.size() == moqt_vi64_size(value));
    byte_reader r(w.span());
    CHECK(r.moqt_vi64() == value);
    CHECK(r.done());
    for (size_t cut = 0; cut < w.size(); ++cut) {
      byte_reader part(w.span().first(cut));
      CHECK_FALSE(part.moqt_vi64());
      CHECK(part.position() == 0);
    }
  }
}

TEST_CASE("a read that runs out leaves the position where it was") {
  const uint8_t raw[] = {1, 2, 3};
  byte_reader r(raw);
  CHECK(r.u16() == 0x0102);
  CHECK_FALSE(r.u16());
  CHECK(r.position() == 2);
  CHECK(r.u8() == 3);
  CHECK_FALSE(r.take(1));
  CHECK(r.take(0)->empty());
}
