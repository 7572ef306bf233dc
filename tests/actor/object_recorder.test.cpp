#include "actors/object_recorder.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include <caf/scoped_actor.hpp>

#include "base/file.hpp"
#include "object/object_file_writer.hpp"
#include "object/sealer.hpp"
#include "tests/support/reports.hpp"
#include "tests/support/temp_dir.hpp"

using namespace ec;

namespace {

const std::string stream = "ec/stream/v1/source/kind-file/device-demo/channel-5.1/profile-ts-v1/variant-main";

/// A recorder and a sender that waits for each answer.
struct bench {
  bench() : log(std::make_shared<test::report_log>()), observer(sys.spawn<test::recorder>(log)), self(sys) {}
  ~bench() { caf::anon_send_exit(observer, caf::exit_reason::user_shutdown); }

  actors::object_recorder_actor recorder(const std::string& path) {
    return actors::spawn_object_recorder(sys, {path, "ts-v1"}, object::stream_cipher::make(stream).value(), observer);
  }
  /// True if the recorder answered: the edge has room again.
  bool give(const actors::object_recorder_actor& to, actors::accepted_group group) {
    bool answered = false;
    self->request(to, test::patience, std::move(group)).receive([&](actors::edge_credit) { answered = true; }, [](const caf::error&) {});
    return answered;
  }
  bool finish(const actors::object_recorder_actor& to) {
    actors::accepted_group last;
    last.end = true;
    return give(to, last);
  }
  actors::accepted_group group(uint64_t index) {
    const std::vector<uint8_t> bytes(188, static_cast<uint8_t>(index));
    auto tail = std::make_shared<object::chunk_tail>();
    tail->first_pts = 90'000;
    tail->duration = 180'000;
    tail->size = bytes.size();
    tail->pieces = {crypto::blake3(bytes)};
    actors::accepted_group out;
    out.index = index;
    out.plaintext = base::bytes::copy(bytes);
    out.tail = tail;
    out.proofs = {{1, 0, base::bytes::copy(std::string_view("the manifest of both")), true, 1, {}}};
    return out;
  }

  caf::actor_system_config config;
  caf::actor_system sys{config};
  std::shared_ptr<test::report_log> log;
  actors::observer_actor observer;
  caf::scoped_actor self;
};

std::vector<object::file_record> records_of(const std::string& path) {
  object::object_file_reader reader;
  reader.push(base::read_file(path, 1 << 20).value());
  std::vector<object::file_record> out;
  while (true) {
    auto r = reader.next();
    REQUIRE(r);
    if (!r.value()) break;
    out.push_back(std::move(*r.value()));
  }
  CHECK_FALSE(reader.cut_short());
  return out;
}

} // namespace

TEST_CASE("each group stands in the file as it came, behind its manifest, which stands there once") {
  const test::temp_dir dir;
  bench b;
  const auto r = b.recorder(dir / "objects");
  REQUIRE(b.give(r, b.group(1)));
  REQUIRE(b.give(r, b.group(2)));
  REQUIRE(b.finish(r));
  const auto records = records_of(dir / "objects");
  REQUIRE(records.size() == 7);
  CHECK(records[0].on == object::record_track::manifests);
  CHECK(records[0].payload.text() == "the manifest of both");
  for (size_t i = 1; i < 7; ++i) {
    CHECK(records[i].on == object::record_track::chunks);
    CHECK(records[i].group == (i < 4 ? 1 : 2));
    CHECK(records[i].object == (i - 1) % 3);
  }
  object::sealer seal(object::stream_cipher::make(stream).value(), {"ts-v1", {}});
  CHECK(records[1].payload == seal.open(1, 90'000).value().payload);
  CHECK(records[2].payload == seal.piece(1, 0, b.group(1).plaintext).value().payload);
  CHECK(records[3].payload == seal.finish(1, 180'000).value().tail.payload);
  REQUIRE(b.log->wait("objects-totals"));
  const auto totals = b.log->all("objects-totals")[0];
  CHECK(test::int_of(totals, "groups") == 2);
  CHECK(test::int_of(totals, "groups_lost") == 0);
}

TEST_CASE("a disk that refuses is said once and counted, and what comes later is kept") {
  const test::temp_dir dir;
  bench b;
  const auto r = b.recorder(dir / "later/objects");
  for (const uint64_t index : {1, 2, 3}) REQUIRE(b.give(r, b.group(index)));
  std::filesystem::create_directory(dir / "later");
  REQUIRE(b.give(r, b.group(4)));
  REQUIRE(b.finish(r));
  CHECK(records_of(dir / "later/objects").size() == 4);
  REQUIRE(b.log->wait("objects-totals"));
  CHECK(b.log->count("objects-fault") == 1);
  const auto totals = b.log->all("objects-totals")[0];
  CHECK(test::int_of(totals, "groups") == 1);
  CHECK(test::int_of(totals, "groups_lost") == 3);
}
