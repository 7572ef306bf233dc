#pragma once

#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "object/receiver.hpp"
#include "object/sealer.hpp"
#include "tests/unit/object/manifests.hpp"

/// A made-up broadcast for receiver tests: what every honest publisher of it publishes.
namespace ec::object::test {

using std::chrono::milliseconds;

inline const std::string stream_id = "ec/stream/v1/source/kind-file/device-demo/channel-5.1/profile-ts-v1/variant-main";
inline constexpr uint64_t chunk_pts = 180'000;

inline base::mono_time at(int64_t ms) {
  return base::mono_time{} + milliseconds(1'000'000 + ms);
}
inline base::wall_time wall_at(int64_t ms) {
  return base::wall_time{milliseconds(1'800'000'000'000 + ms)};
}

inline std::vector<uint8_t> content_of(uint64_t index, size_t size, unsigned salt = 0) {
  std::vector<uint8_t> out(size);
  uint32_t x = static_cast<uint32_t>(index * 2654435761u + salt * 40503u + 1);
  for (auto& b : out) b = static_cast<uint8_t>((x = x * 1664525u + 1013904223u) >> 24);
  return out;
}

/// One sealed chunk and the truth about it.
struct made_chunk {
  uint64_t index = 0;
  std::vector<uint8_t> plaintext;
  std::vector<base::bytes> objects; ///< by object id
  sealed_chunk facts;
};

inline made_chunk make_chunk(uint64_t index, size_t size, unsigned salt = 0, uint64_t first_pts = ~uint64_t{0}) {
  made_chunk out{index, content_of(index, size, salt), {}, {}};
  if (first_pts == ~uint64_t{0}) first_pts = index * chunk_pts % pts_end;
  sealer seal(stream_cipher::make(stream_id).value(), {"ts-v1", {}});
  out.objects.push_back(seal.open(index, first_pts).value().payload);
  for (uint32_t place = 0; piece_size(size, place) > 0; ++place)
    out.objects.push_back(
      seal.piece(index, place, std::span(out.plaintext).subspan(place * base::limits::piece_bytes, piece_size(size, place))).value().payload);
  auto done = seal.finish(index, chunk_pts).value();
  out.objects.push_back(done.tail.payload);
  out.facts = done.chunk;
  return out;
}

inline made_chunk make_damaged(uint64_t index, size_t size, const std::string& publisher, unsigned salt = 9) {
  made_chunk out{index, content_of(index, size, salt), {}, {}};
  sealer seal(stream_cipher::make(stream_id).value(), {"ts-v1", publisher});
  const auto part = base::bytes::copy(out.plaintext);
  auto done = seal.seal_damaged(index, index * chunk_pts % pts_end, chunk_pts, "continuity", {&part, 1}).value();
  for (const auto& o : done.objects) out.objects.push_back(o.payload);
  out.facts = done.chunk;
  return out;
}

/// A receiver under test: keeps what it asked and delivered, and checks what must hold after every input.
struct subject {
  explicit subject(receiver_config config = {}, size_t sources = 2)
      : bounds(config), r(stream_cipher::make(stream_id).value(), std::make_unique<plain_judge>(), std::move(config)) {
    for (source_id s = 0; s < sources; ++s) REQUIRE(r.on_source_added(s));
  }

  void take(actions&& done) {
    for (auto& a : done) {
      if (auto* d = std::get_if<deliver>(&a)) {
        if (!delivered.empty()) CHECK(d->index > delivered.back().index);
        delivered.push_back(std::move(*d));
      } else if (auto* f = std::get_if<fetch>(&a)) {
        fetches.push_back(*f);
      } else if (auto* s = std::get_if<skip>(&a)) {
        skips.push_back(*s);
      } else if (auto* j = std::get_if<reject>(&a)) {
        rejects.push_back(*j);
      } else if (auto* e = std::get_if<evidence>(&a)) {
        evidences.push_back(*e);
      } else if (auto* t = std::get_if<stop>(&a)) {
        stops.push_back(*t);
      } else if (auto* m = std::get_if<manifest_accepted>(&a)) {
        accepted.push_back(*m);
      } else if (auto* c = std::get_if<cut_off>(&a)) {
        cut.push_back(*c);
      } else if (auto* z = std::get_if<frozen>(&a)) {
        freezes.push_back(*z);
      }
    }
    CHECK(r.status().bytes_waiting <= bounds.wait_bytes_max);
    CHECK(r.status().groups_waiting <= bounds.wait_groups_max);
    CHECK(r.status().fetches_open <= base::limits::subscriber_fetches_max);
  }
  void object(source_id s, const made_chunk& c, size_t id, int64_t ms, track on = track::chunks) {
    take(r.on_object(s, on, c.index, id, c.objects[id], at(ms)));
  }
  void all(source_id s, const made_chunk& c, int64_t ms, track on = track::chunks) {
    for (size_t id = 0; id < c.objects.size(); ++id) object(s, c, id, ms, on);
    take(r.on_group_end(s, on, c.index, group_ending::complete, at(ms)));
  }
  void listed(source_id s, const made_chunk& c, int64_t ms) { payload(s, c.index, base::bytes::copy(manifest_text(c)), ms); }
  void payload(source_id s, uint64_t group, const base::bytes& bytes, int64_t ms) {
    take(r.on_manifest_object(s, group, 0, bytes, at(ms), wall_at(ms)));
  }
  void tick(int64_t ms) { take(r.tick(at(ms))); }
  uint64_t refused(refusal why) const { return r.counters().of(why); }
  std::vector<uint64_t> indices() const {
    std::vector<uint64_t> out;
    for (const auto& d : delivered) out.push_back(d.index);
    return out;
  }

  receiver_config bounds;
  receiver r;
  std::vector<deliver> delivered;
  std::vector<fetch> fetches;
  std::vector<skip> skips;
  std::vector<reject> rejects;
  std::vector<evidence> evidences;
  std::vector<stop> stops;
  std::vector<manifest_accepted> accepted;
  std::vector<cut_off> cut;
  std::vector<frozen> freezes;
};

} // namespace ec::object::test
