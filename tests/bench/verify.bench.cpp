// What verifying costs a subscriber beside the digest of the chunk: one row for each length of an epoch and number of attestations.
// A manifest is judged from its bytes to the answer what each of its chunks must be. Usage: bench-verify [chunks per row, 8000].
#include <algorithm>
#include <ctime>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "crypto/digest.hpp"
#include "manifest/signer.hpp"
#include "manifest/verifier.hpp"

namespace {

using namespace ec;

const std::string stream = "ec/stream/v1/source/kind-file/device-bench/channel-1/profile-ts-v1/variant-main";

/// CPU time of this thread: what else the machine does is not in it.
double cpu_us() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

/// One epoch as a manifest by several leaders.
std::vector<uint8_t> manifest_of(std::vector<manifest::signer>& leaders, uint64_t first, size_t epoch) {
  manifest::content c{stream, first / epoch, 2000, "ts-v1", first, {}};
  for (uint64_t i = first; i < first + epoch; ++i)
    c.chunks.push_back({crypto::blake3(std::vector<uint8_t>(8, static_cast<uint8_t>(i * 7))), manifest::chunk_state::whole});
  manifest::signed_manifest all{c, {}};
  for (auto& leader : leaders) all.attestations.push_back(leader.prepare(c, base::wall_time{std::chrono::hours(500'000)}).value().manifest.attestations.at(0));
  return manifest::encode(all);
}

void row(size_t epoch, size_t signers, size_t chunks) {
  std::vector<manifest::signer> leaders;
  manifest::trust_set trust;
  for (size_t i = 0; i < signers; ++i) {
    auto key = crypto::signing_key::generate();
    if (!trust.add(key.public_key())) std::abort();
    auto state = manifest::signer_state::fresh(key.public_key(), stream, base::wall_time{std::chrono::hours(500'000)});
    leaders.push_back(manifest::signer::make(std::move(key), std::move(state)).value());
  }
  manifest::verifier_config config;
  config.signers_required = signers;
  manifest::verifier judge(stream, trust, config);
  std::vector<double> took; // of one chunk: its share of the judging, and finding it
  double all = 0;
  for (uint64_t first = epoch * 1'000'000; took.size() < chunks; first += epoch) {
    const auto payload = manifest_of(leaders, first, epoch);
    const auto begin = cpu_us();
    if (!judge.accept(payload, base::wall_time{std::chrono::hours(500'000)}, first / epoch).accepted) std::abort();
    const auto judged = cpu_us();
    for (uint64_t i = first; i < first + epoch; ++i) {
      const auto before = cpu_us();
      if (!judge.find(i)) std::abort();
      // The first chunk of an epoch waits for all of the judging, the others find it done.
      took.push_back(cpu_us() - before + (i == first ? judged - begin : 0));
    }
    all += cpu_us() - begin;
  }
  std::ranges::sort(took);
  std::printf("%5zu  %12zu  %12.0f  %10.1f  %10.1f\n", epoch, signers, static_cast<double>(took.size()) / (all / 1e6),
              took[took.size() / 2], took[took.size() * 99 / 100]);
}

} // namespace

int main(int argc, char** argv) {
  const size_t chunks = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 8000;
  const std::vector<uint8_t> chunk(5'000'000, 1);
  const auto begin = cpu_us();
  for (int i = 0; i < 20; ++i)
    if (crypto::blake3(chunk) == crypto::digest{}) std::abort();
  std::printf("digest of a chunk of 5 MB: %.1f us\n", (cpu_us() - begin) / 20);
  std::printf("epoch  attestations      chunks/s      p50 us      p99 us\n");
  for (const size_t epoch : {1, 8})
    for (const size_t signers : {1, 3}) row(epoch, signers, chunks);
}
