#include <doctest/doctest.h>

#include <atomic>

#include "access/token.hpp"
#include "base/bytes.hpp"
#include "base/file.hpp"
#include "moq/types.hpp"

#include "tests/support/topology.hpp"

using namespace ec;

namespace {

/// A relay that lets in whom a key's tokens name, at a time that the test moves on.
struct guarded_relay {
  explicit guarded_relay(test::topology_bench& b) : bench(b) {
    on.wall = [ahead = ahead] { return base::wall_now() + ahead->load(); };
    config.listen = "127.0.0.1:0";
    config.state_dir = bench.dir / "guarded-state";
    config.token_key = {bench.dir / "access.pub"};
    const auto text = base::json::dump(key.public_jwk().value());
    REQUIRE(base::write_new_file(config.token_key[0].string(), base::as_span(text), 0644).has_value());
  }

  void start() {
    node = std::make_unique<test::running_node>(bench.sys, [&](actors::observer_actor o) { return actors::moq_relay(bench.sys, config, o, on); });
  }
  std::string token(const char* publish, const char* subscribe, const char* whose, std::chrono::hours lives) const {
    access::token_claims c;
    if (publish) c.publish = {access::parse_prefix(publish).value()};
    if (subscribe) c.subscribe = {access::parse_prefix(subscribe).value()};
    c.subject = whose;
    c.expires = base::wall_now() + lives;
    return access::make_token(c, key).value();
  }
  /// True as soon as the relay has told this of `who`.
  bool told(const char* what, const std::string& who) const {
    return node->log().wait([&](const actors::report& r) { return r.event == "access-refused" && test::text_of(r, "what") == what && test::text_of(r, "who") == who; });
  }
  const std::string& address() const { return node->address(); }
  const test::report_log& log() const { return node->log(); }

  test::topology_bench& bench;
  crypto::token_key key = crypto::token_key::generate(crypto::token_algorithm::es256).value();
  std::shared_ptr<std::atomic<std::chrono::hours>> ahead = std::make_shared<std::atomic<std::chrono::hours>>(std::chrono::hours(0));
  actors::machine on;
  actors::relay_node_config config;
  std::unique_ptr<test::running_node> node;
};

} // namespace

TEST_CASE("a relay with a key lets in who shows its token, for what that names and until it ends or the key is taken away") {
  test::topology_bench bench;
  guarded_relay relay(bench);
  relay.start();
  auto publishing = bench.publish("leader");
  publishing.relay = {relay.address()};
  publishing.token = relay.token("ec", nullptr, "leader", std::chrono::hours(100));
  const auto leader = bench.leader(publishing);
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());

  const auto refused_as = [&](const std::string& name, const std::string& token) {
    auto c = bench.publish(name);
    c.relay = {relay.address()};
    c.token = token;
    const auto node = bench.leader(c);
    REQUIRE_MESSAGE(node->log().wait("uplink-refused"), node->log().text());
    CHECK(node->log().count("uplink-offered") == 0);
    return test::int_of(node->log().all("uplink-refused")[0], "code");
  };
  CHECK(refused_as("nobody", "") == moq::request_code::unauthorized);
  CHECK(relay.told("request", "anonymous"));
  CHECK(refused_as("other", relay.token("elsewhere", "ec", "other", std::chrono::hours(1))) == moq::request_code::unauthorized);
  CHECK(relay.told("request", "other"));

  auto wanted = bench.subscribe(*leader, *leader);
  wanted.remote = {relay.address()};
  wanted.token = relay.token(nullptr, "ec", "viewer", std::chrono::hours(1));
  const auto viewer = bench.subscriber(wanted);
  REQUIRE_MESSAGE(viewer->log().wait("segment", 2), viewer->log().text());
  CHECK(viewer->log().count("rejected") == 0);

  *relay.ahead = std::chrono::hours(2);
  CHECK(relay.told("expired", "viewer"));
  CHECK(relay.told("session", "anonymous")); // it comes again with the token that has expired
  viewer->stop();
  REQUIRE_MESSAGE(viewer->ended(), viewer->log().text());

  REQUIRE(std::filesystem::remove(relay.config.token_key[0]));
  CHECK(relay.told("revoked", "leader"));
  REQUIRE_MESSAGE(leader->log().wait("uplink-down"), leader->log().text());
  leader->stop();
  REQUIRE_MESSAGE(leader->ended(), leader->log().text());
  relay.node->stop();
  REQUIRE_MESSAGE(relay.node->ended(), relay.log().text());
  const auto totals = relay.log().all("relay-totals");
  REQUIRE(totals.size() == 1);
  CHECK(test::int_of(totals[0], "sessions_expired") >= 1);
  CHECK(test::int_of(totals[0], "sessions_revoked") == 1);
  CHECK(test::int_of(totals[0], "tokens_expired") >= 1);
  for (const auto& secret : {publishing.token, wanted.token}) CHECK(relay.log().text().find(secret) == std::string::npos);
}

TEST_CASE("over moq-lite who has no token is not let in, and a session ends with its token") {
  test::topology_bench bench;
  guarded_relay first(bench);
  first.config.moq_version = {"moq-lite-05"};
  first.start();
  auto publishing = bench.publish("leader");
  publishing.relay = {first.address()};
  publishing.token = first.token("ec", nullptr, "leader", std::chrono::hours(100));
  const auto leader = bench.leader(publishing);
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());

  const auto below = [&](const std::string& name, const std::string& token) {
    actors::relay_node_config c;
    c.listen = "127.0.0.1:0";
    c.state_dir = bench.dir / (name + "-state");
    c.upstream = {first.address()};
    c.token = token;
    return std::make_unique<test::running_node>(bench.sys, [&](actors::observer_actor o) { return actors::moq_relay(bench.sys, c, o); });
  };
  const auto stranger = below("stranger", "");
  CHECK(first.told("session", "anonymous"));
  const auto second = below("second", first.token(nullptr, "/", "second", std::chrono::hours(1)));
  auto wanted = bench.subscribe(*second, *second);
  wanted.trust = {leader->signer()};
  wanted.stream_id = leader->stream_id();
  const auto viewer = bench.subscriber(wanted);
  REQUIRE_MESSAGE(viewer->log().wait("segment", 2), viewer->log().text());

  *first.ahead = std::chrono::hours(2);
  CHECK(first.told("expired", "second"));
  REQUIRE_MESSAGE(second->log().wait("uplink-down"), second->log().text());
}

TEST_CASE("a relay shows a token in its own address, and serves what is public to everybody") {
  test::topology_bench bench;
  guarded_relay relay(bench);
  relay.config.public_subscribe = {"ec"};
  relay.start();
  auto publishing = bench.publish("leader");
  const auto pin = relay.address().find('#');
  publishing.relay = {relay.address().substr(0, pin) + "/" + relay.token("ec", nullptr, "leader", std::chrono::hours(1)) + relay.address().substr(pin)};
  const auto leader = bench.leader(publishing);
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());
  auto wanted = bench.subscribe(*leader, *leader);
  wanted.remote = {"https" + relay.address().substr(4)}; // by WebTransport
  const auto viewer = bench.subscriber(wanted);
  REQUIRE_MESSAGE(viewer->log().wait("segment", 2), viewer->log().text());
  CHECK(relay.log().count("access-refused") == 0);
}

TEST_CASE("a relay limits what one address has open and how fast it publishes, with keys or without") {
  test::topology_bench bench;
  guarded_relay relay(bench);
  relay.config.token_key.clear();
  relay.config.sessions_per_address = 2;
  relay.config.publish_kbps_per_address = 8; // less than any broadcast has
  relay.start();
  auto publishing = bench.publish("leader");
  publishing.relay = {relay.address()};
  const auto leader = bench.leader(publishing);
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());
  auto wanted = bench.subscribe(*leader, *leader);
  wanted.remote = {relay.address()};
  const auto viewer = bench.subscriber(wanted);
  CHECK(relay.told("rate", "anonymous"));

  auto third = bench.publish("third");
  third.relay = {relay.address()};
  const auto refused = bench.leader(third);
  CHECK(relay.told("session", "anonymous"));
  relay.node->stop();
  REQUIRE_MESSAGE(relay.node->ended(), relay.log().text());
  const auto totals = relay.log().all("relay-totals");
  REQUIRE(totals.size() == 1);
  CHECK(test::int_of(totals[0], "sessions_over_limit") >= 1);
  CHECK(test::int_of(totals[0], "publishers_held") >= 1);
  CHECK(refused->log().count("uplink-offered") == 0);
}

TEST_CASE("settings of access that cannot work are named before anything runs") {
  test::topology_bench bench;
  guarded_relay relay(bench);
  const auto token = relay.token("ec", "ec", "x", std::chrono::hours(1));
  const auto fault = [&](auto change) {
    auto c = relay.config;
    change(c);
    const auto made = actors::moq_relay(bench.sys, c, {}, bench.on);
    REQUIRE_FALSE(made.has_value());
    return made.error().message();
  };
  const auto says = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  CHECK(says(fault([](auto& c) { c.token_key = {"/nowhere.jwk"}; }), "/nowhere.jwk"));
  CHECK(says(fault([](auto& c) { c.token_key.push_back(c.token_key[0]); }), "given twice"));
  CHECK(says(fault([](auto& c) { c.token_key = {}, c.public_publish = {"a"}; }), "--public-publish: everything is public"));
  CHECK(says(fault([](auto& c) { c.token_key = {}, c.requests_per_token = 1; }), "--requests-per-token: no token is looked at"));
  CHECK(says(fault([](auto& c) { c.public_subscribe = {std::string(5000, 'x')}; }), "--public-subscribe"));
  CHECK(says(fault([&](auto& c) { c.token = token; }), "give --upstream too"));
  CHECK(says(fault([&](auto& c) { c.upstream = {"a.example:1"}, c.token = "a.b"; }), "--token: no token"));
  CHECK(says(fault([&](auto& c) { c.upstream = {"a.example:1"}, c.token = token, c.token_file = "/nowhere"; }), "give one"));
  CHECK(says(fault([&](auto& c) { c.upstream = {"a.example:1"}, c.token_file = "/nowhere"; }), "--token-file"));
  CHECK(says(fault([&](auto& c) { c.upstream = {"moqt://a.example:1/?jwt=x"}, c.token = token; }), "has a token in its address already"));
}
