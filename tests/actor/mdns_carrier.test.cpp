// The carrier of the local network in virtual time: the network is a list of who is there, and a neighbour what a session event says it is.
#include "actors/mdns_carrier.hpp"

#include <doctest/doctest.h>

#include <map>

#include "actors/discovery.hpp"
#include "base/limits.hpp"
#include "tests/support/actor_bench.hpp"
#include "tests/unit/discovery/fixture.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

struct street {
  std::vector<discovery::mdns_peer> there;
  std::string fault;
};

class fake_network final : public discovery::mdns_network {
public:
  explicit fake_network(std::shared_ptr<street> at) : at_(std::move(at)) {}
  std::vector<discovery::mdns_peer> look() override { return at_->there; }
  std::string fault() const override { return at_->fault; }

private:
  std::shared_ptr<street> at_;
};

class silent_session final : public caf::event_based_actor {
public:
  using caf::event_based_actor::event_based_actor;
  caf::behavior make_behavior() override {
    return {[](const actors::subscribe_request&) { return actors::subscribe_ids{}; }};
  }
};

/// A link that is told when it may go.
class link_stub final : public caf::event_based_actor {
public:
  link_stub(caf::actor_config& cfg, std::vector<uint32_t>& left, uint32_t source) : caf::event_based_actor(cfg), left_(left), source_(source) {}
  caf::behavior make_behavior() override {
    return {[this](actors::stop_atom) {
      left_.push_back(source_);
      quit();
    }};
  }

private:
  std::vector<uint32_t>& left_;
  uint32_t source_;
};

discovery::mdns_peer neighbour(uint8_t n, const std::string& address) {
  discovery::mdns_peer p{"node-" + std::to_string(n), address, {}};
  p.spki.fill(n);
  return p;
}

struct mdns_bench : actor_bench {
  std::shared_ptr<street> at = std::make_shared<street>();
  std::vector<std::string> dialled; ///< by source
  std::vector<uint32_t> left;
  actors::session_sink_actor sink;
  actors::discovery_actor node;
  const base::mono_time began = now();

  mdns_bench() {
    actors::mdns_carrier_config config;
    config.on.blocking = actors::placement::shared;
    config.join = [this](const discovery::mdns_config&) -> base::result<std::unique_ptr<discovery::mdns_network>> { return std::make_unique<fake_network>(at); };
    config.link = [this](caf::actor_system& s, uint32_t source, const actors::session_peer& peer, actors::session_sink_actor to) {
      CHECK(source == dialled.size());
      CHECK(peer.verification.how == quic::client_verification::method::pin);
      CHECK(peer.keep_alive == std::chrono::seconds(5));
      dialled.push_back(peer.address.authority());
      sink = to;
      return caf::actor_cast<caf::actor>(s.spawn<link_stub>(left, source));
    };
    actors::discovery_config what;
    what.wall = [this] { return noon + std::chrono::duration_cast<std::chrono::milliseconds>(now() - began); };
    what.tell_all = true;
    what.carriers.push_back(actors::mdns_carrier(std::move(config), observer));
    node = own(actors::spawn_discovery(sys, std::move(what), observer).value());
    run();
  }
  ~mdns_bench() {
    sink = nullptr;
    caf::anon_send_exit(node, caf::exit_reason::kill);
    node = nullptr;
    run();
  }

  void pass(std::chrono::milliseconds time) {
    for (; time > 0ms; time -= 100ms) advance(100ms);
  }
  void up(uint32_t source) {
    actors::session_event e;
    e.source = source;
    e.what = actors::session_event::kind::up;
    e.text = dialled.at(source);
    e.session = caf::actor_cast<actors::session_actor>(sys.spawn<silent_session>());
    send(sink, e);
  }
  void hear(uint32_t source, const std::string& encoded) {
    actors::session_event e;
    e.source = source;
    e.what = actors::session_event::kind::object;
    e.object.payload = base::bytes::copy(encoded);
    send(sink, e);
  }
};

} // namespace

TEST_CASE("whoever is on the local network is dialled once and heard, and left when it is gone") {
  mdns_bench b;
  b.at->there = {neighbour(1, "192.0.2.7:4443"), neighbour(2, "192.0.2.8:4443")};
  b.pass(1s);
  CHECK(b.dialled == std::vector<std::string>{"192.0.2.7:4443", "192.0.2.8:4443"});
  b.up(0);
  b.hear(0, signed_by(7, draft(7)));
  const auto found = b.log->all("source-found");
  REQUIRE(found.size() == 1);
  CHECK(text_of(found[0], "carrier") == "mdns");
  CHECK(text_of(found[0], "address") == "192.0.2.7:4443");
  b.at->there.pop_back();
  b.pass(200ms);
  CHECK(b.left == std::vector<uint32_t>{1});
  // It is back, at another address.
  b.at->there.push_back(neighbour(2, "192.0.2.9:4443"));
  b.pass(200ms);
  CHECK(b.dialled.size() == 3);
  // One that moves without a goodbye is dialled anew.
  b.at->there[0].address = "192.0.2.10:4443";
  b.pass(200ms);
  CHECK(b.dialled.back() == "192.0.2.10:4443");
  CHECK(b.left == std::vector<uint32_t>{1, 0});
}

TEST_CASE("a street full of nodes is dialled up to the bound, and who leaves makes room") {
  mdns_bench b;
  for (size_t i = 0; i < base::limits::gossip_peers_max + 8; ++i) b.at->there.push_back(neighbour(static_cast<uint8_t>(i), "192.0.2.7:" + std::to_string(4000 + i)));
  b.pass(1s);
  CHECK(b.dialled.size() == base::limits::gossip_peers_max);
  b.at->there.erase(b.at->there.begin());
  b.pass(300ms);
  CHECK(b.dialled.size() == base::limits::gossip_peers_max + 1);
  CHECK(b.left == std::vector<uint32_t>{0});
}

TEST_CASE("a forged announcement of a neighbour counts for nothing") {
  mdns_bench b;
  b.at->there = {neighbour(1, "192.0.2.7:4443")};
  b.pass(200ms);
  b.up(0);
  auto forged = signed_by(7, draft(7));
  forged.replace(forged.find("\"roof\""), 6, "\"loft\"");
  b.hear(0, forged);
  CHECK(b.log->count("source-found") == 0);
  const auto refused = b.log->all("announcement-refused");
  REQUIRE(refused.size() == 1);
  CHECK(text_of(refused[0], "verdict") == "bad_signature");
  CHECK(text_of(refused[0], "carrier") == "mdns");
}

TEST_CASE("a network that cannot be read is told once, and once when it can be read again") {
  mdns_bench b;
  b.at->fault = "no such network";
  b.pass(1s);
  CHECK(b.log->count("carrier-fault") == 1);
  b.at->fault.clear();
  b.pass(1s);
  CHECK(b.log->count("carrier-restored") == 1);
}
