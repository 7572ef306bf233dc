#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/atoms.hpp"
#include "actors/caf.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "discovery/announcement_table.hpp"

/// One interface for all ways by which announcements travel. A carrier moves bytes and knows nothing of what counts: that is judged by the
/// one table of the node, which it feeds.
namespace ec::actors {

/// An announcement that counts, for a carrier to carry.
struct carried_announcement {
  std::shared_ptr<const discovery::announcement> what; ///< never null; genuine
  base::bytes encoded;
  discovery::origin from; ///< carrier_kind::self: this node's own, said again by it every third of its time
};

/// A stream that this node looks for: a carrier that cannot list all streams asks for it. Said again every few seconds while it matters.
struct wanted_stream {
  std::string stream_id;
};

/// Announcements as they came from one peer. A carrier has one of these unanswered at most, and lets the rest wait at the peer or drops it.
struct heard_announcements {
  discovery::carrier_kind by = discovery::carrier_kind::self;
  std::string address;              ///< of the peer, "192.0.2.7:4443": who pays for what is not worth its check
  std::vector<base::bytes> encoded; ///< at most announcements_per_directory_burst
};

/// What became of each, in order: a peer that is no use can be left.
struct heard_verdicts {
  std::vector<discovery::verdict> what;
};

using announcement_sink_actor = caf::typed_actor<caf::replies_to<heard_announcements>::with<heard_verdicts>>;

/// What a carrier did since its start.
struct carrier_status {
  discovery::carrier_kind by = discovery::carrier_kind::self;
  std::string name;    ///< "directory http://192.0.2.1:8080"
  uint64_t sent = 0;   ///< announcements that were handed on
  uint64_t heard = 0;  ///< announcements that came
  uint64_t bytes_out = 0, bytes_in = 0; ///< of payload
  uint64_t faults = 0; ///< attempts that failed
  std::string fault;   ///< the last one, if it lasts
};

using carrier_actor = caf::typed_actor<
  // Carries it from now on, in place of an older one of the same stream, signer and node, until it expires or is withdrawn.
  caf::reacts_to<carried_announcement>,
  caf::reacts_to<wanted_stream>,
  caf::replies_to<status_atom>::with<carrier_status>,
  // Time to look (sent to itself).
  caf::reacts_to<tick_atom>,
  // Hands on what waits, and ends.
  caf::reacts_to<stop_atom>>;

/// How a carrier is started: by whoever holds the table, for it.
struct carrier_spec {
  std::string name;
  std::function<base::result<carrier_actor>(caf::actor_system&, announcement_sink_actor)> start;
};

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::carried_announcement)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::wanted_stream)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::heard_announcements)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::heard_verdicts)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::carrier_status)
