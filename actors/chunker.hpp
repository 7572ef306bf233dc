#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "actors/chunk_publisher.hpp"
#include "actors/messages.hpp"
#include "actors/report.hpp"
#include "actors/second_source.hpp"
#include "actors/signer.hpp"
#include "identity/stream_names.hpp"
#include "object/sealer.hpp"
#include "ts/chunk_cutter.hpp"

namespace ec::actors {

/// Counters of a chunker since its start.
struct chunker_status {
  ts::cutter_counters cutter;
  uint64_t objects = 0;
  uint64_t chunks_repaired = 0;
  uint64_t repairs_refused = 0;
};

/// Asks how far a chunker has counted.
struct clock_query {};

/// The answer.
struct clock_reading {
  std::optional<uint64_t> newest; ///< index of the chunk that it opened last; nothing before its first
  bool synced = false;            ///< by broadcast time, or by others: without, its indices are its own
};

/// How others count the stream: whoever sends it believes them.
struct clock_offer {
  ts::clock_reference reference;
};

/// Cuts one program into canonical chunks and seals them: pieces go to the publisher as they are released, a summary of each
/// chunk to the signer.
using chunker_actor = caf::typed_actor<
  // A burst of TS packets in arrival order; the answer is the credit for the next burst.
  caf::replies_to<ts_burst>::with<edge_credit>,
  caf::replies_to<clock_query>::with<clock_reading>,
  // Counts on as they do if they are ahead.
  caf::replies_to<clock_offer>::with<ts::adoption>,
  // Counters since start; never blocks the data path.
  caf::replies_to<status_atom>::with<chunker_status>>;

/// Where the chunks of a stream go under one of its names. Keys of objects and manifests hang on the name, so that each has its own.
struct chunk_outlet {
  object::stream_cipher cipher;
  std::optional<chunk_publisher_actor> publisher;
  std::optional<signer_actor> signer;
};

/// How a damaged chunk is taken from another publisher of the stream before anybody signs it.
struct repair_config {
  second_source_actor from;                ///< whom to ask; is told to stop at the end
  unsigned share_percent_max = 5;          ///< of a chunk's packets that may be taken on its word
  std::chrono::milliseconds wait{2000};    ///< a damaged chunk, and the signing of those behind it, is held back for no longer
  bool of_found = false;                   ///< also of sources that discovery found
};

struct chunker_config {
  ts::cutter_config cutter;
  object::stream_cipher cipher;
  object::sealer_config sealer;
  edge_config edge;
  /// How the stream is called so far: what the broadcast says of itself adds to it. Unset: nobody asks.
  std::optional<identity::stream_names> names = {};
  /// Makes the outlet of a stronger name that the broadcast gave the running stream: from its next chunk on the stream is published
  /// under both. Unset: under the one that it was started with. Errors are told, and change nothing.
  std::function<base::result<chunk_outlet>(caf::actor_system&, const identity::stream_id&)> outlet_for = {};
  /// With cutter.hold: the first chunk waits so long for a clock_offer, from the first burst on.
  std::chrono::milliseconds clock_wait{0};
  /// Told each time that the broadcast gave the stream further names: all of them, and the one under which it is published too.
  std::function<void(const identity::stream_names&, const std::optional<identity::stream_id>& second)> on_names = {};
  std::optional<repair_config> repair = {}; ///< unset: what is damaged here stays so
};

/// `publisher` and `signer` may each be absent: a leader without chunks, a relay without manifests.
chunker_actor spawn_chunker(caf::actor_system& sys, chunker_config config, std::optional<chunk_publisher_actor> publisher,
  std::optional<signer_actor> signer, observer_actor observer);

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::chunker_status)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::clock_query)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::clock_reading)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::clock_offer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::ts::adoption)
