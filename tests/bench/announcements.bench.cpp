// What judging announcements costs one core, by what they are.
#include <benchmark/benchmark.h>

#include "base/bytes.hpp"
#include "discovery/announcement_table.hpp"
#include "tests/unit/discovery/fixture.hpp"

using namespace ec;
using discovery::carrier_kind;

namespace {

/// Time passes so fast that no rate is ever over.
struct clocks {
  base::mono_time now{};
  base::wall_time wall() const { return test::noon; }
  void pass() { now += std::chrono::seconds(1); }
};

/// `count` announcements of one node each, of as many streams.
std::vector<std::string> many(uint32_t count, bool sign) {
  std::vector<std::string> out;
  for (uint32_t i = 0; i < count; ++i) {
    const auto stream = "ec/stream/v1/broadcast/standard-atsc/tsid-" + std::to_string(i) + "/channel-7.1/profile-ts-v1/variant-main";
    out.push_back(sign ? test::signed_by(i % 64 + 1, test::draft(i % 64 + 1, stream)) : discovery::encode(test::draft(i % 64 + 1, stream)));
  }
  return out;
}

void judge(benchmark::State& state, const std::vector<std::string>& texts, bool known) {
  clocks c;
  const discovery::table_limits limits{.announcements = texts.size() + 1, .per_key = texts.size(), .per_address = texts.size(), .per_stream = 64};
  auto table = std::make_unique<discovery::announcement_table>(limits);
  const auto push = [&](const std::string& text) {
    c.pass();
    benchmark::DoNotOptimize(table->push(base::as_span(text), {carrier_kind::directory, "192.0.2.1:80"}, c.wall(), c.now));
  };
  if (known)
    for (const auto& text : texts) push(text);
  size_t at = 0;
  for (auto _ : state) {
    if (at == texts.size()) {
      at = 0;
      if (!known) {
        state.PauseTiming();
        table = std::make_unique<discovery::announcement_table>(limits);
        state.ResumeTiming();
      }
    }
    push(texts[at++]);
  }
  state.counters["per_second"] = benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["bytes"] = static_cast<double>(texts[0].size());
}

void genuine(benchmark::State& state) {
  judge(state, many(1024, true), false);
}
void known_already(benchmark::State& state) {
  judge(state, many(1024, true), true);
}
void forged(benchmark::State& state) {
  judge(state, many(1024, false), false);
}

/// Over the rate of its address: what a flood costs.
void put_off(benchmark::State& state) {
  const auto text = discovery::encode(test::draft(1));
  discovery::announcement_table table;
  for (auto _ : state) benchmark::DoNotOptimize(table.push(base::as_span(text), {carrier_kind::gossip, "192.0.2.1:80"}, test::noon, {}));
  state.counters["per_second"] = benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

} // namespace

BENCHMARK(genuine);
BENCHMARK(known_already);
BENCHMARK(forged);
BENCHMARK(put_off);
BENCHMARK_MAIN();
