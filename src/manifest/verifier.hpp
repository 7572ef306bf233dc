#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/limits.hpp"
#include "manifest/attestation.hpp"
#include "manifest/evidence.hpp"
#include "manifest/subscriber_state.hpp"
#include "manifest/trust_set.hpp"
#include "manifest/verified.hpp"

namespace ec::manifest {

/// Why a manifest object, or one attestation in it, was not taken.
enum class refusal_reason : uint8_t {
  malformed,        ///< breaks the format
  too_large,        ///< over a limit; nothing of it was looked at
  wrong_stream,     ///< about another stream id
  wrong_group,      ///< in another group than that of its epoch
  untrusted,        ///< by a key that is not trusted
  key_revoked,      ///< by a key that was trusted, or would be, and whose word counts no more
  bad_signature,    ///< the signature does not verify
  equivocation,     ///< this signer signed another content of these chunks: neither counts any more; see evidence()
  fork,             ///< this signer's chain has another attestation at this place; see evidence()
  rollback,         ///< older than what is remembered: a replay, or too late to be of use
  stale,            ///< signed longer ago than age_max
  from_future,      ///< signed further ahead of our clock than ahead_max
  key_statement,    ///< of a trusted key, and not to be followed: another successor was named before, or too many in a row
  unknown_manifest, ///< attests a manifest that is not here: fetch object 0 of the group, then this one again
};
inline constexpr size_t refusal_reason_count = static_cast<size_t>(refusal_reason::unknown_manifest) + 1;

/// Stable name for logs and metrics: "bad_signature".
std::string_view name(refusal_reason r);

struct refusal {
  refusal_reason why = refusal_reason::malformed;
  std::string text;                            ///< for a person
  std::optional<crypto::verifying_key> signer; ///< whose attestation; absent if the whole object was refused
};

struct verifier_config {
  /// Signers that must attest one content before its chunks count.
  size_t signers_required = 1;
  /// Refuse what was signed longer ago (a frozen or replayed stream). Off for recordings.
  std::optional<std::chrono::milliseconds> age_max;
  /// Refuse what was signed further in the future than clocks differ.
  std::optional<std::chrono::milliseconds> ahead_max;
  /// What is missing of a chain is a gap when it has not come for so long: objects overtake each other.
  std::chrono::milliseconds gap_patience{6'000};
  /// Remembered. Where there is no room, the owner whose keys stand for most gives up the oldest that he stands for, so that who signs
  /// much pushes out nobody's word but his own.
  size_t manifests_max = base::limits::verifier_manifests_max;
  size_t entries_max = base::limits::verifier_entries_max; ///< chunks in them
};

/// For a subscriber of a live stream. Two clocks that are each an hour off, in opposite directions, still get on: ahead_max is two
/// hours. age_max is six: those two, and the four epochs that a late joiner takes, each of 1,024 chunks of two seconds.
verifier_config live_rules();

/// What accept() found. An object may hold attestations that were taken and others that were not.
struct outcome {
  struct taken {
    verified<manifest::content> content;
    crypto::digest manifest_id;
    std::vector<crypto::verifying_key> signers; ///< whose attestation of it is new
    bool new_key = false;          ///< the signer was trusted on first use just now: say so loudly
    bool chain_restarted = false;  ///< a signer began a new chain although it had one: its state was lost, say so
    uint64_t sequences_missed = 0; ///< attestations between the newest known of these signers and these
  };
  std::optional<taken> accepted; ///< at least one new attestation of a trusted signer holds
  std::vector<key_statement> followed; ///< what changed whom we trust: say so
  std::vector<evidence> shown = {};    ///< what a signer, or who shows its word, can be held to
  bool duplicate = false;        ///< nothing new, nothing wrong
  std::vector<refusal> refusals;
  uint64_t crowded_out = 0;      ///< attestations that left although others' older ones stay: their signers stand for more
  std::vector<crypto::verifying_key> crowding = {}; ///< of those signers, who did so for the first time: say so
};

/// What a chunk must be to count as verified.
struct expected_chunk {
  crypto::digest digest;
  bool damaged = false;
  crypto::verifying_key signer; ///< one of them
  size_t signers = 1;           ///< that attest this digest, all trusted
  uint64_t epoch_id = 0;
  crypto::digest manifest_id;
};

/// Totals since start.
struct verifier_counters {
  uint64_t accepted = 0;          ///< objects that brought a new attestation
  uint64_t duplicates = 0;
  uint64_t attestations = 0;      ///< taken
  uint64_t sequences_missed = 0;
  uint64_t chains_restarted = 0;
  uint64_t gaps = 0;              ///< in a chain, that did not close in time
  uint64_t keys_rotated = 0;      ///< statements that were followed
  uint64_t keys_revoked = 0;
  uint64_t disagreements = 0;     ///< trusted signers whose whole chunks differ
  uint64_t evicted = 0;           ///< manifests that left because of a bound
  uint64_t crowded_out = 0;       ///< attestations that left because of a bound, while others' older ones stayed
  std::array<uint64_t, refusal_reason_count> refused{};

  uint64_t of(refusal_reason r) const { return refused[static_cast<size_t>(r)]; }
  /// Every counter with its stable name; refusals as "refused_<name>".
  std::vector<std::pair<std::string, uint64_t>> list() const;
};

/// The subscriber's judge of manifests of one stream. Pure: bytes and `now` in, judgements out; memory bounded. Order of
/// checks: size, format, stream, group, trust, signature, age, then what this signer said before.
class verifier {
public:
  verifier(std::string stream_id, trust_set trust, verifier_config config = {});

  /// Judges one object of track `manifests`. `group` is where it stood on the track; unset: it came alone, from a file.
  outcome accept(std::span<const uint8_t> payload, base::wall_time now, std::optional<uint64_t> group = {});

  /// What enough trusted signers say of this chunk: a whole version before a damaged one, then the one that more signers
  /// attest, then the one that was first. Nothing if none is known or the only signer contradicted itself.
  std::optional<expected_chunk> find(uint64_t index) const;
  /// All that counts of this chunk, best first: what may be shown if the best cannot be had.
  std::vector<expected_chunk> versions(uint64_t index) const;
  /// How many trusted signers agree on the best-attested version of this chunk, whether or not they are enough.
  size_t signers_of(uint64_t index) const;
  size_t signers_required() const { return config_.signers_required; }

  /// Goes on with the chains of trusted signers where this stream's subscriber left them before a restart; before the first accept().
  /// Nothing that was heard then counts as a chunk's listing until it comes again.
  void recall(const subscriber_state& before);
  /// What a successor of this process must know.
  subscriber_state state() const;
  const std::string& stream_id() const { return stream_id_; }
  const trust_set& trust() const { return trust_; }
  const verifier_counters& counters() const { return counters_; }
  /// The last verifier_evidence_max equivocations and forks, oldest first.
  const std::deque<evidence>& evidence_kept() const { return evidence_; }
  /// The highest chunk index that is listed; nothing before the first manifest.
  std::optional<uint64_t> newest_index() const;
  /// When the newest attestation was signed: a live stream in which this stands still is frozen.
  std::optional<uint64_t> newest_signed_unix_ms() const { return newest_signed_; }
  size_t manifests_held() const { return known_.size(); }

private:
  struct held {
    crypto::digest id;
    std::shared_ptr<const content> what;
    struct voice {
      attestation said;
      bool contested = false; ///< this signer contradicted itself about these chunks
    };
    std::vector<voice> voices; ///< by trusted signers only
    uint64_t arrival = 0;
  };
  struct chain {
    struct link {
      crypto::digest digest;
      crypto::digest manifest_id;
      attestation said;
      std::shared_ptr<const content> recalled; ///< heard before a restart, and not again since
    };
    struct hole {
      uint64_t before = 0; ///< the sequence numbers at its two edges
      uint64_t after = 0;
      base::wall_time seen;
    };
    std::deque<hole> holes; ///< that may still close
    std::map<uint64_t, link> links; ///< by sequence, the newest verifier_chain_max
    uint64_t recalled_end = 0;      ///< no link from this sequence on is recalled
    bool forgot = false;            ///< links were dropped: lower sequences cannot be judged any more
  };
  using known_map = std::multimap<uint64_t, held>; ///< by chunk_start_index
  /// What one key stands for of known_.
  struct share {
    std::multimap<uint64_t, crypto::digest> manifests; ///< by chunk_start_index
    size_t entries = 0;                                ///< chunks in them
    bool told = false;                                 ///< that it crowds
  };
  /// The same of all keys of one owner.
  struct holding {
    size_t manifests = 0;
    size_t entries = 0;
    uint64_t oldest = ~uint64_t{0};
  };
  std::map<crypto::verifying_key, holding> holdings() const;

  refusal& refuse(outcome& out, refusal_reason why, std::string text, std::optional<crypto::verifying_key> signer = {});
  void follow(outcome& out, const std::vector<key_statement>& statements);
  void judge(outcome& out, const crypto::digest& id, std::shared_ptr<const content> what, const std::vector<attestation>& said,
             base::wall_time now);
  bool judge_one(outcome& out, const crypto::digest& id, const std::shared_ptr<const content>& what, const attestation& a,
                 base::wall_time now);
  bool chain_allows(outcome& out, const crypto::digest& id, const std::shared_ptr<const content>& what, const attestation& a);
  bool content_allows(outcome& out, const crypto::digest& id, const std::shared_ptr<const content>& what, const attestation& a);
  void remember_link(const crypto::digest& id, const attestation& a, outcome::taken& news, base::wall_time now);
  void look_for_gaps(outcome& out, base::wall_time now);
  void keep_evidence(outcome& out, evidence e);
  evidence::statement said_before(const chain::link& link) const;
  void count_disagreement(const content& c);
  held* find_held(const crypto::digest& id);
  const held* find_held(const crypto::digest& id) const;
  held& hold(const crypto::digest& id, std::shared_ptr<const content> what);
  bool make_room(outcome& out, const content& c, const crypto::verifying_key& signer);
  void give_up_oldest(outcome& out, const crypto::verifying_key& owner);
  void wait_for_attestation(const crypto::digest& id, std::shared_ptr<const content> what);
  struct candidate {
    expected_chunk chunk;
    std::vector<crypto::verifying_key> signers;
    uint64_t arrival = 0;
  };
  /// Every version of a chunk that a trusted signer stands for, in no order.
  std::vector<candidate> candidates(uint64_t index) const;

  template <class Visit>
  void visit_overlapping(uint64_t from, uint64_t to, Visit&& visit);

  std::string stream_id_;
  trust_set trust_;
  verifier_config config_;
  known_map known_;
  std::map<crypto::digest, known_map::iterator> by_id_;
  std::map<crypto::verifying_key, share> shares_;
  size_t entries_ = 0;      ///< chunks in known_
  size_t longest_ = 1;      ///< chunks of the longest content ever held
  uint64_t arrivals_ = 0;
  std::map<crypto::verifying_key, chain> chains_;
  std::deque<std::pair<crypto::digest, std::shared_ptr<const content>>> waiting_; ///< contents that no trusted key attests yet
  std::deque<evidence> evidence_;
  std::optional<uint64_t> newest_signed_;
  verifier_counters counters_;
};

} // namespace ec::manifest
