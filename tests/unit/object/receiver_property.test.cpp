// Many seeded deliveries from three sources: shuffled, doubled, lossy, corrupted, lying. Whatever happens, the only bytes
// that come out are the truth's, and memory stays within its bounds (the harness checks both after every input).
#include "object/receiver.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "tests/unit/object/broadcast.hpp"

namespace ec::object {
namespace {

using namespace test;

/// The same chunks for all runs: sealing is the costly part.
const std::vector<made_chunk>& truth() {
  static const auto made = [] {
    std::vector<made_chunk> out;
    for (uint64_t i = 0; i < 12; ++i) out.push_back(make_chunk(1000 + i, i % 3 == 0 ? 188 * 5 : base::limits::piece_bytes * (i % 3) + 188 * i));
    return out;
  }();
  return made;
}
const std::vector<made_chunk>& lies() {
  static const auto made = [] {
    std::vector<made_chunk> out;
    for (const auto& c : truth()) out.push_back(make_chunk(c.index, c.plaintext.size(), 77));
    return out;
  }();
  return made;
}

struct event {
  int64_t ms;
  source_id source;
  enum { object, ending, manifest } what;
  size_t chunk;
  size_t id;
  bool lie = false;
  bool corrupt = false;
};

base::bytes corrupted(const base::bytes& from, std::mt19937& random) {
  std::vector<uint8_t> out(from.begin(), from.end());
  switch (random() % 4) {
  case 0: out.resize(random() % (out.size() + 1)); break;
  case 1: out.push_back(0); break;
  default: out[random() % out.size()] ^= static_cast<uint8_t>(1u << (random() % 8));
  }
  return base::bytes::adopt(std::move(out));
}

struct faults {
  unsigned lost = 0;    ///< per mille of objects
  unsigned doubled = 0;
  unsigned corrupt = 0;
  unsigned liars = 0;   ///< sources, from the last
  int64_t jitter_ms = 0;
  bool answer_fetches = true;
};

struct outcome {
  size_t delivered = 0;
  size_t fetched = 0;
};

outcome run(unsigned seed, const faults& f) {
  std::mt19937 random(seed);
  const auto chance = [&](unsigned per_mille) { return random() % 1000 < per_mille; };
  const auto& chunks = truth();
  std::vector<event> events;
  for (size_t n = 0; n < chunks.size(); ++n) {
    const auto start = static_cast<int64_t>(n) * 2000;
    const auto later = [&] { return f.jitter_ms == 0 ? 0 : static_cast<int64_t>(random() % static_cast<uint64_t>(f.jitter_ms)); };
    for (source_id s = 0; s < 3; ++s) {
      const bool lie = s + f.liars >= 3;
      for (size_t id = 0; id < chunks[n].objects.size(); ++id) {
        if (chance(f.lost)) continue;
        const int copies = chance(f.doubled) ? 2 : 1;
        for (int copy = 0; copy < copies; ++copy) events.push_back({start + later(), s, event::object, n, id, lie, chance(f.corrupt)});
      }
      events.push_back({start + 1900 + later(), s, event::ending, n, 0});
    }
    events.push_back({start + 1000 + later(), 0, event::manifest, n, 0});
  }
  std::ranges::stable_sort(events, {}, &event::ms);

  subject s({}, 3);
  size_t fetched = 0;
  const auto answer = [&](int64_t ms) {
    while (!s.fetches.empty()) {
      const auto ask = s.fetches.front();
      s.fetches.erase(s.fetches.begin());
      ++fetched;
      REQUIRE(ask.group >= chunks.front().index);
      REQUIRE(ask.group <= chunks.back().index);
      if (!f.answer_fetches || ask.on == track::damaged) {
        s.take(s.r.on_fetch_failed(ask.source, ask.on, ask.group, at(ms)));
        continue;
      }
      const auto n = ask.group - chunks.front().index;
      const auto& from = ask.source + f.liars >= 3 ? lies()[n] : chunks[n];
      const auto last = std::min<uint64_t>(ask.last_object.value_or(from.objects.size() - 1), from.objects.size() - 1);
      for (uint64_t id = ask.first_object; id <= last; ++id) s.object(ask.source, from, id, ms);
      s.take(s.r.on_fetch_done(ask.source, ask.on, ask.group, at(ms)));
    }
  };
  for (const auto& e : events) {
    while (s.r.deadline() && *s.r.deadline() <= at(e.ms)) {
      const auto when = *s.r.deadline();
      s.take(s.r.tick(when));
      answer(std::chrono::duration_cast<milliseconds>(when - at(0)).count());
      // A deadline that does not move would spin for ever in an actor.
      if (s.r.deadline()) REQUIRE(*s.r.deadline() > when);
    }
    const auto& c = e.lie ? lies()[e.chunk] : chunks[e.chunk];
    switch (e.what) {
    case event::object:
      if (e.corrupt) s.take(s.r.on_object(e.source, track::chunks, c.index, e.id, corrupted(c.objects[e.id], random), at(e.ms)));
      else s.object(e.source, c, e.id, e.ms);
      break;
    case event::ending: s.take(s.r.on_group_end(e.source, track::chunks, c.index, group_ending::complete, at(e.ms))); break;
    case event::manifest: s.listed(e.source, chunks[e.chunk], e.ms); break;
    }
    answer(e.ms);
  }
  for (int64_t ms = 24'000; ms < 60'000; ms += 250) {
    s.tick(ms);
    answer(ms);
  }
  for (const auto& d : s.delivered) {
    const auto n = d.index - chunks.front().index;
    REQUIRE(n < chunks.size());
    CHECK(d.verified);
    CHECK(d.digest == chunks[n].facts.digest);
    CHECK(std::ranges::equal(d.plaintext, chunks[n].plaintext));
  }
  return {s.delivered.size(), fetched};
}

TEST_CASE("shuffled and doubled deliveries lose nothing") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    CHECK(run(seed, {.doubled = 300, .jitter_ms = 1500}).delivered == 12);
  }
}

TEST_CASE("what one source loses or spoils another repairs") {
  size_t fetched = 0;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    const auto done = run(seed, {.lost = 200, .doubled = 50, .corrupt = 50, .jitter_ms = 300});
    CHECK(done.delivered >= 11); // the first may begin in the middle everywhere
    fetched += done.fetched;
  }
  CHECK(fetched > 0);
}

TEST_CASE("two liars of three sources change nothing") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    CHECK(run(seed, {.liars = 2, .jitter_ms = 900}).delivered == 12);
  }
}

TEST_CASE("when everything lies, loses and spoils, what comes out is still the truth") {
  size_t delivered = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed * 7919);
    const faults f{.lost = static_cast<unsigned>(random() % 600),
                   .doubled = static_cast<unsigned>(random() % 600),
                   .corrupt = static_cast<unsigned>(random() % 400),
                   .liars = static_cast<unsigned>(random() % 4),
                   .jitter_ms = static_cast<int64_t>(random() % 8000),
                   .answer_fetches = random() % 2 == 0};
    delivered += run(seed, f).delivered;
  }
  CHECK(delivered > 100);
  std::printf("receiver property: %zu chunks delivered in 60 hostile runs, all true\n", delivered);
}

TEST_CASE("the same inputs give the same outputs") {
  const auto one = run(5, {.lost = 300, .doubled = 100, .corrupt = 100, .liars = 1, .jitter_ms = 2000});
  const auto two = run(5, {.lost = 300, .doubled = 100, .corrupt = 100, .liars = 1, .jitter_ms = 2000});
  CHECK(one.delivered == two.delivered);
  CHECK(one.fetched == two.fetched);
}

// --- attackers that go for memory

receiver_config small() {
  receiver_config config;
  config.wait_bytes_max = 2u << 20;
  config.wait_groups_max = 8;
  return config;
}

TEST_CASE("a source that floods groups does not push out another's") {
  subject s(small());
  const auto honest = make_chunk(1000, base::limits::piece_bytes);
  s.all(0, honest, 0);
  for (uint64_t i = 0; i < 500; ++i) s.object(1, make_chunk(2000 + i * 1'000'000, 188), 0, 1);
  CHECK(s.refused(refusal::waiting_full) >= 490);
  s.listed(0, honest, 2);
  CHECK(s.delivered.size() == 1);
  CHECK(s.fetches.empty()); // nothing is asked for on nobody's word
}

TEST_CASE("a source that floods bytes does not push out another's") {
  subject s(small());
  const auto honest = make_chunk(1000, base::limits::piece_bytes * 3);
  s.all(0, honest, 0);
  const auto big = make_chunk(1001, base::limits::piece_bytes * 60);
  for (int again = 0; again < 2; ++again) s.all(1, big, 1);
  CHECK(s.refused(refusal::waiting_full) > 0);
  s.listed(0, honest, 2);
  CHECK(s.delivered.size() == 1);
}

TEST_CASE("filling a listed group with authentic rubbish costs the one who does it") {
  subject s(small());
  const auto honest = make_chunk(1000, base::limits::piece_bytes * 3);
  const auto next = make_chunk(1001, base::limits::piece_bytes * 3);
  const auto rubbish = make_chunk(1000, base::limits::piece_bytes * 60, 5);
  s.listed(0, honest, 0);
  for (size_t id = 0; id + 1 < rubbish.objects.size(); ++id) s.object(1, rubbish, id, 1);
  s.all(0, next, 2);
  s.all(0, honest, 3);
  s.listed(0, next, 4);
  CHECK(s.delivered.size() == 2);
}

TEST_CASE("an endless group is cut off at the last place that a chunk has") {
  subject s(small());
  const auto piece = make_chunk(1000, 188).objects[1];
  for (uint64_t id = 1; id < 5000; ++id) s.take(s.r.on_object(1, track::chunks, 1000, id, piece, at(0)));
  CHECK(s.r.status().bytes_waiting <= 2u << 20);
  CHECK(s.refused(refusal::unauthentic_piece) < 10);
  CHECK(s.refused(refusal::refused_group) > 1000); // after a few that do not open the rest is not tried
  const auto behind = s.refused(refusal::bad_object_id);
  CHECK(behind == 5000 - 1 - object_id_max);
  s.take(s.r.on_object(0, track::chunks, 1001, ~uint64_t{0}, piece, at(0)));
  s.take(s.r.on_object(0, track::chunks, ~uint64_t{0}, 1, piece, at(0)));
  s.take(s.r.on_object(0, track::chunks, 1002, object_id_max, piece, at(0)));
  CHECK(s.refused(refusal::bad_object_id) == behind + 3);
}

TEST_CASE("an endless group of authentic pieces stays within the bytes") {
  // Whoever knows the stream id can seal as many pieces as he likes.
  subject s(small());
  const auto cipher = stream_cipher::make(stream_id).value();
  const std::vector<uint8_t> bytes(2000, 9);
  const auto digest = crypto::blake3(bytes);
  for (uint32_t place = 0; place < base::limits::chunk_pieces_max + 10; ++place)
    s.take(s.r.on_object(1, track::chunks, 1000, piece_object(place), cipher.seal({1000, place, {}}, bytes, digest), at(0)));
  CHECK(s.refused(refusal::waiting_full) > 0);
}

TEST_CASE("tails with huge sizes and wrong counts are refused before they cost anything") {
  subject s(small());
  chunk_tail tail{0, chunk_pts, 188, {crypto::blake3(base::as_span("x"))}, {}, {}};
  const auto give = [&](uint64_t group, uint64_t object, const std::string& text) {
    s.take(s.r.on_object(1, track::chunks, group, object, base::bytes::copy(text), at(0)));
  };
  const auto payload = encode(tail);
  const std::string good(payload.begin(), payload.end());
  auto huge = good;
  huge.replace(huge.find("\"size\":188"), 10, "\"size\":9007199254740991");
  give(1, 2, huge);
  CHECK(s.refused(refusal::malformed_tail) == 1);
  auto two = tail;
  two.pieces.push_back(two.pieces[0]);
  const auto wrong_count = encode(two);
  give(2, 3, std::string(wrong_count.begin(), wrong_count.end()));
  CHECK(s.refused(refusal::malformed_tail) == 2);
  give(3, 5, good); // stands where the tail of another count would
  CHECK(s.refused(refusal::bad_object_id) == 1);
  give(4, 2, std::string(base::limits::object_tail_bytes_max + 1, '{'));
  CHECK(s.refused(refusal::malformed_tail) == 3);
  CHECK(s.r.status().bytes_waiting < 1000);
}

TEST_CASE("sources are bounded") {
  receiver r(stream_cipher::make(stream_id).value(), std::make_unique<plain_judge>(), {});
  for (source_id s = 0; s < base::limits::subscriber_sources_max; ++s) CHECK(r.on_source_added(s));
  CHECK_FALSE(r.on_source_added(999));
  CHECK(r.on_source_added(3));
}

} // namespace
} // namespace ec::object
