// A DHT of our own on loopback: the one test of this room with sockets and threads, for both are the library's.
#include "discovery/dht.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/hex.hpp"

using namespace ec;
using namespace std::chrono_literals;

namespace {

std::string hex_of(const discovery::dht_key& key) {
  return base::to_hex(key);
}

/// A port that nobody has now.
uint16_t free_udp_port() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&at), size) == 0);
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  ::close(fd);
  return ntohs(at.sin_port);
}

/// Nodes on loopback that all know the first of them.
struct network {
  explicit network(size_t count) : found(count) {
    const auto first = free_udp_port();
    for (size_t i = 0; i < count; ++i)
      nodes.push_back(discovery::join_dht({.listen = "127.0.0.1:" + std::to_string(i == 0 ? first : 0), .bootstrap = {{"127.0.0.1", first}}, .state = {}}).value());
  }

  /// Polls for a fact, and greets meanwhile as the carrier does.
  template <class Fact>
  bool wait_for(Fact fact) {
    const auto until = base::mono_now() + 60s;
    for (unsigned turn = 0; base::mono_now() < until; ++turn) {
      for (size_t i = 0; i < nodes.size(); ++i) {
        if (turn % 100 == 0) nodes[i]->greet();
        for (const auto& f : nodes[i]->take())
          for (const auto& peer : f.peers) found[i].insert(peer.address);
      }
      if (fact()) return true;
      nodes[turn % nodes.size()]->wait(10ms); // for the library's thread
    }
    return false;
  }

  std::vector<std::unique_ptr<discovery::dht_network>> nodes;
  std::vector<std::set<std::string>> found; ///< by node
};

} // namespace

TEST_CASE("the key of a stream is the beginning of its digest, and says nothing of profile or variant") {
  CHECK(hex_of(discovery::dht_key_of("")) == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9");
  CHECK(hex_of(discovery::dht_key_of("ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-wptv")) == "9581fee4629591788582a5215ff9f28e94bb2d7f");
  CHECK(hex_of(discovery::dht_key_of("ec/stream/v1/source/kind-hdhomerun/device-e2e/channel-5.1")) == "060851699e7ea1cddb1c81d3e97752d4b93e0494");
}

TEST_CASE("a bootstrap node is a host and a port") {
  CHECK(discovery::parse_bootstrap("dht.example:6881").value().port == 6881);
  CHECK(discovery::parse_bootstrap("[2001:db8::1]:6881").value().host == "2001:db8::1");
  for (const auto* bad : {"", "dht.example", "dht.example:0", ":6881", "dht.example:70000", "user@dht.example:1"}) CHECK(!discovery::parse_bootstrap(bad));
}

TEST_CASE("what is no address to listen on is refused, and one that is not this machine's is told") {
  CHECK(discovery::join_dht({.listen = "nowhere", .bootstrap = {}, .state = {}}).error().code == base::errc::config);
  network n(1);
  n.nodes[0] = discovery::join_dht({.listen = "192.0.2.77:6881", .bootstrap = {{"127.0.0.1", 9}}, .state = "not what state() gave"}).value();
  CHECK(n.wait_for([&] { return !n.nodes[0]->counters().fault.empty(); }));
  CHECK(n.nodes[0]->counters().fault.find("192.0.2.77:6881") != std::string::npos);
  CHECK(n.nodes[0]->counters().nodes == 0);
}

TEST_CASE("five nodes that know one of them find what another announces, and what nobody announces is not found") {
  const auto key = discovery::dht_key_of("ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-wptv");
  const auto other = discovery::dht_key_of("ec/stream/v1/broadcast/standard-atsc/channel-7.1/callsign-wxyz");
  network n(5);
  REQUIRE(n.wait_for([&] { return std::ranges::all_of(n.nodes, [](const auto& one) { return one->counters().nodes >= 1; }); }));
  n.nodes[1]->announce(key, 4443);
  n.nodes[2]->announce(other, 5555); // which the last two do not look for
  unsigned turn = 0;
  CHECK(n.wait_for([&] {
    if (turn++ % 100 == 0)
      for (const size_t i : {3, 4}) {
        n.nodes[1]->announce(key, 4443);
        n.nodes[i]->look_for(key);
      }
    return !n.found[3].empty() && !n.found[4].empty();
  }));
  for (const size_t i : {3, 4}) CHECK(n.found[i] == std::set<std::string>{"127.0.0.1:4443"});
  // Who looks for nothing is told nothing, though others announce to it.
  for (const size_t i : {0, 1, 2}) CHECK(n.found[i].empty());
  CHECK(n.wait_for([&] { return n.nodes[3]->counters().bytes_in > 0 && n.nodes[3]->counters().bytes_out > 0; }));
  CHECK(!n.nodes[3]->state().empty());
}

TEST_CASE("of two nodes, one finds what the other announces to it") {
  const auto key = discovery::dht_key_of("ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-wptv");
  network n(2);
  unsigned turn = 0;
  CHECK(n.wait_for([&] {
    if (turn++ % 100 == 0) {
      n.nodes[0]->announce(key, 4443);
      n.nodes[1]->look_for(key);
    }
    return !n.found[1].empty();
  }));
  CHECK(n.found[1] == std::set<std::string>{"127.0.0.1:4443"});
}
