#include <map>

#include <doctest/doctest.h>

#include "actors/chunk_publisher.hpp"
#include "actors/manifest_publisher.hpp"
#include "manifest/attestation.hpp"
#include "tests/support/data.hpp"
#include "tests/support/pipeline.hpp"

using namespace ec;
using actors::chunk_item, actors::manifest_item, actors::publish_op;

namespace {

const moq::track_namespace stream{{"ec", "test"}};

const std::vector<base::bytes>& ten_seconds() {
  static const auto bursts = test::broadcast_bursts(10);
  return bursts;
}

manifest::signed_manifest decoded(const manifest_item& item) {
  const auto m = manifest::decode(item.payload);
  REQUIRE(m.has_value());
  return std::get<manifest::signed_manifest>(m.value());
}

} // namespace

TEST_CASE("a chunker hands on whole groups in order, and a signer one manifest for each") {
  test::pipeline_bench bench;
  bench.feed(ten_seconds());
  bench.finish();
  CHECK(bench.chunker_end->ended);
  CHECK(bench.signer_end->ended);
  std::map<uint64_t, size_t> whole; // group -> objects
  for (const auto& i : bench.objects.taken->items) {
    if (i.what != chunk_item::step::object || i.track != actors::chunk_track::chunks) continue;
    CHECK(i.object == whole[i.group]);
    ++whole[i.group];
  }
  const auto cut = bench.cut();
  size_t complete = 0;
  for (const auto& c : cut)
    if (!test::flag_of(c, "damaged")) ++complete;
  REQUIRE(complete >= 3);
  const auto& manifests = bench.manifests.taken->items;
  REQUIRE(manifests.size() >= complete + 1);
  for (size_t n = 0; n < complete; ++n) {
    const auto m = decoded(manifests[n]);
    CHECK(m.content.all_whole());
    CHECK(m.content.chunk_start_index == static_cast<uint64_t>(test::int_of(cut[n], "chunk")));
    CHECK(m.attestations.at(0).signer.to_string() == bench.signer_key);
    CHECK(m.attestations.at(0).sequence == decoded(manifests[0]).attestations.at(0).sequence + n);
    CHECK(whole.contains(m.content.chunk_start_index));
  }
  CHECK(manifests.back().end);
  CHECK(bench.objects.taken->items.back().what == chunk_item::step::end);
  CHECK(bench.log->count("edge-lost") == 0);
}

TEST_CASE("a signer waits for a whole epoch, and signs what there is of it at the end") {
  test::pipeline_bench bench({}, 100);
  bench.feed(ten_seconds());
  CHECK(bench.log->count("chunk-cut") >= 3);
  const auto before = bench.manifests.taken->items.size(); // 1 if the broadcast crossed an epoch's boundary
  CHECK(before <= 1);
  bench.finish();
  const auto& manifests = bench.manifests.taken->items;
  REQUIRE(manifests.size() == before + 2);
  const auto m = decoded(manifests[before]);
  CHECK(m.content.chunks.size() == 100);
  CHECK(m.content.chunk_start_index % 100 == 0);
  CHECK(std::ranges::count_if(m.content.chunks, [](const auto& c) { return c.state == manifest::chunk_state::whole; }) >= 1);
  CHECK(std::ranges::count_if(m.content.chunks, [](const auto& c) { return c.state == manifest::chunk_state::missing; }) >= 90);
}

TEST_CASE("a lossless chunker gives no credit while its publishers are behind, and loses nothing") {
  test::pipeline_bench bench({.window = 2, .waiting = 4, .policy = actors::edge_policy::lossless}, 1, true);
  class source final : public caf::event_based_actor {
  public:
    source(caf::actor_config& cfg, actors::chunker_actor to, size_t* credits) : caf::event_based_actor(cfg), to_(std::move(to)), credits_(credits) {}
    caf::behavior make_behavior() override {
      return {[this](const actors::ts_burst& b) {
        request(to_, caf::infinite, b).then([this](const actors::edge_credit&) { ++*credits_; });
      }};
    }

  private:
    actors::chunker_actor to_;
    size_t* credits_;
  };
  size_t credits = 0;
  const auto from = bench.own(bench.sys.spawn<source>(bench.chunker, &credits));
  size_t sent = 0;
  for (; sent < ten_seconds().size() && credits == sent; ++sent) bench.send(from, actors::ts_burst{ten_seconds()[sent]});
  REQUIRE(sent < ten_seconds().size());
  CHECK(credits == sent - 1);
  CHECK(bench.objects.taken->items.size() == 2);
  while (bench.objects.taken->owed > 0 || bench.manifests.taken->owed > 0) {
    bench.credit(bench.objects, 1);
    bench.credit(bench.manifests, 1);
  }
  CHECK(credits == sent);
  CHECK(bench.log->count("edge-lost") == 0);
}

TEST_CASE("a live chunker whose publisher stands still drops whole groups and has what it sent of them reset") {
  test::pipeline_bench bench({.window = 1, .waiting = 8}, 1, true);
  bench.feed(ten_seconds());
  const auto lost = bench.log->all("edge-lost");
  REQUIRE(lost.size() >= 1);
  CHECK(test::text_of(lost[0], "edge") == "chunker-chunk_publisher");
  for (int i = 0; i < 1000 && bench.objects.taken->owed > 0; ++i) bench.credit(bench.objects, 1);
  // The group of which the first object was under way when the rest was dropped.
  const auto& items = bench.objects.taken->items;
  const auto first = items.front().group;
  CHECK(std::ranges::count_if(items, [&](const auto& i) { return i.group == first && i.what == chunk_item::step::object; }) == 1);
  CHECK(std::ranges::count_if(items, [&](const auto& i) { return i.group == first && i.what == chunk_item::step::reset; }) == 1);
}

TEST_CASE("a signer that cannot keep its state lets no signature out and ends with the reason") {
  test::pipeline_bench bench;
  std::filesystem::remove_all(bench.dir / "state");
  bench.feed(ten_seconds());
  CHECK(bench.log->count("chunk-cut") >= 1);
  CHECK(bench.signer_end->ended);
  CHECK(bench.signer_end->reason == caf::sec::runtime_error);
  CHECK(bench.manifests.taken->items.empty());
  CHECK(bench.log->count("signed") == 0);
}

TEST_CASE("a signer without its key does not start") {
  test::actor_bench bench;
  test::temp_dir dir;
  const auto to = bench.sink<manifest_item>();
  actors::signer_config c;
  c.stream_id = test::pipeline_stream_id;
  c.key_file = dir / "missing.key";
  c.state_dir = dir.path();
  const auto end = bench.watch(bench.own(
    actors::spawn_signer(bench.sys, c, to.as<actors::manifest_publisher_actor>(), bench.observer, actors::placement::shared)));
  bench.run();
  CHECK(end->ended);
  CHECK(end->reason == caf::sec::runtime_error);
}

TEST_CASE("a chunk publisher adds its tracks, ends what is complete, resets what is not, and ends its tracks last") {
  test::actor_bench bench;
  const auto to = bench.sink<publish_op>();
  const auto publisher =
    bench.own(actors::spawn_chunk_publisher(bench.sys, stream, {}, to.as<actors::quic_endpoint_actor>(), bench.observer));
  const auto end = bench.watch(publisher);
  bench.send(publisher, chunk_item{.group = 7, .object = 0});
  bench.send(publisher, chunk_item{.group = 7, .object = 1, .last = true});
  bench.send(publisher, chunk_item{.group = 8, .object = 0});
  bench.send(publisher, chunk_item{.what = chunk_item::step::reset, .group = 8});
  bench.send(publisher, chunk_item{.track = actors::chunk_track::damaged, .group = 8, .object = 0, .last = true});
  CHECK_FALSE(end->ended);
  bench.send(publisher, chunk_item{.what = chunk_item::step::end});
  CHECK(end->ended);
  using step = publish_op::step;
  struct expected {
    step what;
    std::string track;
    uint64_t group;
  };
  const std::vector<expected> wanted{{step::add_track, "chunks", 0}, {step::add_track, "damaged", 0}, {step::append, "chunks", 7},
    {step::append, "chunks", 7}, {step::end_group, "chunks", 7}, {step::append, "chunks", 8}, {step::reset_group, "chunks", 8},
    {step::append, "damaged", 8}, {step::end_group, "damaged", 8}, {step::end_track, "chunks", 0}, {step::end_track, "damaged", 0}};
  const auto& ops = to.taken->items;
  REQUIRE(ops.size() == wanted.size());
  for (size_t n = 0; n < ops.size(); ++n) {
    CAPTURE(n);
    CHECK(ops[n].what == wanted[n].what);
    CHECK(ops[n].track->name == wanted[n].track);
    CHECK((ops[n].what == step::append ? ops[n].object.group : ops[n].group) == wanted[n].group);
  }
}

TEST_CASE("a publisher whose endpoint stands still resets the groups that it had to drop, and still ends its tracks") {
  test::actor_bench bench;
  const auto to = bench.sink<publish_op>(true);
  const auto publisher = bench.own(actors::spawn_manifest_publisher(bench.sys, stream, {.window = 1, .waiting = 4},
    to.as<actors::quic_endpoint_actor>(), bench.observer));
  const auto end = bench.watch(publisher);
  bench.send(publisher, manifest_item{.epoch = 1});
  bench.credit(to, 1); // the track is there, and the first object on its way
  for (uint64_t epoch = 2; epoch <= 4; ++epoch) bench.send(publisher, manifest_item{.epoch = epoch});
  bench.send(publisher, manifest_item{.end = true});
  for (int i = 0; i < 100 && !end->ended; ++i) bench.credit(to, 1);
  CHECK(end->ended);
  const auto& ops = to.taken->items;
  CHECK(ops.front().what == publish_op::step::add_track);
  CHECK(ops.back().what == publish_op::step::end_track);
  for (uint64_t epoch = 1; epoch <= 4; ++epoch) {
    CAPTURE(epoch);
    const auto of = [&](publish_op::step what) {
      return std::ranges::count_if(ops, [&](const auto& o) {
        return o.what == what && (what == publish_op::step::append ? o.object.group : o.group) == epoch;
      });
    };
    CHECK(of(publish_op::step::append) == (epoch != 2));
    CHECK(of(publish_op::step::end_subgroup) == (epoch > 2));
    CHECK(of(publish_op::step::reset_group) == (epoch == 1)); // what was not begun needs no reset
  }
  CHECK(test::text_of(bench.log->all("edge-lost").at(0), "edge") == "manifest_publisher-endpoint");
}
