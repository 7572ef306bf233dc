#include <fstream>
#include <map>

#include <doctest/doctest.h>

#include "actors/subscriber_verifier.hpp"
#include "actors/tuner_reader.hpp"
#include "tests/support/data.hpp"
#include "tests/support/pipeline.hpp"
#include "tests/support/temp_dir.hpp"

using namespace ec;
using namespace std::chrono_literals;
using actors::session_event, actors::ts_burst, actors::verified_chunk;

namespace {

/// What a publisher gave of ten seconds of broadcast.
struct published {
  std::vector<actors::chunk_item> objects;
  std::vector<actors::manifest_item> manifests;
  std::string signer;
};

const published& ten_seconds() {
  static const auto made = [] {
    test::pipeline_bench bench;
    bench.feed(test::broadcast_bursts(10));
    return published{bench.objects.taken->items, bench.manifests.taken->items, bench.signer_key};
  }();
  return made;
}

/// What a session was asked for.
struct asked {
  std::map<std::string, moq::request_id> subscriptions; ///< by track, the newest
  size_t subscribes = 0;
  size_t fetches = 0;
  bool stopped = false;
  std::optional<actors::session_bar> barred;
};

class fake_session final : public caf::event_based_actor {
public:
  fake_session(caf::actor_config& cfg, std::shared_ptr<asked> to) : caf::event_based_actor(cfg), to_(std::move(to)) {}
  caf::behavior make_behavior() override {
    return {
      [this](const actors::subscribe_request& r) {
        ++to_->subscribes;
        to_->subscriptions[r.track.name] = ++last_;
        return actors::subscribe_ids{last_, moq::no_request};
      },
      [this](const actors::fetch_request&) {
        ++to_->fetches;
        return ++last_;
      },
      [this](const actors::session_bar& bar) { to_->barred = bar; },
      [this](actors::stop_atom) { to_->stopped = true; },
    };
  }

private:
  std::shared_ptr<asked> to_;
  moq::request_id last_ = 0;
};

/// A subscriber with one source, or with a liar as a second one; their sessions are the test's.
struct subscriber_bench : test::actor_bench {
  explicit subscriber_bench(bool with_liar = false, const std::string& evidence_dir = {}) : output(sink<verified_chunk>()) {
    manifest::trust_set trust;
    REQUIRE(trust.add(ten_seconds().signer).has_value());
    actors::subscriber_config config{{{"ec", "test"}}, test::pipeline_cipher(), manifest::verifier(test::pipeline_stream_id, trust), {},
      {{.manifests = true, .objects = true, .address = "peer"}}, {}};
    if (with_liar) config.sources.push_back({.manifests = false, .objects = true, .address = "liar"});
    config.wall = [this] { return wall; };
    actors::subscriber_outputs outputs{.hls = output.as<actors::hls_writer_actor>()};
    if (!evidence_dir.empty()) outputs.evidence = own(actors::spawn_evidence_keeper(sys, {.dir = evidence_dir}, observer, actors::placement::shared));
    subscriber = own(actors::spawn_subscriber_verifier(sys, std::move(config), std::move(outputs), observer));
    end = watch(subscriber);
    up();
    if (with_liar) up(1, lied_to);
  }

  void event(session_event e) { send(subscriber, std::move(e)); }
  void up() { up(0, seen); }
  void up(uint32_t source, const std::shared_ptr<asked>& to) {
    const auto session = own(sys.spawn<fake_session>(to));
    event({.source = source, .what = session_event::kind::up, .session = caf::actor_cast<actors::session_actor>(session)});
  }
  void object(const std::string& track, uint64_t group, uint64_t id, const base::bytes& payload, uint32_t source = 0) {
    session_event e{.source = source, .what = session_event::kind::object, .request = (source == 0 ? seen : lied_to)->subscriptions.at(track)};
    e.object.group = group;
    e.object.id = id;
    e.object.payload = payload;
    event(std::move(e));
  }
  void give_manifests() {
    for (const auto& m : ten_seconds().manifests)
      if (!m.end) object("manifests", m.epoch, m.object, m.payload);
  }
  void give_objects() {
    for (const auto& o : ten_seconds().objects)
      if (o.what == actors::chunk_item::step::object && o.track == actors::chunk_track::chunks) object("chunks", o.group, o.object, o.payload);
  }

  std::shared_ptr<asked> seen = std::make_shared<asked>();
  std::shared_ptr<asked> lied_to = std::make_shared<asked>();
  test::sink_handle<verified_chunk> output;
  base::wall_time wall = base::wall_time(std::chrono::milliseconds(1'785'000'000'000));
  actors::subscriber_verifier_actor subscriber;
  std::shared_ptr<test::ending> end;
};

size_t whole_chunks() {
  return static_cast<size_t>(std::ranges::count_if(ten_seconds().objects, [](const auto& o) {
    return o.last && o.track == actors::chunk_track::chunks;
  }));
}

verified_chunk chunk(uint64_t index, uint64_t first_pts) {
  verified_chunk c;
  c.index = index;
  c.data = base::bytes::adopt(std::vector<uint8_t>(188, static_cast<uint8_t>(index)));
  c.first_pts = first_pts;
  c.duration_pts = 180'000;
  c.verified = true;
  return c;
}

struct writer_bench : test::actor_bench {
  explicit writer_bench(const std::string& at) {
    hls::writer_config config;
    config.dir = at;
    config.kind = hls::playlist_kind::event;
    config.target_duration_s = 6;
    writer = own(actors::spawn_hls_writer(sys, config, observer, actors::placement::shared));
    end = watch(writer);
  }
  actors::hls_writer_actor writer;
  std::shared_ptr<test::ending> end;
};

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

} // namespace

TEST_CASE("a subscriber hands on in order what a trusted manifest lists, whichever comes first") {
  for (const bool manifests_first : {true, false}) {
    CAPTURE(manifests_first);
    subscriber_bench bench;
    if (manifests_first) bench.give_manifests();
    bench.give_objects();
    if (!manifests_first) {
      CHECK(bench.output.taken->items.empty());
      bench.give_manifests();
    }
    const auto& out = bench.output.taken->items;
    REQUIRE(whole_chunks() >= 3);
    REQUIRE(out.size() == whole_chunks());
    for (size_t n = 0; n < out.size(); ++n) {
      CHECK(out[n].verified);
      CHECK(out[n].signer == ten_seconds().signer);
      CHECK_FALSE(out[n].manifest.empty());
      CHECK_FALSE(out[n].discontinuity);
      CHECK(out[n].index == out[0].index + n);
    }
  }
}

TEST_CASE("a subscriber shows nothing without a manifest and says why the screen is dark") {
  subscriber_bench bench;
  bench.give_objects();
  bench.advance(60'000ms);
  CHECK(bench.output.taken->items.empty());
  CHECK(bench.log->count("no-manifest") == 1);
}

TEST_CASE("a subscriber rejects a chunk that was changed on its way, and names its source") {
  subscriber_bench bench;
  bench.give_manifests();
  for (const auto& o : ten_seconds().objects) {
    if (o.what != actors::chunk_item::step::object || o.track != actors::chunk_track::chunks) continue;
    auto raw = std::vector<uint8_t>(o.payload.begin(), o.payload.end());
    raw[raw.size() / 2] ^= 1;
    bench.object("chunks", o.group, o.object, base::bytes::adopt(std::move(raw)));
  }
  CHECK(bench.output.taken->items.empty());
  REQUIRE(bench.log->count("rejected") >= 1);
  CHECK(test::text_of(bench.log->all("rejected")[0], "source") == "peer");
}

TEST_CASE("a subscriber closes the session of a source that lies, not to be dialled before its penalty is over, and misses nothing") {
  subscriber_bench bench(true);
  bench.give_manifests();
  for (const auto& o : ten_seconds().objects) {
    if (o.what != actors::chunk_item::step::object || o.track != actors::chunk_track::chunks) continue;
    auto raw = std::vector<uint8_t>(o.payload.begin(), o.payload.end());
    raw[raw.size() / 2] ^= 1;
    bench.object("chunks", o.group, o.object, base::bytes::adopt(std::move(raw)), 1);
    bench.object("chunks", o.group, o.object, o.payload);
  }
  CHECK(bench.output.taken->items.size() == whole_chunks());
  REQUIRE(bench.log->count("source-cut-off") == 1);
  const auto said = bench.log->all("source-cut-off")[0];
  CHECK(test::text_of(said, "source") == "liar");
  CHECK(test::int_of(said, "retry_ms") == 30'000);
  REQUIRE(bench.lied_to->barred);
  CHECK(bench.lied_to->barred->hold == 30s);
  CHECK_FALSE(bench.seen->barred);
  // The end of its session is no news, and when it is dialled again it is asked as before.
  bench.event({.source = 1, .what = session_event::kind::down});
  CHECK(bench.log->count("source-down") == 0);
  const auto asked_before = bench.lied_to->subscribes;
  bench.up(1, bench.lied_to);
  CHECK(bench.lied_to->subscribes == asked_before + 2); // chunks, damaged
}

TEST_CASE("a subscriber asks again for a track that the publisher does not have yet") {
  subscriber_bench bench;
  const auto first = bench.seen->subscribes;
  CHECK(first == 3); // manifests, chunks, damaged
  bench.event({.what = session_event::kind::refused, .request = bench.seen->subscriptions.at("chunks"), .text = "does not exist"});
  bench.advance(499ms);
  CHECK(bench.seen->subscribes == first);
  bench.advance(1ms);
  CHECK(bench.seen->subscribes == first + 1);
}

TEST_CASE("a subscriber asks a session that came back for everything again, and goes on where it was") {
  subscriber_bench bench;
  bench.give_manifests();
  bench.event({.what = session_event::kind::down, .text = "gone"});
  CHECK(test::text_of(bench.log->all("source-down").at(0), "reason") == "gone");
  bench.up();
  CHECK(bench.seen->subscribes == 6);
  bench.give_objects();
  CHECK(bench.output.taken->items.size() == whole_chunks());
}

TEST_CASE("a subscriber that is stopped closes its sessions, ends its output and then itself") {
  subscriber_bench bench;
  bench.give_manifests();
  bench.give_objects();
  bench.send(bench.subscriber, actors::stop_atom::value);
  CHECK(bench.seen->stopped);
  CHECK(bench.end->ended);
  CHECK(bench.output.taken->items.back().end);
  CHECK(test::int_of(bench.log->all("totals").at(0), "chunks_verified") == static_cast<int64_t>(whole_chunks()));
}

TEST_CASE("a subscriber gives evidence away to be kept, and what is in no file is counted") {
  for (const bool there : {true, false}) {
    CAPTURE(there);
    const test::temp_dir dir;
    subscriber_bench bench(false, there ? dir.path() : dir / "gone");
    const auto& said = ten_seconds().manifests;
    REQUIRE(std::ranges::count_if(said, [](const auto& m) { return !m.end; }) >= 3);
    for (size_t i = 0; i < said.size(); ++i)
      if (i != 1 && !said[i].end) bench.object("manifests", said[i].epoch, said[i].object, said[i].payload);
    bench.wall += 6s;
    bench.object("manifests", said[0].epoch, said[0].object, said[0].payload); // the hole did not close
    CHECK(bench.log->count("evidence-kept") == (there ? 1 : 0));
    CHECK(bench.log->count("evidence-fault") == (there ? 0 : 1));
    bench.send(bench.subscriber, actors::stop_atom::value);
    CHECK(bench.end->ended);
    CHECK(test::int_of(bench.log->all("totals").at(0), "evidence_dropped") == (there ? -1 : 1));
  }
}

TEST_CASE("a playlist marks where chunks are missing, whoever lost them, and the turn of the clock is no such place") {
  test::temp_dir dir;
  writer_bench bench(dir / "hls");
  const uint64_t turn = uint64_t{1} << 33;
  bench.send(bench.writer, chunk(10, turn - 180'000));
  bench.send(bench.writer, chunk(11, 0));
  bench.send(bench.writer, chunk(13, 360'000)); // 12 was dropped on the way here
  bench.send(bench.writer, chunk(14, 540'000));
  bench.send(bench.writer, verified_chunk{.end = true});
  CHECK(bench.end->ended);
  const auto playlist = test::read_text(dir / "hls/index.m3u8");
  CHECK(count(playlist, "#EXTINF") == 4);
  CHECK(count(playlist, "#EXT-X-DISCONTINUITY\n") == 1);
  CHECK(playlist.find("#EXT-X-DISCONTINUITY\n") > playlist.find("-11.ts"));
  CHECK(playlist.find("#EXT-X-DISCONTINUITY\n") < playlist.find("-13.ts"));
  CHECK(playlist.ends_with("#EXT-X-ENDLIST\n"));
}

TEST_CASE("a writer whose disk refuses says so, keeps taking chunks, and writes again when it can") {
  test::temp_dir dir;
  const auto at = dir / "hls";
  std::ofstream(at) << "no folder";
  writer_bench bench(at);
  bench.send(bench.writer, chunk(1, 0));
  CHECK(bench.log->count("hls-fault") == 1);
  CHECK(bench.log->count("segment") == 0);
  std::filesystem::remove(at);
  bench.send(bench.writer, chunk(2, 180'000));
  CHECK(bench.log->count("segment") == 1);
  CHECK_FALSE(bench.end->ended);
}

TEST_CASE("a writer whose folder is gone says so once, and makes it anew") {
  test::temp_dir dir;
  const auto at = dir / "hls";
  writer_bench bench(at);
  bench.send(bench.writer, chunk(1, 0));
  REQUIRE(bench.log->count("segment") == 1);
  std::filesystem::rename(at, dir / "away");
  std::ofstream(at) << "no folder";
  bench.send(bench.writer, chunk(2, 180'000));
  bench.send(bench.writer, chunk(3, 360'000));
  bench.send(bench.writer, chunk(4, 540'000));
  CHECK(bench.log->count("segment") == 1);
  CHECK(bench.log->count("hls-fault") == 1);
  CHECK(test::text_of(bench.log->all("hls-fault").at(0), "reason").find(at) != std::string::npos);
  CHECK(bench.log->count("hls-restored") == 0);
  std::filesystem::remove(at);
  bench.send(bench.writer, chunk(5, 720'000));
  bench.send(bench.writer, chunk(6, 900'000));
  CHECK(bench.log->count("segment") == 3);
  REQUIRE(bench.log->count("hls-restored") == 1);
  CHECK(test::int_of(bench.log->all("hls-restored").at(0), "chunks_lost") == 3);
  CHECK(count(test::read_text(std::filesystem::path(at) / "index.m3u8"), "#EXTINF") == 2);
  // And again: every outage is told.
  std::filesystem::rename(at, dir / "away2");
  bench.send(bench.writer, chunk(7, 1'080'000));
  CHECK(bench.log->count("hls-fault") == 2);
  bench.send(bench.writer, chunk(8, 1'260'000));
  CHECK(bench.log->count("hls-restored") == 2);
  bench.send(bench.writer, verified_chunk{.end = true});
  REQUIRE(bench.log->count("hls-totals") == 1);
  const auto totals = bench.log->all("hls-totals").at(0);
  CHECK(test::int_of(totals, "segments") == static_cast<int64_t>(bench.log->count("segment")));
  CHECK(test::int_of(totals, "chunks_lost") == 8 - static_cast<int64_t>(bench.log->count("segment")));
  CHECK(test::int_of(totals, "outages") == 2);
}

TEST_CASE("a reader of a file hands on every byte, pauses while nobody takes them, and ends with the end mark") {
  test::temp_dir dir;
  const auto path = dir / "input.ts";
  test::record_broadcast(path, 1);
  test::actor_bench bench;
  const auto to = bench.sink<ts_burst>(true);
  actors::tuner_reader_config config;
  config.input = path;
  config.edge = {.window = 1, .waiting = 2, .policy = actors::edge_policy::lossless};
  const auto reader =
    bench.own(actors::spawn_tuner_reader(bench.sys, config, to.as<actors::chunker_actor>(), bench.observer, actors::placement::shared));
  const auto end = bench.watch(reader);
  bench.advance(0ms);
  CHECK(to.taken->items.size() == 1); // it stands still, or this would never return
  for (int n = 0; n < 10'000 && !end->ended; ++n) bench.credit(to, 1);
  CHECK(end->ended);
  CHECK_FALSE(end->reason);
  const auto& bursts = to.taken->items;
  CHECK(bursts.size() > 4);
  CHECK(bursts.front().gap);
  CHECK(bursts.back().end);
  std::vector<uint8_t> all;
  for (size_t n = 0; n < bursts.size(); ++n) {
    CHECK(bursts[n].gap == (n == 0));
    all.insert(all.end(), bursts[n].data.begin(), bursts[n].data.end());
  }
  CHECK(all == test::read_file(path));
  CHECK(bench.log->count("edge-lost") == 0);
}

namespace {

/// Gives its bursts, of which some are marked, and then fails.
class scripted_source final : public tuner::source {
public:
  struct burst {
    std::string text;
    bool gap = false;
  };
  scripted_source(std::vector<burst> bursts, tuner::source_fault end) : tuner::source(facts_of_test()), bursts_(std::move(bursts)), end_(std::move(end)) {}
  base::result<base::bytes> read(std::chrono::milliseconds) override {
    if (next_ == bursts_.size()) return base::fail(down(end_));
    mark_gap(bursts_[next_].gap);
    return base::bytes::copy(bursts_[next_++].text);
  }
  void stop() override {}

private:
  static tuner::source_facts facts_of_test() {
    tuner::source_facts out;
    out.kind = tuner::source_kind::rtp;
    out.live = true;
    return out;
  }
  std::vector<burst> bursts_;
  size_t next_ = 0;
  tuner::source_fault end_;
};

} // namespace

TEST_CASE("a reader hands on the marks of its source, says how it failed and how often, and that it is back") {
  test::actor_bench bench;
  const auto to = bench.sink<ts_burst>();
  actors::tuner_reader_config config;
  config.input = "rtp://@239.1.1.1:5000";
  const tuner::source_fault busy{.kind = tuner::fault_kind::busy, .retry = tuner::retry_advice::patiently, .http_status = 503, .device_code = 805, .text = "all tuners are in use"};
  std::vector<std::vector<scripted_source::burst>> scripts{{}, {}, {{"a"}, {"b", true}, {"c"}}};
  config.open = [&](std::string_view, const tuner::source_options&) -> base::result<std::unique_ptr<tuner::source>> {
    auto script = std::move(scripts.front());
    scripts.erase(scripts.begin());
    return std::make_unique<scripted_source>(std::move(script), busy);
  };
  const auto read = [&] {
    const auto end = bench.watch(
      bench.own(actors::spawn_tuner_reader(bench.sys, config, to.as<actors::chunker_actor>(), bench.observer, actors::placement::shared)));
    bench.advance(0ms);
    REQUIRE(end->ended);
    CHECK(end->reason.context().match_elements<std::string, std::string>());
    CHECK(end->reason.context().get_as<std::string>(1) == "patiently");
  };
  read();
  read();
  CHECK(bench.log->count("input-restored") == 0);
  read();
  REQUIRE(to.taken->items.size() == 3);
  CHECK(to.taken->items[0].gap);
  CHECK(to.taken->items[1].gap);
  CHECK_FALSE(to.taken->items[2].gap);
  const auto faults = bench.log->all("input-fault");
  REQUIRE(faults.size() == 3);
  for (size_t i = 0; i < faults.size(); ++i) {
    CHECK(test::text_of(faults[i], "kind") == "busy");
    CHECK(test::text_of(faults[i], "retry") == "patiently");
    CHECK(test::text_of(faults[i], "reason") == "all tuners are in use");
    CHECK(test::int_of(faults[i], "count") == static_cast<int64_t>(i + 1));
    CHECK(test::int_of(faults[i], "device_code") == 805);
    CHECK(test::int_of(faults[i], "http_status") == 503);
  }
  REQUIRE(bench.log->count("input-restored") == 1);
  CHECK(test::int_of(bench.log->all("input-restored").front(), "faults") == 2);
}

TEST_CASE("a reader whose source is not there ends with the reason, for its supervisor") {
  test::actor_bench bench;
  const auto to = bench.sink<ts_burst>();
  actors::tuner_reader_config config;
  config.input = "/nonexistent/input.ts";
  const auto end = bench.watch(
    bench.own(actors::spawn_tuner_reader(bench.sys, config, to.as<actors::chunker_actor>(), bench.observer, actors::placement::shared)));
  bench.advance(0ms);
  CHECK(end->ended);
  CHECK(end->reason == caf::sec::runtime_error);
  CHECK(to.taken->items.empty());
}
