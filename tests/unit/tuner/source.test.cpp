#include "tuner/source.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/data.hpp"
#include "tuner/internal/pacer.hpp"
#include "tuner/internal/packet.hpp"

using namespace ec;
using namespace std::chrono_literals;

namespace {

/// A file that is gone at the end of the test.
struct scratch_file {
  std::filesystem::path path;
  explicit scratch_file(const std::vector<uint8_t>& content) {
    std::string name = (std::filesystem::temp_directory_path() / "ec-source-XXXXXX").string();
    close(mkstemp(name.data()));
    path = name;
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  }
  ~scratch_file() { std::filesystem::remove(path); }
};

std::vector<uint8_t> pcr_packet(uint64_t pcr) {
  std::vector<uint8_t> p(188, 0xff);
  p[0] = 0x47;
  p[1] = 0x01;
  p[2] = 0x00;
  p[3] = 0x20;
  p[4] = 183;
  p[5] = 0x10;
  tuner::internal::write_pcr(p.data() + 6, pcr);
  return p;
}

} // namespace

TEST_SUITE("tuner/source") {

TEST_CASE("an input is told apart by how it is spelled") {
  const auto facts = [](const char* spec) { return tuner::open_source(spec).value()->facts(); };
  CHECK(facts("-").kind == tuner::source_kind::standard_input);
  const auto tuned = facts("http://hdhr.local:5004/auto/v5.1?duration=30");
  CHECK(tuned.kind == tuner::source_kind::hdhomerun);
  CHECK(tuned.device == "hdhr.local:5004");
  CHECK(tuned.channel == "5.1");
  CHECK(facts("hdhomerun://192.0.2.1/auto/v5.1").device == "192.0.2.1:5004");
  CHECK(facts("hdhomerun://192.0.2.1/v5-1").channel == "5.1");
  CHECK(facts("http://192.0.2.1/tuner1/v7.2").channel == "7.2");
  CHECK(facts("http://192.0.2.1/auto/ch473000000").channel == "ch473000000");
  const auto other = facts("https://example.org/live.ts");
  CHECK(other.kind == tuner::source_kind::http);
  CHECK(other.channel == "/live.ts");
  CHECK(other.live);
  for (const char* bad : {"", "rtp://192.0.2.1/", "hdhomerun://192.0.2.1/", "http://", "hdhomerun://192.0.2.1/auto/vx"}) {
    CAPTURE(bad);
    CHECK_FALSE(tuner::open_source(bad).has_value());
  }
  CHECK(tuner::open_source("/no/such/file.ts").error().code == base::errc::not_found);
}

TEST_CASE("every answer of a device has its fault and its advice") {
  using tuner::fault_kind;
  using tuner::retry_advice;
  const auto fault = [](int status, const char* header) { return tuner::fault_of_answer(status, header, "x"); };
  CHECK(fault(404, "801 Unknown Channel").kind == fault_kind::unknown_channel);
  CHECK(fault(404, "").kind == fault_kind::unknown_channel);
  CHECK(fault(503, "803 System Busy").kind == fault_kind::busy);
  CHECK(fault(503, "804 Tuner In Use").device_code == 804);
  CHECK(fault(503, "805 All Tuners In Use").retry == retry_advice::patiently);
  CHECK(fault(503, "806 Tune Failed").kind == fault_kind::no_signal);
  CHECK(fault(503, "807 No Video Data").kind == fault_kind::no_signal);
  CHECK(fault(503, "809 Playback Connection Limit").kind == fault_kind::busy);
  CHECK(fault(503, "811 Content Protection Required").retry == retry_advice::never);
  CHECK(fault(503, "").kind == fault_kind::busy); // old firmware says no more
  CHECK(fault(500, "").retry == retry_advice::soon);
  CHECK(fault(403, "").retry == retry_advice::never);
  CHECK(fault(503, "805 All Tuners In Use").text == "x: all tuners are in use (HTTP 503, device says '805 All Tuners In Use')");
}

TEST_CASE("a file comes whole and then ends") {
  std::vector<uint8_t> content(300000);
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<uint8_t>(i * 7);
  const scratch_file file(content);
  auto s = tuner::open_source(file.path.string()).value();
  CHECK(s->facts().kind == tuner::source_kind::file);
  CHECK_FALSE(s->facts().live);
  std::vector<uint8_t> got;
  while (true) {
    auto part = s->read(1000ms);
    if (!part) {
      CHECK(part.error().code == base::errc::closed);
      break;
    }
    got.insert(got.end(), part.value().begin(), part.value().end());
  }
  CHECK(got == content);
  CHECK(s->fault()->kind == tuner::fault_kind::ended);
  CHECK(s->fault()->retry == tuner::retry_advice::never);
}

TEST_CASE("stop wakes a source that waits for its input") {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  auto s = tuner::open_source("/dev/fd/" + std::to_string(ends[0])).value();
  CHECK(s->read(0ms).value().empty());
  std::thread other([&] { s->stop(); });
  const auto got = s->read(60000ms);
  other.join();
  REQUIRE_FALSE(got.has_value());
  CHECK(s->fault()->kind == tuner::fault_kind::stopped);
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("the pacer holds a packet until its PCR is due") {
  tuner::internal::pacer p(2.0);
  std::vector<uint8_t> in;
  const auto add = [&](uint64_t pcr) {
    const auto packet = pcr_packet(pcr);
    in.insert(in.end(), packet.begin(), packet.end());
  };
  const uint64_t start = tuner::internal::pcr_wrap - 1'350'000; // wraps within the test
  add(start);
  add((start + 2'700'000) % tuner::internal::pcr_wrap); // 100 ms later
  add(13'500'000'000);                                  // a jump: goes at once
  const base::mono_time now{};
  CHECK(p.allowed(in, now) == 188);
  CHECK(p.due() == now + 50ms); // at twice the speed
  const std::span<const uint8_t> rest(in.data() + 188, 376);
  CHECK(p.allowed(rest, now + 49ms) == 0);
  CHECK(p.allowed(rest, now + 50ms) == 376);
}

TEST_CASE("the pacer keeps step when bursts end inside a packet") {
  tuner::internal::pacer p(1.0);
  auto in = pcr_packet(0);
  const auto second = pcr_packet(27'000'00);
  in.insert(in.end(), second.begin(), second.end());
  in[150] = 0x47; // looks like a packet, and is none
  const base::mono_time now{};
  CHECK(p.allowed(std::span<const uint8_t>(in.data(), 100), now) == 100);
  CHECK(p.allowed(std::span<const uint8_t>(in.data() + 100, 276), now) == 276); // no PCR was read whole yet
  CHECK(p.allowed(second, now + 1s) == 188);
}

}
