#include "object/group_copy.hpp"

#include <doctest/doctest.h>

#include "tests/unit/object/broadcast.hpp"

namespace ec::object::test {
namespace {

struct fixture {
  stream_cipher cipher = stream_cipher::make(stream_id).value();
  made_chunk chunk = make_chunk(40, 3 * base::limits::piece_bytes - 188);
  group_copy copy{40, "ts-v1"};

  /// The error's code; nothing if the object was taken.
  std::optional<base::errc> push(uint64_t object, const base::bytes& payload) {
    const auto r = copy.push(object, payload, cipher);
    return r ? std::nullopt : std::optional(r.error().code);
  }
  std::optional<base::errc> push(size_t object) { return push(object, chunk.objects[object]); }
};

TEST_CASE("a group in order is a copy, with the digest that a manifest would list") {
  fixture f;
  CHECK(f.copy.empty());
  for (size_t id = 0; id < f.chunk.objects.size(); ++id) {
    CHECK_FALSE(f.copy.complete());
    CHECK_FALSE(f.push(id));
    CHECK_FALSE(f.copy.empty());
  }
  REQUIRE(f.copy.complete());
  const auto got = f.copy.take();
  CHECK(got.index == 40);
  CHECK(got.first_pts == f.chunk.facts.first_pts);
  CHECK(got.duration == f.chunk.facts.duration);
  CHECK(got.digest == f.chunk.facts.digest);
  CHECK(got.data == base::bytes::copy(f.chunk.plaintext));
}

TEST_CASE("a copy is not complete while any object of it is missing") {
  const fixture whole;
  for (size_t left_out = 0; left_out < whole.chunk.objects.size(); ++left_out) {
    fixture f;
    for (size_t id = 0; id < f.chunk.objects.size(); ++id) {
      const bool tail_alone = left_out == 0 && id + 1 == f.chunk.objects.size(); // it is compared with the head
      if (id != left_out) CHECK(f.push(id).has_value() == tail_alone);
    }
    CHECK_FALSE(f.copy.complete());
  }
}

TEST_CASE("what is no group of this stream, profile or place is told apart") {
  fixture f;
  const auto other_key = stream_cipher::make(stream_id, std::vector<uint8_t>(16, 7)).value();
  CHECK(group_copy(40, "ts-v1").push(0, f.chunk.objects[0], other_key).error().code == base::errc::bad_signature);
  CHECK(group_copy(40, "ts-v1-500ms").push(0, f.chunk.objects[0], f.cipher).error().code == base::errc::unsupported);
  CHECK(group_copy(41, "ts-v1").push(1, f.chunk.objects[1], f.cipher).error().code == base::errc::bad_signature);

  CHECK_FALSE(f.push(0));
  CHECK(f.push(2, f.chunk.objects[1]) == base::errc::bad_signature);
  auto flipped = std::vector<uint8_t>(f.chunk.objects[1].begin(), f.chunk.objects[1].end());
  flipped[1000] ^= 1;
  CHECK(f.push(1, base::bytes::adopt(std::move(flipped))) == base::errc::bad_signature);
  CHECK(f.push(1, base::bytes::copy("xyz")) == base::errc::malformed);
  CHECK(f.push(object_id_max + 1, f.chunk.objects[1]) == base::errc::too_large);
  CHECK(f.push(3, f.chunk.objects.back()) == base::errc::malformed); // a tail that stands elsewhere
  const auto later = make_chunk(40, 3 * base::limits::piece_bytes - 188, 0, 7);
  CHECK(f.push(later.objects.size() - 1, later.objects.back()) == base::errc::mismatch);
  const auto damaged = make_damaged(40, 1000, "a");
  CHECK(f.push(2, damaged.objects.back()).has_value());
  CHECK_FALSE(f.copy.complete());
}

} // namespace
} // namespace ec::object::test
