#include "object/file_checker.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/object/leader.hpp"

namespace ec::object {
namespace {

using namespace test;

/// A file of objects in memory.
struct made_file {
  made_file() : bytes(encode_file_front(stream_id)) {}

  void add(const file_record& r) {
    offsets.push_back(bytes.size());
    const auto front = encode(record_front{r.on, r.group, r.object, static_cast<uint32_t>(r.payload.size())});
    bytes.insert(bytes.end(), front.begin(), front.end());
    bytes.insert(bytes.end(), r.payload.begin(), r.payload.end());
  }
  void add_manifest(uint64_t epoch, const base::bytes& payload, uint64_t object = 0) {
    add({record_track::manifests, epoch, object, payload});
  }
  void add_chunk(const made_chunk& c) {
    for (size_t id = 0; id < c.objects.size(); ++id)
      add({c.facts.damaged ? record_track::damaged : record_track::chunks, c.index, id, c.objects[id]});
  }

  std::vector<uint8_t> bytes;
  std::vector<size_t> offsets; ///< where each record begins
};

struct verdict {
  std::vector<file_fault> faults;
  file_totals totals;
  size_t signers = 0;
  bool broken = false; ///< the records could not be read to the end
  bool cut = false;

  bool right() const { return faults.empty() && !broken && !cut; }
  bool names(const std::string& about, const std::string& text) const {
    return std::ranges::any_of(faults, [&](const file_fault& f) { return f.about.starts_with(about) && f.text.find(text) != std::string::npos; });
  }
};

verdict check(std::span<const uint8_t> file, manifest::trust_set trust, std::span<const uint8_t> secret = {}) {
  verdict out;
  object_file_reader reader;
  reader.push(file);
  std::optional<file_checker> checker;
  while (true) {
    const auto at = reader.position();
    auto r = reader.next();
    out.broken = !r;
    if (!r || !r.value()) break;
    if (!checker) {
      // The first record's place is known only once the front was read.
      checker.emplace(stream_cipher::make(reader.stream_id(), secret).value(), manifest::verifier(reader.stream_id(), trust), "ts-v1");
    }
    for (auto& f : checker->push(*r.value(), at, wall_at(0))) out.faults.push_back(std::move(f));
  }
  out.cut = reader.cut_short().has_value();
  if (!checker) return out;
  for (auto& f : checker->finish()) out.faults.push_back(std::move(f));
  out.totals = checker->totals();
  out.signers = checker->signers().size();
  return out;
}

manifest::trust_set trusting(const leader& l) {
  manifest::trust_set out;
  REQUIRE(out.add(l.s.key()));
  return out;
}

TEST_CASE("a file of listed chunks is right, whole and damaged ones") {
  leader l(1);
  made_file f;
  const auto one = make_chunk(40, 188);
  const auto two = make_chunk(41, 2 * base::limits::piece_bytes + 188);
  const auto torn = make_damaged(42, 1880, "ed25519:aa");
  for (const auto* c : {&one, &two, &torn}) {
    f.add_manifest(c->index, l.sign(*c));
    f.add_chunk(*c);
  }
  const auto v = check(f.bytes, trusting(l));
  CHECK(v.right());
  CHECK(v.totals.chunks_right == 2);
  CHECK(v.totals.damaged_right == 1);
  CHECK(v.totals.groups_wrong == 0);
  CHECK(v.totals.pieces == 5);
  CHECK(v.totals.manifests == 3);
  CHECK(v.totals.bytes_right == 188 + 2 * base::limits::piece_bytes + 188 + 1880);
  CHECK(v.totals.records == f.offsets.size());
  CHECK(v.signers == 1);
}

TEST_CASE("one flipped bit in any byte of a file is found") {
  leader l(1);
  made_file f;
  const auto one = make_chunk(40, 376);
  const auto torn = make_damaged(41, 188, "ed25519:aa");
  f.add_manifest(40, l.sign(one));
  f.add_chunk(one);
  f.add_manifest(41, l.sign(torn));
  f.add_chunk(torn);
  REQUIRE(check(f.bytes, trusting(l)).right());
  // Nothing signs the object id of a manifest: it is what it was on the track, and no more.
  const auto free = [&](size_t at) {
    return std::ranges::any_of(f.offsets, [&](size_t o) { return f.bytes[o] == 3 && at >= o + 9 && at < o + 17; });
  };
  size_t missed = 0;
  for (size_t at = 0; at < f.bytes.size(); ++at) {
    if (free(at)) continue;
    auto changed = f.bytes;
    changed[at] ^= static_cast<uint8_t>(1u << (at % 8));
    if (check(changed, trusting(l)).right()) {
      ++missed;
      CHECK_MESSAGE(false, "byte " << at << " of " << f.bytes.size());
    }
  }
  CHECK(missed == 0);
}

TEST_CASE("a changed piece is named by chunk and object, and the other chunks stay right") {
  leader l(1);
  made_file f;
  const auto one = make_chunk(40, 2 * base::limits::piece_bytes);
  const auto two = make_chunk(41, 188);
  f.add_manifest(40, l.sign(one));
  f.add_chunk(one);
  f.add_manifest(41, l.sign(two));
  f.add_chunk(two);
  f.bytes[f.offsets[3] + 500] ^= 1;
  const auto v = check(f.bytes, trusting(l));
  REQUIRE(v.faults.size() == 1);
  CHECK(v.faults[0].about == "chunk 40, object 2 (byte " + std::to_string(f.offsets[3]) + ")");
  CHECK(v.totals.chunks_right == 1);
  CHECK(v.totals.groups_wrong == 1);
  CHECK(v.totals.pieces == 2);
}

TEST_CASE("a chunk that no trusted manifest lists is wrong, and who signed it is said") {
  leader l(1);
  leader stranger(2);
  made_file f;
  const auto c = make_chunk(40, 188);
  f.add_manifest(40, stranger.sign(c));
  f.add_chunk(c);
  const auto v = check(f.bytes, trusting(l));
  CHECK(v.names("chunk 40", "no trusted manifest"));
  CHECK(v.names("signer", stranger.s.key().to_string()));
  CHECK(v.totals.chunks_right == 0);
  CHECK(v.totals.pieces == 1);

  made_file bare;
  bare.add_chunk(c);
  CHECK(check(bare.bytes, trusting(l)).names("chunk 40", "no trusted manifest"));
}

TEST_CASE("an attestation that came later makes a stranger's manifest count") {
  leader l(1);
  leader stranger(2);
  made_file f;
  const auto c = make_chunk(40, 188);
  f.add_manifest(40, stranger.sign(c));
  f.add_manifest(40, l.attest(c), 1);
  f.add_chunk(c);
  CHECK(check(f.bytes, trusting(l)).right());
}

TEST_CASE("a stranger's forged signature is a fault, also beside a trusted one") {
  leader l(1);
  leader stranger(2);
  const auto c = make_chunk(40, 188);
  auto m = l.said(c).manifest;
  auto other = stranger.said(c).manifest.attestations.front();
  m.attestations.push_back(other);
  made_file good;
  good.add_manifest(40, base::bytes::adopt(manifest::encode(m)));
  good.add_chunk(c);
  CHECK(check(good.bytes, trusting(l)).right());
  m.attestations.back().signature.bytes[3] ^= 1;
  made_file forged;
  forged.add_manifest(40, base::bytes::adopt(manifest::encode(m)));
  forged.add_chunk(c);
  const auto v = check(forged.bytes, trusting(l));
  CHECK(v.names("manifest of epoch 40", "does not verify"));
  CHECK(v.totals.chunks_right == 1);
}

TEST_CASE("a chunk of another content than the manifest lists is wrong") {
  leader l(1);
  made_file f;
  f.add_manifest(40, l.sign(make_chunk(40, 188)));
  f.add_chunk(make_chunk(40, 188, 5));
  CHECK(check(f.bytes, trusting(l)).names("chunk 40", "is not one that a trusted manifest lists"));
}

TEST_CASE("a damaged version passes only where its signer lists it as damaged") {
  leader l(1);
  const auto torn = make_damaged(40, 188, "ed25519:aa");
  auto said = content_of(torn);
  said.chunks[0].state = manifest::chunk_state::whole;
  made_file f;
  f.add_manifest(40, base::bytes::adopt(l.s.prepare(said, wall_at(0)).value().payload));
  f.add_chunk(torn);
  CHECK(check(f.bytes, trusting(l)).names("damaged chunk 40", "is not one"));
}

TEST_CASE("a chunk with a missing, a repeated or a foreign object is wrong, and the next one is judged again") {
  leader l(1);
  const auto one = make_chunk(40, base::limits::piece_bytes + 188);
  const auto two = make_chunk(41, 188);
  const auto file = [&](std::vector<size_t> ids) {
    made_file f;
    f.add_manifest(40, l.sign(one));
    for (const auto id : ids) f.add({record_track::chunks, 40, id, one.objects[id]});
    f.add_manifest(41, l.sign(two));
    f.add_chunk(two);
    return check(f.bytes, trusting(l));
  };
  REQUIRE(file({0, 1, 2, 3}).right());
  for (const auto& [ids, text] : std::vector<std::pair<std::vector<size_t>, std::string>>{
         {{0, 1, 2}, "its tail is not here"}, {{0}, "its tail is not here"}, {{1, 2, 3}, "before the head"},
         {{0, 1, 1, 2, 3}, "where object 2 belongs"}, {{0, 2, 3}, "where object 1 belongs"}, {{0, 1, 3}, "where object 2 belongs"},
         {{0, 1, 2, 3, 3}, "before the head"}}) {
    INFO(text);
    const auto v = file(ids);
    CHECK(v.names("chunk 40", text));
    CHECK(v.totals.groups_wrong == 1);
    CHECK(v.names("chunk 41", "") == false);
    CHECK(v.totals.chunks_right >= 1);
  }
}

TEST_CASE("another network secret is told apart from corruption, once for each chunk") {
  leader l(1);
  made_file f;
  const auto c = make_chunk(40, 3 * base::limits::piece_bytes);
  f.add_manifest(40, l.sign(c));
  f.add_chunk(c);
  const auto v = check(f.bytes, trusting(l), base::as_span("sixteen bytes or so"));
  REQUIRE(v.faults.size() == 1);
  CHECK(v.names("chunk 40, object 0", "network secret"));
}

TEST_CASE("a file that ends within a record says so, and what lies before stays right") {
  leader l(1);
  made_file f;
  for (uint64_t index : {40, 41}) {
    const auto c = make_chunk(index, 188);
    f.add_manifest(index, l.sign(c));
    f.add_chunk(c);
  }
  const auto v = check(std::span(f.bytes).first(f.bytes.size() - 1), trusting(l));
  CHECK(v.cut);
  CHECK(v.names("chunk 41", "its tail is not here"));
  CHECK(v.totals.chunks_right == 1);
}

TEST_CASE("a manifest in the place of another epoch is wrong") {
  leader l(1);
  made_file f;
  const auto c = make_chunk(40, 188);
  f.add_manifest(41, l.sign(c));
  f.add_chunk(c);
  const auto v = check(f.bytes, trusting(l));
  CHECK(v.names("manifest of epoch 41", "epoch 40"));
  CHECK(v.totals.chunks_right == 0);
}

} // namespace
} // namespace ec::object
