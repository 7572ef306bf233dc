#include <deque>
#include <map>

#include <doctest/doctest.h>

#include "actors/chunker.hpp"
#include "base/limits_repair.hpp"
#include "manifest/repaired.hpp"
#include "tests/support/pipeline.hpp"
#include "ts/packet.hpp"

using namespace ec;
using namespace std::chrono_literals;
using actors::chunk_item, actors::copy_miss, actors::fetched_group;

namespace {

std::vector<uint8_t> joined(const std::vector<base::bytes>& bursts) {
  std::vector<uint8_t> out;
  for (const auto& b : bursts) out.insert(out.end(), b.begin(), b.end());
  return out;
}

const std::vector<uint8_t>& on_air() {
  static const auto all = joined(test::broadcast_bursts(12));
  return all;
}

/// The broadcast without one packet of its video in the middle of an access unit, at `place` (0 to 1) of its length.
std::vector<base::bytes> without_one(std::initializer_list<double> places) {
  std::map<uint16_t, size_t> count;
  for (size_t at = 0; at < on_air().size(); at += 188) ++count[ts::packet_view(on_air().data() + at).pid()];
  count.erase(ts::null_pid);
  const auto video = std::ranges::max_element(count, {}, [](const auto& c) { return c.second; })->first;
  std::vector<bool> gone(on_air().size() / 188);
  for (const double place : places) {
    auto n = static_cast<size_t>(static_cast<double>(gone.size()) * place);
    // Not in the first three packets of an access unit: a random access point that is lost is another story.
    const auto middle = [&](size_t at) {
      const ts::packet_view p(on_air().data() + at * 188);
      return p.pid() == video && p.has_payload() && !p.payload_unit_start();
    };
    while (!middle(n) || !middle(n - 1) || !middle(n - 2) || !middle(n - 3)) ++n;
    gone[n] = true;
  }
  std::vector<base::bytes> out;
  for (size_t from = 0; from < gone.size();) {
    std::vector<uint8_t> burst;
    for (; from < gone.size() && burst.size() < 188 * 1000; ++from)
      if (!gone[from]) burst.insert(burst.end(), on_air().begin() + static_cast<ptrdiff_t>(from * 188), on_air().begin() + static_cast<ptrdiff_t>(from * 188 + 188));
    out.push_back(base::bytes::adopt(std::move(burst)));
  }
  return out;
}

/// Objects of `chunks` and `damaged` by group, as a publisher got them, and the steps in their order.
struct published {
  std::map<uint64_t, std::vector<base::bytes>> chunks, damaged;
  std::vector<uint64_t> restored;

  explicit published(const std::vector<chunk_item>& items) {
    for (const auto& i : items) {
      if (i.what == chunk_item::step::object) (i.track == actors::chunk_track::chunks ? chunks : damaged)[i.group].push_back(i.payload);
      if (i.what == chunk_item::step::reset) chunks.erase(i.group);
      if (i.what == chunk_item::step::restore) {
        restored.push_back(i.group);
        CHECK_FALSE(chunks.contains(i.group)); // from the first object on
      }
    }
  }
};

/// What who lost nothing publishes.
const published& truth() {
  static const auto made = [] {
    test::pipeline_bench bench;
    bench.feed({base::bytes::copy(on_air())});
    return published(bench.objects.taken->items);
  }();
  return made;
}

object::chunk_copy copy_of(uint64_t index) {
  const auto cipher = test::pipeline_cipher();
  object::group_copy copy(index, "ts-v1");
  const auto& objects = truth().chunks.at(index);
  for (size_t id = 0; id < objects.size(); ++id) REQUIRE(copy.push(id, objects[id], cipher).has_value());
  REQUIRE(copy.complete());
  return copy.take();
}

/// Second sources whose answers the test gives.
struct played {
  std::vector<actors::fetch_group> asked;
  std::deque<caf::typed_response_promise<fetched_group>> open;
  std::vector<uint32_t> taken; ///< sources whose copies were of use
  bool stopped = false;
};

class fake_second final : public caf::event_based_actor {
public:
  fake_second(caf::actor_config& cfg, std::shared_ptr<played> to) : caf::event_based_actor(cfg), to_(std::move(to)) {}
  caf::behavior make_behavior() override {
    return {
      [this](const actors::fetch_group& g) -> caf::result<fetched_group> {
        to_->asked.push_back(g);
        return to_->open.emplace_back(make_response_promise<fetched_group>());
      },
      // The test's answer to the oldest question.
      [this](const fetched_group& with) {
        to_->open.front().deliver(with);
        to_->open.pop_front();
      },
      [this](const actors::copy_taken& t) { to_->taken.push_back(t.source); },
      [this](actors::stop_atom) {
        to_->stopped = true;
        quit();
      },
    };
  }
  void on_exit() override { to_->open.clear(); }

private:
  std::shared_ptr<played> to_;
};

/// A leader with a second source.
struct repairing_bench : test::actor_bench {
  explicit repairing_bench(unsigned share = 5) : objects(sink<chunk_item>()), manifests(sink<actors::manifest_item>()) {
    const auto key = crypto::signing_key::generate();
    REQUIRE(key.save(dir / "leader.key").has_value());
    actors::signer_config s;
    s.stream_id = test::pipeline_stream_id;
    s.profile_id = "ts-v1";
    s.key_file = dir / "leader.key";
    s.state_dir = dir / "state";
    std::filesystem::create_directory(s.state_dir);
    const auto signer = own(actors::spawn_signer(sys, s, manifests.as<actors::manifest_publisher_actor>(), observer, actors::placement::shared));
    second = own(sys.spawn<fake_second>(said));
    actors::chunker_config config{{}, test::pipeline_cipher(), {.profile = "ts-v1", .publisher = key.public_key().to_string()}, {}, {}, {}};
    config.repair = actors::repair_config{caf::actor_cast<actors::second_source_actor>(second), share, 2s};
    chunker = own(actors::spawn_chunker(sys, std::move(config), objects.as<actors::chunk_publisher_actor>(), signer, observer));
    end = watch(chunker);
    run();
  }

  void feed(const std::vector<base::bytes>& bursts) {
    for (const auto& b : bursts) send(chunker, actors::ts_burst{b});
  }
  void finish() { send(chunker, actors::ts_burst{{}, false, true}); }
  void answer(fetched_group with) {
    REQUIRE_FALSE(said->open.empty());
    send(second, std::move(with));
  }
  void give(uint64_t index, uint32_t source = 0) { answer({copy_miss::none, copy_of(index), source, "other-" + std::to_string(source)}); }
  /// What was signed, in order.
  std::vector<manifest::signed_manifest> signed_ones() const {
    std::vector<manifest::signed_manifest> out;
    for (const auto& m : manifests.taken->items)
      if (!m.end) out.push_back(std::get<manifest::signed_manifest>(manifest::decode(m.payload).value()));
    return out;
  }

  test::temp_dir dir;
  std::shared_ptr<played> said = std::make_shared<played>();
  test::sink_handle<chunk_item> objects;
  test::sink_handle<actors::manifest_item> manifests;
  caf::actor second;
  actors::chunker_actor chunker;
  std::shared_ptr<test::ending> end;
};

uint64_t damaged_chunk(const repairing_bench& bench) {
  for (const auto& r : bench.log->all("chunk-cut"))
    if (test::flag_of(r, "damaged")) return static_cast<uint64_t>(test::int_of(r, "chunk"));
  FAIL("no chunk was damaged");
  return 0;
}

} // namespace

TEST_SUITE("repair") {

TEST_CASE("a damaged chunk is taken from a second source, published as it is everywhere, and signed as whole with what was on trust") {
  repairing_bench bench;
  bench.feed(without_one({0.5}));
  const auto index = damaged_chunk(bench);
  REQUIRE(bench.said->asked.size() == 1);
  CHECK(bench.said->asked[0].index == index);
  CHECK(bench.said->asked[0].within == 2s);
  CHECK_FALSE(bench.said->asked[0].of_found);
  // Until it is decided nothing is said of it, nor of those behind it, which are published all the same.
  for (const auto& m : bench.signed_ones()) CHECK(m.content.chunk_start_index < index);
  CHECK(published(bench.objects.taken->items).damaged.empty());
  CHECK(published(bench.objects.taken->items).chunks.contains(index + 1));

  bench.give(index, 3);
  CHECK(bench.said->taken == std::vector<uint32_t>{3});
  const published now(bench.objects.taken->items);
  CHECK(now.damaged.empty());
  CHECK(now.restored == std::vector{index});
  CHECK(now.chunks.at(index) == truth().chunks.at(index));
  uint64_t last = 0;
  bool seen = false;
  for (const auto& m : bench.signed_ones()) {
    CHECK(m.content.chunk_start_index > last); // in order
    last = m.content.chunk_start_index;
    CHECK(m.content.all_whole());
    const auto said = manifest::repaired_in(m.attestations.front(), m.content).value();
    CHECK(said.size() == (last == index ? 1 : 0));
    if (last != index) continue;
    seen = true;
    CHECK(m.content.at(index).digest == copy_of(index).digest);
    CHECK(said.front().packets == 1);
    CHECK(said.front().of > 1000);
  }
  CHECK(seen);
  CHECK(last > index);
  REQUIRE(bench.log->count("chunk-repaired") == 1);
  const auto told = bench.log->all("chunk-repaired").front();
  CHECK(test::int_of(told, "packets") == 1);
  CHECK(test::text_of(told, "source") == "other-3");
  CHECK(test::text_of(told, "damage") == "continuity");
  CHECK(bench.log->count("repair-refused") == 0);
}

TEST_CASE("what nobody has is signed as damaged, as without a second source, and the reason is told") {
  repairing_bench bench;
  bench.feed(without_one({0.5}));
  const auto index = damaged_chunk(bench);
  bench.answer({copy_miss::not_offered, std::nullopt, 0, {}});
  const published now(bench.objects.taken->items);
  CHECK(now.restored.empty());
  CHECK(now.damaged.contains(index));
  CHECK_FALSE(now.chunks.contains(index));
  bool seen = false;
  for (const auto& m : bench.signed_ones()) {
    CHECK(m.attestations.front().extra.empty());
    if (m.content.chunk_start_index != index) continue;
    seen = true;
    CHECK(m.content.at(index).state == manifest::chunk_state::damaged);
  }
  CHECK(seen);
  REQUIRE(bench.log->count("repair-refused") == 1);
  CHECK(test::text_of(bench.log->all("repair-refused").front(), "reason") == "not_offered");
}

TEST_CASE("a second source that contradicts what was received is shown by name, and the next one is asked") {
  repairing_bench bench;
  bench.feed(without_one({0.5}));
  const auto index = damaged_chunk(bench);
  auto lie = copy_of(index);
  std::vector<uint8_t> bytes(lie.data.begin(), lie.data.end());
  bytes[188 * 20 + 187] ^= 1; // of a packet that was received
  lie.data = base::bytes::adopt(std::move(bytes));
  bench.answer({copy_miss::none, lie, 3, "liar"});
  REQUIRE(bench.log->count("copy-refused") == 1);
  const auto told = bench.log->all("copy-refused").front();
  CHECK(test::text_of(told, "source") == "liar");
  CHECK(test::text_of(told, "reason") == "packet_differs");
  CHECK(bench.log->count("repair-refused") == 0);
  REQUIRE(bench.said->asked.size() == 2);
  CHECK(bench.said->asked[1].except == std::vector<uint32_t>{3});
  bench.give(index, 1);
  CHECK(bench.log->count("chunk-repaired") == 1);

  // Where nobody else is there, the lie is the reason that is told.
  repairing_bench alone;
  alone.feed(without_one({0.5}));
  alone.answer({copy_miss::none, lie, 3, "liar"});
  alone.answer({copy_miss::unreachable, std::nullopt, 0, {}});
  REQUIRE(alone.log->count("repair-refused") == 1);
  CHECK(test::text_of(alone.log->all("repair-refused").front(), "reason") == "packet_differs");
}

TEST_CASE("no more is taken on trust than the operator allows") {
  repairing_bench bench(0);
  bench.feed(without_one({0.5}));
  const auto index = damaged_chunk(bench);
  bench.give(index);
  CHECK(bench.log->count("chunk-repaired") == 0);
  CHECK(test::text_of(bench.log->all("copy-refused").front(), "reason") == "share");
  bench.answer({copy_miss::unreachable, std::nullopt, 0, {}});
  CHECK(published(bench.objects.taken->items).damaged.contains(index));
}

TEST_CASE("several damaged chunks wait at a time, and are signed in order whichever answer comes first") {
  repairing_bench bench;
  bench.feed(without_one({0.35, 0.7}));
  REQUIRE(bench.said->open.size() == 2);
  const auto first = bench.said->asked[0].index, second = bench.said->asked[1].index;
  REQUIRE(first < second);
  std::swap(bench.said->open[0], bench.said->open[1]);
  bench.give(second);
  for (const auto& m : bench.signed_ones()) CHECK(m.content.chunk_start_index < first);
  bench.give(first);
  std::vector<uint64_t> order;
  for (const auto& m : bench.signed_ones()) order.push_back(m.content.chunk_start_index);
  CHECK(std::ranges::is_sorted(order));
  CHECK(std::ranges::find(order, first) != order.end());
  CHECK(std::ranges::find(order, second) != order.end());
  CHECK(bench.log->count("chunk-repaired") == 2);
}

TEST_CASE("the end of the broadcast waits for a chunk that is being repaired, and the second sources end with it") {
  repairing_bench bench;
  bench.feed(without_one({0.5}));
  const auto index = damaged_chunk(bench);
  bench.finish();
  CHECK_FALSE(bench.end->ended);
  CHECK_FALSE(bench.said->stopped);
  bench.give(index);
  CHECK(bench.end->ended);
  CHECK(bench.said->stopped);
  CHECK(bench.manifests.taken->items.back().end);
  CHECK(bench.objects.taken->items.back().what == chunk_item::step::end);
  CHECK(bench.log->count("chunk-repaired") == 1);
}

TEST_CASE("a second source that ends without an answer costs nothing but the repair") {
  repairing_bench bench;
  bench.feed(without_one({0.5}));
  const auto index = damaged_chunk(bench);
  caf::anon_send_exit(bench.second, caf::exit_reason::kill);
  bench.run();
  for (int i = 0; i < 40; ++i) bench.advance(100ms);
  REQUIRE(bench.log->count("repair-refused") == 1);
  CHECK(test::text_of(bench.log->all("repair-refused").front(), "reason") == "late");
  CHECK(published(bench.objects.taken->items).damaged.contains(index));
}

}
