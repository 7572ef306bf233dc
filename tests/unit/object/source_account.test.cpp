#include "object/source_account.hpp"

#include <doctest/doctest.h>

#include "tests/unit/object/broadcast.hpp"

using namespace ec;
using namespace ec::object;
using namespace ec::object::test;

namespace {

crypto::digest digest(uint8_t first) {
  crypto::digest out;
  out.bytes[0] = first;
  return out;
}

} // namespace

TEST_SUITE("object/source_account") {

TEST_CASE("two nodes corroborate a chunk, two addresses of one node do not") {
  source_account a;
  a.add(0, "one");
  a.add(1, "one");
  a.add(2, "other");
  a.add(3, "");
  a.add(4, "");
  a.shown(10, digest(1), {{0, digest(1)}, {1, digest(1)}});
  CHECK(a.corroborated() == 0);
  a.shown(11, digest(2), {{0, digest(2)}, {2, digest(2)}, {1, digest(2)}});
  CHECK(a.corroborated() == 1);
  a.shown(12, digest(3), {{0, digest(3)}, {2, digest(9)}});
  CHECK(a.corroborated() == 1); // another digest is no corroboration
  a.shown(13, digest(4), {{3, digest(4)}, {4, digest(4)}});
  CHECK(a.corroborated() == 2); // of whom nothing is known but the address, they are two
  a.late(2, 10, digest(1));
  CHECK(a.corroborated() == 3);
  a.late(3, 10, digest(1));
  CHECK(a.corroborated() == 3); // counted once
}

TEST_CASE("hits, misses and disagreements are counted for each source") {
  source_account a;
  for (source_id s = 0; s < 3; ++s) a.add(s, "");
  for (source_id s = 0; s < 3; ++s) a.expect(s, 99);
  for (uint64_t index = 100; index < 120; ++index) {
    source_account::given by{{0, digest(1)}};
    if (index % 2 == 0) by.emplace_back(1, digest(index == 110 ? 7 : 1));
    a.shown(index, digest(1), by);
  }
  CHECK(a.counters().at(0).chunks_same == 20);
  CHECK(a.counters().at(0).chunks_missed == 0);
  CHECK(a.counters().at(1).chunks_same == 9);
  CHECK(a.counters().at(1).chunks_other == 1);
  CHECK(a.counters().at(1).chunks_missed == 6); // of the 12 that are no longer waited for
  CHECK(a.counters().at(2).chunks_missed == 12);
}

TEST_CASE("nothing is expected of a source before it gives something, nor after it is lost") {
  source_account a;
  a.add(0, "");
  a.add(1, "");
  for (uint64_t index = 0; index < 30; ++index) {
    if (index == 10) a.expect(1, index);
    if (index == 15) a.lose(1);
    a.shown(index, digest(1), {{0, digest(1)}});
  }
  CHECK(a.counters().at(1).chunks_missed == 0); // lost before the first of them was judged
  a.expect(1, 30);
  for (uint64_t index = 30; index < 50; ++index) a.shown(index, digest(1), {{0, digest(1)}});
  CHECK(a.counters().at(1).chunks_missed == 11); // 31 to 41
}

TEST_CASE("only the first tail of a source counts, and only of chunks that are remembered") {
  source_account a;
  a.add(0, "");
  a.add(1, "");
  a.shown(5, digest(1), {{0, digest(1)}});
  CHECK_FALSE(a.awaits(0, 5));
  CHECK(a.awaits(1, 5));
  CHECK_FALSE(a.awaits(1, 6));
  CHECK_FALSE(a.awaits(7, 5));
  a.late(1, 5, digest(2));
  CHECK_FALSE(a.awaits(1, 5));
  a.late(1, 5, digest(1));
  CHECK(a.counters().at(1).chunks_same == 0);
  CHECK(a.counters().at(1).chunks_other == 1);
  for (uint64_t index = 6; index < 20; ++index) a.shown(index, digest(1), {});
  CHECK_FALSE(a.awaits(1, 5));
  a.late(1, 5, digest(1));
  CHECK(a.counters().at(1).chunks_same == 0);
}

TEST_CASE("a receiver counts what each of its sources gave, before and after a chunk was shown") {
  receiver_config config;
  receiver r(stream_cipher::make(stream_id).value(), std::make_unique<plain_judge>(), config);
  REQUIRE(r.on_source_added(0, "a"));
  REQUIRE(r.on_source_added(1, "b"));
  REQUIRE(r.on_source_added(2, "a"));
  int64_t ms = 0;
  const auto give = [&](source_id source, const made_chunk& chunk, bool tail) {
    for (size_t id = 0; id + (tail ? 0 : 1) < chunk.objects.size(); ++id)
      r.on_object(source, track::chunks, chunk.index, id, chunk.objects[id], at(ms));
  };
  for (uint64_t index = 1; index <= 20; ++index, ms += 2000) {
    const auto chunk = make_chunk(index, 100'000);
    if (index % 5 == 0) {
      const auto other = make_chunk(index, 100'000, 3);
      for (size_t id = 0; id < other.objects.size(); ++id) r.on_object(1, track::chunks, index, id, other.objects[id], at(ms));
    }
    give(0, chunk, true);
    give(2, chunk, true);
    const auto said = base::bytes::copy(manifest_text(chunk));
    r.on_manifest_object(0, index, 0, said, at(ms), wall_at(ms));
    if (index % 5 == 1) give(1, chunk, true); // late
    if (index % 5 == 2) give(1, chunk, false);
  }
  CHECK(r.counters().chunks_delivered == 20);
  const auto& c = r.sources().counters();
  CHECK(c.at(0).chunks_same == 20);
  CHECK(c.at(2).chunks_same == 20);
  CHECK(c.at(1).chunks_same == 4);
  CHECK(c.at(1).chunks_other == 4);
  CHECK(c.at(1).chunks_missed == 7); // 2 to 12, but 5, 6, 10 and 11; of 1 nothing was expected yet
  CHECK(c.at(2).objects_first == 0);
  CHECK(c.at(2).objects_duplicate == c.at(0).objects_first);
  CHECK(r.sources().corroborated() == 4);
}

}
