#include "actors/certificate_keeper.hpp"

#include <fstream>

#include <doctest/doctest.h>

#include "tests/support/actor_bench.hpp"
#include "tests/support/temp_dir.hpp"

using namespace ec;
using namespace std::chrono_literals;

namespace {

const base::wall_time start{1'785'000'000'000ms};

/// A keeper whose endpoint is a sink, at a wall time of the test's choice.
struct keeper_bench : test::actor_bench {
  keeper_bench() {
    class endpoint final : public caf::event_based_actor {
    public:
      endpoint(caf::actor_config& cfg, std::vector<actors::identity_change>* to) : caf::event_based_actor(cfg), to_(to) {}
      caf::behavior make_behavior() override {
        return {[this](const actors::identity_change& c) { to_->push_back(c); }};
      }

    private:
      std::vector<actors::identity_change>* to_;
    };
    auto made = crypto::certificate_pair::load_or_make(state, start, {"localhost"});
    REQUIRE(made.has_value());
    first = std::make_shared<const crypto::certificate_pair>(std::move(made).value());
    const auto to = own(sys.spawn<endpoint>(&changes));
    actors::certificate_keeper_config config{.dir = state, .names = {"localhost"}, .current = first};
    config.wall = [this] { return wall; };
    keeper = own(actors::spawn_certificate_keeper(sys, std::move(config), caf::actor_cast<actors::quic_endpoint_actor>(to),
      actors::placement::shared));
    run();
  }

  test::temp_dir dir;
  const std::string state = dir / "state";
  base::wall_time wall = start;
  std::vector<actors::identity_change> changes;
  std::shared_ptr<const crypto::certificate_pair> first;
  actors::certificate_keeper_actor keeper;
};

} // namespace

TEST_CASE("a certificate is renewed once, before it ends, and its key stays") {
  keeper_bench bench;
  bench.wall = start + 9 * 24h;
  bench.advance(1h);
  CHECK(bench.changes.empty());
  bench.wall = start + 11 * 24h;
  bench.advance(59min);
  CHECK(bench.changes.empty());
  bench.advance(1min);
  REQUIRE(bench.changes.size() == 1);
  const auto& renewed = *bench.changes[0].identity;
  CHECK(renewed.spki() == bench.first->spki());
  CHECK(renewed.certificate_digest() != bench.first->certificate_digest());
  CHECK(renewed.not_after() > start + 23 * 24h);
  bench.advance(1h);
  CHECK(bench.changes.size() == 1);
}

TEST_CASE("a state folder that cannot be written leaves the old certificate in place, and it is tried again") {
  keeper_bench bench;
  const auto aside = bench.dir / "aside";
  std::filesystem::rename(bench.state, aside);
  std::ofstream(bench.state) << "no folder";
  bench.wall = start + 11 * 24h;
  bench.advance(1h);
  CHECK(bench.changes.empty());
  std::filesystem::remove(bench.state);
  std::filesystem::rename(aside, bench.state);
  bench.advance(4min);
  CHECK(bench.changes.empty());
  bench.advance(1min);
  REQUIRE(bench.changes.size() == 1);
  CHECK(bench.changes[0].identity->spki() == bench.first->spki());
}

TEST_CASE("a key that was lost and made anew is not what peers have pinned: it is not used") {
  keeper_bench bench;
  std::filesystem::remove_all(bench.state);
  bench.wall = start + 11 * 24h;
  bench.advance(1h);
  CHECK(bench.changes.empty());
}

TEST_CASE("a keeper ends when it is told to stop") {
  keeper_bench bench;
  const auto end = bench.watch(bench.keeper);
  bench.send(bench.keeper, actors::stop_atom::value);
  CHECK(end->ended);
}
