// Relays that end in good order, in virtual time: what is watched goes on at another relay without a gap.
#include <algorithm>

#include <doctest/doctest.h>

#include "base/log.hpp"
#include "tests/simulation/node.hpp"

using namespace ec;
using namespace ec::simulation;
using namespace std::chrono_literals;

namespace {

/// Keeps what the nodes report.
class reports final : public node_watch {
public:
  void on_report(host_id host, const actors::report& r) override { all_[host].push_back(r); }
  void on_published(host_id host, const moq::track& t, const moq::object& o) override {
    if (o.id == 0 && t.name().name == "manifests") ++manifests_[{host, o.group}];
  }
  void on_group_ended(host_id, const moq::track&, uint64_t, bool) override {}
  void on_placed(host_id, const std::string&, const std::vector<uint8_t>&) override {}
  void on_crashed(host_id, crash) override {}

  std::vector<actors::report> of(host_id host, const std::string& event) const {
    std::vector<actors::report> out;
    const auto at = all_.find(host);
    if (at == all_.end()) return out;
    for (const auto& r : at->second)
      if (r.event == event) out.push_back(r);
    return out;
  }
  size_t count(host_id host, const std::string& event) const { return of(host, event).size(); }
  std::string text(host_id host) const {
    std::string out;
    if (const auto at = all_.find(host); at != all_.end())
      for (const auto& r : at->second)
        if (r.event != "chunk" && r.event != "segment") out += r.event + " " + base::json::dump(r.fields) + "\n";
    return out;
  }
  /// True if no manifest was signed twice.
  bool signed_once(host_id leader) const {
    return std::ranges::all_of(manifests_, [&](const auto& m) { return m.first.first != leader || m.second == 1; });
  }

private:
  std::map<host_id, std::vector<actors::report>> all_;
  std::map<std::pair<host_id, uint64_t>, unsigned> manifests_;
};

const base::json::value* field(const actors::report& r, std::string_view name) {
  for (const auto& [key, value] : r.fields)
    if (key == name) return &value;
  return nullptr;
}
int64_t number(const actors::report& r, std::string_view name) {
  const auto* v = field(r, name);
  return v != nullptr && v->as_int() ? *v->as_int() : -1;
}

constexpr host_id leader_host = 1, a_host = 2, b_host = 3, c_host = 4, antenna_host = 5, subscriber_host = 6;

/// A station, relays, and who publishes and watches there.
struct stage {
  world in{4711};
  network net{in};
  broadcast station{in, {}};
  reports says;
  std::vector<std::unique_ptr<node>> nodes;

  stage() {
    base::log::set_up(base::log::format::text, base::log::level::off);
    in.between_messages([this] {
      for (auto& n : nodes) n->bury();
    });
  }

  ~stage() { in.between_messages({}); }

  static std::string at(host_id host) { return "moqt://" + network::address_of(host).to_string(); }

  node& add(node_config c) {
    nodes.push_back(std::make_unique<node>(in, net, station, std::move(c), says));
    nodes.back()->start();
    return *nodes.back();
  }
  node& add_relay(host_id host, const std::string& handover = {}, std::vector<std::string> upstream = {}) {
    const auto& keys = key_ring::of_process();
    node_config c{.what = role::moq_relay, .host = host, .publish = {}, .subscribe = {}, .mesh = {}};
    c.mesh.listen = network::address_of(host).to_string();
    c.mesh.tls_cert = keys.chain;
    c.mesh.tls_key = keys.tls_key;
    c.mesh.state_dir = state_folder;
    c.mesh.http_listen = "off"; // there is no TCP in this network
    c.mesh.handover = handover;
    c.mesh.upstream = std::move(upstream);
    return add(std::move(c));
  }
  /// Publishes to `relays`; the leader signs, another receiver of the broadcast gives its chunks alone.
  node& add_publisher(host_id host, std::vector<std::string> relays) {
    const auto& keys = key_ring::of_process();
    node_config c{.what = host == leader_host ? role::leader : role::relay, .host = host, .publish = {}, .subscribe = {}, .mesh = {}};
    c.publish.input = "hdhomerun://simulated/v5.1";
    c.publish.stream_id = stream_id;
    c.publish.key = keys.signing_key;
    c.publish.state_dir = state_folder;
    c.publish.tls_cert = keys.chain;
    c.publish.tls_key = keys.tls_key;
    c.publish.listen = network::address_of(host).to_string();
    c.publish.relay = std::move(relays);
    return add(std::move(c));
  }
  node& add_subscriber(std::vector<std::string> remote) {
    node_config c{.what = role::subscriber, .host = subscriber_host, .publish = {}, .subscribe = {}, .mesh = {}};
    c.subscribe.remote = std::move(remote);
    c.subscribe.stream_id = stream_id;
    c.subscribe.require_manifest = true;
    c.subscribe.trust = {key_ring::of_process().signer.to_string()};
    c.subscribe.hls_dir = hls_folder;
    c.subscribe.state_dir = state_folder;
    c.subscribe.hls_mode = "event";
    return add(std::move(c));
  }
  /// The broadcast is published to relay a and watched at `where` for half a minute: the number of chunks that came.
  size_t watch(host_id where = a_host, const std::vector<host_id>& publishers = {leader_host}) {
    for (const auto host : publishers) add_publisher(host, {at(a_host)});
    add_subscriber({at(where)});
    run(30s);
    return says.count(subscriber_host, "chunk");
  }
  void run(base::mono_duration length) {
    in.run(length, [this] {
      for (auto& n : nodes) n->bury();
      return true;
    });
  }
  /// The subscriber shows every chunk from its first on, once, verified.
  void must_have_all(size_t at_least) {
    const auto chunks = says.of(subscriber_host, "chunk");
    INFO(says.text(subscriber_host));
    CHECK(chunks.size() >= at_least);
    for (size_t i = 0; i < chunks.size(); ++i) {
      CHECK(number(chunks[i], "chunk") == number(chunks[0], "chunk") + static_cast<int64_t>(i));
      CHECK(base::json::dump(*field(chunks[i], "verified")) == "true");
      CHECK(base::json::dump(*field(chunks[i], "damaged")) == "false");
    }
    CHECK(says.count(subscriber_host, "skipped") == 0);
    CHECK(says.count(subscriber_host, "rejected") == 0);
    CHECK(says.count(subscriber_host, "source-down") == 0);
    CHECK(says.signed_once(leader_host));
  }
};

} // namespace

TEST_CASE("a relay that ends hands publisher and subscriber over, and nobody who watches sees it") {
  stage s;
  auto& a = s.add_relay(a_host, stage::at(b_host));
  auto& b = s.add_relay(b_host);
  const auto before = s.watch();
  CHECK(before >= 8);
  a.stop();
  s.run(40s);
  INFO(s.says.text(leader_host), s.says.text(a_host), s.says.text(b_host));
  CHECK(s.says.count(leader_host, "uplink-moved") == 1);
  CHECK(s.says.count(leader_host, "uplink-down") == 0);
  CHECK(s.says.count(subscriber_host, "source-moved") == 1);
  const auto left = s.says.of(a_host, "left");
  REQUIRE(left.size() == 1);
  CHECK(number(left[0], "sessions") == 2);
  CHECK(number(left[0], "ended") == 0);
  s.must_have_all(before + 15);
  b.stop();
  s.run(5s);
  const auto totals = s.says.of(b_host, "relay-totals");
  REQUIRE(totals.size() == 1);
  CHECK(number(totals[0], "subscriptions_upstream") == 3); // manifests, chunks, damaged: once each
  CHECK(number(totals[0], "conflicts") == -1);
  CHECK(number(totals[0], "behind_hole") == -1);
}

TEST_CASE("two publishers of one track are handed over, each by itself") {
  stage s;
  auto& a = s.add_relay(a_host, stage::at(b_host));
  s.add_relay(b_host);
  const auto before = s.watch(a_host, {leader_host, antenna_host});
  a.stop();
  s.run(40s);
  INFO(s.says.text(leader_host), s.says.text(a_host), s.says.text(antenna_host));
  CHECK(s.says.count(leader_host, "uplink-moved") == 1);
  CHECK(s.says.count(antenna_host, "uplink-moved") == 1);
  CHECK(s.says.count(subscriber_host, "source-moved") == 1);
  s.must_have_all(before + 15);
}

TEST_CASE("a relay below another goes over to the next one, and who watches there sees nothing of it") {
  stage s;
  auto& a = s.add_relay(a_host, stage::at(b_host));
  s.add_relay(b_host);
  s.add_relay(c_host, {}, {stage::at(a_host)});
  const auto before = s.watch(c_host);
  a.stop();
  s.run(40s);
  INFO(s.says.text(leader_host), s.says.text(a_host), s.says.text(b_host), s.says.text(c_host));
  CHECK(s.says.count(c_host, "uplink-moved") == 1);
  CHECK(s.says.count(leader_host, "uplink-moved") == 1);
  CHECK(s.says.count(subscriber_host, "source-moved") == 0);
  s.must_have_all(before + 15);
}

TEST_CASE("a relay that names no other is left at once, and dialled again until it is back") {
  stage s;
  auto& a = s.add_relay(a_host);
  const auto before = s.watch();
  a.stop();
  s.run(1s);
  CHECK_MESSAGE(s.says.count(a_host, "left") == 1, s.says.text(a_host));
  s.run(1s);
  a.crash(crash::kill);
  s.run(1s);
  a.start();
  s.run(30s);
  INFO(s.says.text(leader_host), s.says.text(subscriber_host));
  CHECK(s.says.count(subscriber_host, "chunk") >= before + 10);
  CHECK(s.says.count(subscriber_host, "rejected") == 0);
  CHECK(s.says.count(leader_host, "uplink-up") == 2);
}

TEST_CASE("a relay that is named and not there holds nobody up: the old one serves until the time is over") {
  stage s;
  auto& a = s.add_relay(a_host, stage::at(b_host));
  const auto before = s.watch();
  a.stop();
  s.run(10s);
  CHECK(s.says.count(a_host, "left") == 0);
  CHECK(s.says.count(subscriber_host, "chunk") >= before + 4);
  auto& b = s.add_relay(b_host); // late
  s.run(30s);
  CHECK(s.says.count(subscriber_host, "source-moved") == 1);
  CHECK(s.says.count(leader_host, "uplink-moved") == 1);
  CHECK(b.up());
  s.must_have_all(before + 15);
}
