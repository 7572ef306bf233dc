#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "actors/report.hpp"
#include "actors/session.hpp"
#include "actors/source_finder.hpp"
#include "object/group_copy.hpp"

namespace ec::actors {

/// Why there is no copy of a chunk.
enum class copy_miss {
  none,
  unreachable, ///< no source is connected
  not_offered, ///< nobody who was asked has the group, or all of it
  wrong,       ///< what was given is no group of this stream
  late,        ///< time ran out before it was all there
  busy,        ///< too many are being fetched
};
/// Stable lower-case name for events: "not_offered".
std::string_view name(copy_miss why);

/// Asks for one chunk.
struct fetch_group {
  uint64_t index = 0;
  std::chrono::milliseconds within{0}; ///< answered by then, and as soon as no source that is connected can still have it
  std::vector<uint32_t> except;        ///< sources not to ask: their copies are known and did not do
  bool of_found = false;               ///< also of sources that nobody named, but discovery found
};

/// The answer: a copy that nobody vouches for, or why there is none.
struct fetched_group {
  copy_miss why = copy_miss::none;
  std::optional<object::chunk_copy> copy; ///< set if `why` is none
  uint32_t source = 0;                    ///< who gave it
  std::string address;                    ///< of that source
};

/// The copy that this source gave was put to use.
struct copy_taken {
  uint32_t source = 0;
};

/// One object of a source's track `manifests`.
struct source_manifest {
  uint32_t source = 0;
  std::string address;
  uint64_t epoch = 0;
  uint64_t object = 0;
  base::bytes payload;
};

/// Hears the manifests of second sources, each as it comes; nothing of them was judged.
using manifest_listener_actor = caf::typed_actor<caf::reacts_to<source_manifest>>;

struct second_source_status {
  uint64_t fetches = 0; ///< requests to sources
  uint64_t copies = 0;  ///< that were answered with
  uint64_t taken = 0;   ///< of those, put to use
  uint64_t bytes = 0;   ///< payloads that came
  uint64_t wrong = 0;   ///< sources that gave what is no group of this stream
  uint64_t manifests_dropped = 0; ///< of sources that send more of them than are read
  size_t connected = 0; ///< sources
};

/// Other publishers of the stream that this node publishes, which it asks for what it lacks. They are dialled as a subscriber's remotes are
/// and asked for nothing until somebody wants a chunk: then one after the other, by a FETCH of the whole group. Those that an operator named
/// come first; one that discovery found and that gives nothing of use leaves its place to another.
using second_source_actor = caf::typed_actor<
  // A chunk is wanted.
  caf::replies_to<fetch_group>::with<fetched_group>,
  caf::reacts_to<copy_taken>,
  // What happened on a session; the answer is the credit for the next object.
  caf::replies_to<session_event>::with<edge_credit>,
  // Time passed (sent to itself).
  caf::reacts_to<tick_atom>,
  caf::replies_to<status_atom>::with<second_source_status>,
  // Ends with its sessions; what is asked for is not answered any more.
  caf::reacts_to<stop_atom>>;

struct second_source_config {
  moq::track_namespace stream;
  object::stream_cipher cipher;
  std::string profile;
  std::vector<std::string> addresses; ///< of the sources, for reports; the place is the source's id
  /// Dials a source for good: a supervisor (spawn_session_link).
  std::function<caf::actor(caf::actor_system&, uint32_t source, session_sink_actor sink)> link;
  std::optional<manifest_listener_actor> manifests = {}; ///< set: their tracks `manifests` are followed
  size_t found_max = 0; ///< sources that discovery may add behind those
  /// Looks for them, and has them dialled as sources from addresses.size() on (spawn_source_finder). It ends with this.
  std::function<source_finder_actor(caf::actor_system&, session_sink_actor sink)> find = {};
};

second_source_actor spawn_second_source(caf::actor_system& sys, second_source_config config, observer_actor observer);

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::fetch_group)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::fetched_group)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::copy_taken)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::source_manifest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::second_source_status)
