#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/ts_runs.hpp"

namespace {

using namespace ec;

/// The cutter alone over a capture in memory: parse, check, canonicalise. No digest, no cipher.
void cutter(benchmark::State& state, const test::chunk_capture& capture) {
  std::filesystem::path root = "../shared/data";
  if (const char* set = std::getenv("EC_TEST_DATA")) root = set;
  else if (const char* source = std::getenv("EC_SOURCE_ROOT")) root = std::filesystem::path(source).parent_path() / "shared/data";
  std::ifstream in(root / "ts" / capture.file, std::ios::binary);
  const std::vector<uint8_t> data{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (data.empty()) return state.SkipWithError("no capture");
  std::vector<ts::cut_event> events;
  for (auto _ : state) {
    ts::chunk_cutter cut(test::config_of(capture));
    for (size_t at = 0; at < data.size(); at += 65'536) {
      events.clear();
      cut.push(std::span(data).subspan(at, std::min<size_t>(65'536, data.size() - at)), {}, events);
      benchmark::DoNotOptimize(events.data());
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * data.size()));
}

const int registered = [] {
  for (const auto& c : test::chunk_captures()) benchmark::RegisterBenchmark(c.file, cutter, c);
  return 0;
}();

} // namespace

BENCHMARK_MAIN();
