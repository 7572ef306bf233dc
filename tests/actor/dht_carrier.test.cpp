// The DHT carrier in virtual time: the network is a list of what was asked of it, and a peer what a session event says it is.
#include "actors/dht_carrier.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "actors/discovery.hpp"
#include "actors/session.hpp"
#include "base/file.hpp"
#include "tests/support/actor_bench.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/discovery/fixture.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

struct network_log {
  std::vector<std::pair<discovery::dht_key, uint16_t>> announced;
  std::vector<discovery::dht_key> looked_for;
  std::vector<discovery::dht_found> gives; ///< with the next take()
  discovery::dht_counters counters;
  size_t greeted = 0;
  std::string joined_with; ///< the state
};

class fake_network final : public discovery::dht_network {
public:
  explicit fake_network(std::shared_ptr<network_log> log) : log_(std::move(log)) {}
  void announce(const discovery::dht_key& key, uint16_t port) override { log_->announced.emplace_back(key, port); }
  void look_for(const discovery::dht_key& key) override { log_->looked_for.push_back(key); }
  void forget(const discovery::dht_key&) override {}
  void greet() override { ++log_->greeted; }
  std::vector<discovery::dht_found> take() override { return std::exchange(log_->gives, {}); }
  const discovery::dht_counters& counters() const override { return log_->counters; }
  std::string state() const override { return "the nodes that it knew"; }

private:
  std::shared_ptr<network_log> log_;
};

class silent_link final : public caf::event_based_actor {
public:
  using caf::event_based_actor::event_based_actor;
  caf::behavior make_behavior() override {
    return {[](const actors::subscribe_request&) { return actors::subscribe_ids{}; }};
  }
};

const std::string key_text = "ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-wptv";
const std::string other = "ec/stream/v1/broadcast/standard-atsc/tsid-9/channel-7.1/profile-ts-v1/variant-main";

struct dht_bench : actor_bench {
  std::shared_ptr<network_log> log_of_network = std::make_shared<network_log>();
  std::vector<std::string> dialled;
  std::map<uint32_t, caf::actor> sessions; ///< by source; those that are up are gone from here
  const base::mono_time began = now();
  actors::carrier_actor carrier;
  actors::discovery_actor node;
  temp_dir folder;

  explicit dht_bench(bool is_private = true) {
    actors::dht_carrier_config config;
    if (is_private) config.network.bootstrap = {{"192.0.2.1", 6881}};
    config.state_file = folder / "dht.state";
    config.on.blocking = actors::placement::shared;
    // What a session would say, the test says.
    config.dial = [this](caf::actor_system&, actors::session_dial dial, actors::session_sink_actor) {
      CHECK(dial.verification.how == quic::client_verification::method::insecure);
      dialled.push_back(dial.peer.to_string());
      return sessions[dial.source] = caf::actor_cast<caf::actor>(sys.spawn<silent_link>());
    };
    config.join = [log = log_of_network](const discovery::dht_config& c) -> base::result<std::unique_ptr<discovery::dht_network>> {
      log->joined_with = c.state;
      return std::make_unique<fake_network>(log);
    };
    auto spec = actors::dht_carrier(std::move(config), observer);
    // The carrier is started by the node's discovery; the test listens in.
    const auto start = spec.start;
    spec.start = [this, start](caf::actor_system& s, actors::announcement_sink_actor sink) {
      auto made = start(s, std::move(sink));
      if (made) carrier = made.value();
      return made;
    };
    actors::discovery_config what;
    what.key = std::make_shared<const crypto::signing_key>(key_of(1));
    what.ttl = 60s;
    what.wall = [this] { return noon + std::chrono::duration_cast<std::chrono::milliseconds>(now() - began); };
    what.tell_all = true;
    what.wanted = {other};
    what.carriers.push_back(std::move(spec));
    node = own(actors::spawn_discovery(sys, std::move(what), observer).value());
    run();
  }
  ~dht_bench() {
    carrier = nullptr;
    sessions.clear();
    caf::anon_send_exit(node, caf::exit_reason::kill);
    node = nullptr;
    run();
  }

  void pass(std::chrono::milliseconds time) {
    for (; time > 0ms; time -= 250ms) advance(250ms);
  }
  void announce() {
    auto a = draft(1);
    a.aliases = {"ec/stream/v1/broadcast/standard-atsc/tsid-9/channel-5.1"};
    a.transports = {discovery::direct_transport{"192.0.2.7:4443", "moqt-18", {}}};
    send(node, actors::own_stream{std::make_shared<const discovery::announcement>(a)});
  }
  void give(const std::string& address, bool reachable = true) {
    log_of_network->gives.push_back({discovery::dht_key_of("ec/stream/v1/broadcast/standard-atsc/tsid-9/channel-7.1"), {{address, reachable}}});
    pass(250ms);
  }
  /// As if the peer that was dialled as the so many-th had said it.
  void hear(uint32_t source, std::string encoded) {
    actors::session_event e;
    e.source = source;
    if (const auto first = sessions.extract(source)) {
      e.what = actors::session_event::kind::up;
      e.session = caf::actor_cast<actors::session_actor>(first.mapped());
      send(caf::actor_cast<actors::session_sink_actor>(carrier), e);
      e.session = nullptr;
    }
    e.what = actors::session_event::kind::object;
    e.object.payload = base::bytes::copy(encoded);
    send(caf::actor_cast<actors::session_sink_actor>(carrier), e);
  }
  /// What the node of this key says now.
  std::string said(uint32_t number, const std::string& stream) {
    auto a = draft(number, stream);
    a.updated_unix_ms += static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now() - began).count());
    return signed_by(number, a);
  }
  size_t sources(const std::string& stream) {
    size_t count = 0;
    caf::scoped_actor self{sys};
    self->send(node, actors::source_query{stream});
    run();
    self->receive([&](const actors::found_sources& f) { count = f.sources.size(); });
    return count;
  }
  actors::carrier_status status() {
    actors::carrier_status out;
    caf::scoped_actor self{sys};
    self->send(carrier, actors::status_atom::value);
    run();
    self->receive([&](const actors::carrier_status& s) { out = s; });
    return out;
  }
};

} // namespace

TEST_CASE("own streams are announced under their key and each alias once somebody answers, and again less and less often") {
  dht_bench b;
  b.announce();
  b.pass(3s);
  CHECK(b.log_of_network->announced.empty());
  CHECK(b.log_of_network->looked_for.empty());
  CHECK(b.log_of_network->greeted >= 1);
  b.log_of_network->counters.nodes = 3;
  b.pass(250ms);
  using one = std::pair<discovery::dht_key, uint16_t>;
  const auto alias = discovery::dht_key_of("ec/stream/v1/broadcast/standard-atsc/tsid-9/channel-5.1");
  CHECK(b.log_of_network->announced == std::vector<one>{{discovery::dht_key_of(key_text), 4443}, {alias, 4443}});
  CHECK(b.log->count("dht-reachable") == 1);
  b.pass(60s);
  CHECK(b.log_of_network->announced.size() == 2 * 6); // at 0, 1, 3, 7, 15, 31 s
  b.pass(3600s);
  CHECK(b.log_of_network->announced.size() >= 2 * (6 + 4 + 4));
  CHECK(b.log_of_network->announced.size() <= 2 * (6 + 4 + 6)); // then each ten minutes
}

TEST_CASE("a stream that is withdrawn is not announced again, and one that only a relay has not at all: nobody could be asked here") {
  dht_bench b;
  b.log_of_network->counters.nodes = 3;
  const auto say = [&](const discovery::announcement& a) {
    b.send(b.carrier, actors::carried_announcement{std::make_shared<const discovery::announcement>(a), {}, {}});
    b.log_of_network->announced.clear();
    b.pass(3600s);
    return b.log_of_network->announced.size();
  };
  auto a = draft(1);
  CHECK(say(a) > 0);
  a.transports.clear();
  CHECK(say(a) == 0);
  a.transports = {discovery::relay_transport{"https://relay.example/moq", "x", {}, {}}};
  CHECK(say(a) == 0);
}

TEST_CASE("what others announce is not announced again: the network has their own word") {
  dht_bench b;
  b.log_of_network->counters.nodes = 3;
  b.pass(500ms);
  b.give("192.0.2.9:4443");
  b.hear(0, b.said(2, other));
  REQUIRE(b.sources(other) == 1);
  b.pass(60s);
  CHECK(b.log_of_network->announced.empty());
}

TEST_CASE("a network that does not answer is told once with what to do, and so is one that does again") {
  dht_bench b;
  b.pass(9s);
  CHECK(b.log->count("dht-unreachable") == 0);
  b.pass(120s);
  REQUIRE(b.log->count("dht-unreachable") == 1);
  CHECK(text_of(b.log->all("dht-unreachable")[0], "reason").find("--dht-bootstrap") != std::string::npos);
  CHECK(!b.status().fault.empty());
  b.log_of_network->counters.nodes = 1;
  b.pass(60s);
  CHECK(b.log->count("dht-reachable") == 1);
  CHECK(b.status().fault.empty());
  b.log_of_network->counters.nodes = 0;
  b.pass(60s);
  CHECK(b.log->count("dht-unreachable") == 2);
}

TEST_CASE("a wanted stream is looked for often at first and then each minute; who is found is dialled once and asked for that stream only") {
  dht_bench b;
  b.log_of_network->counters.nodes = 3;
  b.pass(30s);
  const auto first = b.log_of_network->looked_for.size();
  CHECK(first >= 20);
  CHECK(first <= 24);
  CHECK(b.log_of_network->looked_for[0] == discovery::dht_key_of("ec/stream/v1/broadcast/standard-atsc/tsid-9/channel-7.1"));
  b.pass(600s);
  CHECK(b.log_of_network->looked_for.size() - first <= 16);

  b.give("192.0.2.9:4443");
  b.give("192.0.2.9:4443");
  CHECK(b.dialled == std::vector<std::string>{"192.0.2.9:4443"});
  b.hear(0, b.said(2, wptv)); // genuine, and not what was asked
  CHECK(b.sources("") == 0);
  b.hear(0, b.said(2, other));
  CHECK(b.sources(other) == 1);
  REQUIRE(b.log->count("source-found") == 1);
  CHECK(text_of(b.log->all("source-found")[0], "carrier") == "dht");
  CHECK(text_of(b.log->all("source-found")[0], "address") == "192.0.2.9:4443");
  CHECK(b.status().heard == 2);
}

TEST_CASE("a peer that forges, or says nothing, is left and does not stand in the way") {
  dht_bench b;
  b.log_of_network->counters.nodes = 3;
  b.pass(500ms);
  for (int i = 1; i <= 5; ++i) b.give("192.0.2." + std::to_string(i) + ":4443");
  const auto asked = [&](const std::string& address) { return std::ranges::find(b.dialled, address) != b.dialled.end(); };
  CHECK(asked("192.0.2.4:4443"));
  CHECK(!asked("192.0.2.5:4443")); // four at once
  auto forged = discovery::decode(b.said(2, other)).value();
  forged.sequence += 1;
  b.hear(0, discovery::encode(forged));
  b.pass(250ms);
  CHECK(asked("192.0.2.5:4443")); // in the place of the one that forged
  CHECK(b.sources("") == 0);
  b.hear(1, "no announcement");
  b.hear(0, b.said(2, other)); // who was left is not heard any more
  CHECK(b.sources("") == 0);
  b.pass(11s);
  CHECK(b.status().faults >= 4);
}

TEST_CASE("a peer whose connection ends is dialled again, soon if it gave something") {
  dht_bench b;
  b.log_of_network->counters.nodes = 3;
  b.pass(500ms);
  b.give("192.0.2.9:4443");
  b.hear(0, b.said(2, other));
  actors::session_event e;
  e.what = actors::session_event::kind::down;
  b.send(caf::actor_cast<actors::session_sink_actor>(b.carrier), e);
  b.pass(4500ms);
  CHECK(b.dialled.size() == 1);
  b.pass(1s);
  CHECK(b.dialled.size() == 2);
  // Under another name: what the old session said last is no matter.
  b.send(caf::actor_cast<actors::session_sink_actor>(b.carrier), e);
  b.pass(9s);
  CHECK(b.dialled.size() == 2);
  CHECK(b.sources(other) == 1); // as long as its word holds
}

TEST_CASE("of the public network, only addresses of the internet are dialled, and its nodes are kept for the next start") {
  dht_bench b(false);
  CHECK(b.log_of_network->joined_with.empty());
  b.log_of_network->counters.nodes = 3;
  b.pass(500ms);
  b.give("10.0.0.1:4443", false);
  CHECK(b.dialled.empty());
  b.give("9.9.9.9:4443", true);
  CHECK(b.dialled.size() == 1);
  const auto ended = b.watch(b.carrier);
  b.send(b.carrier, actors::stop_atom::value);
  CHECK(ended->ended);
  const auto kept = base::read_file(b.folder / "dht.state", 1000);
  REQUIRE(kept.has_value());
  CHECK(kept.value().text() == "the nodes that it knew");
}
