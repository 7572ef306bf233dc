#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "actors/chunker.hpp"
#include "actors/report.hpp"
#include "actors/second_source.hpp"
#include "base/clock.hpp"
#include "manifest/verifier.hpp"
#include "ts/clock_agreement.hpp"

namespace ec::actors {

/// With whom a clock keeper works; both may know it, so that they come after it.
struct clock_parties {
  second_source_actor sources; ///< fetches chunks
  chunker_actor chunker;       ///< whose count is kept
};

/// What a clock keeper did since its start.
struct clock_keeper_status {
  uint64_t heard = 0;    ///< manifests that others signed for this stream
  uint64_t adopted = 0;  ///< counts
  uint64_t refused = 0;  ///< counts of trusted signers that fit none of this stream
  uint64_t differ = 0;   ///< signers of whom it was told that they count otherwise
  uint64_t untold = 0;   ///< strangers that do too, beyond those
};

/// Keeps a publisher's count of chunks the same as that of others [docs/adr/0002-broadcast-clock.md, rules 5 and 6]: hears their manifests, and
/// where a signer that this node trusts counts further, has one chunk fetched, holds it against the manifest, and gives the chunker its
/// index and first PTS. What anybody else says is told and never taken.
using clock_keeper_actor = caf::typed_actor<
  // A manifest that another publisher of the stream gave.
  caf::reacts_to<source_manifest>,
  // Ends with that chunker.
  caf::reacts_to<clock_parties>,
  caf::replies_to<status_atom>::with<clock_keeper_status>,
  caf::reacts_to<stop_atom>>;

struct clock_keeper_config {
  manifest::verifier judge; ///< of the stream, with the keys that are trusted to count
  std::string self = {};    ///< this node's signer: what it said itself may come back from others
  ts::clock_agreement::settings agreement = {};
  std::chrono::milliseconds fetch_within{2000}; ///< a chunk that shows a count
  std::function<base::wall_time()> wall = base::wall_now;
};

clock_keeper_actor spawn_clock_keeper(caf::actor_system& sys, clock_keeper_config config, observer_actor observer);

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::clock_parties)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::clock_keeper_status)
