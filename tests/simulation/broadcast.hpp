#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "crypto/digest.hpp"
#include "tests/simulation/random.hpp"
#include "tests/simulation/world.hpp"
#include "tests/support/ts_mux.hpp"
#include "ts/chunk_cutter.hpp"
#include "tuner/source.hpp"

namespace ec::simulation {

struct broadcast_config {
  size_t picture_bytes = 300; ///< of each of ten pictures a second
  uint32_t chunk_ms = 2000;
};

/// What the station sends: a small program that never ends, and the truth about its chunks, as one receiver has it that misses
/// nothing.
class broadcast {
public:
  broadcast(world& in, broadcast_config config);

  /// Everything that was sent by now.
  void go_on();
  const std::vector<uint8_t>& bytes() const { return bytes_; }
  /// Where in bytes() the broadcast stood so long ago.
  size_t place_before(base::mono_duration ago) const;

  struct chunk {
    crypto::digest digest;    ///< as manifests list it
    crypto::digest plaintext; ///< of the bytes alone
    size_t bytes = 0;
    base::mono_time whole_at;
  };
  /// Every chunk that was whole by now.
  const std::map<uint64_t, chunk>& truth() const { return truth_; }
  base::mono_duration chunk_duration() const { return std::chrono::milliseconds(config_.chunk_ms); }

private:
  world& world_;
  broadcast_config config_;
  test::ts_mux mux_;
  ts::chunk_cutter cutter_;
  std::vector<uint8_t> bytes_;
  std::vector<std::pair<base::mono_time, size_t>> sizes_; ///< of bytes_, by time
  std::map<uint64_t, chunk> truth_;
  std::map<uint64_t, uint64_t> first_pts_;
  std::vector<uint8_t> open_;
  uint64_t pictures_ = 0;
};

/// How a receiver hears the broadcast.
struct reception {
  unsigned lost_per_mille = 0; ///< of its reads lose a packet
  bool down = false;           ///< the device gives nothing
};

/// A tuner that hears `from` as `how` says at the moment. Both must outlive it.
/// It begins `rewind` before now, as a device does that keeps a buffer.
std::unique_ptr<tuner::source> open_tuner(world& in, broadcast& from, const reception& how, base::mono_duration rewind = {});

} // namespace ec::simulation
