#include "ts/chunk_repair.hpp"

#include <algorithm>
#include <cstring>
#include <random>

#include <doctest/doctest.h>

#include "tests/support/data.hpp"
#include "tests/support/ts_mux.hpp"
#include "tests/support/ts_runs.hpp"

namespace {

using namespace ec;
using namespace ec::ts;

constexpr unsigned any_share = 100;

/// A chunk as its receiver has it.
struct kept {
  uint64_t first_pts = 0;
  int64_t duration = 0;
  damage why = damage::none;
  std::vector<base::bytes> pieces;
  std::vector<uint8_t> data;
};

/// What one receiver has of every chunk: whole and damaged ones.
struct receiver {
  std::map<uint64_t, kept> whole, damaged;

  explicit receiver(const test::cut_result& cut) {
    for (const auto& e : cut.events) {
      if (const auto* w = std::get_if<chunk_whole>(&e))
        whole[w->index] = {cut.opened.at(w->index).first_pts, w->duration_pts, damage::none, {}, cut.whole.at(w->index)};
      if (const auto* d = std::get_if<chunk_damaged>(&e))
        damaged[d->index] = {cut.opened.at(d->index).first_pts, d->duration_pts, d->why, d->pieces, cut.damaged.at(d->index)};
    }
  }
};

repair_verdict judge(uint64_t index, const kept& mine, const kept& offer, std::span<const uint8_t> data, unsigned share = any_share) {
  return judge_repair({index, mine.first_pts, mine.duration, mine.why, mine.pieces},
                      {index, offer.first_pts, static_cast<uint64_t>(offer.duration), data}, share);
}
repair_verdict judge(uint64_t index, const kept& mine, const kept& offer, unsigned share = any_share) {
  return judge(index, mine, offer, offer.data, share);
}

cutter_config config(uint32_t duration_ms = 1000) {
  cutter_config c;
  c.profile = {"test", duration_ms};
  c.time_wait_ms = 0;
  return c;
}

std::vector<uint8_t> without(std::span<const uint8_t> in, const std::vector<size_t>& packets) {
  std::vector<uint8_t> out;
  for (size_t n = 0; n < in.size() / packet_bytes; ++n)
    if (std::ranges::find(packets, n) == packets.end()) out.insert(out.end(), in.begin() + static_cast<ptrdiff_t>(n * packet_bytes), in.begin() + static_cast<ptrdiff_t>((n + 1) * packet_bytes));
  return out;
}

std::vector<uint8_t> lose(std::span<const uint8_t> in, double share, uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::vector<size_t> gone;
  for (size_t n = 0; n < in.size() / packet_bytes; ++n)
    if (static_cast<double>(rng() % 1'000'000) < share * 1e6) gone.push_back(n);
  return without(in, gone);
}

std::vector<uint8_t> random_broadcast(std::mt19937_64& rng, unsigned pictures = 150) {
  test::mux_options o;
  o.first_pts = rng() % (1u << 30) * 4;
  o.gop = 5 + static_cast<unsigned>(rng() % 12);
  o.picture_bytes = 300 + rng() % 6000;
  o.audio = rng() % 4 != 0;
  o.pcr_in_video = rng() % 2 == 0;
  test::ts_mux mux(o);
  mux.run(pictures);
  return mux.bytes();
}

const uint8_t* packet(const std::vector<uint8_t>& of, size_t n) { return of.data() + n * packet_bytes; }
size_t packets(const std::vector<uint8_t>& of) { return of.size() / packet_bytes; }
bool has(const std::vector<uint8_t>& in, const uint8_t* wanted) {
  for (size_t n = 0; n < packets(in); ++n)
    if (std::memcmp(packet(in, n), wanted, packet_bytes) == 0) return true;
  return false;
}

/// What an offer that is the broadcast itself may be refused for.
bool honest(repair_refusal why) {
  return why == repair_refusal::none || why == repair_refusal::cause || why == repair_refusal::boundary || why == repair_refusal::share;
}

} // namespace

TEST_CASE("a chunk that misses a packet is taken from who has it, and how much of it was on trust is told") {
  test::ts_mux mux({});
  mux.run(150);
  const receiver truth(test::cut(config(), mux.bytes()));
  const size_t lost = mux.pictures().at(36) + 3; // in the first GOP of a chunk
  const receiver mine(test::cut(config(), without(mux.bytes(), {lost})));
  REQUIRE(mine.damaged.size() == 2); // the one under way at the end is never whole
  const auto& [index, chunk] = *mine.damaged.begin();
  REQUIRE(truth.whole.contains(index));
  const auto v = judge(index, chunk, truth.whole.at(index));
  CHECK(v.taken());
  CHECK(v.on_trust == 1);
  CHECK(v.matched + 1 == v.packets);
  CHECK(judge(index, chunk, truth.whole.at(index), 0).why == repair_refusal::share);
}

TEST_CASE("a loss right before a boundary damages two chunks: of the second nothing is taken but where it begins") {
  test::ts_mux mux({});
  mux.run(150);
  const receiver truth(test::cut(config(), mux.bytes()));
  const receiver mine(test::cut(config(), without(mux.bytes(), {mux.pictures().at(59) + 3}))); // the last picture of a second
  REQUIRE(mine.damaged.size() == 3);
  auto it = mine.damaged.begin();
  CHECK(it->second.why == damage::continuity);
  CHECK(judge(it->first, it->second, truth.whole.at(it->first)).on_trust == 1);
  ++it;
  CHECK(it->second.why == damage::uncertain_boundary);
  const auto v = judge(it->first, it->second, truth.whole.at(it->first), 0);
  CHECK(v.taken());
  CHECK(v.on_trust == 0);
  CHECK(v.matched == v.packets);
}

TEST_CASE("a boundary that was lost itself is not guessed") {
  test::ts_mux mux({});
  mux.run(150);
  const receiver truth(test::cut(config(), mux.bytes()));
  const receiver mine(test::cut(config(), without(mux.bytes(), {mux.pictures().at(60)}))); // the chunk goes on to the next point
  const auto& [index, chunk] = *mine.damaged.begin();
  CHECK(judge(index, chunk, truth.whole.at(index)).why == repair_refusal::boundary);
  // Nor if only the packets said so.
  auto offer = truth.whole.at(index);
  offer.duration = chunk.duration;
  CHECK(judge(index, chunk, offer).why == repair_refusal::boundary);
}

TEST_CASE("damage that is no loss of packets is not repaired") {
  for (const auto why : {damage::source_gap, damage::scrambled, damage::too_large, damage::clock_jump, damage::program_change, damage::stalled, damage::end_of_input})
    CHECK_FALSE(repairable(why));
  test::ts_mux mux({});
  mux.run(120);
  const receiver truth(test::cut(config(), mux.bytes()));
  const auto& [index, chunk] = *truth.whole.begin();
  auto mine = chunk;
  mine.pieces = {base::bytes::copy(chunk.data)};
  mine.why = damage::source_gap;
  CHECK(judge(index, mine, chunk).why == repair_refusal::cause);
  mine.why = damage::continuity;
  CHECK(judge(index, mine, chunk).taken());
  mine.pieces.clear(); // it was too large to keep
  CHECK(judge(index, mine, chunk).why == repair_refusal::cause);
}

TEST_CASE("what is offered must be a chunk of this program at this place") {
  test::ts_mux mux({});
  mux.run(120);
  const receiver truth(test::cut(config(), mux.bytes()));
  const auto& [index, chunk] = *truth.whole.begin();
  auto mine = chunk;
  mine.pieces = {base::bytes::copy(chunk.data)};
  mine.why = damage::continuity;
  auto moved = chunk;
  moved.first_pts += 1;
  CHECK(judge(index, mine, moved).why == repair_refusal::boundary);
  CHECK(judge_repair({index, mine.first_pts, mine.duration, mine.why, mine.pieces}, {index + 1, chunk.first_pts, static_cast<uint64_t>(chunk.duration), chunk.data}, any_share).why == repair_refusal::boundary);
  CHECK(judge(index, mine, chunk, std::span<const uint8_t>{}).why == repair_refusal::malformed);
  CHECK(judge(index, mine, chunk, std::span(chunk.data).first(chunk.data.size() - 1)).why == repair_refusal::malformed);
  CHECK(judge(index, mine, chunk, std::span(chunk.data).first(packet_bytes)).why == repair_refusal::malformed);

  test::mux_options other;
  other.audio_pid = 0x102;
  test::ts_mux elsewhere(other);
  elsewhere.run(120);
  const receiver theirs(test::cut(config(), elsewhere.bytes()));
  CHECK(judge(index, mine, theirs.whole.at(index)).why == repair_refusal::tables_differ);

  // Every packet that this node has, and 16 more of noise that no counter shows.
  auto longer = chunk.data;
  const std::vector<uint8_t> last(packet(longer, packets(longer) - 1), packet(longer, packets(longer)));
  for (int i = 1; i <= 16; ++i) {
    auto p = last;
    p[3] = static_cast<uint8_t>((p[3] & 0xf0) | ((p[3] + i) & 15));
    longer.insert(longer.end(), p.begin(), p.end());
  }
  const auto v = judge(index, mine, chunk, longer);
  CHECK(v.taken()); // nothing speaks against it but that it was not received:
  CHECK(v.on_trust == 16);
  CHECK(judge(index, mine, chunk, longer, 0).why == repair_refusal::share);
  longer.resize(longer.size() - packet_bytes * 2);
  longer.insert(longer.end(), last.begin(), last.end()); // a counter out of order
  CHECK(judge(index, mine, chunk, longer).why == repair_refusal::malformed);
}

TEST_CASE("an offer that is the broadcast is taken, or refused for its share or its boundary only; one that differs where this node received is never taken") {
  size_t taken = 0, seen = 0, forged = 0;
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    std::mt19937_64 rng(seed);
    const auto air = random_broadcast(rng);
    const receiver truth(test::cut(config(500), air));
    const receiver mine(test::cut(config(500), lose(air, 0.002, seed * 2))), other(test::cut(config(500), lose(air, 0.002, seed * 2 + 1)));
    for (const auto& [index, chunk] : mine.damaged) {
      const auto from = truth.whole.find(index);
      if (from == truth.whole.end()) continue;
      ++seen;
      const auto& offer = from->second;
      CAPTURE(seed);
      CAPTURE(index);
      const auto v = judge(index, chunk, offer, 5);
      CAPTURE(name(v.why));
      CHECK(honest(v.why));
      if (const auto theirs = other.whole.find(index); theirs != other.whole.end()) {
        CHECK(judge(index, chunk, theirs->second, 5).why == v.why);
        if (v.taken()) CHECK(theirs->second.data == offer.data);
      }
      if (!v.taken()) continue;
      ++taken;
      CHECK(v.matched + v.on_trust == v.packets);
      for (int i = 0; i < 12; ++i) {
        const size_t n = rng() % packets(offer.data);
        const bool received = has(chunk.data, packet(offer.data, n));
        auto lie = offer.data;
        if (received) {
          lie[n * packet_bytes + rng() % packet_bytes] ^= static_cast<uint8_t>(1u << rng() % 8);
          CHECK_FALSE(judge(index, chunk, offer, lie).taken());
          // Gone, or behind the next one.
          auto less = offer.data;
          less.erase(less.begin() + static_cast<ptrdiff_t>(n * packet_bytes), less.begin() + static_cast<ptrdiff_t>((n + 1) * packet_bytes));
          CHECK_FALSE(judge(index, chunk, offer, less).taken());
          if (n + 1 < packets(offer.data)) {
            auto turned = offer.data;
            std::swap_ranges(turned.begin() + static_cast<ptrdiff_t>(n * packet_bytes), turned.begin() + static_cast<ptrdiff_t>((n + 1) * packet_bytes),
                             turned.begin() + static_cast<ptrdiff_t>((n + 1) * packet_bytes));
            if (has(chunk.data, packet(offer.data, n + 1))) CHECK_FALSE(judge(index, chunk, offer, turned).taken());
          }
        }
      }
      // Forged in the missing places alone: as good as the truth, up to the bound.
      auto lie = offer.data;
      size_t changed = 0;
      for (size_t n = 0; n < packets(lie); ++n) {
        if (!packet_view(packet(lie, n)).has_payload() || has(chunk.data, packet(lie, n))) continue;
        lie[n * packet_bytes + packet_bytes - 1] ^= 0x55;
        ++changed;
      }
      CHECK(changed == v.on_trust);
      if (changed == 0) continue;
      ++forged;
      const auto f = judge(index, chunk, offer, lie, 5);
      CHECK(f.taken());
      CHECK(f.on_trust == changed);
      const auto bound = static_cast<unsigned>(100 * changed / v.packets); // rounded down: below the share
      if (100 * changed % v.packets != 0) CHECK(judge(index, chunk, offer, lie, bound).why == repair_refusal::share);
    }
  }
  CHECK(seen >= 40);
  CHECK(taken * 10 >= seen * 8);
  CHECK(forged >= 20);
}

TEST_CASE("whatever happens to the packets on their way, the broadcast itself is no lie") {
  size_t taken = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 rng(seed + 1000);
    const auto air = random_broadcast(rng, 90);
    const receiver truth(test::cut(config(500), air));
    auto m = seed % 3 == 0 ? test::draw_hidden(rng, packets(air), 0x100) : test::draw_any(rng, packets(air));
    m.count = std::min<size_t>(m.count, 30);
    const receiver mine(test::cut(config(500), test::apply(air, m, rng)));
    for (const auto& [index, chunk] : mine.damaged) {
      const auto from = truth.whole.find(index);
      if (from == truth.whole.end()) continue;
      const auto v = judge(index, chunk, from->second, 10);
      CAPTURE(m.text());
      CHECK_MESSAGE(honest(v.why), name(v.why));
      taken += v.taken() ? 1 : 0;
    }
  }
  CHECK(taken >= 15);
}

TEST_CASE("chunks of real captures are repaired") {
  size_t taken = 0, seen = 0;
  for (const auto& c : test::chunk_captures()) {
    const auto path = test::test_data(std::string("ts/") + c.file);
    if (!path) return;
    const auto air = test::read_file(*path);
    const auto how = test::config_of(c);
    const receiver truth(test::cut(how, air));
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      const receiver mine(test::cut(how, lose(air, 0.001, seed)));
      for (const auto& [index, chunk] : mine.damaged) {
        const auto from = truth.whole.find(index);
        if (from == truth.whole.end()) continue;
        CAPTURE(c.file);
        CAPTURE(index);
        const auto v = judge(index, chunk, from->second, 5);
        CHECK_MESSAGE(honest(v.why), name(v.why));
        ++seen;
        taken += v.taken() ? 1 : 0;
      }
    }
  }
  MESSAGE("taken " << taken << " of " << seen);
  CHECK(seen >= 30);
  CHECK(taken * 10 >= seen * 7);
}
