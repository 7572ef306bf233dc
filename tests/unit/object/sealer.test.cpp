#include "object/sealer.hpp"

#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "tests/unit/object/broadcast.hpp"

namespace ec::object {
namespace {

constexpr auto full = base::limits::piece_bytes;

sealer make(std::string publisher = {}) {
  return {stream_cipher::make("ec/stream/v1/test").value(), {"ts-v1", std::move(publisher)}};
}

TEST_CASE("pieces leave at once and several chunks may be open") {
  auto s = make();
  REQUIRE(s.open(10, 0));
  REQUIRE(s.open(11, 180'000));
  const std::vector<uint8_t> piece(full, 0x47);
  const auto a = s.piece(10, 0, piece);
  const auto b = s.piece(11, 0, piece);
  REQUIRE(a);
  REQUIRE(b);
  CHECK(a.value().object == 1);
  CHECK(a.value().payload.size() == full + sealed_piece_overhead);
  CHECK_FALSE(a.value().payload == b.value().payload);
  CHECK(s.chunks_open() == 2);
  REQUIRE(s.finish(10, 180'000));
  CHECK(s.abandon(11));
  CHECK_FALSE(s.abandon(11));
  CHECK(s.chunks_open() == 0);
}

TEST_CASE("what breaks the order of a chunk closes it") {
  auto s = make();
  const std::vector<uint8_t> piece(full, 1);
  const std::vector<uint8_t> part(188, 1);
  CHECK(s.piece(1, 0, piece).error().code == base::errc::not_found);
  REQUIRE(s.open(1, 0));
  CHECK(s.open(1, 0).error().code == base::errc::exists);
  CHECK(s.piece(1, 1, piece).error().code == base::errc::invalid_argument);
  CHECK(s.chunks_open() == 0);

  REQUIRE(s.open(1, 0));
  REQUIRE(s.piece(1, 0, part));
  CHECK_MESSAGE(s.piece(1, 1, part).error().code == base::errc::invalid_argument, "a piece behind a short one");

  REQUIRE(s.open(1, 0));
  CHECK_FALSE(s.finish(1, 180'000)); // no pieces
  REQUIRE(s.open(1, 0));
  REQUIRE(s.piece(1, 0, part));
  CHECK_FALSE(s.finish(1, 0)); // a whole chunk knows its duration
  CHECK(s.chunks_open() == 0);
  CHECK_FALSE(s.open(1, pts_end));
}

TEST_CASE("open chunks are bounded") {
  auto s = make();
  for (uint64_t i = 0; i < base::limits::sealer_chunks_max; ++i) REQUIRE(s.open(i, 0));
  CHECK(s.open(99, 0).error().code == base::errc::busy);
}

TEST_CASE("a damaged chunk is attributed, cut anew, and never what another publisher gives") {
  auto one = make("ed25519:aa");
  auto two = make("ed25519:bb");
  const std::vector<uint8_t> bytes(full + 1000, 5);
  const std::vector<base::bytes> parts{base::bytes::copy(std::span(bytes).first(300)), base::bytes::copy(std::span(bytes).subspan(300))};
  const auto a = one.seal_damaged(3, 9, 0, "continuity", parts);
  const auto b = two.seal_damaged(3, 9, 0, "continuity", parts);
  REQUIRE(a);
  REQUIRE(b);
  REQUIRE(a.value().objects.size() == 4);
  CHECK(a.value().chunk.damaged);
  CHECK(a.value().chunk.size == bytes.size());
  CHECK(a.value().chunk.digest != b.value().chunk.digest);
  for (size_t i = 0; i < 4; ++i) CHECK_FALSE(a.value().objects[i].payload == b.value().objects[i].payload);
  const auto head = decode_head(track::damaged, a.value().objects[0].payload);
  REQUIRE(head);
  CHECK(head.value().damage == damage_mark{"ed25519:aa", "continuity"});

  std::vector<uint8_t> back;
  for (uint32_t place = 0; place < 2; ++place) {
    const auto p = one.cipher().open({3, place, "ed25519:aa"}, a.value().objects[place + 1].payload);
    REQUIRE(p);
    back.insert(back.end(), p.value().plaintext.begin(), p.value().plaintext.end());
  }
  CHECK(back == bytes);
  CHECK_FALSE(make().seal_damaged(3, 9, 0, "continuity", parts)); // no name to sign with
  CHECK_FALSE(one.seal_damaged(3, 9, 0, "Not a reason", parts));
}

TEST_CASE("what was opened is sealed again byte for byte") {
  for (const size_t size : {size_t{1}, base::limits::piece_bytes, 2 * base::limits::piece_bytes + 5}) {
    const auto bytes = test::content_of(9, size);
    const auto part = base::bytes::copy(bytes);
    for (const bool damaged : {false, true}) {
      sealer seal(stream_cipher::make("ec/stream/v1/x").value(), {"ts-v1", "ed25519:aa"});
      std::vector<sealed_object> came;
      if (damaged) {
        came = seal.seal_damaged(9, 77, 0, "continuity", {&part, 1}).value().objects;
      } else {
        came.push_back(seal.open(9, 77).value());
        for (uint32_t place = 0; piece_size(size, place) > 0; ++place)
          came.push_back(seal.piece(9, place, std::span(bytes).subspan(place * base::limits::piece_bytes, piece_size(size, place))).value());
        came.push_back(seal.finish(9, 180'000).value().tail);
      }
      const auto tail = decode_tail(damaged ? track::damaged : track::chunks, came.back().payload);
      REQUIRE(tail);
      const auto again = objects_of(seal.cipher(), "ts-v1", 9, tail.value(), bytes);
      REQUIRE(again.size() == came.size());
      for (size_t id = 0; id < came.size(); ++id) {
        CHECK(again[id].group == 9);
        CHECK(again[id].object == id);
        CHECK(again[id].payload == came[id].payload);
      }
    }
  }
}

} // namespace
} // namespace ec::object
