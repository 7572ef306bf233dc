// The HTTP side of a relay, asked by a real client.
#include <doctest/doctest.h>

#include "access/token.hpp"
#include "base/file.hpp"
#include "base/hex.hpp"
#include "crypto/certificate.hpp"
#include "net/http_client.hpp"
#include "quic/webtransport.hpp"

#include "tests/support/poll_loop.hpp"
#include "tests/support/topology.hpp"

using namespace ec;

namespace {

struct http_relay {
  explicit http_relay(test::topology_bench& b) : bench(b) {
    config.listen = "127.0.0.1:0";
    config.http_listen = "127.0.0.1:0"; // the number of the UDP port may be taken
    config.state_dir = bench.dir / "relay-state";
  }
  void start() {
    node = std::make_unique<test::running_node>(bench.sys, [&](actors::observer_actor o) { return actors::moq_relay(bench.sys, config, o); });
    REQUIRE(node->topology().http_address.starts_with("http://127.0.0.1:"));
  }
  net::http_answer get(const std::string& path, net::headers headers = {}) const {
    auto url = net::parse_url(node->topology().http_address + path);
    REQUIRE(url.has_value());
    auto answer = net::http_ask(url.value(), {.method = "GET", .headers = std::move(headers), .body = {}},
      {.connect = std::chrono::seconds(30), .header = std::chrono::seconds(60), .stall = std::chrono::seconds(60)}, 64u << 20);
    REQUIRE_MESSAGE(answer.has_value(), answer.error().message());
    return std::move(answer).value();
  }
  std::string body(const std::string& path, int status) const {
    const auto got = get(path);
    CHECK_MESSAGE(got.status == status, path << ": " << std::string(got.body.text()));
    return std::string(got.body.text());
  }

  test::topology_bench& bench;
  actors::relay_node_config config;
  std::unique_ptr<test::running_node> node;
};

/// What becomes of a session that a page asks for: 200, or the status that refuses it.
uint64_t session_from(const std::string& relay, const std::string& page) {
  struct : quic::connection_events {
    bool up = false;
    std::optional<quic::close_reason> closed;
    void on_connected(std::string_view, const quic::socket_address&) override { up = true; }
    void on_stream_data(uint64_t, base::bytes, bool) override {}
    void on_stream_reset(uint64_t, uint64_t) override {}
    void on_stop_sending(uint64_t, uint64_t) override {}
    void on_closed(const quic::close_reason& why) override { closed = why; }
  } user;
  const auto address = quic::endpoint_address::parse(relay).value();
  quic::webtransport_config config{.protocols = {"moqt-18"}};
  if (!page.empty()) config.origins = {page};
  auto web = quic::webtransport::dial(config, address.authority(), "/", user);
  auto client = quic::endpoint::create({}, nullptr).value();
  const auto peer = quic::socket_address::parse(address.authority()).value();
  web->attach(*client->connect(peer, address.host, quic::client_verification::pinned(*address.pin), {std::string(quic::webtransport_alpn)}, *web, base::mono_now()).value());
  REQUIRE(test::poll_endpoints({client.get()}, [&] { return user.up || user.closed; }, test::patience));
  const uint64_t status = user.up ? 200 : user.closed->code;
  if (!user.closed) web->close(0, "done");
  REQUIRE(test::poll_endpoints({client.get()}, [&] { return user.closed.has_value(); }, test::patience));
  return status;
}

std::string header(const net::http_answer& a, std::string_view name) {
  return std::string(a.headers.find(name).value_or(""));
}

} // namespace

TEST_CASE("with curl one reads a relay's certificate, what is announced there, and groups from its cache or its publisher") {
  test::topology_bench bench;
  http_relay relay(bench);
  relay.start();
  auto publishing = bench.publish("leader");
  publishing.publish_manifests = true;
  publishing.relay = {relay.node->address()};
  const auto leader = bench.leader(publishing);
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());
  const auto stream = leader->stream_id();

  const auto hash = relay.get("certificate.sha256");
  CHECK(hash.status == 200);
  const auto shown = crypto::certificate_pair::load(relay.config.state_dir / "endpoint.crt", relay.config.state_dir / "endpoint.key");
  REQUIRE(shown.has_value());
  CHECK(hash.body.text() == base::to_hex(shown.value().certificate_digest()));
  CHECK(header(hash, "Access-Control-Allow-Origin") == "*");
  const auto address = relay.node->address();
  const auto port = address.substr(address.find(':', 7) + 1, address.find('#') - address.find(':', 7) - 1);
  CHECK(header(hash, "Alt-Svc") == "h3=\":" + port + "\"");
  CHECK(relay.body("", 200).find("MoQ relay") != std::string::npos);

  CHECK(relay.body("announced", 200) == stream + "\n");
  CHECK(relay.body("announced/ec/stream", 200) == stream + "\n");
  CHECK(relay.body("announced/ec/strea", 200).empty());
  const auto json = relay.get("announced/", {{"Accept", "application/json"}});
  CHECK(json.body.text() == "{\"announced\":[\"" + stream + "\"]}\n");

  const auto newest = relay.get("fetch/" + stream + "/manifests");
  CHECK(newest.status == 200);
  const auto group = header(newest, "X-MoQ-Group");
  REQUIRE_FALSE(group.empty());
  CHECK(newest.body.size() > 0);
  CHECK(relay.get("fetch/" + stream + "/manifests?group=" + group).body == newest.body);
  const auto chunk = relay.get("fetch/" + stream + "/chunks?group=latest");
  CHECK(chunk.status == 200);
  CHECK(chunk.body.size() > 1000);
  CHECK(relay.get("fetch/" + stream + "/chunks?group=" + header(chunk, "X-MoQ-Group")).body == chunk.body);

  CHECK(relay.body("fetch/" + stream + "/nothing", 404) == "no such track\n");
  CHECK(relay.body("fetch/else/where", 404) == "nobody offers the track\n");
  CHECK(relay.body("fetch/" + stream + "/manifests?group=9999999999999", 404).find("is not published yet") != std::string::npos);
  CHECK(relay.body("fetch/" + stream + "/manifests?group=x", 400).find("whole number") != std::string::npos);
  CHECK(relay.body("fetch/alone", 400).find("/fetch/NAMESPACE/TRACK") != std::string::npos);
  CHECK(relay.body("announced/a//b", 400).find("empty segment") != std::string::npos);
  CHECK(relay.body("elsewhere", 404).find("there is nothing here") != std::string::npos);

  relay.node->stop();
  REQUIRE_MESSAGE(relay.node->ended(), relay.node->log().text());
  const auto totals = relay.node->log().all("relay-totals");
  REQUIRE(totals.size() == 1);
  CHECK(test::int_of(totals[0], "http_groups") == 4);
  CHECK(test::int_of(totals[0], "http_not_found") == 4);
  CHECK(test::int_of(totals[0], "http_malformed") == 3);
}

TEST_CASE("where tokens are needed, HTTP clients need them too, and pages of other origins read the digest only") {
  test::topology_bench bench;
  http_relay relay(bench);
  const auto key = crypto::token_key::generate(crypto::token_algorithm::es256).value();
  relay.config.token_key = {bench.dir / "access.pub"};
  relay.config.origin = {"tv.example", "http://localhost:8080"};
  const auto text = base::json::dump(key.public_jwk().value());
  REQUIRE(base::write_new_file(relay.config.token_key[0].string(), base::as_span(text), 0644).has_value());
  relay.start();
  const auto token = [&](const char* subscribe, std::chrono::hours lives) {
    access::token_claims c;
    c.subscribe = {access::parse_prefix(subscribe).value()};
    c.publish = c.subscribe;
    c.subject = "viewer";
    c.expires = base::wall_now() + lives;
    return access::make_token(c, key).value();
  };
  auto publishing = bench.publish("leader");
  publishing.publish_manifests = true;
  publishing.relay = {relay.node->address()};
  publishing.token = token("ec", std::chrono::hours(10));
  const auto leader = bench.leader(publishing);
  REQUIRE_MESSAGE(leader->log().wait("uplink-offered"), leader->log().text());
  const auto stream = leader->stream_id();

  CHECK(relay.body("announced/ec", 401) == "a token is needed here\n");
  CHECK(relay.body("fetch/" + stream + "/manifests", 401) == "a token is needed here\n");
  CHECK(relay.body("announced/ec?jwt=" + token("ec", std::chrono::hours(1)), 200) == stream + "\n");
  CHECK(relay.body("announced?jwt=" + token("ec", std::chrono::hours(1)), 403).find("may not subscribe to every namespace") != std::string::npos);
  CHECK(relay.body("fetch/" + stream + "/manifests?jwt=" + token("other", std::chrono::hours(1)), 403).find("viewer may not") != std::string::npos);
  CHECK(relay.body("announced/ec?jwt=" + token("ec", std::chrono::hours(-1)), 401).find("expired") != std::string::npos);
  const auto bearer = relay.get("fetch/" + stream + "/manifests", {{"Authorization", "Bearer " + token("ec", std::chrono::hours(1))}, {"Origin", "https://tv.example"}});
  CHECK(bearer.status == 200);
  CHECK(header(bearer, "Access-Control-Allow-Origin") == "https://tv.example");
  CHECK(header(relay.get("announced", {{"Origin", "https://evil.example"}}), "Access-Control-Allow-Origin").empty());
  CHECK(header(relay.get("certificate.sha256", {{"Origin", "https://evil.example"}}), "Access-Control-Allow-Origin") == "*");
  CHECK(relay.get("announced", {{"Authorization", "Basic YTpi"}}).status == 400);
  relay.node->stop();
  REQUIRE_MESSAGE(relay.node->ended(), relay.node->log().text());
  const auto totals = relay.node->log().all("relay-totals");
  REQUIRE(totals.size() == 1);
  CHECK(test::int_of(totals[0], "http_refused") == 6);
}

TEST_CASE("the HTTP side is at the number of the UDP port unless it is taken, and can be turned off") {
  test::topology_bench bench;
  http_relay relay(bench);
  relay.start();
  const auto start = [&](const std::string& listen, const std::string& http) {
    auto c = relay.config;
    c.listen = listen;
    c.http_listen = http;
    return std::make_unique<test::running_node>(bench.sys, [&](actors::observer_actor o) { return actors::moq_relay(bench.sys, c, o); });
  };
  // A number whose UDP port is free too.
  const auto place = [&] {
    const auto& http = relay.node->topology().http_address;
    return http.substr(7, http.size() - 8);
  };
  for (int i = 0; i < 20; ++i) {
    if (quic::endpoint::create({.listen = quic::socket_address::parse(place()).value()}, nullptr)) break;
    relay.start();
  }
  const auto taken = place();
  const auto second = start(taken, ""); // the TCP port is another relay's
  CHECK(second->topology().http_address.empty());
  REQUIRE_MESSAGE(second->log().wait("http-off"), second->log().text());
  CHECK(test::text_of(second->log().all("http-off")[0], "address") == taken);
  second->stop();
  REQUIRE(second->ended());
  relay.node->stop();
  REQUIRE(relay.node->ended());
  const auto third = start(taken, "");
  // Anybody may have taken the port meanwhile.
  CHECK((third->topology().http_address == "http://" + taken + "/" || third->log().wait("http-off")));
  CHECK(start("127.0.0.1:0", "off")->topology().http_address.empty());
  auto c = relay.config;
  const auto holder = start("127.0.0.1:0", "127.0.0.1:0");
  c.http_listen = holder->topology().http_address.substr(7, holder->topology().http_address.size() - 8);
  const auto clash = actors::moq_relay(bench.sys, c, {});
  REQUIRE_FALSE(clash.has_value());
  CHECK(clash.error().message().find("--http-listen") != std::string::npos);
}

TEST_CASE("a relay with a list of origins refuses sessions of other pages, and counts them") {
  test::topology_bench bench;
  http_relay relay(bench);
  relay.config.origin = {"tv.example", "http://localhost:8080"};
  relay.start();
  CHECK(session_from(relay.node->address(), "https://tv.example") == 200);
  CHECK(session_from(relay.node->address(), "http://localhost:8080") == 200);
  CHECK(session_from(relay.node->address(), "") == 200);
  CHECK(session_from(relay.node->address(), "https://evil.example") == 403);
  CHECK(session_from(relay.node->address(), "http://tv.example") == 403);
  relay.node->stop();
  REQUIRE_MESSAGE(relay.node->ended(), relay.node->log().text());
  const auto totals = relay.node->log().all("relay-totals");
  REQUIRE(totals.size() == 1);
  CHECK(test::int_of(totals[0], "web_refused") == 2);
}

TEST_CASE("the digest changes with the certificate that handshakes are shown") {
  test::topology_bench bench;
  http_relay relay(bench);
  relay.start();
  const auto before = relay.body("certificate.sha256", 200);
  auto made = crypto::certificate_pair::load_or_make(bench.dir / "renewed", base::wall_now(), {"localhost"});
  REQUIRE(made.has_value());
  const auto renewed = std::make_shared<const crypto::certificate_pair>(std::move(made).value());
  const auto endpoint = caf::actor_cast<actors::quic_endpoint_actor>(relay.node->topology().stages.back().front());
  caf::scoped_actor self{bench.sys};
  self->send(endpoint, actors::identity_change{renewed});
  self->request(endpoint, caf::infinite, actors::status_atom::value).receive([](const actors::endpoint_status&) {}, [](const caf::error&) { FAIL("the endpoint is gone"); });
  const auto after = relay.body("certificate.sha256", 200);
  CHECK(after == base::to_hex(renewed->certificate_digest()));
  CHECK(after != before);
}
