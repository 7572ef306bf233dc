#include <doctest/doctest.h>

#include "base/file.hpp"

#include "tests/support/topology.hpp"

using namespace ec;

TEST_CASE("through two relays a subscriber gets the leader's chunks, and verifies them") {
  test::topology_bench bench;
  const auto leader = bench.leader(bench.publish("leader"));
  const auto relay = [&](const std::string& name, const std::string& upstream) {
    // Known by a name that leads nowhere, and reached all the same: its key is what counts.
    const auto where = upstream.substr(0, upstream.find('#'));
    actors::relay_node_config c;
    c.listen = "127.0.0.1:0";
    c.upstream = {"moqt://upstream.invalid:4443" + upstream.substr(where.size())};
    c.connect_to = {where.substr(where.find("//") + 2)};
    c.state_dir = bench.dir / (name + "-state");
    return std::make_unique<test::running_node>(bench.sys, [&](actors::observer_actor o) { return actors::moq_relay(bench.sys, c, o); });
  };
  const auto root = relay("root", leader->address());
  const auto leaf = relay("leaf", root->address());
  auto wanted = bench.subscribe(*leaf, *leaf);
  wanted.trust = {leader->signer()};
  wanted.stream_id = leader->stream_id();
  wanted.stop_after = 3;
  const auto subscriber = bench.subscriber(wanted);
  REQUIRE_MESSAGE(subscriber->ended(), subscriber->log().text());
  const auto chunks = subscriber->log().all("chunk");
  REQUIRE(chunks.size() == 3);
  for (const auto& c : chunks) CHECK(test::flag_of(c, "verified"));
  CHECK(subscriber->log().count("rejected") == 0);
  CHECK(leaf->log().count("track-up") > 0);
  CHECK(root->log().count("track-up") > 0);
  CHECK(bench.verify().ok());
}

namespace {

actors::relay_node_config relay_config(const test::topology_bench& bench, const std::string& listen = "127.0.0.1:0") {
  actors::relay_node_config c;
  c.listen = listen;
  c.state_dir = bench.dir / "relay-state";
  return c;
}

std::unique_ptr<test::running_node> start_relay(test::topology_bench& bench, const actors::relay_node_config& c) {
  return std::make_unique<test::running_node>(bench.sys, [&](actors::observer_actor o) { return actors::moq_relay(bench.sys, c, o); });
}

/// "127.0.0.1:4443" of "moqt://127.0.0.1:4443#spki=...".
std::string authority_of(const std::string& address) {
  const auto at = address.find("//") + 2;
  return address.substr(at, address.find('#') - at);
}

} // namespace

TEST_CASE("a leader that dials a relay is shown verified to who knows the relay alone, also after a restart of the relay") {
  test::topology_bench bench;
  auto relay = start_relay(bench, relay_config(bench));
  const auto where = relay->address();
  auto publishing = bench.publish("leader");
  publishing.relay = {where};
  const auto leader = bench.leader(publishing);
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());
  auto wanted = bench.subscribe(*leader, *leader);
  wanted.remote = {where};
  const auto subscriber = bench.subscriber(wanted);
  REQUIRE_MESSAGE(subscriber->log().wait("segment", 2), subscriber->log().text());

  relay->stop();
  REQUIRE_MESSAGE(relay->ended(), relay->log().text());
  REQUIRE_MESSAGE(leader->log().wait("uplink-down"), leader->log().text());
  relay.reset();
  const auto shown = subscriber->log().count("segment");
  relay = start_relay(bench, relay_config(bench, authority_of(where)));
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered", 2), leader->log().text());
  REQUIRE_MESSAGE(subscriber->log().wait("segment", shown + 2), subscriber->log().text());

  subscriber->stop();
  REQUIRE_MESSAGE(subscriber->ended(), subscriber->log().text());
  CHECK(subscriber->log().count("rejected") == 0);
  const auto found = bench.verify();
  CHECK(found.ok());
  CHECK(found.verified == found.listed);
  leader->stop();
  REQUIRE_MESSAGE(leader->ended(), leader->log().text());
  const auto totals = leader->log().all("uplink-totals");
  REQUIRE(totals.size() == 1);
  CHECK(test::text_of(totals[0], "relay") == authority_of(where));
  CHECK(test::int_of(totals[0], "sessions") == 2);
  CHECK(test::int_of(totals[0], "offered") == 2);
}

TEST_CASE("a relay that ends hands publisher and subscriber over to another, whose key they know by its URI alone, and no chunk is missing") {
  test::topology_bench bench;
  auto next_config = relay_config(bench);
  next_config.state_dir = bench.dir / "next-relay-state";
  const auto next = start_relay(bench, next_config);
  auto config = relay_config(bench);
  config.handover = next->address();
  const auto relay = start_relay(bench, config);
  auto publishing = bench.publish("leader");
  publishing.relay = {relay->address()};
  const auto leader = bench.leader(publishing);
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());
  auto wanted = bench.subscribe(*leader, *leader);
  wanted.remote = {relay->address()};
  const auto subscriber = bench.subscriber(wanted);
  REQUIRE_MESSAGE(subscriber->log().wait("segment", 2), subscriber->log().text());

  relay->stop();
  REQUIRE_MESSAGE(relay->ended(), relay->log().text());
  REQUIRE_MESSAGE(leader->log().wait("uplink-moved"), leader->log().text());
  REQUIRE_MESSAGE(subscriber->log().wait("source-moved"), subscriber->log().text());
  const auto shown = subscriber->log().count("segment");
  REQUIRE_MESSAGE(subscriber->log().wait("segment", shown + 3), subscriber->log().text());
  subscriber->stop();
  REQUIRE_MESSAGE(subscriber->ended(), subscriber->log().text());

  const auto left = relay->log().all("left");
  REQUIRE(left.size() == 1);
  CHECK(test::int_of(left[0], "ended") == 0);
  CHECK(leader->log().count("uplink-down") == 0);
  CHECK(subscriber->log().count("source-down") == 0);
  CHECK(subscriber->log().count("rejected") == 0);
  CHECK_MESSAGE(subscriber->log().count("skipped") == 0, subscriber->log().text());
  const auto chunks = subscriber->log().all("chunk");
  for (size_t i = 1; i < chunks.size(); ++i) CHECK(test::int_of(chunks[i], "chunk") == test::int_of(chunks[i - 1], "chunk") + 1);
  CHECK(bench.verify().ok());
}

TEST_CASE("a relay that sends its peers where nobody is is left in the end, and dialled again") {
  test::topology_bench bench;
  auto config = relay_config(bench);
  config.handover = "moqt://127.0.0.1:9#spki=" + std::string(64, '0');
  config.handover_timeout = std::chrono::seconds(1);
  auto relay = start_relay(bench, config);
  const auto where = relay->address();
  auto publishing = bench.publish("leader");
  publishing.relay = {where};
  const auto leader = bench.leader(publishing);
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());
  relay->stop();
  REQUIRE_MESSAGE(relay->ended(), relay->log().text());
  CHECK(leader->log().count("uplink-leaves") == 1);
  relay.reset();
  relay = start_relay(bench, relay_config(bench, authority_of(where)));
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered", 2), leader->log().text());
  CHECK(leader->log().count("uplink-moved") == 0);
}

TEST_CASE("a relay that is reached elsewhere than at its name is checked for its name") {
  test::topology_bench bench;
  const auto relay = start_relay(bench, relay_config(bench));
  const auto pin = relay->address().substr(relay->address().find('#'));
  auto publishing = bench.publish("leader");
  publishing.relay = {"https://relay.example:4443/tv" + pin};
  publishing.connect_to = {authority_of(relay->address())};
  const auto leader = bench.leader(publishing);
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());
  CHECK(test::text_of(leader->log().all("uplink-up")[0], "relay") == "relay.example:4443");

  // The relay's own certificate is for localhost and the machine's name: no authority vouches for it, and none for that name.
  auto strict = bench.publish("strict");
  strict.relay = {"moqt://relay.example:4443"};
  strict.connect_to = {"relay.example:4443=" + authority_of(relay->address())};
  const auto refused = bench.leader(strict);
  REQUIRE_MESSAGE(refused->log().wait("branch-down"), refused->log().text());
  CHECK(refused->log().count("uplink-up") == 0);
  relay->stop();
  REQUIRE_MESSAGE(relay->ended(), relay->log().text());
  const auto totals = relay->log().all("relay-totals");
  REQUIRE(totals.size() == 1);
  CHECK_MESSAGE(test::int_of(totals[0], "handshakes_failed") >= 1, relay->log().text());
}

TEST_CASE("settings of relays that cannot work are named before anything runs") {
  test::topology_bench bench;
  const auto fault = [&](auto change) {
    auto c = bench.publish("leader");
    change(c);
    const auto made = actors::leader(bench.sys, c, {}, bench.on);
    REQUIRE_FALSE(made.has_value());
    return made.error().message();
  };
  const auto says = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  CHECK(says(fault([](auto& c) { c.relay = {"relay.example"}; }), "--relay"));
  CHECK(says(fault([](auto& c) { c.relay = {"a.example:1", "moqt://a.example:1/x"}; }), "a.example:1 is given twice"));
  CHECK(says(fault([](auto& c) { c.connect_to = {"127.0.0.1:1"}; }), "give --relay too"));
  CHECK(says(fault([](auto& c) { c.tls_insecure = true; }), "give --relay too"));
  CHECK(says(fault([](auto& c) { c.relay = {"a.example:1"}; c.tls_ca = "/nowhere.pem"; }), "--tls-ca"));
  CHECK(says(fault([](auto& c) { c.relay = {"a.example:1", "b.example:1"}; c.connect_to = {"127.0.0.1:1"}; }), "say of which one"));
  CHECK(says(fault([](auto& c) { c.relay = {"a.example:1"}; c.connect_to = {"b.example:1=127.0.0.1:1"}; }), "no relay is called b.example:1"));
  CHECK(says(fault([](auto& c) { c.relay = {"a.example:1"}; c.connect_to = {"127.0.0.1:1", "127.0.0.1:2"}; }), "two places"));
  CHECK(says(fault([](auto& c) { c.relay = {"a.example:1"}; c.connect_to = {"moqt://127.0.0.1:1"}; }), "expected HOST:PORT"));
  CHECK(says(fault([](auto& c) { c.announce = true; c.relay.assign(8, "a.example:1"); }), "at most 8"));
}

TEST_CASE("a node announces the relays that it is on, without what their paths keep secret") {
  test::topology_bench bench;
  const auto relay = start_relay(bench, relay_config(bench));
  const auto at = relay->address().substr(0, relay->address().find('#'));
  const auto pin = relay->address().substr(relay->address().find('#'));
  auto first = bench.publish("first");
  first.announce = true;
  first.relay = {at + "/tv?jwt=secret" + pin};
  const auto leader = bench.leader(first);
  auto second = bench.publish("second");
  second.announce = true;
  second.gossip = {leader->address()};
  const auto listener = bench.relay(second);
  REQUIRE_MESSAGE(listener->log().wait("source-found"), listener->log().text());
  const auto found = listener->log().all("source-found")[0];
  const auto text = base::json::dump(found.fields);
  CHECK_MESSAGE(text.find(at + "/tv" + pin) != text.npos, text);
  CHECK_MESSAGE(text.find("secret") == text.npos, text);
}

TEST_CASE("relays that speak moq-lite alone among themselves carry a leader's stream, verified to its end") {
  test::topology_bench bench;
  auto first_config = relay_config(bench);
  first_config.moq_version = {"moq-lite-05"};
  auto first = start_relay(bench, first_config);
  auto second_config = relay_config(bench);
  second_config.state_dir = bench.dir / "second-relay-state";
  second_config.upstream = {first->address()};
  auto second = start_relay(bench, second_config);
  auto publishing = bench.publish("leader");
  publishing.relay = {first->address()};
  const auto leader = bench.leader(publishing);
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());
  auto wanted = bench.subscribe(*second, *second);
  wanted.trust = {leader->signer()};
  wanted.stream_id = leader->stream_id();
  wanted.stop_after = 3;
  const auto subscriber = bench.subscriber(wanted);
  const auto ended = subscriber->ended();
  const std::string told = subscriber->log().text() + second->log().text();
  REQUIRE_MESSAGE(ended, told);
  const auto chunks = subscriber->log().all("chunk");
  REQUIRE(chunks.size() == 3);
  for (const auto& c : chunks) CHECK(test::flag_of(c, "verified"));
  CHECK(first->log().count("track-up") > 0);
  CHECK(bench.verify().ok());
}

namespace {

/// A publisher with another network secret: its chunks have the same names as the leader's, and other bytes.
actors::publish_config liar_of(const test::topology_bench& bench, const std::string& relay) {
  auto c = bench.publish("liar");
  const auto secret = bench.dir / "liar.secret";
  REQUIRE(base::write_file_atomic(secret, base::as_span(std::string("not the secret of this stream")), 0600).has_value());
  REQUIRE(crypto::signing_key::generate().save(bench.dir / "liar.key").has_value());
  c.network_secret_file = secret;
  c.key = bench.dir / "liar.key";
  c.relay = {relay};
  return c;
}

} // namespace

TEST_CASE("a relay that requires manifests passes on the honest leader's chunks alone, whoever came first") {
  test::topology_bench bench;
  const auto honest_key = crypto::signing_key::load(bench.dir / "leader.key").value().public_key().to_string();
  auto config = relay_config(bench);
  config.require_manifest = true;
  config.trust_signer = {honest_key};
  const auto relay = start_relay(bench, config);
  const auto liar = bench.leader(liar_of(bench, relay->address()));
  REQUIRE_MESSAGE(liar->log().wait("uplink-offered"), liar->log().text());
  auto publishing = bench.publish("leader");
  publishing.relay = {relay->address()};
  auto wanted = bench.subscribe(*liar, *liar);
  wanted.remote = {relay->address()};
  wanted.trust = {honest_key};
  wanted.stop_after = 4;
  const auto subscriber = bench.subscriber(wanted);
  REQUIRE_MESSAGE(relay->log().wait("publisher-ended"), relay->log().text());
  const auto leader = bench.leader(publishing);
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());
  REQUIRE_MESSAGE(subscriber->ended(), subscriber->log().text() << relay->log().text());
  const auto chunks = subscriber->log().all("chunk");
  REQUIRE(chunks.size() == 4);
  for (const auto& c : chunks) CHECK(test::flag_of(c, "verified"));
  CHECK_MESSAGE(subscriber->log().count("rejected") == 0, subscriber->log().text());
  CHECK(bench.verify().ok());
  CHECK(relay->log().count("relay-conflict") == 0);
  CHECK(relay->log().count("relay-false") >= 1);
  relay->stop();
  REQUIRE_MESSAGE(relay->ended(), relay->log().text());
  const auto totals = relay->log().all("relay-totals");
  REQUIRE(totals.size() == 1);
  CHECK(test::int_of(totals[0], "objects_false") > 0);
  CHECK(test::int_of(totals[0], "publishers_ended") >= 1);
}

TEST_CASE("a relay that trusts no key of a stream passes nothing of it on, nor tracks of another kind") {
  test::topology_bench bench;
  auto config = relay_config(bench);
  config.require_manifest = true;
  config.trust_signer = {crypto::signing_key::generate().public_key().to_string()};
  const auto relay = start_relay(bench, config);
  auto publishing = bench.publish("leader");
  publishing.relay = {relay->address()};
  const auto leader = bench.leader(publishing);
  auto wanted = bench.subscribe(*leader, *leader);
  wanted.remote = {relay->address()};
  const auto subscriber = bench.subscriber(wanted);
  REQUIRE_MESSAGE(relay->log().wait("publisher-ended"), relay->log().text());
  CHECK(subscriber->log().count("chunk") == 0);
  CHECK(subscriber->log().count("rejected") == 0);
}

TEST_CASE("settings of a verifying relay that cannot work are named before anything runs") {
  test::topology_bench bench;
  const auto fault = [&](auto change) {
    auto c = relay_config(bench);
    change(c);
    const auto made = actors::moq_relay(bench.sys, c, {});
    REQUIRE_FALSE(made.has_value());
    return made.error().message();
  };
  const auto says = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  CHECK(says(fault([](auto& c) { c.require_manifest = true; }), "--require-manifest"));
  CHECK(says(fault([](auto& c) { c.trust_signer = {"ed25519:aa"}; }), "give --require-manifest too"));
  CHECK(says(fault([](auto& c) { c.relay_unverified = true; }), "--relay-unverified"));
  CHECK(says(fault([](auto& c) { c.require_manifest = true; c.trust_signer = {"ed25519:aa"}; }), "--trust-signer"));
  CHECK(says(fault([](auto& c) { c.require_manifest = true; c.trust_file = "/nowhere"; }), "--trust-file"));
  CHECK(says(fault([](auto& c) { c.status_every = std::chrono::hours(25); }), "--status-seconds"));
  CHECK(says(fault([](auto& c) { c.handover = "relay.example:4443"; }), "--handover"));
  CHECK(says(fault([](auto& c) { c.handover = "moqt://relay.example"; }), "--handover"));
  CHECK(says(fault([](auto& c) { c.handover_timeout = std::chrono::seconds(0); }), "--handover-timeout"));
}
