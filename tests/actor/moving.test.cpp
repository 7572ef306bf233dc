#include "actors/moving.hpp"

#include <doctest/doctest.h>

using namespace ec;
using actors::session_peer;
using method = quic::client_verification::method;

namespace {

const std::string pin_a(64, 'a'), pin_b(64, 'b');

session_peer peer(const std::string& address, quic::client_verification known = {}) {
  session_peer p;
  p.address = quic::endpoint_address::parse(address).value();
  p.verification = p.address.pin ? quic::client_verification::pinned(*p.address.pin) : known;
  return p;
}

session_peer moved(const session_peer& from, const std::string& uri, const actors::move_rules& rules = {}) {
  const auto to = actors::moved_peer(from, uri, rules);
  REQUIRE_MESSAGE(to.has_value(), to.error().message());
  return to.value();
}

} // namespace

TEST_CASE("who knew the first relay by its pin knows the next by that of the URI, and without one by an authority") {
  const auto a = peer("moqt://a.example:4443/tv?jwt=secret#spki=" + pin_a);
  const auto b = moved(a, "moqt://b.example:4443#spki=" + pin_b);
  CHECK(b.verification.how == method::pin);
  CHECK(b.verification.pin == *peer("moqt://b.example:1#spki=" + pin_b).address.pin);
  CHECK(b.address.path.empty()); // no token
  const auto unpinned = moved(a, "moqt://b.example:4443", {{}, quic::client_verification::ca("/ca.pem")});
  CHECK(unpinned.verification.how == method::ca);
  CHECK(unpinned.verification.ca_file == "/ca.pem");
  CHECK_FALSE(unpinned.address.pin.has_value());
}

TEST_CASE("who asked an authority for the first relay asks it for the next, whatever pin the URI has") {
  const auto b = moved(peer("moqt://a.example:4443"), "moqt://b.example:4443#spki=" + pin_b);
  CHECK(b.verification.how == method::ca);
  CHECK_FALSE(b.address.pin.has_value());
}

TEST_CASE("who takes any certificate takes the pin of the URI if there is one") {
  const auto any = quic::client_verification::insecure();
  CHECK(moved(peer("moqt://a.example:4443", any), "moqt://b.example:4443#spki=" + pin_b, {{}, any}).verification.how == method::pin);
  CHECK(moved(peer("moqt://a.example:4443", any), "moqt://b.example:4443", {{}, any}).verification.how == method::insecure);
}

TEST_CASE("the same place stays as the operator named it, its pin and the address where it is reached too") {
  auto a = peer("moqt://a.example:4443/?jwt=secret#spki=" + pin_a);
  a.at = actors::dial_place{"127.0.0.1", 9};
  for (const auto& uri : {std::string{}, std::string("moqt://a.example:4443"), "moqt://a.example:4443#spki=" + pin_b}) {
    const auto again = moved(a, uri);
    CHECK(again.address == a.address);
    CHECK(again.verification.pin == a.verification.pin);
    CHECK(again.at->port == 9);
  }
}

TEST_CASE("a relay that the operator named too is dialled as he said, token and all") {
  auto b = peer("moqt://b.example:4443/?jwt=for-b#spki=" + pin_b);
  b.at = actors::dial_place{"127.0.0.1", 9};
  std::vector<session_peer> peers{peer("moqt://a.example:4443/?jwt=for-a#spki=" + pin_a), b};
  actors::let_move(peers, {});
  const auto to = moved(peers[0], "moqt://b.example:4443/elsewhere#spki=" + pin_a, *peers[0].moves);
  CHECK(to.address == b.address);
  CHECK(to.at->port == 9);
  CHECK(to.moves == peers[0].moves);
}

TEST_CASE("a session is dialled again where it was up last, and then the other place in turn") {
  const auto a = peer("moqt://a.example:1"), b = peer("moqt://b.example:2");
  actors::dial_places places(a);
  CHECK(places.next().address == a.address);
  CHECK(places.next().address == a.address);
  places.up(b);
  CHECK(places.next().address == b.address);
  CHECK(places.next().address == a.address);
  CHECK(places.next().address == b.address);
  places.up(a);
  CHECK(places.next().address == a.address);
  CHECK(places.next().address == a.address);
}

TEST_CASE("what is told of an address keeps its secrets") {
  CHECK(actors::shown(peer("moqt://a.example:1/tv?jwt=secret")) == "moqt://a.example:1/tv");
}
