#include "actors/trust_keeper.hpp"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>

#include "tests/support/actor_bench.hpp"
#include "tests/support/temp_dir.hpp"

using namespace ec;
using namespace std::chrono_literals;

namespace {

const std::string stream = "ec/stream/v1/source/kind-file/device-demo/channel-5.1/profile-ts-v1/variant-main";

manifest::key_statement revoked(uint8_t number) {
  std::array<uint8_t, 32> seed;
  seed.fill(number);
  return manifest::revocation(crypto::signing_key::from_seed(seed), base::wall_time(1'785'000'000'000ms));
}

struct keeper_bench : test::actor_bench {
  keeper_bench() {
    std::filesystem::create_directory(folder);
    keeper = own(actors::spawn_trust_keeper(sys, {.file = file, .disk = &base::system_disk(), .retry_after = 30s}, observer, actors::placement::shared));
    run();
  }

  void keep(std::initializer_list<manifest::key_statement> statements) {
    send(keeper, actors::kept_trust{std::make_shared<const manifest::subscriber_state>(manifest::subscriber_state{stream, statements})});
  }
  size_t kept() const {
    const auto read = manifest::load_subscriber_state(file, stream);
    return read ? read.value().statements.size() : 0;
  }
  void lose_folder() {
    std::filesystem::remove_all(folder);
    std::ofstream(folder) << "no folder";
  }
  void find_folder() {
    std::filesystem::remove(folder);
    std::filesystem::create_directory(folder);
  }

  test::temp_dir dir;
  const std::string folder = dir / "state";
  const std::string file = folder + "/subscriber.json";
  actors::trust_keeper_actor keeper;
};

} // namespace

TEST_CASE("what a subscriber followed is in the file at once") {
  keeper_bench bench;
  bench.keep({revoked(1)});
  CHECK(bench.kept() == 1);
  bench.keep({revoked(1), revoked(2)});
  CHECK(bench.kept() == 2);
}

TEST_CASE("what the disk refuses is said once and tried again, the newest of it") {
  keeper_bench bench;
  bench.lose_folder();
  bench.keep({revoked(1)});
  bench.keep({revoked(1), revoked(2)});
  CHECK(bench.log->count("trust-fault") == 1);
  bench.find_folder();
  bench.advance(29s);
  CHECK(bench.kept() == 0);
  bench.advance(1s);
  CHECK(bench.kept() == 2);
  bench.lose_folder();
  bench.keep({revoked(3)});
  CHECK(bench.log->count("trust-fault") == 2);
}

TEST_CASE("a keeper that is told to stop tries once more") {
  keeper_bench bench;
  bench.lose_folder();
  bench.keep({revoked(1)});
  bench.find_folder();
  const auto end = bench.watch(bench.keeper);
  bench.send(bench.keeper, actors::stop_atom::value);
  CHECK(end->ended);
  CHECK(bench.kept() == 1);
}
