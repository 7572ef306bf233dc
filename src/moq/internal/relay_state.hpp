#pragma once

#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "moq/relay.hpp"

/// What a relay knows of the tracks that it takes. Only relay*.cpp include this.
namespace ec::moq {

/// A fetch upstream.
struct relay::job : fill {
  relayed* of = nullptr;
  relay_peer* from = nullptr;
  request_id id = no_request;
  location first;
  location last; ///< inclusive
  size_t bytes = 0;
  bool doubt = false; ///< the peer does not know of all of it whether it exists
  base::mono_time until;
};

/// What came of a group while the gate did not know it.
struct relay::event {
  enum class kind : uint8_t { begin, object, end } what = kind::object;
  uint64_t subgroup = 0;
  stream_facts facts{};
  moq::object object{};
  std::optional<uint64_t> reset{};
};

/// A subscription upstream.
struct relay::taken {
  relay_peer* from = nullptr;
  request_id id = no_request;
  bool established = false;
  bool pushed = false; ///< the peer began it, by PUBLISH
  std::optional<location> start; ///< the largest there when it began
  std::optional<uint64_t> newest; ///< group
  std::optional<base::mono_time> unoffered_since; ///< no longer offered by that peer, and nothing came since
  struct progress {
    stream_facts facts{.from_start = false, .ends_group = false};
    std::optional<uint64_t> last;
    std::optional<uint64_t> contradicts; ///< it gives this object otherwise than it began here
    bool open = true;
  };
  std::map<std::pair<uint64_t, uint64_t>, progress> subgroups;

  uint64_t source = 0; ///< for the gate
  struct waiting {
    std::vector<event> events;
    std::optional<relay_gate::verdict> decided; ///< never hold; what follows goes the same way
  };
  std::map<uint64_t, waiting> groups; ///< of a track that goes through the gate by groups
  size_t held_bytes = 0;

  /// What this publisher gave of a subgroup. Over a bound the oldest one is forgotten.
  progress& of(uint64_t group, uint64_t subgroup) {
    const auto [at, is_new] = subgroups.try_emplace({group, subgroup});
    if (is_new && subgroups.size() > base::limits::relay_streams_tracked_max) subgroups.erase(at == subgroups.begin() ? std::next(at) : subgroups.begin());
    return at->second;
  }
};

/// What a track holds of a subgroup; null if it was never heard of.
inline const cached_group::subgroup_state* known_subgroup(const track& t, uint64_t group, uint64_t subgroup) {
  const auto g = t.groups().find(group);
  if (g == t.groups().end()) return nullptr;
  const auto s = g->second.subgroups.find(subgroup);
  return s == g->second.subgroups.end() ? nullptr : &s->second;
}

/// The object that a subgroup lacks next: the one under way, or the one behind the last.
inline location lacking(uint64_t group, const cached_group::subgroup_state& s) {
  return {group, s.part ? s.part->begun.id : *s.last + 1};
}

/// True if object `id` of somebody's stream, which gave `before` last, goes on where a subgroup stands: a stream carries all of its subgroup from where
/// it began, so that what it gave before must be here, or the object before this one.
inline bool joins(const cached_group::subgroup_state* known, std::optional<uint64_t> before, uint64_t id) {
  if (!known) return true;
  if (known->part && known->part->begun.id == id) return true;
  if (!known->last) return false;
  return before ? *known->last >= *before : *known->last >= id || *known->last + 1 == id;
}

/// A track that somebody wants, or that is still taken.
struct relay::relayed {
  full_track_name name;
  size_t interest = 0;
  track* t = nullptr; ///< null until a publisher has accepted
  std::vector<taken> from;
  std::vector<std::shared_ptr<job>> jobs;
  bool idle = false;
  std::optional<base::mono_time> idle_since;   ///< unset while idle: since the last turn of the clock
  bool orphan = false;                         ///< its last publisher vanished
  std::optional<base::mono_time> orphan_since; ///< as above
  base::mono_time ask_again;
  struct denial {
    std::chrono::milliseconds wait{0};
    base::mono_time again; ///< when it is asked again
  };
  std::map<relay_peer*, denial> denied; ///< who offers its namespace, but did not have it
  base::mono_time used; ///< an object came, or somebody asked
  bool conflict_told = false;
  relay_gate::passage passage = relay_gate::passage::open;
  std::shared_ptr<const void> along; ///< the interest in the track that tells what is right in it

  taken* of(uint64_t source) {
    for (auto& u : from)
      if (u.source == source) return &u;
    return nullptr;
  }
  taken* of(const relay_peer& peer, request_id id) {
    for (auto& u : from)
      if (u.from == &peer && u.id == id) return &u;
    return nullptr;
  }
};

} // namespace ec::moq
