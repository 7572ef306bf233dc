// The simulated device end to end over loopback, with the client of room net. The broadcast is numbered packets.
#include "tuner/simulator.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/clock.hpp"
#include "net/http_client.hpp"
#include "tests/unit/tuner/numbered.hpp"
#include "tuner/source.hpp"

using namespace ec;
using namespace std::chrono_literals;
using test::numbered;

namespace {

constexpr net::http_timeouts quick{.connect = 2000ms, .header = 2000ms, .stall = 5000ms};

/// Asks the device for its status until it has `wanted` streams open: every round is an answer of the device, none is a pause.
bool has_streams(const tuner::simulator& d, unsigned wanted) {
  const auto end = base::mono_now() + 10s;
  while (d.counters().streams_open != wanted) {
    if (base::mono_now() > end) return false;
    if (!net::http_get({"http", "127.0.0.1", d.port(), "/lineup_status.json", ""}, quick)) return false;
  }
  return true;
}

uint64_t number_at(const std::vector<uint8_t>& in, size_t packet) {
  uint64_t n = 0;
  for (size_t k = 0; k < 8; ++k) n = n << 8 | in[packet * 188 + 4 + k];
  return n;
}

/// Every packet's number is the one before plus one.
bool unbroken(const std::vector<uint8_t>& in) {
  for (size_t i = 1; i < in.size() / 188; ++i)
    if (number_at(in, i) != number_at(in, i - 1) + 1) return false;
  return !in.empty() && in.size() % 188 == 0;
}

std::unique_ptr<tuner::simulator> device(unsigned tuners = 4, double speed = 1, std::vector<tuner::planned_fault> faults = {}) {
  tuner::simulator_config config;
  config.listen = "127.0.0.1:0";
  config.tuners = tuners;
  config.speed = speed;
  config.faults = tuner::fault_plan(std::move(faults));
  config.channels.push_back({.number = "5.1", .broadcast = numbered()});
  config.channels.push_back({.number = "5.2", .name = "EC-2", .transport_stream_id = 0x0ec1, .program_number = 4, .broadcast = numbered()});
  auto got = tuner::simulator::start(std::move(config));
  REQUIRE_MESSAGE(got.has_value(), (got ? "" : got.error().message()));
  return std::move(got).value();
}

net::url at(const tuner::simulator& d, std::string path, std::string query = "") {
  return {"http", "127.0.0.1", d.port(), std::move(path), std::move(query)};
}

/// Reads until `bytes` have come or the stream ended.
std::vector<uint8_t> take(net::http_stream& from, size_t bytes) {
  std::vector<uint8_t> out;
  while (out.size() < bytes) {
    auto part = from.read(1000ms);
    if (!part) break;
    out.insert(out.end(), part.value().begin(), part.value().end());
  }
  out.resize(out.size() - out.size() % 188);
  return out;
}

} // namespace

TEST_SUITE("tuner/simulator") {

TEST_CASE("the documents look like a device's and name the address by which they were asked for") {
  const auto d = device(3);
  const auto got = net::http_get(at(*d, "/discover.json"), quick).value();
  CHECK(got.status == 200);
  CHECK(got.headers.find("Server") == "HDHomeRun/1.0");
  CHECK(got.headers.find("Connection") == "close");
  CHECK(got.headers.find("Content-Type") == "application/json; charset=\"utf-8\"");
  CHECK(got.headers.find("Cache-Control") == "no-cache");
  CHECK(got.headers.find("Access-Control-Allow-Origin") == "*");
  const auto discover = tuner::parse_discover(got.body.text()).value();
  CHECK(discover.is_tuner());
  CHECK(discover.tuner_count == 3u);
  CHECK(tuner::device_id_valid(*discover.device_id));
  const auto here = "http://127.0.0.1:" + std::to_string(d->port());
  CHECK(discover.base_url == here);

  const auto lineup = tuner::parse_lineup(net::http_get(net::parse_url(*discover.lineup_url).value(), quick).value().body.text()).value();
  REQUIRE(lineup.size() == 2);
  CHECK(lineup[0].guide_number == "5.1");
  CHECK(lineup[0].url == here + "/auto/v5.1");
  CHECK(lineup[1].guide_name == "EC-2");
  CHECK_FALSE(tuner::parse_lineup_status(net::http_get(at(*d, "/lineup_status.json"), quick).value().body.text()).value().scanning);
  CHECK(net::http_get(at(*d, "/nothing"), quick).value().status == 404);

  const auto tuning = tuner::parse_lineup(net::http_get(at(*d, "/lineup.json", "tuning"), quick).value().body.text()).value();
  REQUIRE(tuning.size() == 2);
  CHECK_FALSE(tuning[0].transport_stream_id.has_value());
  CHECK(tuning[1].transport_stream_id == 0x0ec1);
  CHECK(tuning[1].program_number == 4);
  CHECK_FALSE(lineup[1].program_number.has_value());
}

TEST_CASE("status.json says what each tuner is tuned to") {
  const auto d = device(3);
  const auto status = [&] { return tuner::parse_status(net::http_get(at(*d, "/status.json"), quick).value().body.text()).value(); };
  REQUIRE(status().size() == 3);
  for (const auto& t : status()) CHECK(t.idle());
  net::http_stream stream(at(*d, "/tuner1/v5.2"), quick);
  REQUIRE(stream.open().has_value());
  const auto tuned = status();
  CHECK(tuned[0].idle());
  CHECK(tuned[1].resource == "tuner1");
  CHECK(tuned[1].guide_number == "5.2");
  CHECK(tuned[1].guide_name == "EC-2");
  CHECK(tuned[1].program_number == 4);
  CHECK(tuned[2].idle());
}

TEST_CASE("two clients of a channel get the same packets, each from the moment it tuned in") {
  const auto d = device(4, 20);
  net::http_stream first(at(*d, "/auto/v5.1"), quick), second(at(*d, "/tuner0/v5.1"), quick);
  REQUIRE(first.open().has_value());
  CHECK(first.headers().find("Content-Type") == "video/mpeg");
  CHECK(first.headers().find("X-HDHomeRun-Resource") == "tuner3");
  CHECK_FALSE(first.headers().find("Content-Length").has_value());
  CHECK_FALSE(first.headers().find("Transfer-Encoding").has_value());
  CHECK(first.headers().find("Connection") == "close");
  auto a = take(first, 188 * 500);
  REQUIRE(second.open().has_value());
  CHECK(second.headers().find("X-HDHomeRun-Resource") == "tuner0");
  const auto b = take(second, 188 * 500);
  REQUIRE(b.size() >= 188 * 500);
  const auto more = take(first, 188 * 3000);
  a.insert(a.end(), more.begin(), more.end());
  CHECK(unbroken(a));
  CHECK(unbroken(b));
  REQUIRE(number_at(b, 0) > number_at(a, 0));
  const auto offset = static_cast<ptrdiff_t>((number_at(b, 0) - number_at(a, 0)) * 188);
  REQUIRE(a.size() > static_cast<size_t>(offset));
  const auto shared = std::min(b.size(), a.size() - static_cast<size_t>(offset));
  REQUIRE(shared >= 188 * 400);
  CHECK(std::equal(b.begin(), b.begin() + static_cast<ptrdiff_t>(shared), a.begin() + offset));
}

TEST_CASE("when its tuners are taken the device says so, and a client that leaves frees one") {
  const auto d = device(2);
  auto one = std::make_unique<net::http_stream>(at(*d, "/auto/v5.1"), quick);
  net::http_stream two(at(*d, "/auto/v5.2"), quick);
  REQUIRE(one->open().has_value());
  REQUIRE(two.open().has_value());
  const auto busy = net::http_get(at(*d, "/auto/v5.1"), quick).value();
  CHECK(busy.status == 503);
  CHECK(busy.headers.find("X-HDHomeRun-Error") == "805 All Tuners In Use");
  const auto taken = net::http_get(at(*d, "/tuner0/v5.1"), quick).value();
  CHECK(taken.status == 503);
  CHECK(taken.headers.find("X-HDHomeRun-Error") == "804 Tuner In Use");
  CHECK(d->counters().refused_busy == 2);
  one.reset();
  REQUIRE(has_streams(*d, 1));
  net::http_stream again(at(*d, "/auto/v5.1"), quick);
  REQUIRE(again.open().has_value());
  CHECK(again.status() == 200);
}

TEST_CASE("unknown channels, tuners, profiles and durations are refused") {
  const auto d = device();
  for (const char* path : {"/auto/v9.9", "/auto/5.1", "/auto/ch473000000", "/tuner1/v7.1"}) {
    CAPTURE(path);
    const auto got = net::http_get(at(*d, path), quick).value();
    CHECK(got.status == 404);
    CHECK(got.headers.find("X-HDHomeRun-Error") == "801 Unknown Channel");
  }
  for (const char* path : {"/tuner4/v5.1", "/tunerx/v5.1", "/auto", "/other/v5.1"}) CHECK(net::http_get(at(*d, path), quick).value().status == 404);
  CHECK(net::http_get(at(*d, "/auto/v5.1", "transcode=heavy"), quick).value().headers.find("X-HDHomeRun-Error") == "802 Unknown Transcode Profile");
  CHECK(net::http_get(at(*d, "/auto/v5.1", "duration=x"), quick).value().status == 400);
}

TEST_CASE("a stream with a duration ends after so much of the broadcast") {
  const auto d = device(1, 10);
  net::http_stream in(at(*d, "/auto/v5.1", "duration=2"), quick);
  REQUIRE(in.open().has_value());
  const auto got = take(in, 188 * 100000);
  CHECK(in.ended());
  CHECK(unbroken(got));
  CHECK(got.size() / 188 >= 2000);
  CHECK(got.size() / 188 <= 2010);
}

TEST_CASE("the broadcast runs at its own pace") {
  const auto d = device(1, 1);
  net::http_stream in(at(*d, "/auto/v5.1"), quick);
  REQUIRE(in.open().has_value());
  const auto start = std::chrono::steady_clock::now();
  take(in, 188 * 300);
  const auto took = std::chrono::steady_clock::now() - start;
  CHECK(took >= 250ms); // 300 packets of 1 ms, less what was on the way
}

TEST_CASE("a source reads the device and tells its faults apart") {
  const auto d = device(1, 10);
  const auto address = "127.0.0.1:" + std::to_string(d->port());
  tuner::source_options options;
  options.timeouts = {.connect = 2000ms, .header = 2000ms, .stall = 300ms};
  auto s = tuner::open_source("hdhomerun://" + address + "/v5.1", options).value();
  CHECK(s->facts().kind == tuner::source_kind::hdhomerun);
  CHECK(s->facts().device == address);
  CHECK(s->facts().channel == "5.1");
  CHECK(s->facts().live);
  REQUIRE(s->read(2000ms).has_value());

  auto busy = tuner::open_source("http://" + address + "/auto/v5.1", options).value();
  CHECK(busy->read(2000ms).error().code == base::errc::busy);
  REQUIRE(busy->fault().has_value());
  CHECK(busy->fault()->kind == tuner::fault_kind::busy);
  CHECK(busy->fault()->device_code == 805);
  CHECK(busy->fault()->retry == tuner::retry_advice::patiently);
  CHECK(busy->read(0ms).error().code == base::errc::busy); // it stays down

  auto unknown = tuner::open_source("http://" + address + "/auto/v9.1", options).value();
  CHECK(unknown->read(2000ms).error().code == base::errc::not_found);
  CHECK(unknown->fault()->retry == tuner::retry_advice::never);

  d->play(tuner::simulator_trouble::silent);
  while (s->read(1000ms).has_value()) {}
  CHECK(s->fault()->kind == tuner::fault_kind::stalled);
  CHECK(s->fault()->retry == tuner::retry_advice::soon);
  s.reset();

  d->play(tuner::simulator_trouble::no_signal);
  auto dark = tuner::open_source("http://" + address + "/auto/v5.1", options).value();
  CHECK_FALSE(dark->read(2000ms).has_value());
  CHECK(dark->fault()->kind == tuner::fault_kind::no_signal);
  CHECK(dark->fault()->device_code == 807);

  d->play(tuner::simulator_trouble::none);
  REQUIRE(has_streams(*d, 0));
  auto dropped = tuner::open_source("http://" + address + "/auto/v5.1", options).value();
  REQUIRE(dropped->read(2000ms).has_value());
  d->play(tuner::simulator_trouble::drop);
  while (dropped->read(1000ms).has_value()) {}
  CHECK(dropped->fault()->kind == tuner::fault_kind::ended);
  CHECK(dropped->fault()->retry == tuner::retry_advice::soon);

  d->stop();
  auto gone = tuner::open_source("http://" + address + "/auto/v5.1", options).value();
  CHECK_FALSE(gone->read(2000ms).has_value());
  CHECK(gone->fault()->kind == tuner::fault_kind::unreachable);
}

TEST_CASE("the faults of a plan are played, and a source tells them apart") {
  using tuner::played_fault;
  constexpr auto for_good = std::chrono::milliseconds(168h);
  const auto ends_with = [](std::vector<tuner::planned_fault> faults) {
    const auto d = device(1, 10, std::move(faults));
    tuner::source_options options;
    options.timeouts = {.connect = 2000ms, .header = 2000ms, .stall = 300ms};
    const auto s = tuner::open_source("http://" + d->address() + "/auto/v5.1", options).value();
    size_t bytes = 0;
    while (const auto got = s->read(1000ms)) bytes += got.value().size();
    REQUIRE(s->fault().has_value());
    return std::pair(*s->fault(), bytes);
  };
  const auto [refused, nothing] = ends_with({{played_fault::http_503, 0ms, for_good}});
  CHECK(refused.kind == tuner::fault_kind::busy);
  CHECK(refused.retry == tuner::retry_advice::patiently);
  CHECK(refused.http_status == 503);
  CHECK(refused.device_code == 0);
  CHECK(nothing == 0);

  // What says of itself that it is a page for a browser is not cut up for packets.
  const auto [page, not_taken] = ends_with({{played_fault::content_type, 0ms, for_good}});
  CHECK(page.kind == tuner::fault_kind::unreadable);
  CHECK(page.retry == tuner::retry_advice::soon);
  CHECK(page.text.find("text/html") != std::string::npos);
  CHECK(not_taken == 0);

  const auto [broken, part] = ends_with({{played_fault::reset, 4000ms, 0ms}});
  CHECK(broken.kind == tuner::fault_kind::unreachable);
  CHECK(broken.text.find("the connection broke") != std::string::npos);
  CHECK(part % 188 == 94);

  const auto [silent, some] = ends_with({{played_fault::stall, 4000ms, for_good}});
  CHECK(silent.kind == tuner::fault_kind::stalled);
  CHECK(some % 188 == 0);

  struct row {
    played_fault played;
    tuner::fault_kind kind;
    tuner::retry_advice retry;
    int code;
    const char* says;
  };
  for (const auto& r : {row{played_fault::busy, tuner::fault_kind::busy, tuner::retry_advice::patiently, 805, "all tuners are in use"},
         row{played_fault::no_signal, tuner::fault_kind::no_signal, tuner::retry_advice::patiently, 807, "antenna"},
         row{played_fault::content_protected, tuner::fault_kind::content_protected, tuner::retry_advice::never, 811, "content-protected"},
         row{played_fault::unknown_channel, tuner::fault_kind::unknown_channel, tuner::retry_advice::never, 801, "lineup.json"}}) {
    const auto [fault, none] = ends_with({{r.played, 0ms, for_good}});
    CHECK(fault.kind == r.kind);
    CHECK(fault.retry == r.retry);
    CHECK(fault.device_code == r.code);
    CHECK(fault.text.find(r.says) != std::string::npos);
    CHECK(none == 0);
  }

  // And when a fault is over the device is as before.
  const auto d = device(1, 20, {{played_fault::http_503, 0ms, 1000ms}, {played_fault::content_type, 1000ms, 1000ms}});
  const auto until = base::mono_now() + 20s;
  bool again = false;
  while (!again && base::mono_now() < until) again = tuner::open_source("http://" + d->address() + "/auto/v5.1").value()->read(2000ms).has_value();
  CHECK(again);
}

TEST_CASE("a device that reboots breaks its streams off, is not there, and comes back at its port with its tuners free") {
  const auto d = device(1, 10, {{tuner::played_fault::reboot, 4000ms, 3000ms}});
  const auto address = d->address();
  const auto open = [&] { return tuner::open_source("http://" + address + "/auto/v5.1", {.timeouts = quick, .pace = 0}).value(); };
  auto s = open();
  size_t bytes = 0;
  while (const auto got = s->read(1000ms)) bytes += got.value().size();
  CHECK(s->fault()->kind == tuner::fault_kind::unreachable);
  CHECK(s->fault()->retry == tuner::retry_advice::soon);
  CHECK(bytes > 0);
  bool away = false, back = false;
  for (const auto until = base::mono_now() + 20s; !back && base::mono_now() < until;) {
    s = open();
    back = s->read(2000ms).has_value();
    if (!back) away = away || s->fault()->text.find("not reachable") != std::string::npos;
  }
  CHECK(away);
  CHECK(back);
  CHECK(d->address() == address);
  CHECK(d->counters().streams_open == 1);
}

TEST_CASE("a stall of the plan loses what is on the air meanwhile") {
  const auto d = device(1, 20, {{tuner::played_fault::stall, 3000ms, 500ms}});
  net::http_stream in(at(*d, "/auto/v5.1"), quick);
  REQUIRE(in.open().has_value());
  const auto got = take(in, 188 * 5000);
  size_t holes = 0;
  for (size_t i = 1; i < got.size() / 188; ++i) {
    if (number_at(got, i) == number_at(got, i - 1) + 1) continue;
    ++holes;
    CHECK(number_at(got, i) - number_at(got, i - 1) >= 490);
  }
  CHECK(holes == 1);
}

TEST_CASE("a configuration that makes no device is refused") {
  const auto start = [](auto change) {
    tuner::simulator_config config;
    config.listen = "127.0.0.1:0";
    config.channels.push_back({.number = "5.1", .broadcast = numbered()});
    change(config);
    return tuner::simulator::start(std::move(config));
  };
  CHECK(start([](auto&) {}).has_value());
  CHECK_FALSE(start([](auto& c) { c.tuners = 0; }).has_value());
  CHECK_FALSE(start([](auto& c) { c.speed = 0; }).has_value());
  CHECK_FALSE(start([](auto& c) { c.channels.clear(); }).has_value());
  CHECK_FALSE(start([](auto& c) { c.channels.push_back({.number = "5-1", .broadcast = numbered()}); }).has_value());
  CHECK_FALSE(start([](auto& c) { c.channels[0].number = "five"; }).has_value());
  CHECK_FALSE(start([](auto& c) { c.listen = "nowhere"; }).has_value());
}

TEST_CASE("a broadcast that ends takes its streams off the air and says why") {
  tuner::simulator_config config;
  config.listen = "127.0.0.1:0";
  config.channels.push_back({.broadcast = [inner = numbered(), n = 0]() mutable -> base::result<tuner::broadcast_burst> {
    if (++n > 20) return base::fail(base::errc::io, "the transmitter fell over");
    return inner();
  }});
  const auto d = std::move(tuner::simulator::start(std::move(config))).value();
  net::http_stream in(at(*d, "/auto/v5.1"), quick);
  REQUIRE(in.open().has_value());
  take(in, 188 * 100000);
  CHECK(in.ended());
  CHECK(d->broken() == "the transmitter fell over");
}

}
