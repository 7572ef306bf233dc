#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/atoms.hpp"
#include "actors/edge.hpp"
#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "crypto/digest.hpp"
#include "moq/track_store.hpp"
#include "moq/types.hpp"
#include "object/format.hpp"
#include "object/proofs.hpp"
#include "ts/chunk.hpp"

/// Every message that travels on a data edge. All are local to the process until the cluster gives them a wire form.
namespace ec::actors {

/// A burst of a transport stream in arrival order.
struct ts_burst {
  base::bytes data;
  bool gap = false; ///< bytes were lost in front of `data`: the source was interrupted
  bool end = false; ///< nothing follows: end of file, or an orderly stop
};

/// The two tracks of chunk objects (docs/formats/object.md).
enum class chunk_track { chunks, damaged };

/// One step of a group on its way to a publisher.
struct chunk_item {
  enum class step {
    object, ///< one object; `last`: the group is complete with it
    reset,  ///< what was sent of the group so far is all that is whole: end it with an error
    restore, ///< the group is whole after all: its objects follow from the first
    end,    ///< no further group will come on either track
  };
  step what = step::object;
  chunk_track track = chunk_track::chunks;
  uint64_t group = 0;
  uint64_t object = 0;
  base::bytes payload;
  bool last = false;
};

/// How much of a chunk was taken from another source, on its word.
struct taken_on_trust {
  uint32_t packets = 0; ///< 0: nothing but where the chunk begins
  uint32_t of = 0;      ///< packets in the chunk
};

/// What a signer needs to know of one chunk.
struct chunk_summary {
  bool end = false; ///< no further chunk will come; the other fields are empty
  uint64_t index = 0;
  crypto::digest digest;
  bool damaged = false;
  std::optional<int64_t> broadcast_unix_ms;
  base::mono_time shown_whole_at{};
  std::optional<taken_on_trust> repaired = {}; ///< set: it is whole because another source had what was missing
};

/// One object of track `manifests`.
struct manifest_item {
  bool end = false;
  uint64_t epoch = 0;
  uint64_t object = 0;
  base::bytes payload;
};

/// One change of what an endpoint publishes.
struct publish_op {
  enum class step { add_track, append, end_subgroup, end_group, reset_group, restore_group, end_track };
  step what = step::append;
  std::shared_ptr<const moq::full_track_name> track;
  moq::track_config config;                          ///< add_track
  moq::object object;                                ///< append
  uint64_t group = 0;                                ///< end_subgroup, end_group, reset_group, restore_group
  uint64_t subgroup = 0;                             ///< end_subgroup
  uint64_t code = 0;                                 ///< reset_group: stream reset code
};

/// A chunk that may be shown: whole, and verified unless the operator asked for less.
struct verified_chunk {
  bool end = false; ///< nothing follows: finish the playlist
  uint64_t index = 0;
  base::bytes data;
  uint64_t first_pts = 0;   ///< 90 kHz
  int64_t duration_pts = 0; ///< 90 kHz
  bool discontinuity = false;
  bool damaged = false;
  bool verified = false;
  std::string digest;
  std::string signer;
  std::optional<int64_t> broadcast_unix_ms; ///< the broadcast's own time at its first picture, as the signer read it
  base::bytes manifest;                     ///< the signed manifest that lists it; empty if none does
  std::string damage_publisher;             ///< of a damaged version
  std::string damage_reason;
};

/// A chunk as it was accepted, and what vouches for it: for a file of objects.
struct accepted_group {
  bool end = false; ///< nothing follows
  uint64_t index = 0;
  base::bytes plaintext;
  std::shared_ptr<const object::chunk_tail> tail;
  std::vector<object::proof> proofs; ///< in the order in which they must be judged; empty: no manifest lists it
};

} // namespace ec::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::edge_credit)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::ts_burst)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::chunk_item)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::chunk_summary)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::manifest_item)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::publish_op)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::verified_chunk)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ec::actors::accepted_group)
