// What the trust of one chunk costs: digest and seal of its pieces, signing and judging its manifest.
#include <benchmark/benchmark.h>

#include "base/limits.hpp"
#include "crypto/aead.hpp"
#include "crypto/digest.hpp"
#include "crypto/keys.hpp"
#include "crypto/random.hpp"
#include "manifest/signer.hpp"
#include "manifest/verifier.hpp"

namespace {

using namespace ec;

const std::vector<uint8_t>& piece() {
  static const auto bytes = crypto::random_bytes(base::limits::piece_bytes);
  return bytes;
}

void count_bytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(piece().size()));
}

void digest_piece(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(crypto::blake3(piece()));
  count_bytes(state);
}
BENCHMARK(digest_piece);

void seal_piece(benchmark::State& state) {
  const crypto::aead_key key(crypto::derive_key("every.channel benchmark", {}));
  std::vector<uint8_t> out(piece().size() + crypto::aead_key::tag_bytes);
  for (auto _ : state) key.seal_into(out, {}, {}, piece());
  count_bytes(state);
}
BENCHMARK(seal_piece);

void digest_and_seal_piece(benchmark::State& state) {
  const crypto::aead_key key(crypto::derive_key("every.channel benchmark", {}));
  std::vector<uint8_t> out(piece().size() + crypto::aead_key::tag_bytes);
  for (auto _ : state) {
    benchmark::DoNotOptimize(crypto::blake3(piece()));
    key.seal_into(out, {}, {}, piece());
  }
  count_bytes(state);
}
BENCHMARK(digest_and_seal_piece);

void open_and_digest_piece(benchmark::State& state) {
  const crypto::aead_key key(crypto::derive_key("every.channel benchmark", {}));
  const auto sealed = key.seal({}, {}, piece());
  std::vector<uint8_t> out(piece().size());
  for (auto _ : state) {
    if (!key.open_into(out, {}, {}, sealed)) state.SkipWithError("does not open");
    benchmark::DoNotOptimize(crypto::blake3(out));
  }
  count_bytes(state);
}
BENCHMARK(open_and_digest_piece);

void ed25519_sign(benchmark::State& state) {
  const auto key = crypto::signing_key::generate();
  const std::vector<uint8_t> message(200, 1);
  for (auto _ : state) benchmark::DoNotOptimize(key.sign(message));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(ed25519_sign);

void ed25519_verify(benchmark::State& state) {
  const auto key = crypto::signing_key::generate();
  const std::vector<uint8_t> message(200, 1);
  const auto given = key.sign(message);
  for (auto _ : state)
    if (!crypto::verify(key.public_key(), message, given)) state.SkipWithError("does not verify");
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(ed25519_verify);

/// Sign and judge epochs of one chunk, as a live stream does.
void manifest_sign_and_accept(benchmark::State& state) {
  auto key = crypto::signing_key::generate();
  const std::string stream = "ec/stream/v1/source/kind-file/device-a/channel-1/profile-ts-v1/variant-main";
  manifest::trust_set trust;
  if (!trust.add(key.public_key())) state.SkipWithError("not trusted");
  manifest::verifier judge(stream, trust);
  auto fresh = manifest::signer_state::fresh(key.public_key(), stream, base::wall_time{});
  auto signer = manifest::signer::make(std::move(key), std::move(fresh)).value();
  uint64_t index = 0;
  for (auto _ : state) {
    ++index;
    manifest::content c{stream, index, 2000, "ts-v1", index, {{crypto::blake3(piece()), manifest::chunk_state::whole}}};
    const auto made = signer.prepare(std::move(c), base::wall_time{});
    if (!made || !judge.accept(made.value().payload, base::wall_time{}).accepted || !judge.find(index)) state.SkipWithError("not accepted");
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(manifest_sign_and_accept);

} // namespace

BENCHMARK_MAIN();
