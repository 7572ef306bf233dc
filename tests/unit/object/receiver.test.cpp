#include "object/receiver.hpp"

#include <doctest/doctest.h>

#include "tests/unit/object/broadcast.hpp"

namespace ec::object {
namespace {

using namespace test;
using indices = std::vector<uint64_t>;

base::bytes flipped(const base::bytes& from, size_t at_byte) {
  std::vector<uint8_t> out(from.begin(), from.end());
  out[at_byte] ^= 1;
  return base::bytes::adopt(std::move(out));
}

constexpr size_t two_pieces = base::limits::piece_bytes + 1880;

TEST_CASE("a listed chunk is delivered whole, once, verified") {
  subject s;
  const auto c = make_chunk(100, two_pieces);
  s.all(0, c, 0);
  CHECK(s.delivered.empty());
  s.listed(1, c, 10);
  REQUIRE(s.delivered.size() == 1);
  const auto& d = s.delivered[0];
  CHECK(std::ranges::equal(d.plaintext, c.plaintext));
  CHECK(d.digest == c.facts.digest);
  CHECK(d.verified);
  CHECK(d.signer == test_key());
  CHECK(d.first_pts == c.facts.first_pts);
  CHECK(d.duration == chunk_pts);
  CHECK_FALSE(d.damage);
  CHECK_FALSE(d.discontinuity);
  s.all(1, c, 20);
  CHECK(s.delivered.size() == 1);
  CHECK(s.refused(refusal::late) == c.objects.size());
  CHECK(s.r.status().bytes_waiting == 0);
}

TEST_CASE("the manifest may come first") {
  subject s;
  const auto c = make_chunk(100, two_pieces);
  s.listed(1, c, 0);
  s.all(0, c, 10);
  CHECK(s.indices() == indices{100});
}

TEST_CASE("no manifest, no data: nothing is delivered, whatever time passes") {
  subject s;
  for (uint64_t i = 0; i < 100; ++i) {
    s.all(0, make_chunk(100 + i, 1880), static_cast<int64_t>(i) * 2000);
    s.tick(static_cast<int64_t>(i) * 2000 + 1000);
  }
  s.tick(10'000'000);
  CHECK(s.delivered.empty());
  CHECK(s.fetches.empty());
  CHECK(s.r.counters().bytes_delivered == 0);
  CHECK(s.refused(refusal::waiting_full) == 100 - base::limits::subscriber_wait_groups_max);
}

TEST_CASE("without manifests a consistent chunk is delivered as unverified") {
  receiver_config config;
  config.require_manifest = false;
  config.use_manifests = false;
  subject s(config);
  s.all(0, make_chunk(7, two_pieces), 0);
  REQUIRE(s.indices() == indices{7});
  CHECK_FALSE(s.delivered[0].verified);
  CHECK_FALSE(s.delivered[0].signer);
}

TEST_CASE("manifests that are used but not required are waited for, and what they contradict is refused") {
  receiver_config config;
  config.require_manifest = false;
  subject s(config);
  const auto unlisted = make_chunk(7, 1880);
  s.all(0, unlisted, 0);
  CHECK(s.delivered.empty());
  REQUIRE(s.r.deadline());
  CHECK(*s.r.deadline() <= at(2000));
  s.tick(1999);
  CHECK(s.delivered.empty());
  s.tick(2000);
  REQUIRE(s.indices() == indices{7});
  CHECK_FALSE(s.delivered[0].verified);

  s.all(0, make_chunk(8, 1880, 1), 2100); // not the one that the manifest lists
  const auto truth = make_chunk(8, 1880);
  s.listed(1, truth, 2200);
  s.tick(9000);
  CHECK(s.delivered.size() == 1);
  CHECK(s.refused(refusal::chunk_mismatch) == 1);
  s.all(1, truth, 9100);
  CHECK(s.indices() == indices{7, 8});
  CHECK(s.delivered[1].verified);
}

TEST_CASE("a chunk that is not the listed one is refused as a whole and fetched from another source") {
  subject s;
  const auto truth = make_chunk(5, two_pieces);
  const auto lie = make_chunk(5, two_pieces, 1);
  s.all(0, lie, 0);
  s.listed(1, truth, 10);
  CHECK(s.delivered.empty());
  CHECK(s.refused(refusal::chunk_mismatch) == 1);
  CHECK(s.r.counters().chunks_invalid == 1);
  REQUIRE(s.fetches.size() == 1);
  CHECK(s.fetches[0].source == 1);
  CHECK(s.fetches[0].group == 5);
  for (size_t id = 1; id < truth.objects.size(); ++id) s.object(1, truth, id, 20);
  CHECK(s.indices() == indices{5});
  CHECK(std::ranges::equal(s.delivered[0].plaintext, truth.plaintext));
}

TEST_CASE("more of a refused version is not even opened") {
  subject s;
  const auto truth = make_chunk(5, two_pieces);
  const auto lie = make_chunk(5, two_pieces, 1);
  s.listed(1, truth, 0);
  s.object(0, lie, 0, 0);
  s.object(0, lie, 3, 0); // its tail
  CHECK(s.refused(refusal::chunk_mismatch) == 1);
  s.object(0, lie, 1, 0);
  s.object(0, lie, 2, 0);
  CHECK(s.refused(refusal::refused_group) == 2);
}

TEST_CASE("a piece changed on the way is refused, its source blamed, and the hole repaired from another") {
  subject s;
  const auto c = make_chunk(5, two_pieces);
  s.listed(1, c, 0);
  s.object(0, c, 0, 0);
  s.take(s.r.on_object(0, track::chunks, 5, 1, flipped(c.objects[1], 500), at(0)));
  CHECK(s.refused(refusal::unauthentic_piece) == 1);
  CHECK(s.r.counters().chunks_invalid == 1);
  REQUIRE(s.rejects.size() == 1);
  CHECK(s.rejects[0].source == 0);
  CHECK(s.rejects[0].object == 1);
  s.object(0, c, 2, 1);
  s.object(0, c, 3, 1);
  s.take(s.r.on_group_end(0, track::chunks, 5, group_ending::complete, at(1)));
  REQUIRE(s.fetches.size() >= 1);
  CHECK(s.fetches.back().source == 1);
  s.object(1, c, 1, 2);
  CHECK(s.indices() == indices{5});
}

TEST_CASE("an authentic piece that the proven tail does not list is refused") {
  subject s;
  const auto truth = make_chunk(5, two_pieces);
  const auto lie = make_chunk(5, two_pieces, 1);
  s.listed(1, truth, 0);
  s.object(1, truth, 3, 0);
  s.object(0, lie, 1, 0);
  CHECK(s.refused(refusal::piece_mismatch) == 1);
  s.object(1, truth, 1, 0);
  s.object(1, truth, 2, 0);
  CHECK(s.indices() == indices{5});
}

TEST_CASE("a wrong first copy does not poison a group: the listed one wins") {
  subject s({}, 3);
  const auto truth = make_chunk(5, two_pieces);
  const auto lie = make_chunk(5, two_pieces, 1);
  for (size_t id = 0; id < 4; ++id) {
    s.object(0, lie, id, 0);
    s.object(1, truth, id, 0);
  }
  CHECK(s.r.counters().objects_conflicting == 3);
  s.listed(2, truth, 5);
  REQUIRE(s.indices() == indices{5});
  CHECK(std::ranges::equal(s.delivered[0].plaintext, truth.plaintext));
}

TEST_CASE("other bytes for the same object from one source are an equivocation") {
  subject s;
  const auto truth = make_chunk(5, two_pieces);
  const auto lie = make_chunk(5, two_pieces, 1);
  s.object(0, truth, 1, 0);
  s.object(0, lie, 1, 0);
  CHECK(s.refused(refusal::republished) == 1);
  s.object(0, truth, 2, 0);
  CHECK(s.refused(refusal::refused_group) == 1);
}

TEST_CASE("chunks are delivered in order, and one that cannot be had is skipped when time is up") {
  subject s;
  const auto a = make_chunk(10, 1880);
  const auto b = make_chunk(11, 1880);
  const auto c = make_chunk(12, 1880);
  const auto d = make_chunk(13, 1880);
  s.all(0, a, 0);
  s.listed(1, a, 0);
  s.listed(1, b, 2000);
  s.all(0, c, 4000);
  s.listed(1, c, 4000);
  s.all(0, d, 6000);
  s.listed(1, d, 6000);
  CHECK(s.indices() == indices{10});
  CHECK_FALSE(s.fetches.empty());
  for (int64_t ms = 6000; ms < 10'000; ms += 100) s.tick(ms);
  CHECK(s.indices() == indices{10});
  s.tick(10'000);
  CHECK(s.indices() == indices{10, 12, 13});
  REQUIRE(s.skips.size() == 1);
  CHECK(s.skips[0].first == 11);
  CHECK(s.skips[0].last == 11);
  CHECK(s.skips[0].reason == skip_reason::missing);
  CHECK(s.delivered[1].discontinuity);
  CHECK_FALSE(s.delivered[2].discontinuity);
}

TEST_CASE("a chunk that comes in time goes before the one that waited") {
  subject s;
  const auto a = make_chunk(10, 1880);
  const auto b = make_chunk(11, 1880);
  const auto c = make_chunk(12, 1880);
  for (const auto* chunk : {&a, &b, &c}) s.listed(1, *chunk, 0);
  s.all(0, a, 0);
  s.all(0, c, 10);
  s.all(1, b, 5000);
  CHECK(s.indices() == indices{10, 11, 12});
  CHECK(s.skips.empty());
}

TEST_CASE("an index that a long GOP jumps over holds up nothing") {
  subject s;
  const auto a = make_chunk(10, 1880);
  const auto b = make_chunk(12, 1880, 0, 11 * chunk_pts); // begins where 10 ends
  for (const auto* chunk : {&a, &b}) {
    s.listed(1, *chunk, 0);
    s.all(0, *chunk, 0);
  }
  CHECK(s.indices() == indices{10, 12});
  CHECK(s.skips.empty());
  CHECK_FALSE(s.delivered[1].discontinuity);
}

TEST_CASE("a jump of the PTS is a discontinuity") {
  subject s;
  const auto a = make_chunk(10, 1880);
  const auto b = make_chunk(11, 1880, 0, 5'000'000);
  for (const auto* chunk : {&a, &b}) {
    s.listed(1, *chunk, 0);
    s.all(0, *chunk, 0);
  }
  CHECK(s.indices() == indices{10, 11});
  CHECK(s.delivered[1].discontinuity);
}

TEST_CASE("PTS that wrap are no discontinuity") {
  subject s;
  const auto a = make_chunk(10, 1880, 0, pts_end - chunk_pts);
  const auto b = make_chunk(11, 1880, 0, 0);
  for (const auto* chunk : {&a, &b}) {
    s.listed(1, *chunk, 0);
    s.all(0, *chunk, 0);
  }
  CHECK(s.indices() == indices{10, 11});
  CHECK_FALSE(s.delivered[1].discontinuity);
}

TEST_CASE("a late joiner starts at the first chunk that it can complete and asks for nothing older") {
  subject s;
  const auto a = make_chunk(10, two_pieces);
  const auto b = make_chunk(11, two_pieces);
  s.object(0, a, 2, 0); // joined in the middle of 10
  s.object(0, a, 3, 0);
  s.take(s.r.on_group_end(0, track::chunks, 10, group_ending::complete, at(0)));
  s.listed(1, a, 0);
  s.all(0, b, 2000);
  s.listed(1, b, 2000);
  CHECK(s.indices() == indices{11});
  CHECK(s.fetches.empty());
  CHECK(s.skips.empty());
}

TEST_CASE("a damaged version is delivered when it is listed, allowed, and nobody has better in time") {
  for (const bool allowed : {true, false}) {
    CAPTURE(allowed);
    receiver_config config;
    config.allow_damaged = allowed;
    subject s(config);
    const auto a = make_chunk(10, 1880);
    const auto broken = make_damaged(11, two_pieces, "ed25519:aa");
    const auto c = make_chunk(12, 1880);
    s.all(0, a, 0);
    s.listed(1, a, 0);
    s.all(0, broken, 2000, track::damaged);
    s.listed(1, broken, 2000);
    s.all(0, c, 4000);
    s.listed(1, c, 4000);
    CHECK(s.indices() == indices{10});
    s.tick(7999);
    CHECK(s.indices() == indices{10});
    s.tick(8000);
    CHECK(s.indices() == (allowed ? indices{10, 11, 12} : indices{10}));
    s.tick(10'000);
    if (allowed) {
      CHECK(s.delivered[1].damage == damage_mark{"ed25519:aa", "continuity"});
      CHECK(s.delivered[1].verified);
      CHECK(std::ranges::equal(s.delivered[1].plaintext, broken.plaintext));
      CHECK(s.r.counters().chunks_damaged == 1);
    } else {
      CHECK(s.indices() == indices{10, 12});
      REQUIRE(s.skips.size() == 1);
      CHECK(s.skips[0].reason == skip_reason::damaged);
    }
  }
}

TEST_CASE("a whole one that is attested in time goes before the damaged one") {
  subject s;
  const auto a = make_chunk(10, 1880);
  const auto broken = make_damaged(11, 1880, "ed25519:aa");
  const auto whole = make_chunk(11, 1880);
  s.all(0, a, 0);
  s.listed(1, a, 0);
  s.all(0, broken, 2000, track::damaged);
  s.listed(1, broken, 2000);
  s.all(1, whole, 3000);
  CHECK(s.indices() == indices{10}); // whole, but on nobody's word
  s.listed(1, whole, 4000);
  REQUIRE(s.indices() == indices{10, 11});
  CHECK_FALSE(s.delivered[1].damage);
}

TEST_CASE("an unlisted damaged version is never delivered") {
  receiver_config config;
  config.require_manifest = false;
  config.use_manifests = false;
  subject s(config);
  s.all(0, make_damaged(11, 1880, "p"), 0, track::damaged);
  s.tick(100'000);
  CHECK(s.delivered.empty());
}

TEST_CASE("a damaged version that is only listed is fetched") {
  subject s;
  const auto a = make_chunk(10, 1880);
  const auto broken = make_damaged(11, 1880, "p");
  s.all(0, a, 0);
  s.listed(1, a, 0);
  s.listed(1, broken, 2000);
  s.tick(2500);
  REQUIRE(s.fetches.size() == 1);
  CHECK(s.fetches[0].on == track::damaged);
  CHECK(s.fetches[0].first_object == 0);
  for (size_t id = 0; id < broken.objects.size(); ++id) s.object(s.fetches[0].source, broken, id, 2600, track::damaged);
  s.take(s.r.on_fetch_done(s.fetches[0].source, track::damaged, 11, at(2600)));
  s.tick(8000);
  CHECK(s.indices() == indices{10, 11});
}

TEST_CASE("fetches back off, try each source twice, and end") {
  subject s({}, 3);
  const auto a = make_chunk(10, 1880);
  const auto b = make_chunk(11, 1880);
  s.all(0, a, 0);
  s.listed(1, a, 0);
  s.listed(1, b, 2000);
  std::map<source_id, int> asked;
  for (int64_t ms = 2000; ms < 60'000; ms += 50) {
    s.tick(ms);
    while (!s.fetches.empty()) {
      const auto f = s.fetches.back();
      s.fetches.pop_back();
      ++asked[f.source];
      s.take(s.r.on_fetch_failed(f.source, f.on, f.group, at(ms)));
    }
  }
  CHECK(asked == std::map<source_id, int>{{0, 2}, {1, 2}, {2, 2}});
  CHECK(s.r.counters().fetches == 6);
  CHECK(s.r.counters().fetches_failed == 6);
}

TEST_CASE("a fetch without an answer times out and another source is asked") {
  subject s;
  const auto a = make_chunk(10, 1880);
  const auto b = make_chunk(11, 1880);
  s.all(0, a, 0);
  s.listed(1, a, 0);
  s.listed(1, b, 2000);
  s.tick(2500);
  REQUIRE(s.fetches.size() == 1);
  REQUIRE(s.r.deadline());
  CHECK(*s.r.deadline() <= at(4500));
  s.tick(4500);
  s.tick(4700);
  REQUIRE(s.fetches.size() == 2);
  CHECK(s.fetches[0].source != s.fetches[1].source);
}

TEST_CASE("one lost piece is asked for alone") {
  subject s;
  const auto c = make_chunk(10, 5 * base::limits::piece_bytes);
  s.listed(1, c, 0);
  for (const size_t id : {0, 1, 2, 4, 5, 6}) s.object(0, c, id, 0);
  s.take(s.r.on_group_end(0, track::chunks, 10, group_ending::complete, at(0)));
  REQUIRE(s.fetches.size() == 1);
  CHECK(s.fetches[0].source == 1);
  CHECK(s.fetches[0].first_object == 3);
  CHECK(s.fetches[0].last_object == 3);
}

TEST_CASE("a lost source is not asked and what it gave is kept") {
  subject s;
  const auto c = make_chunk(10, two_pieces);
  s.listed(1, c, 0);
  s.object(0, c, 0, 0);
  s.object(0, c, 1, 0);
  s.take(s.r.on_source_lost(0, at(1)));
  REQUIRE(s.fetches.size() == 1);
  CHECK(s.fetches[0].source == 1);
  CHECK(s.fetches[0].first_object == 2);
  CHECK_FALSE(s.fetches[0].last_object);
  s.object(1, c, 2, 2);
  s.object(1, c, 3, 2);
  CHECK(s.indices() == indices{10});
  s.object(0, make_chunk(11, 1880), 0, 3);
  CHECK(s.refused(refusal::unknown_source) == 1);
}

TEST_CASE("too many invalid chunks end the reception; zero means at the first") {
  for (const uint64_t max : {0, 2}) {
    receiver_config config;
    config.chunks_invalid_max = max;
    subject s(config);
    for (uint64_t i = 0; i <= max; ++i) {
      CHECK(s.stops.empty());
      const auto c = make_chunk(20 + i, 1880);
      s.object(0, c, 0, 0);
      s.take(s.r.on_object(0, track::chunks, c.index, 1, flipped(c.objects[1], 40), at(0)));
      if (i < max) s.take(s.r.on_object(0, track::chunks, c.index, 1, flipped(c.objects[1], 41), at(0))); // counted once
    }
    REQUIRE(s.stops.size() == 1);
    CHECK(s.stops[0].reason == stop_reason::invalid_chunks);
    CHECK(s.r.stopped());
    const auto later = make_chunk(30, 1880);
    s.all(1, later, 1);
    s.listed(1, later, 1);
    CHECK(s.delivered.empty());
  }
}

TEST_CASE("reception stops after as many chunks as asked for") {
  receiver_config config;
  config.stop_after = 2;
  subject s(config);
  for (uint64_t i = 0; i < 4; ++i) {
    const auto c = make_chunk(20 + i, 1880);
    s.all(0, c, 0);
    s.listed(1, c, 0);
  }
  CHECK(s.indices() == indices{20, 21});
  REQUIRE(s.stops.size() == 1);
  CHECK(s.stops[0].reason == stop_reason::stop_after);
}

TEST_CASE("another network secret is named as such") {
  subject s;
  sealer other(stream_cipher::make(stream_id, base::as_span("secret")).value(), {"ts-v1", {}});
  s.take(s.r.on_object(0, track::chunks, 5, 0, other.open(5, 0).value().payload, at(0)));
  CHECK(s.refused(refusal::wrong_key) == 1);
  s.take(s.r.on_object(0, track::chunks, 5, 1, base::bytes::copy("anything"), at(0)));
  CHECK(s.refused(refusal::refused_group) == 1);
}

TEST_CASE("a profile that is not the stream's is refused") {
  receiver_config config;
  config.profile = "ts-v2";
  subject s(config);
  s.object(0, make_chunk(5, 1880), 0, 0);
  CHECK(s.refused(refusal::wrong_profile) == 1);
}

TEST_CASE("a damaged piece before its head is refused") {
  subject s;
  const auto broken = make_damaged(11, 1880, "p");
  s.object(0, broken, 1, 0, track::damaged);
  CHECK(s.refused(refusal::head_missing) == 1);
}

TEST_CASE("a refused manifest lists nothing, and two contents of one epoch are reported as evidence") {
  subject s;
  const auto c = make_chunk(5, 1880);
  s.all(0, c, 0);
  s.payload(1, 5, base::bytes::copy("forged " + manifest_text(c)), 0);
  s.payload(1, 5, base::bytes::copy("twice"), 0);
  CHECK(s.delivered.empty());
  CHECK(s.refused(refusal::manifest_untrusted) == 1);
  CHECK(s.refused(refusal::manifest_equivocation) == 1);
  REQUIRE(s.evidences.size() == 1);
  CHECK(s.evidences[0].group == 5);
  CHECK(s.evidences[0].signer == test_key());
}

TEST_CASE("what a signer listed counts no more once he is caught contradicting himself") {
  subject s;
  const auto c = make_chunk(5, two_pieces);
  s.listed(1, c, 0);
  for (size_t id = 0; id + 1 < c.objects.size(); ++id) s.object(0, c, id, 1);
  s.payload(1, 5, base::bytes::copy("twice"), 2);
  s.object(0, c, c.objects.size() - 1, 3);
  CHECK(s.delivered.empty());
  CHECK(s.r.counters().equivocations == 1);
  s.listed(1, c, 4); // another signer's word
  CHECK(s.indices() == indices{5});
}

TEST_CASE("one manifest of many chunks serves each as it comes") {
  subject s;
  std::vector<made_chunk> chunks;
  std::string text;
  for (uint64_t i = 0; i < 60; ++i) {
    chunks.push_back(make_chunk(100 + i, 188));
    text += manifest_text(chunks.back());
  }
  s.payload(1, 100, base::bytes::copy(text), 0);
  for (size_t i = 0; i < chunks.size(); ++i)
    if (i != 40) s.all(0, chunks[i], static_cast<int64_t>(i));
  CHECK(s.delivered.size() == 40);
  // The one that never came is asked for although not one object of it was seen.
  s.tick(600);
  REQUIRE(s.fetches.size() == 1);
  CHECK(s.fetches[0].group == 140);
  CHECK(s.fetches[0].first_object == 0);
  s.all(1, chunks[40], 700);
  CHECK(s.delivered.size() == 60);
}

TEST_CASE("every refusal and every counter has a name of its own") {
  std::set<std::string> names;
  for (const auto& [name, value] : receiver_counters{}.list()) CHECK(names.insert(name).second);
  CHECK(names.size() == 17 + refusal_count);
  CHECK(names.contains("refused_manifest_unknown"));
}

} // namespace
} // namespace ec::object
