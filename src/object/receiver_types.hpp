#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/limits.hpp"
#include "crypto/digest.hpp"
#include "crypto/keys.hpp"
#include "manifest/evidence.hpp"
#include "manifest/key_statement.hpp"
#include "object/assembly.hpp"
#include "object/format.hpp"

/// What goes into a receiver and what comes out of it, apart from objects.
namespace ec::object {

struct receiver_config {
  /// Nothing is delivered that no trusted manifest lists.
  bool require_manifest = true;
  /// Manifests are expected. Without require_manifest a chunk then waits for its manifest for one chunk duration before it
  /// is delivered unverified, and a chunk that differs from its manifest is still refused.
  bool use_manifests = true;
  /// Deliver a damaged version that a trusted manifest lists when nobody has a whole one in time.
  bool allow_damaged = true;
  /// More invalid chunks than this end the reception; 0: the first one does. Unset: no limit.
  std::optional<uint64_t> chunks_invalid_max;
  /// Stop after so many delivered chunks. Unset: never.
  std::optional<uint64_t> stop_after;
  /// Profile that every head must name; empty: any.
  std::string profile;
  /// Nominal, for the waits below; a manifest does not change it.
  std::chrono::milliseconds chunk_duration{2000};
  /// How long a later chunk that is ready waits for an earlier one, and a damaged version for a whole one. Zero: three
  /// chunk durations.
  std::chrono::milliseconds patience{0};
  /// How long a group may make no progress before what is missing is asked for. Zero: a quarter of a chunk duration.
  std::chrono::milliseconds fetch_after{0};
  /// How long a FETCH may take. Zero: one chunk duration.
  std::chrono::milliseconds fetch_timeout{0};
  uint32_t fetches_per_source_max = 2; ///< of one group and track
  size_t wait_bytes_max = base::limits::subscriber_wait_bytes_max;
  size_t wait_groups_max = base::limits::subscriber_wait_groups_max;
};

/// Why an object, or what it would have completed, was not used. Names are stable: they label counters and logs.
enum class refusal : uint8_t {
  unknown_source,        ///< from a source that was never added, or was lost
  late,                  ///< its chunk was delivered or skipped already
  refused_group,         ///< from a source whose version of this group was refused
  bad_object_id,         ///< no object of a group has this id, or it lies behind the proven tail
  malformed_head,
  malformed_tail,
  malformed_piece,
  wrong_key,             ///< sealed with another network secret or for another stream
  wrong_profile,
  unauthentic_piece,     ///< does not open: changed on the way, or never sealed with the key
  wrong_nonce,           ///< sealed against the rule that makes equal chunks equal objects
  piece_mismatch,        ///< authentic, but not a piece of the chunk that the manifest lists
  chunk_mismatch,        ///< the source's chunk is not the one that the manifest lists
  head_mismatch,         ///< the head is not that of the chunk that the same source gives
  republished,           ///< the source gave other bytes for the same object before
  head_missing,          ///< a damaged piece before the head that says whose it is
  versions_full,         ///< too many differing copies of one object
  waiting_full,          ///< dropped to stay within the bounds while waiting
  manifest_malformed,
  manifest_too_large,
  manifest_untrusted,
  manifest_key_revoked,  ///< by a key whose word counts no more
  manifest_bad_signature,
  manifest_wrong_stream,
  manifest_wrong_group,  ///< in another group than that of its epoch
  manifest_equivocation, ///< its signer signed another content of these chunks: neither counts
  manifest_fork,         ///< its signer's chain has another attestation at this place
  manifest_rollback,     ///< older than what is remembered
  manifest_stale,        ///< signed too long ago
  manifest_from_future,  ///< signed ahead of our clock
  manifest_key_statement, ///< a trusted key's statement that is not to be followed
  manifest_unknown,      ///< attests a manifest that is not here: object 0 of its group is needed
};
inline constexpr size_t refusal_count = static_cast<size_t>(refusal::manifest_unknown) + 1;
/// "chunk_mismatch"
std::string_view name(refusal r);

/// Why chunks will not come.
enum class skip_reason : uint8_t {
  missing,      ///< no source had it, or not all of it
  unverified,   ///< it was here, but no trusted manifest lists it
  invalid,      ///< what sources had is not what the manifest lists
  damaged,      ///< only a damaged version exists and it is not allowed
  waiting_full, ///< it had to leave while it waited
  too_few_signers, ///< trusted signers list it, but fewer than are required
};
std::string_view name(skip_reason r);

enum class stop_reason : uint8_t {
  stop_after,     ///< as many chunks as asked for were delivered
  invalid_chunks, ///< more than chunks_invalid_max
};
std::string_view name(stop_reason r);

/// How a group of one source and track ended.
enum class group_ending : uint8_t {
  complete, ///< the source gave all that it has
  reset,    ///< the source broke off: damage showed there, or it could not keep up
};

/// One whole chunk for the output, in strictly rising index order.
struct deliver {
  uint64_t index = 0;
  base::bytes plaintext;
  uint64_t first_pts = 0; ///< 90 kHz, 33 bits
  uint64_t duration = 0;  ///< 90 kHz; 0: unknown (damaged only)
  std::optional<damage_mark> damage; ///< set: a damaged version
  crypto::digest digest;  ///< the chunk digest
  std::shared_ptr<const chunk_tail> tail; ///< never null: with the bytes, all that it takes to seal the chunk again
  bool verified = false;  ///< a trusted manifest lists the digest
  std::optional<crypto::verifying_key> signer; ///< of that manifest
  /// It does not continue the chunk delivered before it: indices were skipped, or the PTS jumps.
  bool discontinuity = false;
};

/// Ask a source for objects of one group.
struct fetch {
  source_id source = 0;
  track on = track::chunks;
  uint64_t group = 0;
  uint64_t first_object = 0;
  std::optional<uint64_t> last_object; ///< inclusive; unset: to the end of the group
};

/// These indices will not be delivered any more.
struct skip {
  uint64_t first = 0;
  uint64_t last = 0; ///< inclusive
  skip_reason reason = skip_reason::missing;
};

/// One refusal that is worth a log line (late copies and the like are only counted).
struct reject {
  source_id source = 0;
  std::string_view track; ///< "chunks", "damaged", "manifests"
  uint64_t group = 0;
  uint64_t object = 0;
  refusal reason = refusal::malformed_piece;
  std::string text;
};

/// A trusted signer's manifest was accepted.
struct manifest_accepted {
  source_id source = 0;
  crypto::verifying_key signer;
  uint64_t epoch = 0;
  uint64_t first_index = 0;
  uint64_t chunks = 0;
  bool new_key = false; ///< trusted on first use just now: say so loudly
  bool chain_restarted = false; ///< the signer began a new chain: it lost its state, say so
};

/// A statement of a trusted key was followed: whom we trust is not what it was.
struct key_changed {
  source_id source = 0;
  manifest::key_statement said;
};

/// A chunk has waited a whole patience for further signers. Said once for each run of such chunks, and counted for every one.
struct too_few_signers {
  uint64_t index = 0;
  size_t signers = 0;
  size_t required = 0;
};

/// A trusted signer said two things that contradict each other. The judge keeps both; neither counts any more.
struct evidence {
  source_id source = 0;
  uint64_t group = 0; ///< of track `manifests`
  std::optional<crypto::verifying_key> signer;
  std::string text;
};

/// Close the session with this source: it gave too much that is invalid, and others give what it gives. Nothing more of it is heard
/// until it is added again.
struct cut_off {
  source_id source = 0;
  std::chrono::milliseconds penalty{0}; ///< not to be dialled before this has passed
  std::string text;
};

/// Chunks come, and no manifest that lists them, although manifests came before: said once until one is accepted again.
struct frozen {
  std::chrono::milliseconds since{0}; ///< the last manifest was accepted
  size_t chunks_waiting = 0;          ///< whole, and not listed
};

/// Two statements of a signer that somebody should keep: a gap and a rollback too, which need not be its fault.
struct found_evidence {
  source_id source = 0; ///< that brought the second, or what came when the gap was old enough
  std::shared_ptr<const manifest::evidence> what; ///< never null
};

/// A trusted signer signed so much that its own manifests left the memory before older ones of others. Said once of each.
struct crowding {
  source_id source = 0;
  crypto::verifying_key signer;
};

/// The reception is over; the receiver ignores everything from now on.
struct stop {
  stop_reason reason = stop_reason::stop_after;
  std::string text;
};

using action =
  std::variant<deliver, fetch, skip, reject, manifest_accepted, key_changed, too_few_signers, evidence, found_evidence, cut_off, frozen, crowding, stop>;
using actions = std::vector<action>;

/// Totals since start.
struct receiver_counters {
  uint64_t objects = 0;             ///< that came, manifests included
  uint64_t objects_duplicate = 0;   ///< whose bytes were here already
  uint64_t objects_conflicting = 0; ///< authentic copies that differ between sources
  uint64_t chunks_delivered = 0;
  uint64_t chunks_verified = 0;     ///< of the delivered
  uint64_t chunks_damaged = 0;      ///< of the delivered
  uint64_t chunks_skipped = 0;      ///< indices that were given up, as far as they are known to exist
  uint64_t chunks_invalid = 0;      ///< versions (source, group) with at least one invalid object
  uint64_t bytes_delivered = 0;
  uint64_t manifests_accepted = 0;
  uint64_t chunks_too_few_signers = 0; ///< that waited in vain for as many signers as are required
  uint64_t equivocations = 0;
  uint64_t manifests_frozen = 0;    ///< times that manifests stopped while chunks came
  uint64_t manifests_crowded_out = 0; ///< that counted, and were forgotten before others' older ones: their signer signed too many
  uint64_t sources_cut_off = 0;
  uint64_t fetches = 0;
  uint64_t fetches_failed = 0;      ///< answered with an error, or not in time
  std::array<uint64_t, refusal_count> refused{};

  uint64_t of(refusal r) const { return refused[static_cast<size_t>(r)]; }
  /// Every counter with its stable name; refusals as "refused_<name>".
  std::vector<std::pair<std::string, uint64_t>> list() const;
};

/// What is held right now.
struct receiver_status {
  size_t groups_waiting = 0;
  size_t bytes_waiting = 0; ///< never above wait_bytes_max
  size_t fetches_open = 0;
  std::optional<uint64_t> last_delivered;
};

} // namespace ec::object
