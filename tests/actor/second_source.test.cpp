#include "actors/second_source.hpp"

#include <map>

#include <doctest/doctest.h>

#include "base/limits_repair.hpp"
#include "object/sealer.hpp"
#include "tests/support/pipeline.hpp"

using namespace ec;
using namespace std::chrono_literals;
using actors::copy_miss, actors::session_event;

namespace {

/// One chunk as an honest source gives it.
struct group {
  std::vector<base::bytes> objects; ///< by id
  base::bytes plaintext;
  crypto::digest digest;
};

group make_group(uint64_t index, size_t packets = 800) {
  group out;
  std::vector<uint8_t> bytes(packets * 188, static_cast<uint8_t>(index));
  object::sealer seal(test::pipeline_cipher(), {.profile = "ts-v1", .publisher = {}});
  out.objects.push_back(seal.open(index, 9000).value().payload);
  for (uint32_t place = 0; object::piece_size(bytes.size(), place) > 0; ++place)
    out.objects.push_back(seal.piece(index, place, std::span(bytes).subspan(place * base::limits::piece_bytes, object::piece_size(bytes.size(), place))).value().payload);
  auto done = seal.finish(index, 180'000).value();
  out.objects.push_back(done.tail.payload);
  out.digest = done.chunk.digest;
  out.plaintext = base::bytes::adopt(std::move(bytes));
  return out;
}

/// What one source was asked for, by request.
struct asked {
  std::map<moq::request_id, actors::fetch_request> fetches;
  std::vector<moq::request_id> cancelled;
  std::vector<std::string> subscribed;
  moq::request_id last = 0;
};

class fake_session final : public caf::event_based_actor {
public:
  fake_session(caf::actor_config& cfg, std::shared_ptr<asked> to) : caf::event_based_actor(cfg), to_(std::move(to)) {}
  caf::behavior make_behavior() override {
    return {
      [this](const actors::subscribe_request& r) {
        to_->subscribed.push_back(r.track.name);
        return actors::subscribe_ids{++to_->last, moq::no_request};
      },
      [this](const actors::fetch_request& r) {
        to_->fetches[++to_->last] = r;
        return to_->last;
      },
      [this](const actors::fetch_cancel& c) { to_->cancelled.push_back(c.request); },
    };
  }

private:
  std::shared_ptr<asked> to_;
};

/// Asks on behalf of the test, and keeps the answers.
class asker final : public caf::event_based_actor {
public:
  asker(caf::actor_config& cfg, actors::second_source_actor whom, actors::fetch_group what, std::shared_ptr<std::vector<actors::fetched_group>> to) :
    caf::event_based_actor(cfg), whom_(std::move(whom)), what_(std::move(what)), to_(std::move(to)) {}
  caf::behavior make_behavior() override {
    request(whom_, caf::infinite, what_).then([this](const actors::fetched_group& g) {
      to_->push_back(g);
      quit();
    });
    return {[](actors::start_atom) {}};
  }
  void on_exit() override { whom_ = nullptr; }

private:
  actors::second_source_actor whom_;
  actors::fetch_group what_;
  std::shared_ptr<std::vector<actors::fetched_group>> to_;
};

class listener final : public actors::manifest_listener_actor::base {
public:
  listener(caf::actor_config& cfg, std::shared_ptr<std::vector<actors::source_manifest>> to) : actors::manifest_listener_actor::base(cfg), to_(std::move(to)) {}
  behavior_type make_behavior() override {
    return {[this](const actors::source_manifest& m) { to_->push_back(m); }};
  }

private:
  std::shared_ptr<std::vector<actors::source_manifest>> to_;
};

/// Stands for who looks for sources.
class fake_finder final : public actors::source_finder_actor::base {
public:
  fake_finder(caf::actor_config& cfg, std::shared_ptr<std::vector<uint32_t>> useless) : actors::source_finder_actor::base(cfg), useless_(std::move(useless)) {}
  behavior_type make_behavior() override {
    return {[](const actors::found_sources&) {}, [this](const actors::source_useless& u) { useless_->push_back(u.id); }, [](actors::tick_atom) {},
            [this](actors::stop_atom) { quit(); }};
  }

private:
  std::shared_ptr<std::vector<uint32_t>> useless_;
};

struct sources_bench : test::actor_bench {
  /// `found`: so many places for sources that discovery finds, behind those that are named.
  explicit sources_bench(size_t count = 1, bool listen = false, size_t found = 0) {
    actors::second_source_config config{{{"ec", "test"}}, test::pipeline_cipher(), "ts-v1", {}, {}};
    for (size_t i = 0; i < count + found; ++i) {
      if (i < count) config.addresses.push_back("source-" + std::to_string(i));
      said.push_back(std::make_shared<asked>());
    }
    config.found_max = found;
    if (found > 0)
      config.find = [this](caf::actor_system& on, const actors::session_sink_actor&) {
        const auto made = on.spawn<fake_finder>(useless);
        finder_end = watch(made);
        return made;
      };
    if (listen) config.manifests = own(sys.spawn<listener>(manifests));
    second = own(actors::spawn_second_source(sys, std::move(config), observer));
    run();
  }

  void event(session_event e) { send(second, std::move(e)); }
  void up(uint32_t source, const std::string& address = "found") {
    const auto session = own(sys.spawn<fake_session>(said[source]));
    event({.source = source, .what = session_event::kind::up, .session = caf::actor_cast<actors::session_actor>(session), .text = address});
  }
  void ask(uint64_t index, std::chrono::milliseconds within = 2s, std::vector<uint32_t> except = {}, bool of_found = false) {
    own(sys.spawn<asker>(second, actors::fetch_group{index, within, std::move(except), of_found}, answers));
    run();
  }
  void object(uint32_t source, uint64_t request, uint64_t in_group, uint64_t id, const base::bytes& payload) {
    session_event e{.source = source, .what = session_event::kind::object, .request = request};
    e.object.group = in_group;
    e.object.id = id;
    e.object.payload = payload;
    event(std::move(e));
  }
  void give(uint32_t source, uint64_t request, uint64_t index, const group& g, size_t objects = SIZE_MAX) {
    for (size_t id = 0; id < std::min(objects, g.objects.size()); ++id) object(source, request, index, id, g.objects[id]);
  }
  void over(uint32_t source, uint64_t request, session_event::kind how = session_event::kind::fetch_end) {
    event({.source = source, .what = how, .request = request});
  }

  std::vector<std::shared_ptr<asked>> said;
  std::shared_ptr<std::vector<actors::source_manifest>> manifests = std::make_shared<std::vector<actors::source_manifest>>();
  std::shared_ptr<std::vector<actors::fetched_group>> answers = std::make_shared<std::vector<actors::fetched_group>>();
  std::shared_ptr<std::vector<uint32_t>> useless = std::make_shared<std::vector<uint32_t>>();
  std::shared_ptr<test::ending> finder_end;
  actors::second_source_actor second;
};

} // namespace

TEST_CASE("a second source is asked for nothing until a chunk is wanted, then for the whole group") {
  sources_bench bench;
  bench.up(0);
  bench.advance(10s);
  CHECK(bench.said[0]->fetches.empty());
  CHECK(bench.said[0]->subscribed.empty());
  bench.ask(40);
  REQUIRE(bench.said[0]->fetches.size() == 1);
  const auto& wanted = bench.said[0]->fetches.at(1);
  CHECK(wanted.track.name == "chunks");
  CHECK(wanted.first == moq::location{40, 0});
  CHECK(wanted.end == moq::location{40, 0}); // the whole of it
  CHECK(bench.answers->empty());

  const auto g = make_group(40);
  bench.give(0, 1, 40, g);
  REQUIRE(bench.answers->size() == 1);
  const auto& got = bench.answers->front();
  REQUIRE(got.copy);
  CHECK(got.why == copy_miss::none);
  CHECK(got.address == "source-0");
  CHECK(got.copy->digest == g.digest);
  CHECK(got.copy->data == g.plaintext);
}

TEST_CASE("a source that has the group not, or not all of it, is followed by the next, and asked again while there is time") {
  sources_bench bench(2);
  bench.up(0);
  bench.up(1);
  bench.ask(40);
  bench.over(0, 1, session_event::kind::refused);
  REQUIRE(bench.said[1]->fetches.size() == 1);
  const auto g = make_group(40);
  bench.give(1, 1, 40, g, 2);
  bench.over(1, 1);
  CHECK(bench.answers->empty());
  bench.advance(200ms);
  CHECK(bench.said[0]->fetches.size() == 1); // not at once again
  bench.advance(200ms);
  REQUIRE(bench.said[0]->fetches.size() == 2);
  bench.give(0, 2, 40, g);
  REQUIRE(bench.answers->size() == 1);
  CHECK(bench.answers->front().copy.has_value());
}

TEST_CASE("an answer comes in time, with the reason") {
  sources_bench bench(2);
  bench.ask(40, 1s); // nobody is there: nothing is waited for
  REQUIRE(bench.answers->size() == 1);
  CHECK(bench.answers->back().why == copy_miss::unreachable);

  bench.up(0);
  bench.ask(41, 1s);
  for (int i = 0; i < 12; ++i) {
    bench.over(0, bench.said[0]->last, session_event::kind::refused);
    bench.advance(100ms);
  }
  REQUIRE(bench.answers->size() == 2);
  CHECK(bench.answers->back().why == copy_miss::not_offered);

  bench.ask(42, 1s);
  const auto open = bench.said[0]->last;
  bench.advance(500ms);
  CHECK(bench.said[0]->cancelled.empty());
  for (int i = 0; i < 6; ++i) bench.advance(100ms);
  REQUIRE(bench.answers->size() == 3);
  CHECK(bench.answers->back().why == copy_miss::late);
  CHECK(bench.said[0]->cancelled == std::vector<moq::request_id>{open});
}

TEST_CASE("who answers with nothing is past the group and does not have it: nobody waits for that") {
  sources_bench bench(2);
  bench.up(0);
  bench.up(1);
  bench.ask(40, 1s);
  bench.over(0, 1);
  CHECK(bench.answers->empty());
  bench.over(1, 1, session_event::kind::refused); // it is not there yet
  CHECK(bench.answers->empty());
  for (int i = 0; i < 4; ++i) bench.advance(100ms);
  CHECK(bench.said[0]->fetches.size() == 1);
  REQUIRE(bench.said[1]->fetches.size() == 2);
  bench.over(1, 2);
  REQUIRE(bench.answers->size() == 1);
  CHECK(bench.answers->front().why == copy_miss::not_offered);
}

TEST_CASE("a source that gives nothing does not take the time of the others") {
  sources_bench bench(2);
  bench.up(0);
  bench.up(1);
  bench.ask(40, 2s);
  CHECK(bench.said[1]->fetches.empty());
  for (int i = 0; i < 11; ++i) bench.advance(100ms);
  REQUIRE(bench.said[1]->fetches.size() == 1);
  CHECK(bench.said[0]->cancelled == std::vector<moq::request_id>{1});
  bench.give(1, 1, 40, make_group(40));
  REQUIRE(bench.answers->size() == 1);
  CHECK(bench.answers->front().source == 1);
}

TEST_CASE("a source that lies is not asked for that chunk again, and said by name") {
  sources_bench bench(2);
  bench.up(0);
  bench.up(1);
  bench.ask(40, 2s);
  bench.give(0, 1, 40, make_group(41)); // the head fits, the pieces are of another place
  CHECK(bench.said[0]->cancelled == std::vector<moq::request_id>{1});
  REQUIRE(bench.said[1]->fetches.size() == 1);
  bench.object(1, 1, 41, 0, make_group(41).objects[0]); // another group
  for (int i = 0; i < 22; ++i) bench.advance(100ms);
  CHECK(bench.said[0]->fetches.size() == 1);
  CHECK(bench.said[1]->fetches.size() == 1);
  REQUIRE(bench.answers->size() == 1);
  CHECK(bench.answers->front().why == copy_miss::wrong);
}

TEST_CASE("an excluded source is not asked, and a lost one is replaced") {
  sources_bench bench(3);
  for (uint32_t i = 0; i < 3; ++i) bench.up(i);
  bench.ask(40, 2s, {0});
  CHECK(bench.said[0]->fetches.empty());
  REQUIRE(bench.said[1]->fetches.size() == 1);
  bench.event({.source = 1, .what = session_event::kind::down, .text = "gone"});
  REQUIRE(bench.said[2]->fetches.size() == 1);
  bench.give(2, 1, 40, make_group(40));
  REQUIRE(bench.answers->size() == 1);
  CHECK(bench.answers->front().source == 2);
  CHECK(bench.log->count("second-source-down") == 1);
}

TEST_CASE("chunks that are fetched at a time are bounded") {
  sources_bench bench;
  bench.up(0);
  for (uint64_t i = 0; i < base::limits::second_source_fetches_max; ++i) bench.ask(40 + i, 1s);
  CHECK(bench.answers->empty());
  bench.ask(99, 1s);
  REQUIRE(bench.answers->size() == 1);
  CHECK(bench.answers->front().why == copy_miss::busy);
}

TEST_CASE("who listens hears the manifests of every source, also of one that had none yet") {
  sources_bench bench(1, true);
  bench.up(0);
  CHECK(bench.said[0]->subscribed == std::vector<std::string>{"manifests"});
  bench.over(0, 1, session_event::kind::refused);
  for (int i = 0; i < 6; ++i) bench.advance(100ms);
  REQUIRE(bench.said[0]->subscribed.size() == 2);
  bench.object(0, 2, 40, 0, base::bytes::copy("{}"));
  REQUIRE(bench.manifests->size() == 1);
  CHECK(bench.manifests->front().epoch == 40);
  CHECK(bench.manifests->front().address == "source-0");
}

TEST_CASE("a source that discovery found is asked behind those that were named, and only by who takes from such") {
  sources_bench bench(1, false, 2);
  bench.up(1, "192.0.2.1:1");
  bench.ask(40, 1s); // nobody who was named is there
  REQUIRE(bench.answers->size() == 1);
  CHECK(bench.answers->back().why == copy_miss::unreachable);
  bench.up(0);
  bench.ask(41, 2s, {}, true);
  CHECK(bench.said[1]->fetches.empty());
  bench.over(0, 1);
  REQUIRE(bench.said[1]->fetches.size() == 1);
  bench.give(1, 1, 41, make_group(41));
  REQUIRE(bench.answers->size() == 2);
  CHECK(bench.answers->back().source == 1);
  CHECK(bench.answers->back().address == "192.0.2.1:1");
  // Its place is another's now.
  bench.event({.source = 1, .what = session_event::kind::down});
  bench.up(1, "192.0.2.2:2");
  bench.ask(42, 2s, {0}, true);
  bench.give(1, 2, 42, make_group(42));
  CHECK(bench.answers->back().address == "192.0.2.2:2");
  bench.send(bench.second, actors::stop_atom::value);
  CHECK(bench.finder_end->ended);
  CHECK(bench.log->count("second-source-totals") == 1);
}

TEST_CASE("of a found source that lies, or of which nothing is taken eight times in a row, the finder is told; of a named one never") {
  sources_bench bench(1, false, 2);
  for (uint32_t i = 0; i < 3; ++i) bench.up(i, "source-" + std::to_string(i));
  bench.ask(40, 2s, {0, 2}, true);
  bench.object(1, 1, 41, 0, make_group(41).objects[0]);
  CHECK(*bench.useless == std::vector<uint32_t>{1});
  bench.ask(40, 2s, {1, 2}, true);
  bench.object(0, 1, 41, 0, make_group(41).objects[0]);
  CHECK(bench.useless->size() == 1);

  // The second one gives whole groups; only that they are of use counts.
  uint64_t index = 50;
  const auto give_one = [&] {
    bench.ask(++index, 2s, {0, 1}, true);
    bench.give(2, bench.said[2]->last, index, make_group(index, 10));
  };
  for (int i = 0; i < 7; ++i) give_one();
  bench.send(bench.second, actors::copy_taken{2});
  for (int i = 0; i < 7; ++i) give_one();
  CHECK(bench.useless->size() == 1);
  give_one();
  CHECK(*bench.useless == std::vector<uint32_t>{1, 2});
}

TEST_CASE("a source that floods with manifests is read at its pace, and takes nothing from the others") {
  sources_bench bench(2, true);
  bench.up(0);
  bench.up(1);
  for (uint64_t i = 0; i < 1000; ++i) bench.object(0, 1, i, 0, base::bytes::copy("{}"));
  bench.object(1, 1, 40, 0, base::bytes::copy("{}"));
  CHECK(bench.manifests->size() == base::limits::source_manifests_burst_max + 1);
  CHECK(bench.manifests->back().source == 1);
  bench.advance(1s);
  for (uint64_t i = 0; i < 1000; ++i) bench.object(0, 1, i, 0, base::bytes::copy("{}"));
  CHECK(bench.manifests->size() == base::limits::source_manifests_burst_max + 1 + base::limits::source_manifests_per_second_max);
}
