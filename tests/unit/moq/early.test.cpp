// Before the transport's handshake is complete: what goes, what is taken, and what waits.
#include <doctest/doctest.h>

#include "moq/session.hpp"
#include "tests/support/moq_link.hpp"

using namespace ec;
using namespace ec::test;

namespace {

moq::session_config taking(std::string protocol = {}) {
  moq::session_config c;
  c.takes_publish = true;
  c.protocol = std::move(protocol);
  return c;
}

/// Both sides have something to serve, and the server takes what is offered.
struct early_link : moq_link {
  explicit early_link(const std::string& protocol = {}) : moq_link(taking(protocol), taking(protocol)) {
    client_tracks.add(track_name("up"), {}, now).value();
    server_tracks.add(track_name("down"), {}, now).value();
    server_says.accept_namespaces = true;
  }
  void connect() {
    client->on_connected(now);
    server->on_connected(now);
  }
  /// One of each request of the client's.
  void ask() {
    client->publish_namespace({{"ec", "mine"}});
    client->publish(track_name("up"), {});
    client->subscribe(track_name("down"), {});
    client->track_status(track_name("down"));
    client->subscribe_namespace({{"ec"}});
    client->fetch(track_name("down"), {0, 0}, {0, 5}, {});
  }
  void client_done() {
    client_end.is_early = false;
    client->on_handshake_done(now);
  }
  void server_done() {
    server_end.is_early = false;
    server->on_handshake_done(now);
  }
};

} // namespace

TEST_CASE("a client asks early, and offers nothing before the handshake is complete") {
  early_link p;
  p.client_end.is_early = true;
  p.connect();
  p.ask();
  p.pump();
  CHECK(p.server_says.take().find("offered") == std::string::npos);
  CHECK(p.server_says.take().find("published") == std::string::npos);
  const auto early = p.client_says.take();
  CHECK_MESSAGE(early.find("subscribed 4") != std::string::npos, early); // requests do not wait for those before them
  CHECK(p.client->counters().publishes_out == 0);
  p.client_done();
  p.pump();
  CHECK(p.server_says.take() == "offered 0 ec-mine; published 2 ec-test--up");
  CHECK(p.client_says.take() == "ok 0; ok 2");
}

TEST_CASE("a server answers what is asked early, and takes what is offered early when the handshake is complete") {
  for (const size_t split : {size_t{0}, size_t{1}, size_t{7}}) {
    CAPTURE(split);
    early_link p;
    p.split = split;
    p.server_end.is_early = true;
    p.connect();
    p.ask();
    p.pump();
    CHECK(p.client_says.take().find("subscribed 4") != std::string::npos);
    CHECK(p.server_says.take().find("offered") == std::string::npos);
    CHECK(p.server->counters().publishes_in == 0);
    p.server_done();
    p.pump();
    CHECK(p.server_says.take() == "offered 0 ec-mine; published 2 ec-test--up");
    CHECK(p.client_says.take() == "ok 0; ok 2");
  }
}

TEST_CASE("an offer that came early may be withdrawn before it was taken") {
  early_link p;
  p.server_end.is_early = true;
  p.connect();
  const auto id = p.client->publish_namespace({{"ec", "mine"}});
  p.pump();
  p.client->withdraw_namespace(id);
  p.pump();
  p.server_done();
  p.pump();
  CHECK(p.server_says.take().find("offered") == std::string::npos);
  CHECK_FALSE(p.server->closed());
}

TEST_CASE("behind an offer that waits, so much is held and no more") {
  early_link p;
  p.server_end.is_early = true;
  p.connect();
  p.client->publish_namespace({{"ec", "mine"}});
  p.pump();
  const auto stream = uint64_t{0};
  for (int i = 0; i < 200 && p.server_end.resets.empty(); ++i) p.server->on_stream_data(stream, base::bytes::adopt(std::vector<uint8_t>(1000)), false, p.now);
  REQUIRE(p.server_end.resets.size() == 1);
  CHECK(p.server_end.resets[0] == std::pair{stream, moq::reset_code::excessive_load});
  CHECK(p.server_end.stops == p.server_end.resets);
  CHECK(p.server->memory().streams < 1000);
  p.server_done();
  CHECK(p.server_says.take().find("offered") == std::string::npos);
  CHECK_FALSE(p.server->closed());
}

TEST_CASE("moqt-16: on the one control stream, what is behind an offer waits with it, and no clock runs over it") {
  early_link p("moqt-16");
  p.connect();
  p.pump();
  p.server_end.is_early = true;
  p.client->subscribe(track_name("down"), {});
  p.client->publish_namespace({{"ec", "mine"}});
  p.client->track_status(track_name("down"));
  p.pump();
  const auto before = p.client_says.take();
  CHECK_MESSAGE(before.find("subscribed 0") != std::string::npos, before);
  CHECK(before.find("status") == std::string::npos);
  CHECK(p.server_says.take().find("offered") == std::string::npos);
  CHECK((!p.server->deadline() || *p.server->deadline() > p.now));
  p.server_done();
  p.pump();
  CHECK(p.server_says.take().find("offered 2 ec-mine") != std::string::npos);
  CHECK(p.client_says.take().find("ok 2") != std::string::npos);
}
