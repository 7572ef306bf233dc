#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/carrier.hpp"
#include "actors/report.hpp"
#include "base/clock.hpp"
#include "crypto/keys.hpp"
#include "discovery/announcement_table.hpp"

namespace ec::actors {

/// A stream that this node announces. Sequence and times are filled in when it is signed, each third of its time.
struct own_stream {
  std::shared_ptr<const discovery::announcement> what; ///< never null; without fault(), but for sequence and times
};

/// Asks who has a stream.
struct source_query {
  std::string stream_id; ///< empty: everything
};

/// Who has it, in the order of announcement_table::find(); without an id, everything.
struct found_sources {
  std::string stream_id;
  std::vector<discovery::source> sources;
};

/// Whoever wants to know each time that the sources of a stream change.
using source_watcher_actor = caf::typed_actor<caf::reacts_to<found_sources>>;

/// From now on `who` is told of the sources of `stream_id`: at once if there are any, and with each change. Carriers look for it.
struct source_watch {
  std::string stream_id;
  source_watcher_actor who;
};

/// What a node's discovery did since its start.
struct discovery_status {
  uint64_t announcements = 0; ///< that count now
  uint64_t signatures_checked = 0;
  std::vector<std::pair<std::string, uint64_t>> verdicts; ///< those that were given, by name
};

/// Knows who has which stream: the one table of a node's announcements, between its carriers and whoever asks. Announces the node's own
/// streams, and says at its end that they are gone.
using discovery_actor = caf::typed_actor<
  // From a carrier.
  caf::replies_to<heard_announcements>::with<heard_verdicts>,
  // Announces it, in place of an earlier one of the same stream.
  caf::reacts_to<own_stream>,
  caf::replies_to<source_query>::with<found_sources>,
  caf::reacts_to<source_watch>,
  caf::replies_to<status_atom>::with<discovery_status>,
  // Looks what has expired (sent to itself).
  caf::reacts_to<tick_atom>,
  // Announces anew (sent to itself).
  caf::reacts_to<retry_atom>,
  // Withdraws what it announced, lets the carriers hand that on, and ends with them.
  caf::reacts_to<stop_atom>>;

struct discovery_config {
  std::shared_ptr<const crypto::signing_key> key; ///< of own streams; may be null if there are none
  std::chrono::milliseconds ttl{60'000};          ///< of own announcements
  std::function<base::wall_time()> wall = base::wall_now;
  std::vector<carrier_spec> carriers;
  std::vector<std::string> wanted; ///< streams that carriers look for beside those that somebody watches
  bool tell_all = false; ///< reports every source that comes and goes; else those of watched streams
};

/// Starts its carriers too. One that cannot be started is an error, and then nothing runs.
base::result<discovery_actor> spawn_discovery(caf::actor_system& sys, discovery_config config, observer_actor observer);

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::own_stream)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::source_query)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::found_sources)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::source_watch)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::discovery_status)
