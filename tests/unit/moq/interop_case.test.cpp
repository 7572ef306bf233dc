#include "moq/interop_case.hpp"

#include <doctest/doctest.h>

#include "moq/relay.hpp"
#include "tests/support/moq_link.hpp"

using namespace ec;
using namespace std::chrono_literals;

namespace {

/// A relay, or a server of one track store that relays nothing, and the wires to it.
struct judged final : moq::interop_stage {
  struct wire {
    test::moq_end here, there;
    test::moq_recorder says;
    std::unique_ptr<moq::relay_peer> peer;
    std::unique_ptr<moq::session> client, server;
  };
  std::unique_ptr<moq::interop_case> played;
  moq::track_store tracks;
  moq::relay_watcher nobody;
  std::optional<moq::relay> relay;
  std::vector<std::pair<size_t, std::unique_ptr<wire>>> wires;
  bool reachable = true, accepts = true;
  std::string protocol; ///< empty: moqt-18
  base::mono_time now{1h};

  explicit judged(std::string_view id) : played(moq::interop_case::make(id, *this)) {}
  ~judged() override {
    for (auto& [role, w] : wires) { // sessions go before those that hear them
      w->client.reset();
      w->server.reset();
    }
    wires.clear();
  }

  void open(size_t role) override {
    if (!reachable) return played->on_gone(role, "connection refused");
    auto w = std::make_unique<wire>();
    w->there.server = true;
    w->says.accept_namespaces = accepts;
    moq::session_config c, s;
    c.role = moq::session_role::client;
    s.role = moq::session_role::server;
    c.protocol = s.protocol = protocol;
    w->client = std::make_unique<moq::session>(c, w->here, played->listens(role), &played->serves(role));
    if (relay) {
      s.takes_publish = true;
      w->peer = std::make_unique<moq::relay_peer>(*relay, "peer", false);
      w->server = std::make_unique<moq::session>(s, w->there, *w->peer, &tracks);
      w->peer->bind(*w->server);
    } else {
      w->server = std::make_unique<moq::session>(s, w->there, w->says, &tracks);
    }
    w->client->on_connected(now);
    w->server->on_connected(now);
    played->on_dialled(role, *w->client);
    wires.emplace_back(role, std::move(w));
  }
  void pump() {
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t i = 0; i < wires.size(); ++i) { // a case may open another one meanwhile
        auto& w = *wires[i].second;
        moved |= carry(w.here, *w.server, now) || carry(w.there, *w.client, now);
      }
    }
  }
  /// "passed", or what was expected and what came.
  std::string run() {
    played->start(now);
    pump();
    while (const auto due = played->deadline()) {
      now = std::min(*due, now + 50ms); // the server has times of its own
      played->on_tick(now);
      for (auto& [role, w] : wires) {
        w->client->on_tick(now);
        w->server->on_tick(now);
      }
      if (relay) relay->on_tick(now);
      pump();
    }
    const auto& how = *played->outcome();
    return how.passed ? "passed" : how.expected + " | " + how.received;
  }
};

} // namespace

TEST_CASE("our relay passes every interop case") {
  for (const auto id : moq::interop_case::ids()) {
    CAPTURE(id);
    judged j(id);
    j.relay.emplace(moq::relay_config{}, j.tracks, j.nobody);
    CHECK(j.run() == "passed");
    for (const auto& [role, w] : j.wires) CHECK(w->here.closed == moq::session_code::no_error);
  }
}

TEST_CASE("in draft 16 the cases that need RENDEZVOUS_TIMEOUT are known, and our relay passes the others") {
  size_t without = 0;
  for (const auto id : moq::interop_case::ids()) {
    CAPTURE(id);
    if (moq::interop_case::needs_rendezvous(id)) {
      ++without;
      continue;
    }
    judged j(id);
    j.protocol = "moqt-16";
    j.relay.emplace(moq::relay_config{}, j.tracks, j.nobody);
    CHECK(j.run() == "passed");
  }
  CHECK(without == 2);
  CHECK_FALSE(moq::interop_case::needs_rendezvous("no such case"));
}

TEST_CASE("a case says what it expected and what it got") {
  SUBCASE("nobody there") {
    judged j("setup-only");
    j.reachable = false;
    CHECK(j.run() == "SETUP | client: connection refused");
  }
  SUBCASE("a namespace that is not wanted") {
    judged j("announce-only");
    j.accepts = false;
    CHECK(j.run() == "REQUEST_OK to PUBLISH_NAMESPACE | REQUEST_ERROR 32 (no)");
  }
  SUBCASE("a publisher that nobody asks") {
    judged j("announce-subscribe");
    CHECK(j.run() == "SUBSCRIBE_OK | REQUEST_ERROR 16 (no such track)");
  }
  SUBCASE("a track that should not be there") {
    judged j("subscribe-error");
    REQUIRE(j.tracks.add({{{"nonexistent", "namespace"}}, "test-track"}, {}, j.now));
    CHECK(j.run() == "REQUEST_ERROR to SUBSCRIBE | SUBSCRIBE_OK");
  }
  SUBCASE("a session that goes in the middle") {
    judged j("announce-only");
    j.played->start(j.now);
    j.wires.front().second->client->on_transport_closed(7, "bye", j.now);
    CHECK(j.played->outcome()->received == "client: the session closed with code 7: bye");
  }
  SUBCASE("silence") {
    judged j("setup-only");
    j.played->start(j.now);
    CHECK(j.played->deadline() == j.now + 2s);
    j.played->on_tick(j.now + 2s);
    CHECK(j.played->outcome()->expected == "SETUP");
    CHECK(j.played->outcome()->received == "nothing within 2000 ms");
  }
}

TEST_CASE("who is early may be refused, and the publisher comes all the same") {
  judged j("subscribe-before-announce");
  CHECK(j.run() == "passed");
  CHECK(j.wires.size() == 2);
}

TEST_CASE("there is no case of another name") {
  judged j("setup-only");
  CHECK(moq::interop_case::make("setup-onl", j) == nullptr);
}
