#include "quic/redirect.hpp"

#include <doctest/doctest.h>

using namespace ec;
using quic::endpoint_address;

namespace {

const std::string pin_a(64, 'a'), pin_b(64, 'b');

std::string led(const std::string& from, const std::string& uri) {
  const auto to = quic::follow_redirect(endpoint_address::parse(from).value(), uri);
  return to ? to.value().to_string() : std::string("no: ") + to.error().message();
}

} // namespace

TEST_CASE("no new address means the same one, with all that was shown there") {
  CHECK(led("moqt://a.example:4443/tv?jwt=x#spki=" + pin_a, "") == "moqt://a.example:4443/tv?jwt=x#spki=" + pin_a);
}

TEST_CASE("another host or port is told nothing of what the first was shown, and not known by its key") {
  const std::string from = "moqt://a.example:4443/tv?jwt=x#spki=" + pin_a;
  CHECK(led(from, "moqt://b.example:4443") == "moqt://b.example:4443");
  CHECK(led(from, "moqt://a.example:4444/tv") == "moqt://a.example:4444/tv");
  CHECK(led(from, "https://b.example/tv?jwt=y#spki=" + pin_b) == "https://b.example:443/tv?jwt=y#spki=" + pin_b);
}

TEST_CASE("the same host goes on with what it was shown, under the path that it names") {
  const std::string from = "moqt://a.example:4443/tv?jwt=x#spki=" + pin_a;
  CHECK(led(from, "moqt://a.example:4443") == from);
  CHECK(led(from, "moqt://a.example:4443/new") == "moqt://a.example:4443/new?jwt=x#spki=" + pin_a);
  CHECK(led(from, "moqt://a.example:4443/new?b=1") == "moqt://a.example:4443/new?b=1#spki=" + pin_a);
  CHECK(led(from, "https://a.example:4443") == "https://a.example:4443/tv?jwt=x#spki=" + pin_a);
}

TEST_CASE("a fragment that is no pin is not looked at") {
  CHECK(led("moqt://a.example:4443", "moqt://b.example:4443/app#track:video") == "moqt://b.example:4443/app");
}

TEST_CASE("what is no address of a relay is not followed, and the reason said") {
  for (const std::string uri : {"b.example:4443", "http://b.example:4443", "file:///etc/passwd", "moqt://", "moqt://b.example", "moqt://b.example:0", "moqt://user@b.example:1",
         "moqt://b.example:1#spki=1", "moqt://b.example:1/a b", "javascript:alert(1)"}) {
    CAPTURE(uri);
    CHECK(led("moqt://a.example:4443", uri).starts_with("no: "));
  }
}
