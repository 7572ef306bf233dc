#include <set>

#include <doctest/doctest.h>

#include "tests/support/topology.hpp"
#include "tuner/lossy_broadcast.hpp"

using namespace ec;

namespace {

/// Slower than other topologies are: under sanitizers two nodes that cut and seal keep no faster pace, and one that falls behind the other asks for what
/// is there no more.
constexpr double pace = 2;

/// A second tuner of the bench's station, with a weak signal: two of five chunks miss a packet.
std::unique_ptr<tuner::simulator> weak_tuner() {
  tuner::simulator_config device;
  device.listen = "127.0.0.1:0";
  device.speed = pace;
  tuner::simulated_channel channel;
  channel.name = "KECT-DT";
  const auto made = test::small_broadcast();
  const auto rate = made->bit_rate();
  channel.broadcast = tuner::lossy(tuner::constant_rate([made] { return made->next(); }, rate), 0.00015, 5);
  device.channels.push_back(std::move(channel));
  auto started = tuner::simulator::start(std::move(device));
  REQUIRE_MESSAGE(started.has_value(), started.error().message());
  return std::move(started).value();
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
