// A leader that came to a station after its encoder was restarted, beside one that saw it: whose count stands, who is believed, and how long
// anybody waits.
#include "actors/clock_keeper.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "manifest/attestation.hpp"
#include "object/format.hpp"
#include "tests/support/pipeline.hpp"
#include "ts/broadcast_clock.hpp"

using namespace ec;
using namespace std::chrono_literals;

namespace {

constexpr int64_t duration_ticks = 2 * ts::pts_hz;
const base::wall_time noon{std::chrono::milliseconds(1'795'262'400'000)};

const std::vector<base::bytes>& bursts() {
  static const auto made = test::broadcast_bursts(14);
  return made;
}

/// The whole chunks of a leader that counts `quanta` further than broadcast time says: it saw the encoder restart.
const std::vector<object::chunk_copy>& whole_chunks(int64_t quanta) {
  static std::map<int64_t, std::vector<object::chunk_copy>> known;
  auto& out = known[quanta];
  if (!out.empty()) return out;
  const auto cut = [&](std::optional<ts::clock_reference> clock) {
    ts::cutter_config config;
    config.clock = clock;
    ts::chunk_cutter cutter(config);
    std::vector<ts::cut_event> events;
    for (const auto& b : bursts()) cutter.push(b.span(), {}, events);
    return events;
  };
  std::optional<ts::clock_reference> ahead;
  if (quanta != 0)
    for (const auto& e : cut(std::nullopt))
      if (const auto* opened = std::get_if<ts::chunk_opened>(&e); opened && !ahead) {
        const auto t = *ts::broadcast_clock::lift_of(opened->index, opened->first_pts, duration_ticks) + quanta * ts::broadcast_clock::quantum;
        ahead = {static_cast<uint64_t>(t / duration_ticks), opened->first_pts};
      }
  uint64_t first_pts = 0;
  std::vector<uint8_t> data;
  for (const auto& e : cut(ahead)) {
    if (const auto* opened = std::get_if<ts::chunk_opened>(&e)) {
      first_pts = opened->first_pts;
      data.clear();
    } else if (const auto* piece = std::get_if<ts::piece_released>(&e)) {
      data.insert(data.end(), piece->data.begin(), piece->data.end());
    } else if (const auto* whole = std::get_if<ts::chunk_whole>(&e)) {
      const auto span = static_cast<uint64_t>(whole->duration_pts);
      out.push_back({whole->index, first_pts, span, base::bytes::copy(data), object::digest_of_chunk(first_pts, span, data)});
    }
  }
  REQUIRE(out.size() >= 4);
  return out;
}

/// The second sources: they have what the test says.
class shelf final : public caf::event_based_actor {
public:
  shelf(caf::actor_config& cfg, const std::map<uint64_t, object::chunk_copy>& has, size_t& asked) : caf::event_based_actor(cfg), has_(has), asked_(asked) {}
  caf::behavior make_behavior() override {
    return {[this](const actors::fetch_group& r) {
              ++asked_;
              CHECK(r.of_found); // what it gives is held against a trusted signer's manifest
              const auto at = has_.find(r.index);
              if (at == has_.end()) return actors::fetched_group{actors::copy_miss::not_offered, std::nullopt, 0, {}};
              return actors::fetched_group{actors::copy_miss::none, at->second, 0, "192.0.2.7:4443"};
            },
            [](const actors::copy_taken&) {}};
  }

private:
  const std::map<uint64_t, object::chunk_copy>& has_;
  size_t& asked_;
};

/// A leader with a clock keeper, in virtual time: its chunker, signer and what they published.
struct clock_bench : test::pipeline_bench {
  explicit clock_bench(bool trusts = true, std::chrono::milliseconds wait = 0ms) {
    manifest::trust_set trust;
    if (trusts) REQUIRE(trust.add(other.public_key().to_string()).has_value());
    if (wait > 0ms) {
      actors::chunker_config config{{}, test::pipeline_cipher(), {.profile = "ts-v1", .publisher = {}}, {}};
      config.cutter.hold = true;
      config.clock_wait = wait;
      chunker = own(actors::spawn_chunker(sys, std::move(config), objects.as<actors::chunk_publisher_actor>(), std::nullopt, observer));
    }
    const auto sources = own(caf::actor_cast<actors::second_source_actor>(sys.spawn<shelf>(std::cref(has), std::ref(asked))));
    keeper = own(actors::spawn_clock_keeper(sys, {.judge = manifest::verifier(test::pipeline_stream_id, trust), .self = signer_key, .wall = [] { return noon; }}, observer));
    send(keeper, actors::clock_parties{sources, chunker});
  }

  /// The next `count` bursts, a tenth of a second apart.
  void feed_more(size_t count) {
    for (; count > 0 && at < bursts().size(); --count) {
      send(chunker, actors::ts_burst{bursts()[at++]});
      advance(100ms);
    }
  }
  /// Until the chunker opened its n-th chunk.
  void feed_until(size_t n) {
    while (cut().size() + 1 < n && at < bursts().size()) feed_more(1);
  }
  void feed_all() { feed_more(bursts().size()); }

  /// The other leader's manifest of one of its chunks, as it was signed.
  void hear(const object::chunk_copy& chunk, const crypto::signing_key& by, std::optional<uint64_t> as_index = {}) {
    manifest::content c;
    c.stream_id = test::pipeline_stream_id;
    c.chunk_duration_ms = 2000;
    c.encoder_profile_id = "ts-v1";
    c.chunk_start_index = c.epoch_id = as_index.value_or(chunk.index);
    c.chunks = {{chunk.digest, manifest::chunk_state::whole}};
    manifest::attestation a{.signer = by.public_key(), .sequence = ++sequence, .signed_unix_ms = static_cast<uint64_t>(base::unix_ms(noon)), .previous = said};
    manifest::sign(a, manifest::manifest_id(c), by);
    said = a.digest(manifest::manifest_id(c));
    send(keeper, actors::source_manifest{0, "192.0.2.7:4443", c.epoch_id, 0, base::bytes::adopt(manifest::encode(manifest::signed_manifest{c, {a}}))});
    advance(1ms);
  }
  void offer(const std::vector<object::chunk_copy>& chunks) {
    for (const auto& c : chunks) has[c.index] = c;
  }

  /// Chunks that were published whole.
  std::vector<uint64_t> whole() const {
    std::vector<uint64_t> out;
    for (const auto& r : cut())
      if (!test::flag_of(r, "damaged")) out.push_back(static_cast<uint64_t>(test::int_of(r, "chunk")));
    return out;
  }

  const crypto::signing_key other = crypto::signing_key::generate();
  uint64_t sequence = 0;
  std::optional<crypto::digest> said; ///< last, by the other leader
  std::map<uint64_t, object::chunk_copy> has;
  size_t asked = 0;
  size_t at = 0;
  actors::clock_keeper_actor keeper;
};

} // namespace

TEST_SUITE("clock_keeper") {

TEST_CASE("a leader that is one quantum behind a signer it trusts counts on as that one does, and signs no epoch twice") {
  const auto& theirs = whole_chunks(1);
  const auto& without = whole_chunks(0);
  clock_bench b;
  b.offer(theirs);
  b.feed_until(3);
  REQUIRE(b.whole().size() >= 1);
  CHECK(b.whole().front() == without[0].index);
  b.hear(theirs[0], b.other);
  REQUIRE(b.log->count("clock-adopted") == 1);
  const auto told = b.log->all("clock-adopted")[0];
  CHECK(test::text_of(told, "signer") == b.other.public_key().to_string());
  CHECK(static_cast<uint64_t>(test::int_of(told, "chunk")) == theirs[0].index);
  CHECK(b.log->count("clock-jump") == 1);
  b.feed_all();
  // From then on each chunk is theirs, byte for byte.
  std::set<uint64_t> same;
  for (const auto& c : theirs) same.insert(c.index);
  const auto published = b.whole();
  CHECK(std::ranges::is_sorted(published, std::less_equal{}));
  CHECK(same.contains(published.back()));
  CHECK(published.back() > without.back().index);
  std::set<uint64_t> epochs;
  for (const auto& m : b.manifests.taken->items)
    if (!m.end) CHECK(epochs.insert(m.epoch).second);
  CHECK(b.log->count("not-signed") == 0);
  // And who hears of it again has nothing to do.
  b.hear(theirs[2], b.other);
  CHECK(b.log->count("clock-adopted") == 1);
  CHECK(b.asked == 1);
}

TEST_CASE("who is ahead stays, and says once that another is behind") {
  clock_bench b;
  const auto& theirs = whole_chunks(-1);
  b.offer(theirs);
  b.feed_until(3);
  b.hear(theirs[0], b.other);
  b.hear(theirs[1], b.other);
  CHECK(b.log->count("clock-adopted") == 0);
  REQUIRE(b.log->count("clock-differs") == 1);
  CHECK(test::flag_of(b.log->all("clock-differs")[0], "trusted"));
  b.feed_all();
  CHECK(b.whole().back() == whole_chunks(0).back().index);
  CHECK(b.log->count("clock-jump") == 0);
}

TEST_CASE("nobody's count is taken who is not trusted, however far ahead: it is told once, by both counts") {
  clock_bench b(false);
  const auto& theirs = whole_chunks(1);
  b.offer(theirs);
  b.feed_until(3);
  b.hear(theirs[0], b.other);
  b.hear(theirs[1], b.other);
  CHECK(b.asked == 0);
  CHECK(b.log->count("clock-adopted") == 0);
  REQUIRE(b.log->count("clock-differs") == 1);
  const auto told = b.log->all("clock-differs")[0];
  CHECK_FALSE(test::flag_of(told, "trusted"));
  CHECK(static_cast<uint64_t>(test::int_of(told, "theirs")) == theirs[0].index);
  CHECK(static_cast<uint64_t>(test::int_of(told, "chunk")) < theirs[0].index);
  CHECK(test::text_of(told, "hint").find("--trust-signer") != std::string::npos);
}

TEST_CASE("a copy that is not the chunk that was signed for moves nothing, nor does one that nobody has") {
  clock_bench b;
  const auto& theirs = whole_chunks(1);
  auto forged = theirs[0];
  forged.first_pts += 90;
  forged.digest = object::digest_of_chunk(forged.first_pts, forged.duration, forged.data.span());
  b.has[forged.index] = forged;
  b.feed_until(3);
  b.hear(theirs[0], b.other);
  CHECK(b.asked == 1);
  CHECK(b.log->count("clock-adopted") == 0);
  b.advance(20s);
  b.hear(theirs[1], b.other);
  CHECK(b.asked == 2);
  CHECK(b.log->count("clock-adopted") == 0);
  CHECK(b.log->count("clock-jump") == 0);
}

TEST_CASE("a signed index that fits no lift of the clock is refused, counted and named") {
  clock_bench b;
  auto theirs = whole_chunks(1)[0];
  theirs.index += 500;
  b.offer({theirs});
  b.feed_until(3);
  b.hear(theirs, b.other);
  REQUIRE(b.log->count("clock-refused") == 1);
  CHECK(test::text_of(b.log->all("clock-refused")[0], "signer") == b.other.public_key().to_string());
  CHECK(b.log->count("clock-jump") == 0);
  b.feed_all();
  CHECK(b.whole().back() == whole_chunks(0).back().index);
}

TEST_CASE("at its start a leader opens its first chunk under the count of those it trusts") {
  const auto& theirs = whole_chunks(1);
  clock_bench b(true, 2500ms);
  b.offer(theirs);
  b.feed_more(2);
  b.hear(theirs[0], b.other);
  CHECK(b.log->count("clock-adopted") == 1);
  b.feed_all();
  REQUIRE_FALSE(b.whole().empty());
  std::set<uint64_t> same;
  for (const auto& c : theirs) same.insert(c.index);
  for (const auto i : b.whole()) CHECK(same.contains(i));
  CHECK_FALSE(test::flag_of(b.cut().front(), "damaged")); // nothing had been opened that would have to end
}

TEST_CASE("nobody there delays the first chunk by no more than the wait") {
  const auto chunks = [](std::chrono::milliseconds wait) {
    clock_bench b(true, wait);
    b.feed_all();
    return b.whole();
  };
  const auto at_once = chunks(1ms), held = chunks(2500ms);
  REQUIRE_FALSE(held.empty());
  CHECK(held.front() > at_once.front());
  CHECK(held.front() <= at_once.front() + 5); // bursts come a tenth of a second apart here, and hold more
  CHECK(held.back() == at_once.back());
}

TEST_CASE("what this node signed itself, before its count went up, is no other's count") {
  clock_bench b(false);
  const auto& before = whole_chunks(-1);
  b.feed_until(3);
  const auto own_key = crypto::signing_key::load(b.dir / "leader.key");
  REQUIRE(own_key.has_value());
  b.hear(before[0], own_key.value()); // a relay gives it back
  CHECK(b.log->count("clock-differs") == 0);
  b.hear(before[1], b.other);
  CHECK(b.log->count("clock-differs") == 1);
}

TEST_CASE("it ends with its chunker, and says what it saw") {
  clock_bench b(false);
  for (int i = 0; i < 20; ++i) {
    if (i == 0) b.feed_until(3);
    b.hear(whole_chunks(1)[0], crypto::signing_key::generate());
  }
  const auto end = b.watch(b.keeper);
  b.feed_more(3);
  b.finish();
  CHECK(end->ended);
  CHECK(b.log->count("clock-differs") == 8);
  REQUIRE(b.log->count("clock-totals") == 1);
  const auto totals = b.log->all("clock-totals")[0];
  CHECK(test::int_of(totals, "heard") == 20);
  CHECK(test::int_of(totals, "differ") == 8);
  CHECK(test::int_of(totals, "untold") == 12);
}

}
