// Nodes that find each other by a directory, in virtual time: the directory is the real one, the network between is a function call.
#include "actors/discovery.hpp"

#include <doctest/doctest.h>

#include <set>

#include "actors/directory_carrier.hpp"
#include "actors/source_finder.hpp"
#include "actors/source_picker.hpp"
#include "actors/supervisor.hpp"
#include "actors/topology/announcing.hpp"
#include "discovery/directory.hpp"
#include "discovery/stream_listing.hpp"
#include "tests/support/actor_bench.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/discovery/fixture.hpp"

using namespace ec;
using namespace ec::test;
using namespace std::chrono_literals;

namespace {

/// How a link fares, as its supervisor would say: true if it is up. A link that is down is dialled again and again.
using fares = std::function<bool(const std::string& address)>;

/// Records what a subscriber would be told, and ends when it is told to.
class dialled final : public caf::event_based_actor {
public:
  dialled(caf::actor_config& cfg, std::vector<std::string>& open, std::string address, fares up) :
    caf::event_based_actor(cfg), open_(open), address_(std::move(address)), up_(std::move(up)) {
    open_.push_back(address_);
  }
  void on_exit() override { std::erase(open_, address_); }
  caf::behavior make_behavior() override {
    return {[this](actors::stop_atom) { quit(); },
            [this](actors::status_atom) {
              const bool up = !up_ || up_(address_);
              return actors::branch_status{"link", up ? restarts_ : ++restarts_, {caf::actor_cast<caf::actor>(this)}};
            }};
  }

private:
  std::vector<std::string>& open_;
  std::string address_;
  fares up_;
  uint64_t restarts_ = 0;
};

struct mesh_bench : actor_bench {
  discovery::directory directory{{.token = "let me in", .instance = "1"}};
  bool reachable = true;
  size_t asked = 0;
  size_t bytes_out = 0, bytes_in = 0;
  const base::mono_time began = now();

  std::vector<actors::discovery_actor> nodes;

  /// Before what they look at.
  ~mesh_bench() {
    for (const auto& n : nodes) caf::anon_send_exit(n, caf::exit_reason::kill);
    nodes.clear();
    run();
  }

  base::wall_time wall() { return noon + std::chrono::duration_cast<std::chrono::milliseconds>(now() - began); }

  base::result<net::http_answer> ask(const net::url& where, const net::http_call& call) {
    ++asked;
    if (!reachable) return base::fail(base::errc::closed, "nobody listens", where.authority());
    net::http_request request{call.method, where.path, where.query, call.headers, "192.0.2.200:999", call.body};
    auto answer = directory.answer(request, wall(), now());
    bytes_out += call.body.size() + where.target().size();
    bytes_in += answer.body.size();
    return net::http_answer{answer.status, answer.headers, answer.body};
  }

  /// A node with this key's number, which announces `streams`.
  actors::discovery_actor node(uint32_t number, const std::vector<std::string>& streams = {}, const std::string& token = "let me in", bool tell_all = true) {
    actors::discovery_config config;
    config.key = std::make_shared<const crypto::signing_key>(key_of(number));
    config.ttl = 30s;
    config.wall = [this] { return wall(); };
    config.tell_all = tell_all;
    actors::directory_carrier_config by{.directory = net::parse_url("http://directory.example").value(), .token = token, .poll = 1500ms, .pass_on = false, .ask = {}};
    by.ask = [this](const net::url& where, const net::http_call& call) { return ask(where, call); };
    config.carriers.push_back(actors::directory_carrier(std::move(by), observer, actors::placement::shared));
    auto made = own(actors::spawn_discovery(sys, std::move(config), observer).value());
    nodes.push_back(made);
    for (const auto& s : streams) send(made, actors::own_stream{std::make_shared<const discovery::announcement>(draft(number, s))});
    run();
    return made;
  }

  void pass(std::chrono::milliseconds time) {
    for (; time > 0ms; time -= 100ms) advance(100ms);
  }

  size_t sources(const actors::discovery_actor& of, const std::string& stream = wptv) {
    size_t count = 0;
    caf::scoped_actor self{sys};
    self->send(of, actors::source_query{stream});
    run();
    self->receive([&](const actors::found_sources& f) { count = f.sources.size(); });
    return count;
  }
};

const std::string device = "ec/stream/v1/source/kind-hdhomerun/device-1234/channel-5.1/profile-ts-v1/variant-main";
const std::string other = "ec/stream/v1/broadcast/standard-atsc/tsid-9/channel-7.1/profile-ts-v1/variant-main";

} // namespace

TEST_CASE("three nodes and a directory find each other's streams within five seconds, and two of one broadcast are one stream") {
  mesh_bench b;
  const auto first = b.node(1, {wptv}), second = b.node(2, {wptv, other}), third = b.node(3);
  b.pass(2s);
  for (const auto& n : {first, second, third}) {
    CHECK(b.sources(n) == 2);
    CHECK(b.sources(n, other) == 1);
  }
  CHECK(discovery::list_streams(b.directory.table().all()).size() == 2);
  CHECK(b.log->count("announced") == 3);
  // They stay for as long as they say it again, and nobody is told of it.
  const auto told = b.log->count("source-found");
  b.pass(120s);
  CHECK(b.sources(third) == 2);
  CHECK(b.log->count("source-found") == told);
  CHECK(b.log->count("source-gone") == 0);
}

TEST_CASE("a node that learns a further name of its stream announces it at once, and who began with the better one sees both as one") {
  mesh_bench b;
  const auto first = b.node(1, {wptv}), second = b.node(2, {device});
  b.pass(2s);
  CHECK(discovery::list_streams(b.directory.table().all()).size() == 2);
  const auto learnt = [&](const std::string& stream, const std::string& alias) {
    auto a = draft(2, stream);
    a.aliases = {std::string(identity::stream_id::parse(alias).value().key())};
    b.send(second, actors::own_stream{std::make_shared<const discovery::announcement>(a)});
  };
  learnt(device, wptv); // within the same millisecond as the first word: it has a higher number all the same
  learnt(wptv, device);
  learnt(device, wptv);
  b.pass(2s);
  const auto streams = discovery::list_streams(b.directory.table().all());
  REQUIRE(streams.size() == 1);
  CHECK(streams[0].nodes == 2);
  CHECK(b.sources(first) == 3); // of two nodes, one by two names
  CHECK(b.log->count("announced") == 3);
  // At its end it withdraws both.
  b.send(second, actors::stop_atom::value);
  b.pass(2s);
  CHECK(b.sources(first) == 1);
}

TEST_CASE("a node that ends is gone at once, and one that dies when its time is over") {
  mesh_bench b;
  const auto first = b.node(1, {wptv}), second = b.node(2, {wptv}), third = b.node(3);
  b.pass(2s);
  const auto end = b.watch(first);
  b.send(first, actors::stop_atom::value);
  b.pass(2s);
  CHECK(end->ended);
  CHECK(b.sources(third) == 1);
  REQUIRE(b.log->count("source-gone") == 2); // the other two were told
  CHECK(text_of(b.log->all("source-gone")[0], "reason") == "withdrawn");
  caf::anon_send_exit(second, caf::exit_reason::kill);
  b.pass(25s);
  CHECK(b.sources(third) == 1);
  b.pass(4s);
  CHECK(b.sources(third) == 0);
  CHECK(text_of(b.log->all("source-gone")[2], "reason") == "expired");
}

TEST_CASE("a directory that is away is said once, what was found stays until its time is over, and all is found again") {
  mesh_bench b;
  const auto first = b.node(1, {wptv}), third = b.node(3);
  b.pass(2s);
  b.reachable = false;
  b.pass(20s);
  CHECK(b.log->count("carrier-fault") == 2); // of each node
  CHECK(b.sources(third) == 1);
  b.pass(20s);
  CHECK(b.sources(third) == 0);
  CHECK(b.sources(first) == 1); // its own
  b.reachable = true;
  // It was started anew in between: readers begin again from its beginning.
  b.directory = discovery::directory({.token = "let me in", .instance = "2"});
  b.pass(5s);
  CHECK(b.sources(third) == 1);
  CHECK(b.log->count("carrier-restored") == 2);
}

TEST_CASE("without the token nothing is announced, and what is announced is read all the same") {
  mesh_bench b;
  const auto first = b.node(1, {wptv}, "wrong"), second = b.node(2, {wptv});
  b.pass(5s);
  CHECK(b.sources(second) == 1);
  CHECK(b.sources(first) == 2);
  CHECK(b.directory.posts_unauthorized() > 0);
  REQUIRE(b.log->count("carrier-fault") == 1);
  CHECK(text_of(b.log->all("carrier-fault")[0], "reason").find("401") != std::string::npos);
}

TEST_CASE("a subscriber dials who is found, each once, and leaves who is gone") {
  mesh_bench b;
  std::vector<std::string> open;
  const auto looking = b.node(3, {}, "let me in", false);
  actors::source_finder_config config{.stream_id = wptv, .first = 0, .places = 2, .link = {}};
  config.link = [&](caf::actor_system& sys, uint32_t, const quic::endpoint_address& where) { return sys.spawn<dialled>(open, where.authority(), nullptr); };
  const auto finder = b.own(actors::spawn_source_finder(b.sys, std::move(config), looking, b.observer));
  b.pass(2s);
  CHECK(open.empty());
  const auto first = b.node(1, {wptv});
  b.pass(2s);
  CHECK(open == std::vector<std::string>{"192.0.2.7:4443"});
  REQUIRE(b.log->count("source-dialled") == 1);
  b.pass(60s); // it is said again and again
  CHECK(b.log->count("source-dialled") == 1);
  b.send(first, actors::stop_atom::value);
  b.pass(2s);
  CHECK(open.empty());
  const auto end = b.watch(finder);
  b.send(finder, actors::stop_atom::value);
  CHECK(end->ended);
}

TEST_CASE("a source that was heard before anybody wanted its stream is told when somebody does, once") {
  std::vector<std::string> open; // outlives who writes to it
  mesh_bench b;
  const auto looking = b.node(3, {}, "let me in", false);
  b.node(1, {wptv});
  b.pass(2s);
  CHECK(b.log->count("source-found") == 0); // nobody wants it
  const auto look = [&] {
    actors::source_finder_config config{.stream_id = wptv, .first = 0, .places = 2, .link = {}};
    config.link = [&](caf::actor_system& sys, uint32_t, const quic::endpoint_address& where) { return sys.spawn<dialled>(open, where.authority(), nullptr); };
    b.own(actors::spawn_source_finder(b.sys, std::move(config), looking, b.observer));
    b.pass(2s);
  };
  look();
  REQUIRE(b.log->count("source-found") == 1);
  CHECK(text_of(b.log->all("source-found")[0], "stream_id") == wptv);
  CHECK(text_of(b.log->all("source-found")[0], "carrier") == "directory");
  look(); // it is known by now
  CHECK(b.log->count("source-found") == 1);
}

TEST_CASE("a source that cannot be reached gives its place to another, one that is up keeps it, and who was given up gets another turn") {
  mesh_bench b;
  std::vector<std::string> open;
  std::set<std::string> up;
  actors::source_finder_config config{.stream_id = wptv, .first = 0, .places = 1, .link = {}};
  config.link = [&](caf::actor_system& sys, uint32_t, const quic::endpoint_address& where) {
    return sys.spawn<dialled>(open, where.authority(), [&](const std::string& address) { return up.contains(address); });
  };
  const auto finder = b.own(actors::spawn_source_finder(b.sys, std::move(config), b.node(3, {}, "let me in", false), b.observer));
  const std::string one = "192.0.2.1:4443", other_one = "192.0.2.2:4443";
  for (uint32_t number : {1, 2}) {
    auto a = draft(number);
    a.transports = {discovery::direct_transport{number == 1 ? one : other_one, "moqt-18", {}}};
    b.send(b.node(number), actors::own_stream{std::make_shared<const discovery::announcement>(a)});
  }
  using here = std::vector<std::string>;
  b.pass(5s);
  REQUIRE(open.size() == 1);
  const auto first = open.front(), second = first == one ? other_one : one;
  // Neither can be reached: they take turns.
  b.pass(35s);
  CHECK(open == here{second});
  b.pass(20s);
  CHECK(open == here{first});
  // It comes up, and keeps its place; a short break changes nothing.
  up.insert(first);
  b.pass(120s);
  CHECK(open == here{first});
  up.clear();
  b.pass(10s);
  up.insert(first);
  b.pass(120s);
  CHECK(open == here{first});
  // It is gone, and the other is there.
  up = {second};
  b.pass(45s);
  CHECK(open == here{second});
  b.pass(120s);
  CHECK(open == here{second});
  b.send(finder, actors::stop_atom::value);
}

TEST_CASE("a publisher is given neither itself nor whom it knows, and who gives nothing, or had its turn, makes room for who waits") {
  mesh_bench b;
  std::vector<std::string> open;
  const auto address_of = [](uint32_t number) { return "192.0.2." + std::to_string(number) + ":4443"; };
  const auto here = [&](uint32_t number) { return open == std::vector{address_of(number)}; };
  const auto announce = [&](const actors::discovery_actor& by, uint32_t number) {
    auto a = draft(number);
    a.transports = {discovery::direct_transport{address_of(number), "moqt-18", key_of(number).public_key().bytes()}};
    b.send(by, actors::own_stream{std::make_shared<const discovery::announcement>(a)});
  };
  const auto publisher = b.node(1);
  announce(publisher, 1);
  for (uint32_t number : {2, 3}) announce(b.node(number), number);
  actors::source_finder_config config{.stream_id = wptv, .first = 5, .places = 1, .link = {}};
  config.except.self = key_of(1).public_key();
  config.except.addresses = {address_of(2)};
  config.link = [&](caf::actor_system& sys, uint32_t id, const quic::endpoint_address& where) {
    CHECK(id == 5);
    return sys.spawn<dialled>(open, where.authority(), nullptr);
  };
  const auto finder = b.own(actors::spawn_source_finder(b.sys, config, publisher, b.observer));
  b.pass(5s);
  REQUIRE(here(3)); // not the first two
  b.send(finder, actors::source_useless{5});
  b.send(finder, actors::source_useless{0}); // nobody's
  b.pass(60s);
  CHECK(here(3)); // nobody waits
  announce(b.node(4), 4);
  b.pass(15s);
  CHECK(here(4));
  b.pass(120s);
  CHECK(here(4)); // it is of use, for all that is known
  b.send(finder, actors::stop_atom::value);

  // Where they are only heard, each has its turn.
  config.turn = 60s;
  const auto listening = b.own(actors::spawn_source_finder(b.sys, config, publisher, b.observer));
  std::set<std::string> seen;
  for (int i = 0; i < 15; ++i) {
    b.pass(10s);
    CHECK(open.size() == 1);
    seen.insert(open.begin(), open.end());
  }
  CHECK(seen == std::set{address_of(3), address_of(4)});
  b.send(listening, actors::stop_atom::value);
}

TEST_CASE("who picks a source takes the first that comes by its policy, and says after a while that there is none") {
  mesh_bench b;
  const auto looking = b.node(3, {}, "let me in", false);
  struct outcome {
    std::vector<actors::picked_source> got;
    std::shared_ptr<ending> end;
  };
  const auto pick = [&](discovery::policy policy, std::chrono::milliseconds wait) {
    const auto out = std::make_shared<outcome>();
    const auto picker = b.own(actors::spawn_source_picker(b.sys, {wptv, policy, wait, [out](const auto& p) { out->got.push_back(p); }}, looking));
    out->end = b.watch(picker);
    return out;
  };
  const auto nobody = pick(discovery::policy::direct_first, 1s), early = pick(discovery::policy::direct_first, 20s), relayed = pick(discovery::policy::relay, 20s);
  b.pass(2s);
  REQUIRE(nobody->got.size() == 1);
  CHECK_FALSE(nobody->got[0].best.has_value());
  CHECK(nobody->got[0].sources == 0);
  CHECK(nobody->end->ended);
  CHECK(early->got.empty());
  const auto source = b.node(1, {wptv});
  b.pass(5s);
  REQUIRE(early->got.size() == 1);
  REQUIRE(early->got[0].best.has_value());
  CHECK(discovery::full_address(early->got[0].best->by).starts_with("moqt://192.0.2.7:4443#"));
  CHECK(early->end->ended);
  CHECK(relayed->got.empty());
  b.pass(20s);
  REQUIRE(relayed->got.size() == 1);
  CHECK_FALSE(relayed->got[0].best.has_value());
  CHECK(relayed->got[0].sources == 1);
  // It is known already: nothing is waited for.
  const auto at_once = pick(discovery::policy::direct, 0s);
  b.run();
  REQUIRE(at_once->got.size() == 1);
}

TEST_CASE("a thousand forged announcements in a listing are refused, counted, and told once with the reason") {
  mesh_bench b;
  const auto node = b.node(1);
  actors::heard_announcements heard{discovery::carrier_kind::gossip, "198.51.100.1:5000", {}};
  for (uint64_t i = 0; i < 1000; ++i) {
    auto forged = draft(2);
    forged.sequence = i + 1;
    forged.updated_unix_ms = noon_ms;
    heard.encoded.push_back(base::bytes::copy(discovery::encode(forged)));
  }
  b.send(node, heard);
  b.pass(2s);
  CHECK(b.sources(node) == 0);
  const auto told = b.log->all("announcement-refused");
  REQUIRE(told.size() == 2);
  CHECK(text_of(told[0], "verdict") == "bad_signature");
  CHECK(text_of(told[0], "address") == "198.51.100.1:5000");
  CHECK(text_of(told[1], "verdict") == "over_address_rate");
}

TEST_CASE("a node keeps the key that it announces by, and no other reads it") {
  temp_dir dir;
  const auto made = actors::node_key(dir / "state");
  REQUIRE_MESSAGE(made.has_value(), made.error().message());
  const auto again = actors::node_key(dir / "state");
  REQUIRE(again.has_value());
  CHECK(made.value()->public_key() == again.value()->public_key());
  std::filesystem::permissions(dir / "state/node.key", std::filesystem::perms::others_read, std::filesystem::perm_options::add);
  CHECK(actors::node_key(dir / "state").error().code == base::errc::permission);
}
