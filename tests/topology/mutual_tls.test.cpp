// Relays that know each other by certificates.
#include <doctest/doctest.h>

#include "access/token.hpp"
#include "base/bytes.hpp"
#include "base/file.hpp"

#include "tests/support/certificates.hpp"
#include "tests/support/topology.hpp"

using namespace ec;
using namespace std::chrono_literals;

namespace {

struct certified_mesh {
  test::topology_bench bench;
  test::authority home{"home"};
  std::unique_ptr<test::running_node> root;
  std::unique_ptr<test::running_node> leader;

  std::string file(const std::string& name, const std::string& text) const {
    const std::string path = bench.dir / name;
    REQUIRE(base::write_new_file(path, base::as_span(text), 0600).has_value());
    return path;
  }
  void show(actors::relay_node_config& c, const std::string& name, const test::authority::signed_pair& shown) const {
    c.client_cert = file(name + ".crt", shown.cert);
    c.client_key = file(name + ".key", shown.key);
  }
  std::unique_ptr<test::running_node> start(const actors::relay_node_config& c) {
    return std::make_unique<test::running_node>(bench.sys, [&](actors::observer_actor o) { return actors::moq_relay(bench.sys, c, o); });
  }
  void start_root(const std::vector<std::string>& publish = {}, const std::vector<std::string>& subscribe = {}) {
    actors::relay_node_config c;
    c.listen = "127.0.0.1:0";
    c.state_dir = bench.dir / "root-state";
    c.client_ca = file("home.pem", home.pem());
    c.peer_publish = publish;
    c.peer_subscribe = subscribe;
    root = start(c);
  }
  /// A relay below the first one, which shows this or nothing.
  std::unique_ptr<test::running_node> below(const std::string& name, const std::optional<test::authority::signed_pair>& shown) {
    actors::relay_node_config c;
    c.listen = "127.0.0.1:0";
    c.state_dir = bench.dir / (name + "-state");
    c.upstream = {root->address()};
    if (shown) show(c, name, *shown);
    return start(c);
  }
  /// A publisher that gives its stream to the first relay, and shows a certificate there.
  actors::publish_config certified_leader() const {
    auto c = bench.publish("leader");
    c.relay = {root->address()};
    const auto owner = home.sign("leader");
    c.client_cert = file("leader-tls.crt", owner.cert);
    c.client_key = file("leader-tls.key", owner.key);
    return c;
  }
  bool told(const char* what, const std::string& who) const {
    return root->log().wait([&](const actors::report& r) { return r.event == "access-refused" && test::text_of(r, "what") == what && test::text_of(r, "who") == who; });
  }
};

} // namespace

TEST_CASE("relays with certificates of one authority are each other's peers, whatever tokens say") {
  certified_mesh m;
  m.start_root();
  const auto shown = m.home.sign("leaf");
  const auto leaf = m.below("leaf", shown);
  const auto leader = m.bench.leader(m.certified_leader());
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());
  auto wanted = m.bench.subscribe(*leader, *leader);
  wanted.remote = {leaf->address()};
  wanted.remote_manifests = {};
  const auto viewer = m.bench.subscriber(wanted);
  REQUIRE_MESSAGE(viewer->log().wait("segment", 2), viewer->log().text());
  CHECK(viewer->log().count("rejected") == 0);

  // At the first relay itself a certificate or a token is needed: a viewer without them sees nothing there, one with a certificate does.
  auto stranger = m.bench.subscribe(*leader, *leader);
  stranger.remote = {m.root->address()};
  stranger.hls_dir = m.bench.dir / "stranger-hls";
  stranger.state_dir = m.bench.dir / "stranger-state";
  const auto nobody = m.bench.subscriber(stranger);
  CHECK(m.told("request", "anonymous"));
  const auto guest = m.home.sign("guest");
  stranger.client_cert = m.file("guest.crt", guest.cert);
  stranger.client_key = m.file("guest.key", guest.key);
  stranger.hls_dir = m.bench.dir / "guest-hls";
  stranger.state_dir = m.bench.dir / "guest-state";
  const auto known = m.bench.subscriber(stranger);
  REQUIRE_MESSAGE(known->log().wait("segment", 1), known->log().text());
  CHECK(nobody->log().count("segment") == 0);
  m.root->stop();
  REQUIRE_MESSAGE(m.root->ended(), m.root->log().text());
  const auto totals = m.root->log().all("relay-totals");
  REQUIRE(totals.size() == 1);
  CHECK(test::int_of(totals[0], "certified") >= 3);
}

TEST_CASE("a relay with a wrong or an expired certificate is refused, and both sides name it") {
  certified_mesh m;
  m.start_root();
  const test::authority other("other");
  const auto refused = [&](const std::string& name, const test::authority::signed_pair& shown, const char* why) {
    const auto node = m.below(name, shown);
    CHECK(m.told("certificate", "CN=" + name));
    const auto says = [&](const actors::report& r) { return r.event == "branch-down" && test::text_of(r, "reason").find(why) != std::string::npos; };
    CHECK_MESSAGE(node->log().wait(says), node->log().text());
    CHECK_MESSAGE(node->log().count([&](const actors::report& r) { return test::text_of(r, "reason").find("CN=" + name) != std::string::npos; }) > 0, node->log().text());
  };
  refused("foreign", other.sign("foreign"), "its issuer is unknown here");
  refused("late", m.home.sign("late", -48h, -1h), "it is expired");
}

TEST_CASE("what a certified relay may do can be narrowed to prefixes") {
  certified_mesh m;
  m.start_root({"elsewhere"}, {"ec"});
  const auto leader = m.bench.leader(m.certified_leader());
  REQUIRE_MESSAGE(leader->log().wait("uplink-refused"), leader->log().text());
  CHECK(leader->log().count("uplink-offered") == 0);
  CHECK(m.root->log().wait([](const actors::report& r) { return r.event == "access-refused" && test::text_of(r, "who").starts_with("CN=leader"); }));
}
