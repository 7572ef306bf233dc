#include "actors/evidence_keeper.hpp"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>

#include "base/file.hpp"
#include "base/limits.hpp"
#include "manifest/signer.hpp"
#include "tests/support/actor_bench.hpp"
#include "tests/support/temp_dir.hpp"

using namespace ec;

namespace {

/// A fork: two attestations with one number, the second of chunk `index`; or what else it is called.
std::shared_ptr<const manifest::evidence> fork(uint64_t index, manifest::evidence_kind called) {
  const auto key = crypto::signing_key::from_seed({1});
  const auto say = [&](uint64_t chunk) {
    manifest::content c{"ec/stream/v1/source/kind-file/device-a/channel-1/profile-ts-v1/variant-main", chunk, 2000, "ts-v1", chunk,
      {{crypto::blake3(base::as_span(std::to_string(chunk))), manifest::chunk_state::whole}}};
    manifest::attestation a{.signer = key.public_key(), .sequence = 7, .signed_unix_ms = 1'785'000'000'000};
    const auto id = manifest::manifest_id(c);
    manifest::sign(a, id, key);
    return manifest::evidence::statement{id, a, std::make_shared<const manifest::content>(std::move(c))};
  };
  return std::make_shared<const manifest::evidence>(manifest::evidence{called, key.public_key(), say(1), say(index)});
}

struct keeper_bench : test::actor_bench {
  keeper_bench() {
    std::filesystem::create_directory(folder);
    start();
  }
  void start() {
    keeper = own(actors::spawn_evidence_keeper(sys, {.dir = folder, .disk = &base::system_disk()}, observer, actors::placement::shared));
    run();
  }
  void keep(uint64_t index, manifest::evidence_kind called = manifest::evidence_kind::fork) {
    send(keeper, actors::found_evidence{fork(index, called)});
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
  }

  test::temp_dir dir;
  const std::string folder = dir / "evidence";
  actors::evidence_keeper_actor keeper;
};

} // namespace

TEST_CASE("evidence is in a file that shows what it says, each case once, also after a restart") {
  keeper_bench bench;
  bench.keep(2);
  bench.keep(2);
  bench.keep(3);
  CHECK(bench.files() == 2);
  const auto kept = bench.log->all("evidence-kept");
  REQUIRE(kept.size() == 2);
  CHECK(test::text_of(kept[0], "evidence") == "fork");
  const auto text = base::read_file(test::text_of(kept[0], "file"), base::limits::evidence_bytes_max);
  REQUIRE(text.has_value());
  const auto read = manifest::decode_evidence(text.value().text());
  REQUIRE(read.has_value());
  CHECK(manifest::fault(read.value()).empty());
  bench.start();
  bench.keep(3);
  CHECK(bench.files() == 2);
  CHECK(bench.log->count("evidence-kept") == 2);
  CHECK(bench.log->count("evidence-fault") == 0);
}

TEST_CASE("a signer that contradicts itself without end does not fill the disk") {
  keeper_bench bench;
  for (uint64_t i = 0; i < base::limits::evidence_files_max - 1; ++i) std::ofstream(bench.folder + "/" + std::to_string(i)) << "of before";
  bench.start();
  for (uint64_t i = 2; i < 6; ++i) bench.keep(i);
  CHECK(bench.files() == base::limits::evidence_files_max);
  CHECK(bench.log->count("evidence-kept") == 1);
  REQUIRE(bench.log->count("evidence-fault") == 1);
  CHECK(test::text_of(bench.log->all("evidence-fault")[0], "reason").find("no more are written") != std::string::npos);
  std::filesystem::remove(bench.folder + "/0");
  bench.keep(6);
  CHECK(bench.log->count("evidence-kept") == 2);
}

TEST_CASE("who replays old attestations leaves room for what a signer contradicts itself in") {
  keeper_bench bench;
  for (uint64_t i = 0; i < base::limits::evidence_files_max / 2; ++i) std::ofstream(bench.folder + "/rollback-" + std::to_string(i)) << "of before";
  bench.keep(2, manifest::evidence_kind::rollback);
  bench.keep(3, manifest::evidence_kind::gap);
  CHECK(bench.log->count("evidence-kept") == 0);
  CHECK(bench.log->count("evidence-fault") == 1);
  bench.keep(4);
  CHECK(bench.log->count("evidence-kept") == 1);
}

TEST_CASE("a folder that went away is said once, and what comes after it is back is kept") {
  keeper_bench bench;
  std::filesystem::remove_all(bench.folder);
  bench.keep(2);
  bench.keep(3);
  CHECK(bench.log->count("evidence-fault") == 1);
  std::filesystem::create_directory(bench.folder);
  bench.keep(4);
  CHECK(bench.files() == 1);
}

TEST_CASE("an evidence keeper ends when it is told to stop") {
  keeper_bench bench;
  const auto end = bench.watch(bench.keeper);
  bench.send(bench.keeper, actors::stop_atom::value);
  CHECK(end->ended);
}
