#pragma once

#include <vector>

#include "actors/chunker.hpp"
#include "actors/signer.hpp"
#include "tests/support/actor_bench.hpp"
#include "tests/support/broadcast.hpp"
#include "tests/support/temp_dir.hpp"

namespace ec::test {

inline const std::string pipeline_stream_id = "ec/stream/v1/source/kind-file/device-test/channel-1/profile-ts-v1/variant-main";

inline object::stream_cipher pipeline_cipher() {
  auto made = object::stream_cipher::make(pipeline_stream_id, {});
  REQUIRE(made.has_value());
  return std::move(made).value();
}

/// The publishing half up to its publishers, which are sinks: a broadcast goes in, objects and manifests are kept.
class pipeline_bench : public actor_bench {
public:
  /// `hold`: the publishers give no credit by themselves.
  explicit pipeline_bench(actors::edge_config edge = {}, uint32_t epoch_chunks = 1, bool hold = false) :
    objects(sink<actors::chunk_item>(hold)), manifests(sink<actors::manifest_item>(hold)) {
    const auto key = crypto::signing_key::generate();
    signer_key = key.public_key().to_string();
    REQUIRE(key.save(dir / "leader.key").has_value());
    actors::signer_config s;
    s.stream_id = pipeline_stream_id;
    s.profile_id = "ts-v1";
    s.epoch_chunks = epoch_chunks;
    s.key_file = dir / "leader.key";
    s.state_dir = dir / "state";
    s.edge = edge;
    std::filesystem::create_directory(s.state_dir);
    signer = own(actors::spawn_signer(sys, s, manifests.as<actors::manifest_publisher_actor>(), observer, actors::placement::shared));
    chunker = own(actors::spawn_chunker(sys, {{}, pipeline_cipher(), {.profile = "ts-v1", .publisher = signer_key}, edge},
      objects.as<actors::chunk_publisher_actor>(), signer, observer));
    signer_end = watch(signer);
    chunker_end = watch(chunker);
    run();
  }

  void feed(const std::vector<base::bytes>& bursts) {
    for (const auto& b : bursts) send(chunker, actors::ts_burst{b});
  }
  void finish() { send(chunker, actors::ts_burst{{}, false, true}); }
  std::vector<actors::report> cut() const { return log->all("chunk-cut"); }

  temp_dir dir;
  std::string signer_key;
  sink_handle<actors::chunk_item> objects;
  sink_handle<actors::manifest_item> manifests;
  actors::signer_actor signer;
  actors::chunker_actor chunker;
  std::shared_ptr<ending> signer_end, chunker_end;
};

} // namespace ec::test
