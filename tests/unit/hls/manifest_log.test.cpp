#include "hls/manifest_log.hpp"

#include <doctest/doctest.h>

#include "tests/simulation/disk.hpp"
#include "tests/support/data.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/hls/fixture.hpp"

using namespace ec;

TEST_CASE("a manifest record survives its line, whatever the manifest holds") {
  const hls::manifest_record r{7, 8'589'934'591u, 180'000, "{\"a\":\"\\u20ac \\\" \\\\ \"}"};
  const auto line = hls::render(r);
  CHECK(line.back() == '\n');
  CHECK(hls::parse_manifest_record(line.substr(0, line.size() - 1)).value() == r);
  auto damaged = r;
  damaged.publisher = "ed25519:ab";
  damaged.reason = "continuity";
  const auto second = hls::render(damaged);
  CHECK(hls::parse_manifest_record(second.substr(0, second.size() - 1)).value() == damaged);
}

TEST_CASE("a line that is none is refused") {
  for (const char* line : {"", "{}", "[1]", R"({"chunk":1,"first_pts":2,"duration_pts":3})", R"({"chunk":-1,"first_pts":2,"duration_pts":3,"manifest":""})",
         R"({"chunk":1,"first_pts":2,"duration_pts":3,"manifest":7})"})
    CHECK_FALSE(hls::parse_manifest_record(line).has_value());
}

TEST_CASE("a sliding log keeps the newest records, a growing one all, and a torn last line is left out") {
  const test::temp_dir dir;
  hls::manifest_log sliding(dir.path(), 3);
  for (uint64_t i = 1; i <= 5; ++i) REQUIRE(sliding.append({i, 0, 0, "m"}).has_value());
  auto kept = hls::manifest_log::read(dir.path()).value();
  REQUIRE(kept.size() == 3);
  CHECK(kept.front().index == 3);
  hls::manifest_log growing(dir.path(), 0);
  REQUIRE(growing.append({6, 0, 0, "m"}).has_value());
  CHECK(hls::manifest_log::read(dir.path()).value().size() == 4);
  {
    std::ofstream torn(std::string(dir.path()) + "/manifests.jsonl", std::ios::app);
    torn << "{\"chunk\":9,";
  }
  CHECK(hls::manifest_log::read(dir.path()).value().size() == 4);
}

TEST_CASE("what a full disk took of a record is taken back: the next one does not stick to it") {
  const test::temp_dir dir;
  hls::manifest_log log(dir.path(), 0);
  REQUIRE(log.append({1, 0, 0, "one"}).has_value());
  {
    const test::full_disk full(100); // some of the second record fits
    const auto refused = log.append({2, 0, 0, std::string(200, 'm')});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message().find("manifests.jsonl") != std::string::npos);
  }
  REQUIRE(log.append({3, 0, 0, "three"}).has_value());
  const auto kept = hls::manifest_log::read(dir.path()).value();
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].index == 1);
  CHECK(kept[1].index == 3);
}

TEST_CASE("a log goes on behind a last line that a crash cut short") {
  const test::temp_dir dir;
  REQUIRE(hls::manifest_log(dir.path(), 0).append({1, 0, 0, "one"}).has_value());
  std::ofstream(std::string(dir.path()) + "/manifests.jsonl", std::ios::app) << "{\"chunk\":9,";
  REQUIRE(hls::manifest_log(dir.path(), 0).append({3, 0, 0, "three"}).has_value());
  const auto kept = hls::manifest_log::read(dir.path()).value();
  REQUIRE(kept.size() == 2);
  CHECK(kept[1].index == 3);
}

namespace {

/// A folder on a simulated disk.
struct disk_folder {
  simulation::random rng{1};
  simulation::trace trace;
  simulation::sim_disk disk{rng, trace};
  disk_folder() { REQUIRE(disk.make_folders("/d") == 0); }
  std::vector<uint64_t> records() {
    std::vector<uint64_t> out;
    const auto all = hls::manifest_log::read("/d", disk).value();
    for (const auto& r : all) out.push_back(r.index);
    return out;
  }
};

} // namespace

TEST_CASE("a sliding log forgets nothing for records that the disk refused, or that are taken back") {
  disk_folder on;
  hls::manifest_log log("/d", 3, base::durability::process, on.disk);
  for (uint64_t i = 1; i <= 3; ++i) REQUIRE(log.append({i, 0, 0, "m"}).has_value());
  on.disk.failing = true;
  for (uint64_t i = 4; i <= 8; ++i) CHECK_FALSE(log.append({i, 0, 0, "m"}).has_value());
  on.disk.failing = false;
  for (uint64_t i = 9; i <= 12; ++i) { // each time its segment could not be written
    REQUIRE(log.append({i, 0, 0, "m"}).has_value());
    log.take_back();
  }
  REQUIRE(log.append({13, 0, 0, "m"}).has_value());
  CHECK(on.records() == std::vector<uint64_t>{2, 3, 13});
}

TEST_CASE("a growing log holds over a power cut, and a record that was cut does not spoil the next") {
  disk_folder on;
  for (uint64_t i = 1; i <= 20; ++i) {
    hls::manifest_log log("/d", 0, base::durability::power_cut, on.disk);
    REQUIRE(log.append({i, 0, 0, "m"}).has_value());
    // Its segment is next, which syncs the folder.
    REQUIRE(base::write_file_atomic("/d/segment", base::as_span("x"), 0644, base::durability::power_cut, on.disk).has_value());
    on.disk.full = true; // some bytes of it are taken
    for (int n = 0; n < 3; ++n) CHECK_FALSE(log.append({100, 0, 0, "refused"}).has_value());
    on.disk.full = false;
    on.disk.crash_at_call = 1 + i % 6;
    on.disk.on_crash = [&] { on.disk.go_down(simulation::crash::power_cut); };
    (void)log.append({200, 0, 0, "cut"});
    on.disk.crash_at_call.reset();
    on.disk.go_down(simulation::crash::power_cut);
    on.disk.come_up();
    auto kept = on.records();
    std::erase(kept, 200u); // it may have come to the disk
    CHECK(kept.size() == i);
  }
}
