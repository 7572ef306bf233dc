#include "object/stream_guard.hpp"

#include <doctest/doctest.h>

#include "base/limits_guard.hpp"

#include "tests/unit/object/leader.hpp"

namespace ec::object {
namespace {

using namespace test;

/// A relay's guard of the made-up stream, which trusts one leader.
struct scene {
  leader trusted{1}, stranger{2};
  stream_guard guard;

  scene() : guard(stream_cipher::make(stream_id).value(), manifest::verifier(stream_id, trusting(trusted)), "ts-v1") {}

  static manifest::trust_set trusting(const leader& l) {
    manifest::trust_set out;
    REQUIRE(out.add(l.s.key()));
    return out;
  }
  guarded put(uint64_t source, const made_chunk& c, size_t id, track on = track::chunks, int64_t ms = 0) {
    return guard.push(source, on, c.index, id, c.objects[id], at(ms)).is;
  }
  /// All objects; what came of the last.
  guarded all(uint64_t source, const made_chunk& c, track on = track::chunks, int64_t ms = 0) {
    auto last = guarded::waits;
    for (size_t id = 0; id < c.objects.size(); ++id) last = put(source, c, id, on, ms);
    return last;
  }
  guarded sign(const made_chunk& c) { return guard.manifest(c.index, trusted.sign(c), wall_at(10'000)).is; }
  std::string decisions() {
    std::string out;
    for (const auto& d : guard.take_decisions())
      out += (out.empty() ? "" : "; ") + std::to_string(d.source) + " " + std::string(name(d.on)) + " " + std::to_string(d.group) + " " +
             (d.is == guarded::right ? "right" : d.is == guarded::wrong ? "wrong: " + d.why : "useless: " + d.why);
    return out;
  }
};

constexpr size_t two_pieces = base::limits::piece_bytes + 188;

} // namespace

TEST_CASE("a chunk waits for the manifest that lists it, and is right as a whole then") {
  scene s;
  const auto c = make_chunk(40, two_pieces);
  for (size_t id = 0; id < c.objects.size(); ++id) CHECK(s.put(7, c, id) == guarded::waits);
  CHECK(s.guard.waiting() == 1);
  CHECK(s.decisions() == "");
  CHECK(s.sign(c) == guarded::right);
  CHECK(s.decisions() == "7 chunks 40 right");
  CHECK(s.guard.waiting() == 0);
  // The same again from another source needs no waiting at its end.
  CHECK(s.put(8, c, 0) == guarded::waits);
  CHECK(s.put(8, c, 1) == guarded::waits);
  CHECK(s.put(8, c, 2) == guarded::waits);
  CHECK(s.put(8, c, 3) == guarded::right);
  CHECK(s.decisions() == "");
}

TEST_CASE("a damaged version is right if its signer listed it as such, and is no whole chunk") {
  scene s;
  const auto torn = make_damaged(41, 1880, "ed25519:aa");
  CHECK(s.all(7, torn, track::damaged) == guarded::waits);
  CHECK(s.sign(torn) == guarded::right);
  CHECK(s.decisions() == "7 damaged 41 right");
  CHECK(s.all(8, torn, track::chunks) == guarded::wrong);
}

TEST_CASE("a false chunk that is well made is wrong once a trusted manifest lists another, and useless if none comes") {
  scene s;
  const auto real = make_chunk(40, two_pieces), forged = make_chunk(40, two_pieces, 5), early = make_chunk(41, 188, 5);
  CHECK(s.all(6, forged) == guarded::waits);
  CHECK(s.all(6, early) == guarded::waits);
  CHECK(s.all(7, real) == guarded::waits);
  CHECK(s.guard.manifest(40, s.stranger.sign(forged), wall_at(10'000)).is == guarded::wrong);
  CHECK(s.decisions() == "");
  CHECK(s.sign(real) == guarded::right);
  CHECK(s.decisions() == "7 chunks 40 right");
  s.guard.expire(at(0)); // none is older
  CHECK(s.decisions() == "");
  s.guard.expire(at(1));
  CHECK(s.decisions() == "6 chunks 40 wrong: a trusted manifest lists another chunk there; 6 chunks 41 useless: no trusted manifest lists it");
  // What comes of it later goes the same way.
  CHECK(s.put(6, forged, 1) == guarded::wrong);
  CHECK(s.put(6, early, 1) == guarded::useless);
}

TEST_CASE("whatever bit of a chunk is flipped, the chunk is not right") {
  const auto c = make_chunk(40, 376);
  size_t bits = 0;
  for (size_t id = 0; id < c.objects.size(); ++id) {
    for (size_t at_byte = 0; at_byte < c.objects[id].size(); ++at_byte) {
      scene s;
      REQUIRE(s.sign(c) == guarded::right);
      auto last = guarded::waits;
      for (size_t n = 0; n < c.objects.size(); ++n) {
        auto bytes = std::vector<uint8_t>(c.objects[n].begin(), c.objects[n].end());
        if (n == id) bytes[at_byte] ^= static_cast<uint8_t>(1u << (at_byte % 8));
        last = s.guard.push(7, track::chunks, 40, n, bytes, at(0)).is;
      }
      if (last == guarded::right) FAIL_CHECK("object " << id << ", byte " << at_byte);
      ++bits;
    }
  }
  CHECK(bits > 600);
}

TEST_CASE("of what is fetched only the parts of a chunk that is known to be right pass") {
  scene s;
  const auto c = make_chunk(40, two_pieces), other = make_chunk(40, two_pieces, 3);
  const auto match = [&](const made_chunk& of, size_t id) { return s.guard.match(track::chunks, 40, id, of.objects[id]).is; };
  CHECK(match(c, 1) == guarded::useless);
  REQUIRE(s.all(7, c) == guarded::waits);
  REQUIRE(s.sign(c) == guarded::right);
  for (size_t id = 0; id < c.objects.size(); ++id) {
    CHECK(match(c, id) == guarded::right);
    if (id > 0) CHECK(match(other, id) == guarded::wrong);
  }
  CHECK(s.guard.match(track::chunks, 40, 9, c.objects[1]).is == guarded::wrong);
  CHECK(s.guard.match(track::damaged, 40, 1, c.objects[1]).is == guarded::useless);
}

TEST_CASE("manifests: a trusted one passes, also again; junk is refused; what is about nothing here is of no use") {
  scene s;
  const auto c = make_chunk(40, 188);
  const auto signed_once = s.trusted.sign(c);
  CHECK(s.guard.manifest(40, signed_once, wall_at(10'000)).is == guarded::right);
  CHECK(s.guard.manifest(40, signed_once, wall_at(10'000)).is == guarded::right);
  CHECK(s.guard.manifest(41, s.trusted.sign(make_chunk(42, 188)), wall_at(10'000)).is == guarded::wrong);
  CHECK(s.guard.manifest(43, base::bytes::copy(std::string("{}")), wall_at(10'000)).is == guarded::wrong);
  CHECK(s.guard.manifest(44, s.stranger.sign(make_chunk(44, 188)), wall_at(10'000)).is == guarded::wrong);
  CHECK(s.guard.manifest(45, s.trusted.attest(make_chunk(45, 188)), wall_at(10'000)).is == guarded::useless);
}

TEST_CASE("a source that begins group after group loses its own oldest, and one that is gone all") {
  scene s;
  for (uint64_t g = 0; g < base::limits::guard_groups_max; ++g) s.put(6, make_chunk(100 + g, 188), 0, track::chunks, static_cast<int64_t>(g));
  s.put(7, make_chunk(100, 188), 0);
  CHECK(s.guard.waiting() == base::limits::guard_groups_max + 1);
  s.put(6, make_chunk(900, 188), 0, track::damaged, 1000);
  CHECK(s.decisions() == "6 chunks 100 useless: too many groups of it wait");
  CHECK(s.guard.waiting() == base::limits::guard_groups_max);
  s.guard.forget(6);
  CHECK(s.guard.waiting() == 1);
}

} // namespace ec::object
