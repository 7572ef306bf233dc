// What sealing and receiving cost beside the bare algorithms: BLAKE3 once and AES-256-GCM once over each piece.
#include <benchmark/benchmark.h>

#include <map>
#include <memory>

#include "base/memory.hpp"
#include "object/receiver.hpp"
#include "object/sealer.hpp"

namespace {

using namespace ec;
using namespace ec::object;

constexpr size_t pieces = 64; // 4.2 MB: a chunk of 2 s at 17 Mbit/s
constexpr size_t chunk_bytes = pieces * base::limits::piece_bytes;

std::vector<uint8_t> some_bytes(size_t size) {
  std::vector<uint8_t> out(size);
  uint32_t x = 1;
  for (auto& b : out) b = static_cast<uint8_t>((x = x * 1664525u + 1013904223u) >> 24);
  return out;
}

void count(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(chunk_bytes));
}

void bare_blake3_and_aes_gcm(benchmark::State& state) {
  const auto chunk = some_bytes(chunk_bytes);
  const crypto::aead_key key({1});
  crypto::nonce12 nonce{};
  std::vector<uint8_t> out(base::limits::piece_bytes + crypto::aead_key::tag_bytes);
  for (auto _ : state) {
    for (size_t p = 0; p < pieces; ++p) {
      const auto piece = std::span(chunk).subspan(p * base::limits::piece_bytes, base::limits::piece_bytes);
      benchmark::DoNotOptimize(crypto::blake3(piece));
      nonce[0] = static_cast<uint8_t>(p);
      key.seal_into(out, nonce, {}, piece);
    }
  }
  count(state);
}
BENCHMARK(bare_blake3_and_aes_gcm);

void seal_chunk(benchmark::State& state) {
  const auto chunk = some_bytes(chunk_bytes);
  sealer s(stream_cipher::make("ec/stream/v1/bench").value(), {});
  uint64_t index = 0;
  for (auto _ : state) {
    (void)s.open(++index, 0);
    for (uint32_t p = 0; p < pieces; ++p)
      benchmark::DoNotOptimize(s.piece(index, p, std::span(chunk).subspan(p * base::limits::piece_bytes, base::limits::piece_bytes)));
    benchmark::DoNotOptimize(s.finish(index, 180'000));
  }
  count(state);
}
BENCHMARK(seal_chunk);

void open_chunk(benchmark::State& state) {
  const auto chunk = some_bytes(chunk_bytes);
  const auto cipher = stream_cipher::make("ec/stream/v1/bench").value();
  std::vector<base::bytes> sealed;
  for (uint32_t p = 0; p < pieces; ++p) {
    const auto piece = std::span(chunk).subspan(p * base::limits::piece_bytes, base::limits::piece_bytes);
    sealed.push_back(cipher.seal({1, p, {}}, piece, crypto::blake3(piece)));
  }
  for (auto _ : state)
    for (uint32_t p = 0; p < pieces; ++p) benchmark::DoNotOptimize(cipher.open({1, p, {}}, sealed[p]));
  count(state);
}
BENCHMARK(open_chunk);

class lists_all final : public manifest_judge {
public:
  explicit lists_all(crypto::digest digest) : digest_(digest) {}
  judgement judge(uint64_t, uint64_t, const base::bytes&, base::wall_time) override { return {}; }
  std::vector<listed_chunk> find(uint64_t index) const override { return index == 1 ? std::vector{listed_chunk{index, digest_, false, key_}} : std::vector<listed_chunk>{}; }
  standing standing_of(uint64_t) const override { return {1, 1}; }
  bool trusts(const crypto::verifying_key&) const override { return true; }

private:
  crypto::digest digest_;
  crypto::verifying_key key_ = crypto::signing_key::from_seed({1}).public_key();
};

/// Open, check, assemble and deliver one chunk that came from `sources` sources.
void receive_chunk(benchmark::State& state) {
  const auto chunk = some_bytes(chunk_bytes);
  sealer s(stream_cipher::make("ec/stream/v1/bench").value(), {});
  std::vector<sealed_object> objects{s.open(1, 0).value()};
  for (uint32_t p = 0; p < pieces; ++p)
    objects.push_back(s.piece(1, p, std::span(chunk).subspan(p * base::limits::piece_bytes, base::limits::piece_bytes)).value());
  const auto done = s.finish(1, 180'000).value();
  objects.push_back(done.tail);
  const auto sources = static_cast<source_id>(state.range(0));
  for (auto _ : state) {
    receiver r(stream_cipher::make("ec/stream/v1/bench").value(), std::make_unique<lists_all>(done.chunk.digest), {});
    for (source_id from = 0; from < sources; ++from) r.on_source_added(from);
    for (const auto& o : objects)
      for (source_id from = 0; from < sources; ++from) benchmark::DoNotOptimize(r.on_object(from, track::chunks, 1, o.object, o.payload, {}));
    if (r.counters().chunks_delivered != 1) state.SkipWithError("not delivered");
  }
  count(state);
}
BENCHMARK(receive_chunk)->Arg(1)->Arg(3);

} // namespace

int main(int argc, char** argv) {
  ec::base::keep_freed_memory(); // as the node does
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
