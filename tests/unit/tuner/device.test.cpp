// The documents of a device over loopback: whole ones, and devices that answer badly, slowly or never.
#include "tuner/device.hpp"

#include <doctest/doctest.h>

#include "net/http_server.hpp"

using namespace ec;
using namespace std::chrono_literals;

namespace {

constexpr net::http_timeouts quick{.connect = 5000ms, .header = 10000ms, .stall = 10000ms};

std::unique_ptr<net::http_server> device(std::function<std::string(const std::string& target)> body, int status = 200) {
  auto started = net::http_server::start({.listen = "127.0.0.1:0"}, [body = std::move(body), status](const net::http_request& request) {
    net::http_response out;
    const auto text = body(request.query.empty() ? request.path : request.path + "?" + request.query);
    out.status = text.empty() ? 404 : status;
    out.body = base::bytes::copy(text);
    return out;
  });
  REQUIRE_MESSAGE(started.has_value(), started.error().message());
  return std::move(started).value();
}

} // namespace

TEST_SUITE("tuner/device") {

TEST_CASE("a device's documents are read from one address, with ?tuning") {
  const auto d = device([](const std::string& target) -> std::string {
    if (target == "/lineup.json?tuning") return R"([{"GuideNumber":"7.1","GuideName":"WHDH-HD","TransportStreamID":1363}])";
    if (target == "/discover.json") return R"({"DeviceID":"10439EFD","BaseURL":"http://nowhere.local:80","LineupURL":"http://nowhere.local:80/lineup.json"})";
    if (target == "/lineup_status.json") return R"({"ScanInProgress":1,"Source":"Cable"})";
    return {};
  });
  const auto got = tuner::ask_device("127.0.0.1", d->port(), quick);
  REQUIRE(got.has_value());
  CHECK(got.value().from == "http://" + d->address());
  REQUIRE(got.value().lineup.size() == 1);
  CHECK(got.value().lineup[0].transport_stream_id == 1363);
  REQUIRE(got.value().discover.has_value());
  CHECK(got.value().discover->device_id == "10439EFD");
  REQUIRE(got.value().status.has_value());
  CHECK(got.value().status->scanning);
}

TEST_CASE("a lineup is enough; what else does not come or makes no sense is unknown") {
  const auto d = device([](const std::string& target) -> std::string {
    if (target == "/lineup.json?tuning") return "{}";
    return target == "/discover.json" ? "<html>" : "";
  });
  const auto got = tuner::ask_device("127.0.0.1", d->port(), quick);
  REQUIRE(got.has_value());
  CHECK(got.value().lineup.empty());
  CHECK_FALSE(got.value().discover.has_value());
  CHECK_FALSE(got.value().status.has_value());
}

TEST_CASE("what is no lineup is an error that names the document") {
  const auto about = [](const net::http_server& d) { return "http://" + d.address() + "/lineup.json?tuning"; };
  const auto page = device([](const std::string&) { return std::string("<html>"); });
  auto got = tuner::ask_device("127.0.0.1", page->port(), quick);
  CHECK(got.error().code == base::errc::malformed);
  CHECK(got.error().about == about(*page));
  const auto none = device([](const std::string&) { return std::string(); });
  got = tuner::ask_device("127.0.0.1", none->port(), quick);
  CHECK(got.error().code == base::errc::refused);
  CHECK(got.error().text == "answers with HTTP status 404");
  CHECK(got.error().about == about(*none));
  const auto endless = device([](const std::string&) { return std::string(10'000'000, ' '); });
  CHECK(tuner::ask_device("127.0.0.1", endless->port(), quick).error().code == base::errc::too_large);
}

TEST_CASE("of a stream's URL its own port is asked, whatever its path") {
  const auto d = device([](const std::string& target) { return target == "/lineup.json?tuning" ? std::string("[]") : std::string(); });
  CHECK(tuner::ask_device_of({"http", "127.0.0.1", d->port(), "/auto/v5.1", "duration=5"}, quick).value().from == "http://" + d->address());
}

}
