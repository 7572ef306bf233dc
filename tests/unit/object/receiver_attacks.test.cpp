#include "object/receiver.hpp"

#include <doctest/doctest.h>

#include "tests/unit/object/broadcast.hpp"

/// What sources do that lie, and what it costs them. The whole programs are attacked in tests/e2e/attacks.
namespace ec::object {
namespace {

using namespace test;
using indices = std::vector<uint64_t>;

constexpr size_t two_pieces = base::limits::piece_bytes + 1880;
constexpr source_id good = 0, liar = 1;

/// The liar first, then the good source, then the manifest: `count` chunks of two seconds.
void lie_about(subject& s, uint64_t first, uint64_t count, source_id honest = good) {
  for (uint64_t i = first; i < first + count; ++i) {
    const auto ms = static_cast<int64_t>(i) * 2000;
    const auto truth = make_chunk(i, two_pieces);
    s.all(liar, make_chunk(i, two_pieces, 1), ms);
    s.all(honest, truth, ms);
    s.listed(honest, truth, ms);
  }
}

TEST_CASE("a source that lies is cut off with the third chunk, and the good one gives every chunk") {
  subject s;
  lie_about(s, 100, 6);
  CHECK(s.indices() == indices{100, 101, 102, 103, 104, 105});
  REQUIRE(s.cut.size() == 1);
  CHECK(s.cut[0].source == liar);
  CHECK(s.cut[0].penalty == std::chrono::seconds(30));
  CHECK(s.r.counters().sources_cut_off == 1);
  // What it sends while it is out is not looked at.
  CHECK(s.refused(refusal::chunk_mismatch) + s.refused(refusal::piece_mismatch) == 3 * 2); // of each chunk the tail, and the pieces together
  CHECK(s.refused(refusal::unknown_source) == 3 * 4);
}

TEST_CASE("a source that comes back and lies again is out for twice as long") {
  subject s;
  lie_about(s, 100, 3);
  REQUIRE(s.cut.size() == 1);
  s.take(s.r.on_source_lost(liar, at(206'000)));
  REQUIRE(s.r.on_source_added(liar));
  lie_about(s, 120, 3);
  REQUIRE(s.cut.size() == 2);
  CHECK(s.cut[1].penalty == std::chrono::seconds(60));
}

TEST_CASE("the only source that gives objects is never cut off, nor the only one that gives manifests") {
  subject alone({}, 2);
  for (uint64_t i = 100; i < 120; ++i) {
    alone.all(liar, make_chunk(i, two_pieces, 1), static_cast<int64_t>(i) * 2000);
    alone.listed(good, make_chunk(i, two_pieces), static_cast<int64_t>(i) * 2000);
  }
  CHECK(alone.cut.empty());
  CHECK(alone.r.counters().chunks_invalid == 20);

  subject manifests({}, 2);
  for (uint64_t i = 0; i < 2000; ++i) manifests.payload(liar, i, base::bytes::copy("forged"), 0);
  CHECK(manifests.cut.empty());
}

TEST_CASE("a flood of manifests that do not count is cut off where another source gives some that do") {
  subject s;
  s.listed(good, make_chunk(100, two_pieces), 0);
  for (uint64_t i = 0; i < 2000; ++i) s.payload(liar, i, base::bytes::copy("forged"), 0);
  REQUIRE(s.cut.size() == 1);
  CHECK(s.cut[0].source == liar);
  CHECK(s.refused(refusal::manifest_untrusted) == source_score::points_max + 1);
}

TEST_CASE("what is missing is asked of a source with a clean record before one that lied") {
  receiver_config config;
  config.fetches_per_source_max = 1;
  subject s(config, 3);
  const auto first = make_chunk(100, two_pieces);
  s.all(0, make_chunk(100, two_pieces, 1), 0); // source 0 lies once
  s.all(2, first, 0);
  s.listed(2, first, 0);
  REQUIRE(s.indices() == indices{100});
  s.listed(2, make_chunk(101, two_pieces), 2000);
  for (int64_t ms = 2000; ms < 5000; ms += 100) {
    s.tick(ms);
    if (s.fetches.empty()) continue;
    const auto f = s.fetches.back();
    s.take(s.r.on_fetch_failed(f.source, f.on, f.group, at(ms)));
  }
  REQUIRE(s.fetches.size() == 3);
  CHECK(s.fetches[0].source == 1);
  CHECK(s.fetches[1].source == 2);
  CHECK(s.fetches[2].source == 0);
}

TEST_CASE("a head that is not that of its chunk is refused, although the chunk is right") {
  subject s;
  const auto truth = make_chunk(5, two_pieces);
  auto lie = truth;
  lie.objects[0] = make_chunk(5, two_pieces, 0, 77).objects[0];
  s.listed(good, truth, 0);
  s.all(liar, lie, 0);
  CHECK(s.refused(refusal::head_mismatch) == 1);
  CHECK(s.r.counters().chunks_invalid == 1);
  REQUIRE(s.rejects.size() == 1);
  CHECK(s.rejects[0].source == liar);
  s.all(good, truth, 10);
  REQUIRE(s.indices() == indices{5});
  CHECK(s.delivered[0].first_pts == truth.facts.first_pts);
  CHECK(s.refused(refusal::head_mismatch) == 1);
}

/// The tail of `c` with this proof.
base::bytes with_proof(const made_chunk& c, membership proof) {
  auto tail = decode_tail(track::chunks, c.objects.back()).value();
  tail.proof = std::move(proof);
  return base::bytes::adopt(encode(tail));
}

TEST_CASE("a proof of another length or place than its chunk's is refused") {
  const auto c = make_chunk(100, two_pieces);
  const auto path = [](size_t n) { return std::vector<crypto::digest>(n); };
  const membership wrong[] = {
    {100, 0, 1, path(1)},  // a tree of one leaf has no siblings
    {50, 0, 2, path(2)},   // of two leaves: one
    {50, 1, 2, path(1)},   // chunk 101
    {33, 0, 3, path(2)},   // chunk 99
    {20, 0, 5, path(2)},   // the first of five leaves: three
    {0, 100, 1024, path(11)},
  };
  for (const auto& proof : wrong) {
    subject s;
    s.listed(good, c, 0);
    auto lie = c;
    lie.objects.back() = with_proof(c, proof);
    s.all(liar, lie, 0);
    CHECK(s.refused(refusal::malformed_tail) == 1);
    CHECK(s.delivered.empty());
    s.all(good, c, 10);
    CHECK(s.indices() == indices{100});
  }
}

TEST_CASE("a proof that fits its place is left out of what is handed on: a manifest vouches for the chunk") {
  const auto c = make_chunk(100, two_pieces);
  for (const auto& proof : {membership{100, 0, 1, {}}, membership{50, 0, 2, {{}}}, membership{20, 0, 5, {{}, {}, {}}}}) {
    subject s;
    s.listed(good, c, 0);
    auto with = c;
    with.objects.back() = with_proof(c, proof);
    s.all(liar, with, 0);
    REQUIRE(s.indices() == indices{100});
    CHECK_FALSE(s.delivered[0].tail->proof);
  }
}

TEST_CASE("a stream whose manifests stop while chunks come is reported once, and again after it went on") {
  subject s;
  for (uint64_t i = 100; i < 102; ++i) {
    s.all(good, make_chunk(i, 1880), static_cast<int64_t>(i) * 2000);
    s.listed(good, make_chunk(i, 1880), static_cast<int64_t>(i) * 2000);
  }
  for (uint64_t i = 102; i < 110; ++i) {
    s.all(good, make_chunk(i, 1880), static_cast<int64_t>(i) * 2000);
    CHECK(s.freezes.size() == (i < 105 ? 0 : 1));
  }
  CHECK(s.indices() == indices{100, 101});
  REQUIRE(s.freezes.size() == 1);
  CHECK(s.freezes[0].since == milliseconds(8000));
  CHECK(s.freezes[0].chunks_waiting == 3); // said with the first object of the fourth
  CHECK(s.r.counters().manifests_frozen == 1);
  for (uint64_t i = 102; i < 110; ++i) s.listed(good, make_chunk(i, 1880), 220'000);
  CHECK(s.delivered.size() == 10);
  for (uint64_t i = 110; i < 116; ++i) s.all(good, make_chunk(i, 1880), static_cast<int64_t>(i) * 2000 + 10'000);
  CHECK(s.freezes.size() == 2);
}

TEST_CASE("a source that sends chunks of the future does not make a live stream look frozen") {
  subject s;
  for (uint64_t i = 100; i < 120; ++i) {
    s.all(liar, make_chunk(i + 500, 1880), static_cast<int64_t>(i) * 2000);
    s.all(good, make_chunk(i, 1880), static_cast<int64_t>(i) * 2000);
    s.listed(good, make_chunk(i, 1880), static_cast<int64_t>(i) * 2000);
  }
  CHECK(s.freezes.empty());
  CHECK(s.delivered.size() == 20);
}

} // namespace
} // namespace ec::object
