// Bulk transfer over the loopback interface: two endpoints, one thread each. Gbit/s of stream bytes.
#include <atomic>
#include <filesystem>
#include <thread>

#include <benchmark/benchmark.h>

#include "base/clock.hpp"
#include "tests/support/poll_loop.hpp"

using namespace ec;

namespace {

std::shared_ptr<const crypto::certificate_pair> identity() {
  static const auto made = [] {
    std::string dir = (std::filesystem::temp_directory_path() / "ec-quic-bench-XXXXXX").string();
    if (!::mkdtemp(dir.data())) std::abort();
    auto pair = crypto::certificate_pair::load_or_make(dir, base::wall_now(), {"localhost"});
    std::filesystem::remove_all(dir);
    if (!pair) std::abort();
    return std::make_shared<const crypto::certificate_pair>(std::move(pair.value()));
  }();
  return made;
}

struct sink final : quic::connection_events, quic::acceptor {
  quic::connection* c = nullptr;
  std::atomic<uint64_t> received{0};
  quic::connection_events* on_accept(quic::connection& accepted, std::string_view, const quic::socket_address&) override {
    c = &accepted;
    return this;
  }
  void on_connected(std::string_view, const quic::socket_address&) override {}
  void on_stream_data(uint64_t id, base::bytes data, bool) override {
    c->consumed(id, data.size());
    received += data.size();
  }
  void on_stream_reset(uint64_t, uint64_t) override {}
  void on_stop_sending(uint64_t, uint64_t) override {}
  void on_closed(const quic::close_reason&) override { c = nullptr; }
};

struct source final : quic::connection_events {
  bool connected = false;
  bool closed = false;
  void on_connected(std::string_view, const quic::socket_address&) override { connected = true; }
  void on_stream_data(uint64_t, base::bytes, bool) override {}
  void on_stream_reset(uint64_t, uint64_t) override {}
  void on_stop_sending(uint64_t, uint64_t) override {}
  void on_closed(const quic::close_reason&) override { closed = true; }
};

/// One unidirectional stream per object, as MoQ groups are sent.
void bulk(benchmark::State& state) {
  const bool offload = state.range(0) != 0;
  const auto object_bytes = static_cast<size_t>(state.range(1));
  constexpr uint64_t per_iteration = 64u << 20;
  sink to;
  quic::endpoint_config config;
  config.listen = quic::socket_address::parse("127.0.0.1:0").value();
  config.identity = identity();
  config.alpns = {"moqt-18"};
  config.udp.gso = config.udp.gro = offload;
  auto server = quic::endpoint::create(config, &to);
  if (!server) return state.SkipWithError("no server");
  quic::endpoint_config mine;
  mine.udp = config.udp;
  auto client = quic::endpoint::create(mine, nullptr);
  if (!client) return state.SkipWithError("no client");
  std::atomic<bool> stop{false};
  std::thread serving([&] { ec::test::poll_endpoints({server.value().get()}, [&] { return stop.load(); }, std::chrono::hours(1)); });
  source from;
  auto dialled = client.value()->connect(server.value()->local(), "", quic::client_verification::pinned(identity()->spki()), {"moqt-18"}, from,
                                         base::mono_now());
  auto* c = dialled ? dialled.value() : nullptr;
  const auto object = base::bytes::adopt(std::vector<uint8_t>(object_bytes, 7));
  bool good = c && ec::test::poll_endpoints({client.value().get()}, [&] { return from.connected; });
  if (!good) state.SkipWithError("not connected");
  for (auto _ : state) {
    if (!good) break;
    const uint64_t target = to.received + per_iteration;
    uint64_t queued = 0;
    good = ec::test::poll_endpoints({client.value().get()}, [&] {
      bool wrote = false;
      while (queued < per_iteration && c->unsent() + c->unacked() < (8u << 20)) {
        const auto id = c->open_uni();
        if (!id) break;
        if (c->write(*id, object, true) != quic::write_result::queued) break;
        queued += object_bytes;
        wrote = true;
      }
      if (wrote) client.value()->flush(base::mono_now());
      return from.closed || (queued >= per_iteration && to.received >= target);
    }, std::chrono::seconds(30));
    if (from.closed) good = false;
    if (!good) state.SkipWithError("transfer failed");
  }
  if (good) {
    state.counters["Gbit/s"] = benchmark::Counter(static_cast<double>(state.iterations() * per_iteration) * 8 / 1e9, benchmark::Counter::kIsRate);
    const auto udp = client.value()->counters().udp;
    state.counters["datagrams/call"] = static_cast<double>(udp.sent_datagrams) / static_cast<double>(std::max<uint64_t>(1, udp.send_calls));
  }
  stop = true;
  if (c && !from.closed) c->close(0, "done");
  client.value()->flush(base::mono_now());
  serving.join();
}

BENCHMARK(bulk)->ArgNames({"offload", "object"})->Args({1, 83'000})->Args({0, 83'000})->Args({1, 1 << 20})->UseRealTime()->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
