#include <set>

#include <doctest/doctest.h>

#include "tests/support/topology.hpp"
#include "ts/broadcast_clock.hpp"
#include "tuner/lossy_broadcast.hpp"

using namespace ec;

namespace {

/// Slower than other topologies are: under sanitizers two nodes that cut and seal keep no faster pace, and one that falls behind the other asks for what
/// is there no more.
constexpr double pace = 2;

std::unique_ptr<tuner::simulator> tune(tuner::broadcast what) {
  tuner::simulator_config device;
  device.listen = "127.0.0.1:0";
  device.speed = pace;
  tuner::simulated_channel channel;
  channel.name = "KECT-DT";
  channel.broadcast = std::move(what);
  device.channels.push_back(std::move(channel));
  auto started = tuner::simulator::start(std::move(device));
  REQUIRE_MESSAGE(started.has_value(), started.error().message());
  return std::move(started).value();
}

/// A second tuner of the bench's station, with a weak signal: two of five chunks miss a packet.
std::unique_ptr<tuner::simulator> weak_tuner() {
  const auto made = test::small_broadcast();
  return tune(tuner::lossy(tuner::constant_rate([made] { return made->next(); }, made->bit_rate()), 0.00015, 5));
}

/// A tuner whose chunks are counted one quantum of the broadcast clock further.
std::unique_ptr<tuner::simulator> tuner_ahead() {
  auto config = media::test_broadcast_config{};
  config.codec = media::test_codec::h264;
  config.start = base::wall_time(std::chrono::milliseconds(1'785'000'000'000 + ts::broadcast_clock::quantum / 90));
  auto made = media::test_broadcast::create(config);
  REQUIRE_MESSAGE(made.has_value(), made.error().message());
  const auto kept = std::make_shared<media::test_broadcast>(std::move(made).value());
  return tune(tuner::constant_rate([kept] { return kept->next(); }, kept->bit_rate()));
}

} // namespace

TEST_CASE("a leader signs as whole what it received damaged and its second source has, and a subscriber of it alone sees that") {
  test::topology_bench bench(pace);
  const auto weak = weak_tuner();
  const auto strong = bench.leader(bench.publish("strong"));
  REQUIRE_MESSAGE(strong->log().wait("signed"), strong->log().text());
  auto with_help = bench.publish("weak");
  with_help.input = "http://" + weak->address() + "/auto/v5.1";
  with_help.second_source = {strong->address()};
  with_help.repair_wait = std::chrono::seconds(20); // the other is there: nobody waits so long
  const auto leader = bench.leader(with_help);
  auto wanted = bench.subscribe(*leader, *leader);
  wanted.patience = std::chrono::seconds(20);
  const auto subscriber = bench.subscriber(wanted);

  const auto shows_repaired = [](const actors::report& r) { return r.event == "chunk" && test::int_of(r, "repaired_of") > 0; };
  REQUIRE_MESSAGE(subscriber->log().wait(shows_repaired), leader->log().text());
  for (const auto& c : subscriber->log().all("chunk")) {
    const auto index = test::int_of(c, "chunk");
    const auto repaired = [&](const actors::report& r) { return r.event == "chunk-repaired" && test::int_of(r, "chunk") == index; };
    CHECK(test::flag_of(c, "verified"));
    if (shows_repaired(c)) {
      CHECK(leader->log().wait(repaired));
      CHECK_FALSE(test::flag_of(c, "damaged"));
    } else {
      CHECK(leader->log().count(repaired) == 0);
    }
  }
  CHECK(leader->log().count([](const auto& r) { return r.event == "copy-refused" && test::text_of(r, "reason") != "boundary"; }) == 0);
  subscriber->stop();
  CHECK(subscriber->ended());
  leader->stop();
  CHECK_MESSAGE(leader->ended(), "the sessions to the second source end with the leader");
}

TEST_CASE("two leaders that know each other by gossip alone: one repairs from the other, whom nobody named") {
  test::topology_bench bench(pace);
  const auto weak = weak_tuner();
  auto whole = bench.publish("strong");
  whole.announce = true;
  const auto strong = bench.leader(whole);
  REQUIRE_MESSAGE(strong->log().wait("signed"), strong->log().text());
  auto helped = bench.publish("weak");
  helped.input = "http://" + weak->address() + "/auto/v5.1";
  helped.announce = true;
  helped.gossip = {strong->address()};
  helped.discovered_sources = "repair";
  helped.repair_wait = std::chrono::seconds(20);
  const auto leader = bench.leader(helped);
  REQUIRE_MESSAGE(leader->log().wait("chunk-repaired"), leader->log().text());
  // It dialled the other one and not itself; the other one heard of it, and dialled it to compare counts.
  REQUIRE_MESSAGE(strong->log().wait("source-dialled"), strong->log().text());
  CHECK(leader->log().count("source-dialled") == 1);
  CHECK(strong->log().count("source-dialled") == 1);
  const auto repaired = leader->log().all("chunk-repaired").front();
  CHECK(strong->address().find(test::text_of(repaired, "source")) != std::string::npos);
  CHECK(leader->log().count("clock-differs") == 0);
  CHECK(strong->log().count("clock-differs") == 0);
  leader->stop();
  CHECK_MESSAGE(leader->ended(), "the sessions to sources that were found end with the leader");
  strong->stop();
  CHECK(strong->ended());
}

TEST_CASE("two leaders that count apart say so, both of them, as soon as they have found each other") {
  test::topology_bench bench(pace);
  const auto other = tuner_ahead();
  REQUIRE(crypto::signing_key::generate().save(bench.dir / "ahead.key").has_value());
  auto first = bench.publish("behind");
  first.announce = true;
  const auto behind = bench.leader(first);
  auto second = bench.publish("ahead");
  second.input = "http://" + other->address() + "/auto/v5.1";
  second.key = bench.dir / "ahead.key";
  second.announce = true;
  second.gossip = {behind->address()};
  const auto ahead = bench.leader(second);
  REQUIRE_MESSAGE(behind->log().wait("clock-differs"), behind->log().text());
  REQUIRE_MESSAGE(ahead->log().wait("clock-differs"), ahead->log().text());
  const auto up = behind->log().all("clock-differs").front(), down = ahead->log().all("clock-differs").front();
  CHECK(test::text_of(up, "signer") == ahead->signer());
  CHECK(test::int_of(up, "theirs") > test::int_of(up, "chunk"));
  CHECK(test::text_of(up, "hint").find("--trust-signer " + ahead->signer()) != std::string::npos);
  CHECK(test::text_of(down, "signer") == behind->signer());
  CHECK(test::int_of(down, "theirs") < test::int_of(down, "chunk"));
  CHECK(test::text_of(down, "hint").find("--trust-signer " + ahead->signer()) != std::string::npos);
  for (const auto* node : {behind.get(), ahead.get()}) {
    CHECK(node->log().count("clock-differs") == 1);
    CHECK(node->log().count("clock-adopted") == 0);
  }
  ahead->stop();
  CHECK(ahead->ended());
  behind->stop();
  CHECK(behind->ended());
}

TEST_CASE("a leader whose second source is not there signs what it has, damaged, and in order") {
  test::topology_bench bench(pace);
  const auto weak = weak_tuner();
  auto alone = bench.publish("weak");
  alone.input = "http://" + weak->address() + "/auto/v5.1";
  alone.second_source = {"moqt://127.0.0.1:9#spki=" + std::string(64, 'a')};
  alone.repair_wait = std::chrono::milliseconds(300);
  const auto leader = bench.leader(alone);
  REQUIRE_MESSAGE(leader->log().wait("repair-refused", 2), leader->log().text());
  const auto second = test::int_of(leader->log().all("repair-refused").at(1), "chunk");
  REQUIRE_MESSAGE(leader->log().wait([&](const auto& r) { return r.event == "signed" && test::int_of(r, "chunk") > second; }), leader->log().text());
  for (const auto& r : leader->log().all("repair-refused")) CHECK(test::text_of(r, "reason") == "unreachable");
  int64_t last = 0;
  std::set<int64_t> damaged;
  for (const auto& s : leader->log().all("signed")) {
    CHECK(test::int_of(s, "chunk") > last);
    last = test::int_of(s, "chunk");
    if (!test::flag_of(s, "whole")) damaged.insert(last);
  }
  CHECK(damaged.contains(second));
  leader->stop();
  CHECK(leader->ended());
}
