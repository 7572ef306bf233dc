// A running stream learns further names from the tables of the broadcast, and goes on under the first one.
#include <map>

#include <doctest/doctest.h>

#include "tests/support/pipeline.hpp"

using namespace ec;
using actors::chunk_item;

namespace {

// What the test broadcast says of itself: its callsign is none, so that its transport stream names it.
const std::string on_air = "ec/stream/v1/broadcast/standard-atsc/tsid-3777/channel-5.1/profile-ts-v1/variant-main";

identity::stream_id id(const std::string& text) {
  return identity::stream_id::parse(text).value();
}

const std::vector<base::bytes>& ten_seconds() {
  static const auto bursts = test::broadcast_bursts(10);
  return bursts;
}

/// Objects of whole chunks as a publisher got them, by group.
std::map<uint64_t, std::vector<base::bytes>> groups(const test::taken_items<chunk_item>& taken) {
  std::map<uint64_t, std::vector<base::bytes>> out;
  for (const auto& i : taken.items) {
    if (i.what != chunk_item::step::object || i.track != actors::chunk_track::chunks) continue;
    CHECK(i.object == out[i.group].size()); // from the first object on
    out[i.group].push_back(i.payload);
  }
  return out;
}

/// A chunker alone, which knows its stream by `names`.
struct named_chunker : test::actor_bench {
  explicit named_chunker(std::optional<identity::stream_names> names, bool can = true) :
    objects(sink<chunk_item>()), others(sink<chunk_item>()) {
    actors::chunker_config config{{}, test::pipeline_cipher(), {.profile = "ts-v1", .publisher = {}}, {}, std::move(names), {}};
    config.outlet_for = [this, can](caf::actor_system&, const identity::stream_id& name) -> base::result<actors::chunk_outlet> {
      asked.push_back(name.text());
      if (!can) return base::fail(base::errc::io, "no room");
      return actors::chunk_outlet{object::stream_cipher::make(name.text(), {}).value(), others.as<actors::chunk_publisher_actor>(), std::nullopt};
    };
    config.on_names = [this](const identity::stream_names& all, const std::optional<identity::stream_id>& second) {
      told.emplace_back(all.aliases(), second);
    };
    chunker = own(actors::spawn_chunker(sys, std::move(config), objects.as<actors::chunk_publisher_actor>(), std::nullopt, observer));
    end = watch(chunker);
    run();
  }
  void feed() {
    for (const auto& b : ten_seconds()) send(chunker, actors::ts_burst{b});
  }

  test::sink_handle<chunk_item> objects, others;
  std::vector<std::string> asked;
  std::vector<std::pair<std::vector<identity::stream_id>, std::optional<identity::stream_id>>> told; ///< of its names
  actors::chunker_actor chunker;
  std::shared_ptr<test::ending> end;
};

} // namespace

TEST_SUITE("names") {

TEST_CASE("a stream that was named by its source is published under the broadcast's name too, from the next chunk on") {
  named_chunker bench(identity::stream_names(id(test::pipeline_stream_id)));
  bench.feed();
  bench.send(bench.chunker, actors::ts_burst{{}, false, true});
  CHECK(bench.end->ended);
  CHECK(bench.asked == std::vector{on_air});
  REQUIRE(bench.log->count("stream-alias") == 1);
  CHECK(test::text_of(bench.log->all("stream-alias")[0], "alias") == on_air);
  CHECK(test::flag_of(bench.log->all("stream-alias")[0], "stronger"));
  CHECK(bench.log->count("published-as") == 1);
  REQUIRE(bench.told.size() == 1); // whoever announces it
  CHECK(bench.told[0].first == std::vector{id(on_air)});
  CHECK(bench.told[0].second == id(on_air));
  const auto first = groups(*bench.objects.taken), second = groups(*bench.others.taken);
  REQUIRE(second.size() >= 3);
  const auto cipher = object::stream_cipher::make(on_air, {}).value();
  for (const auto& [group, theirs] : second) {
    CAPTURE(group);
    REQUIRE(first.contains(group));
    const auto& ours = first.at(group);
    REQUIRE(ours.size() == theirs.size());
    for (size_t n = 1; n < ours.size(); ++n) {
      if (object::kind_of(theirs[n]) == object::payload_kind::tail) {
        CHECK(ours[n] == theirs[n]); // digests of the plaintext: no name is in them
        continue;
      }
      CHECK_FALSE(ours[n] == theirs[n]);
      const auto place = static_cast<uint32_t>(n - 1);
      const auto a = test::pipeline_cipher().open({group, place, ""}, ours[n]), b = cipher.open({group, place, ""}, theirs[n]);
      REQUIRE(a.has_value());
      REQUIRE(b.has_value());
      CHECK(a.value().digest == b.value().digest);
    }
  }
  CHECK(bench.objects.taken->items.back().what == chunk_item::step::end);
  CHECK(bench.others.taken->items.back().what == chunk_item::step::end);
}

TEST_CASE("a name that cannot be published under changes nothing for the first one") {
  named_chunker bench(identity::stream_names(id(test::pipeline_stream_id)), false);
  bench.feed();
  CHECK(bench.asked.size() == 1);
  CHECK(bench.log->count("stream-alias") == 1);
  CHECK(bench.log->count("published-as") == 0);
  CHECK(bench.others.taken->items.empty());
  REQUIRE(bench.told.size() == 1);
  CHECK(bench.told[0].first == std::vector{id(on_air)}); // it is one all the same
  CHECK_FALSE(bench.told[0].second.has_value());
  CHECK(groups(*bench.objects.taken).size() >= 3);
}

TEST_CASE("a name that is known already is not told, and one of another broadcast is no alias") {
  named_chunker same(identity::stream_names(id(on_air)));
  same.feed();
  CHECK(same.log->count("stream-alias") == 0);
  CHECK(same.asked.empty());
  CHECK(same.told.empty());

  const auto other = id("ec/stream/v1/broadcast/standard-atsc/tsid-3778/channel-5.1/profile-ts-v1/variant-main");
  named_chunker wrong(identity::stream_names{other});
  wrong.feed();
  CHECK(wrong.log->count("stream-alias") == 0);
  CHECK(wrong.asked.empty());
  CHECK(wrong.told.empty());
  REQUIRE(wrong.log->count("stream-name-differs") == 1);
  CHECK(test::text_of(wrong.log->all("stream-name-differs")[0], "on_air") == on_air);
  CHECK(groups(*wrong.objects.taken).size() >= 3);

  named_chunker silent(std::nullopt);
  silent.feed();
  CHECK(silent.log->count("stream-alias") == 0);
}

TEST_CASE("when the publisher of the second name fails, the chunker does, so that its branch is started anew as a whole") {
  named_chunker bench(identity::stream_names(id(test::pipeline_stream_id)));
  bench.feed();
  CHECK_FALSE(bench.end->ended);
  caf::anon_send_exit(bench.others.actor, caf::exit_reason::user_shutdown);
  bench.run();
  CHECK(bench.end->ended);
}

}
