// A relay and its subscribers over a bad network, in virtual time: real QUIC connections and MoQ sessions, no actors and no clock.
#include <doctest/doctest.h>

#include <list>
#include <random>

#include "base/byte_io.hpp"
#include "moq/load.hpp"
#include "moq/relay.hpp"
#include "tests/support/quic_session.hpp"
#include "tests/support/relay_net.hpp"
#include "tests/unit/quic/pair.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

constexpr moq::load_shape shape{.object_bytes = 4096, .objects_per_second = 60, .objects_per_group = 60};
constexpr auto timeout_ms = 500u;

/// A subscriber that asks for objects no older than its timeout and meters what comes.
struct reader {
  explicit reader(virtual_net& net) : meter(shape, 1s, [&net] { return net.now; }), link([&net] { return net.now; }, {}, meter, nullptr) {}
  moq::load_meter meter;
  quic_session link;
};

struct scene final : quic::acceptor {
  struct served {
    served(scene& s, std::string name) : peer(s.node.relay, std::move(name), false), link([&s] { return s.net.now; }, config(), peer, &s.node.store) { peer.bind(link.session); }
    static moq::session_config config() {
      moq::session_config c;
      c.role = moq::session_role::server;
      c.takes_publish = true;
      return c;
    }
    moq::relay_peer peer;
    quic_session link;
  };
  virtual_net net;
  relay_node node;
  std::list<served> sessions;
  moq_recorder publisher_says;
  moq::track_store tracks;
  quic_session publisher{[this] { return net.now; }, {}, publisher_says, &tracks};
  std::list<reader> readers;
  std::unique_ptr<quic::endpoint> relay, source, readers_end;
  moq::track* track = nullptr;
  std::optional<moq::load_source> load;
  std::mt19937_64 dice{20261122};

  scene() {
    net.delay = 40ms;
    quic::endpoint_config serves;
    serves.identity = identity();
    serves.alpns = {"moqt-18"};
    relay = make(std::move(serves), "10.0.0.1:4433", this);
    source = make({}, "10.0.0.2:5000", nullptr);
    readers_end = make({}, "10.0.0.3:5000", nullptr);
    track = tracks.add(track_name("t"), {}, net.now).value();
    dial(*source, publisher);
    publisher.session.publish_namespace(track->name().ns);
    run(1s);
    REQUIRE(publisher_says.has("ok 0"));
  }
  ~scene() override {
    for (auto* e : {relay.get(), source.get(), readers_end.get()}) net.detach(*e);
    source.reset();
    readers_end.reset();
    relay.reset();
  }
  std::unique_ptr<quic::endpoint> make(quic::endpoint_config config, const std::string& at, quic::acceptor* accept) {
    auto made = quic::endpoint::create(std::move(config), net.open(at), accept);
    REQUIRE(made);
    net.attach(*made.value());
    return std::move(made.value());
  }
  void dial(quic::endpoint& from, quic_session& link) {
    auto made = from.connect(quic::socket_address::parse("10.0.0.1:4433").value(), "server.test", quic::client_verification::pinned(identity()->spki()), {"moqt-18"}, link, net.now);
    REQUIRE(made);
    link.c = made.value();
  }
  quic::connection_events* on_accept(quic::connection& accepted, std::string_view, const quic::socket_address& from) override {
    auto& s = sessions.emplace_back(*this, from.to_string());
    s.link.c = &accepted;
    return &s.link;
  }
  void subscribe(reader& r) {
    moq::subscribe_options o;
    o.object_delivery_timeout_ms = timeout_ms;
    o.order = moq::group_order::ascending;
    dial(*readers_end, r.link);
    r.link.session.subscribe(track->name(), o);
  }
  /// Lets time pass; objects are published as they are due.
  void run(base::mono_duration time) {
    for (const auto end = net.now + time; net.now < end;) {
      net.run([] { return false; }, std::min<base::mono_duration>(10ms, end - net.now));
      for (; load && load->next() <= net.now;) {
        const bool begins = load->at_group_start();
        const auto before = load->group();
        REQUIRE(tracks.append(*track, load->take(net.now), net.now));
        if (!begins && load->at_group_start()) tracks.end_group(*track, before, net.now);
      }
      publisher.tick();
      for (auto& s : sessions) s.link.tick();
      for (auto& r : readers) r.link.tick();
      if (const auto due = node.relay.deadline(); due && *due <= net.now) node.relay.on_tick(net.now);
      for (auto* e : {relay.get(), source.get(), readers_end.get()}) e->flush(net.now);
      // A session goes with its connection, as at an endpoint.
      sessions.remove_if([](const served& s) { return s.link.over; });
    }
  }
  moq::session_counters counted() const {
    moq::session_counters sum;
    for (const auto& s : sessions) sum += s.link.session.counters();
    return sum;
  }
};

} // namespace

TEST_CASE("with 2 % loss and a round trip of 80 ms 50 subscribers keep live; what a blackout makes late is dropped and counted") {
  scene s;
  s.load.emplace(shape, s.net.now);
  for (int i = 0; i < 50; ++i) s.subscribe(s.readers.emplace_back(s.net));
  s.run(3s);
  bool dark = false;
  const auto to_readers = quic::socket_address::parse("10.0.0.1:4433").value();
  s.net.lose = [&](uint64_t, const quic::socket_address& from, std::span<const uint8_t>) {
    const bool publishers = from == quic::socket_address::parse("10.0.0.2:5000").value();
    return (dark && from == to_readers) || (!publishers && s.dice() % 100 < 2);
  };
  for (auto& r : s.readers) r.meter.begin();
  s.run(10s);
  const auto calm = s.counted();
  for (auto& r : s.readers) r.meter.end();
  moq::load_figures first;
  for (auto& r : s.readers) first.add(r.meter.figures());
  MESSAGE("2 % loss, 80 ms: p50 " << first.delay_us(0.5) / 1000 << " ms, p99 " << first.delay_us(0.99) / 1000 << " ms, most " << first.delay_us(1) / 1000 << " ms; " << first.groups_whole << " groups whole, "
    << first.groups_lost << " lost, " << calm.groups_delivery_timeout << " subgroups over their timeout");
  CHECK(first.sessions_lost == 0);
  CHECK(first.groups_whole + first.groups_lost >= 50 * 8);
  CHECK(first.groups_lost <= calm.groups_delivery_timeout + 50); // of each subscriber one may still have been on its way
  CHECK(first.groups_lost < 150);
  CHECK(first.delay_us(0.5) < 300'000); // 80 ms from the publisher, and what was lost comes once more
  CHECK(first.delay_us(0.99) < 1'000'000);
  // Nothing of the relay's arrives for 1.5 s: what is then over its timeout is given up, and the newest comes.
  dark = true;
  s.run(1500ms);
  dark = false;
  s.run(3s);
  const auto late = s.counted().groups_delivery_timeout - calm.groups_delivery_timeout;
  MESSAGE("blackout of 1.5 s: " << late << " subgroups over their timeout of 50 subscribers");
  CHECK(late >= 50);
  for (auto& r : s.readers) r.meter.begin();
  s.run(4s);
  moq::load_figures after;
  for (auto& r : s.readers) {
    r.meter.end();
    auto whole = r.meter.figures();
    CHECK(whole.sessions_lost == 0);
    CHECK(whole.objects > 0);
    after.add(whole);
  }
  CHECK(after.objects - first.objects > 50 * 60 * 3);
  CHECK(s.sessions.size() == 51);
  CHECK(s.counted().groups_too_far_behind == 0);
}

TEST_CASE("a hundred joins and leaves a second over real connections leave nothing behind") {
  scene s;
  s.net.delay = 5ms;
  s.load.emplace(shape, s.net.now);
  s.subscribe(s.readers.emplace_back(s.net));
  s.run(1s);
  const auto live = [&] {
    return std::vector<size_t>{s.sessions.size(), s.relay->connections(), s.node.relay.subscribers(), s.node.relay.tracks(), s.node.store.find(s.track->name())->observers(), s.node.store.namespaces().size()};
  };
  const auto before = live();
  CHECK(before == std::vector<size_t>{2, 2, 1, 1, 1, 1});
  size_t served = 0, most = 0;
  for (int tenth = 0; tenth < 60; ++tenth) {
    for (int i = 0; i < 10; ++i) s.subscribe(s.readers.emplace_back(s.net));
    s.run(100ms);
    most = std::max(most, s.sessions.size());
    for (auto at = std::next(s.readers.begin()); at != s.readers.end();) {
      if (at->link.c) {
        served += at->meter.subscribed();
        at->link.c->close(0, "done");
      }
      if (at->link.over) at = s.readers.erase(at);
      else ++at;
    }
  }
  s.run(3s);
  CHECK(most > 10);
  CHECK(served > 550);
  CHECK(live() == before);
  CHECK(s.relay->counters().accepted == 602);
  CHECK(s.readers.front().meter.figures().sessions_lost == 0);
}
