#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "object/assembly.hpp"
#include "object/cipher.hpp"
#include "object/manifest_judge.hpp"
#include "object/receiver_types.hpp"
#include "object/source_account.hpp"
#include "object/source_score.hpp"

namespace ec::object {

/// A subscriber's decisions: which objects to believe, when a chunk may be delivered, what to ask for again and from whom,
/// when to give up. Pure: every input carries `now`, every output is an action for the caller to carry out. With
/// require_manifest not one byte is delivered that a trusted manifest does not list.
///
/// Order of inputs is free: objects may come before their manifest, twice, from several sources, in any order. Memory
/// stays within wait_bytes_max and wait_groups_max; what leaves is the oldest group of the source that holds most, those
/// that a manifest lists last.
class receiver {
public:
  receiver(stream_cipher cipher, std::unique_ptr<manifest_judge> judge, receiver_config config);

  /// A source that may be asked and heard. At most subscriber_sources_max; false if there are too many. `node`: who it is, whatever
  /// its address; empty: nobody else.
  bool on_source_added(source_id source, std::string node = {});
  /// What it gave stays; it is not asked any more.
  actions on_source_lost(source_id source, base::mono_time now);

  /// One object of track `manifests`. `wall` is for the freshness rules of manifests only.
  actions on_manifest_object(source_id source, uint64_t group, uint64_t object, const base::bytes& payload, base::mono_time now,
                             base::wall_time wall);
  /// One object of `chunks` or `damaged`, by subscription or by FETCH.
  actions on_object(source_id source, track on, uint64_t group, uint64_t object, const base::bytes& payload, base::mono_time now);
  /// The source will send no more of this group by itself.
  actions on_group_end(source_id source, track on, uint64_t group, group_ending how, base::mono_time now);
  /// A FETCH that this receiver asked for was answered to its end.
  actions on_fetch_done(source_id source, track on, uint64_t group, base::mono_time now);
  /// A FETCH was refused or broke off.
  actions on_fetch_failed(source_id source, track on, uint64_t group, base::mono_time now);
  /// Time passed: call at deadline() or later.
  actions tick(base::mono_time now);
  /// When tick() must be called at the latest; nothing: whenever something comes.
  std::optional<base::mono_time> deadline() const { return deadline_; }

  const receiver_counters& counters() const { return counters_; }
  receiver_status status() const;
  /// What each source gave of what was shown; of lost ones too.
  const source_account& sources() const { return account_; }
  const manifest_judge& judge() const { return *judge_; }
  bool stopped() const { return stopped_; }

private:
  /// What a trusted manifest says of one chunk.
  struct listing {
    crypto::digest digest;
    crypto::verifying_key signer;
    base::mono_time since;
  };
  /// One source's part in one group.
  struct part {
    bool refused = false;         ///< nothing more from it
    bool invalid = false;         ///< counted as an invalid chunk
    bool ended[2] = {};           ///< by track
    bool reset[2] = {};
    uint32_t asked[2] = {};       ///< fetches sent
    uint32_t faults = 0;          ///< objects refused
    uint64_t told = 0;            ///< a bit for each refusal that was reported
    std::optional<uint64_t> head_pts; ///< of its head on track `chunks`
    std::optional<crypto::digest> whole; ///< of its tail on track `chunks`
    std::optional<std::string> publisher; ///< of its damaged version, once its head came
  };
  struct open_fetch {
    source_id source;
    track on;
    base::mono_time until;
  };
  struct group_state {
    explicit group_state(uint64_t index) : whole(index, {}) {}

    assembly whole;
    std::map<std::string, assembly> damaged; ///< by publisher
    std::optional<listing> listed_whole;
    std::optional<listing> listed_damaged;
    std::map<source_id, part> parts;
    std::vector<open_fetch> fetches;
    base::mono_time seen;       ///< first sign of this group
    base::mono_time progress;   ///< last new object or listing
    base::mono_time fetch_next; ///< not before, after a failure
    uint32_t failures = 0;
    bool head_seen = false;
    std::optional<source_id> opened_by; ///< who sent the first object of it
    std::optional<base::mono_time> whole_since;   ///< a whole version is complete
    std::optional<base::mono_time> damaged_since; ///< the listed damaged version is complete
    std::optional<base::mono_time> short_since;   ///< trusted signers list it, but too few
    standing stands;
    bool short_counted = false;
  };
  struct source_state {
    std::array<uint32_t, 3> faults{}; ///< by source_score::fault, since they were weighed last
    uint32_t rank = 0;                ///< asked the earlier the lower
    uint64_t told = 0;                ///< a bit for each refusal outside of a known group that was reported
    bool gave[2] = {};                ///< anything at all: objects, manifests
    bool useful[2] = {};              ///< something that counted
  };
  using groups = std::map<uint64_t, group_state>;
  /// The version of a group that may be delivered.
  struct candidate {
    const assembly* from = nullptr;
    const listing* by = nullptr; ///< null: unverified
    base::mono_time since;       ///< it could be delivered from then on, but for earlier chunks
  };

  // Inputs (receiver.cpp).
  void take_head(source_id source, track on, uint64_t group, const base::bytes& payload, group_state& state, base::mono_time now, actions& out);
  void take_piece(source_id source, track on, uint64_t group, uint64_t object, const base::bytes& payload, group_state& state,
                  base::mono_time now, actions& out);
  void take_tail(source_id source, track on, uint64_t group, uint64_t object, const base::bytes& payload, group_state& state,
                 base::mono_time now, actions& out);
  void end_fetch(source_id source, track on, uint64_t group, bool failed, base::mono_time now);
  assembly* assembly_of(source_id source, track on, uint64_t group, uint64_t object, group_state& state, actions& out);
  void note_assembled(assembled a, source_id source, track on, uint64_t group, uint64_t object, base::mono_time now, actions& out);
  void refuse(source_id source, std::string_view track, uint64_t group, uint64_t object, refusal why, std::string text, actions& out);
  void count(refusal why) { ++counters_.refused[static_cast<size_t>(why)]; }
  /// The source's version of this group is invalid: counts it once; refuses the rest of it if `whole_group`.
  void blame(source_id source, uint64_t group, bool whole_group);
  void fault_of(source_id source, source_score::fault what);
  void blame_found(const assembly::found_wrong& wrong, track on, uint64_t group, actions& out);
  group_state& state_of(uint64_t group, base::mono_time now, actions& out);
  // Manifests (receiver_manifest.cpp).
  void list(uint64_t index, group_state& state, base::mono_time now, actions& out);
  void list_version(uint64_t index, group_state& state, track on, const listed_chunk* chunk, base::mono_time now, actions& out);
  void expect_listed(base::mono_time now, actions& out);
  void note_shortage(uint64_t index, group_state& state, base::mono_time now, actions& out);
  bool passed(uint64_t group) const { return last_ && group <= last_->index; }

  // Sources (receiver_sources.cpp).
  void lose(source_id source);
  void weigh_sources(base::mono_time now, actions& out);
  bool replaceable(source_id source) const;
  void note_useful(const group_state& delivered);
  void note_shown(uint64_t index, const crypto::digest& digest, const group_state& state);
  void note_late(source_id source, track on, uint64_t group, uint64_t object, const base::bytes& payload);
  void watch_freeze(base::mono_time now, actions& out);

  // Decisions (receiver_plan.cpp).
  actions settle(base::mono_time now, actions&& out);
  void keep_bounds(base::mono_time now);
  groups::iterator victim();
  void forget(uint64_t index, source_id source);
  void shed_bytes();
  groups::iterator erase(groups::iterator at);
  void note_complete(group_state& state, base::mono_time now);
  candidate candidate_of(const group_state& state) const;
  bool deliver_next(base::mono_time now, actions& out);
  bool continues(const chunk_tail& tail) const;
  bool held_up(groups::const_iterator next, const candidate& what, base::mono_time now);
  void skip_until(uint64_t index, bool nothing_between, actions& out);
  skip_reason reason_of(const group_state* state, uint64_t index) const;
  void plan_fetches(base::mono_time now, actions& out);
  void plan_group(uint64_t index, group_state& state, track on, bool newer, base::mono_time now, actions& out);
  bool wanted(const group_state& state, track on) const;
  std::optional<source_id> source_for(const group_state& state, track on) const;
  void wake(base::mono_time at);
  void stop_now(stop_reason why, std::string text);

  stream_cipher cipher_;
  std::unique_ptr<manifest_judge> judge_;
  receiver_config config_;
  std::map<source_id, source_state> sources_;
  source_account account_;
  std::map<source_id, source_score> scores_; ///< of lost sources too, while something is held against them
  groups groups_;
  std::set<std::pair<uint64_t, source_id>> evicted_; ///< groups of a source that had to leave; bounded
  struct delivered {
    uint64_t index;
    uint64_t first_pts;
    uint64_t duration;
  };
  std::optional<delivered> last_;
  std::optional<base::mono_time> deadline_;
  bool shortage_told_ = false; ///< since the last verified chunk
  std::optional<base::mono_time> last_manifest_; ///< accepted
  uint64_t last_manifest_chunks_ = 0;
  bool frozen_ = false;
  size_t fetches_open_ = 0;
  size_t bytes_waiting_ = 0;
  receiver_counters counters_;
  std::optional<stop> stopping_; ///< decided, but the current input is still being handled
  bool stopped_ = false;
};

} // namespace ec::object
