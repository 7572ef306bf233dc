#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "moq/profile.hpp"
#include "moq/types.hpp"

namespace ec::moq {

/// What all tracks of a session remember together.
struct seen_budget {
  size_t entries = 0;
  size_t entries_max = 0;
};

/// What a receiver remembers of a track, to tell duplicates from malformed tracks [MOQT 2.4.2]. Bounded: it forgets the
/// lowest groups first and stops remembering objects of a group that has too many.
class seen_objects {
public:
  /// Over the budget it forgets its own lowest groups, then remembers nothing more.
  explicit seen_objects(std::shared_ptr<seen_budget> budget) : budget_(std::move(budget)) {}
  ~seen_objects() { budget_->entries -= entries_; }
  seen_objects(const seen_objects&) = delete;
  seen_objects& operator=(const seen_objects&) = delete;
  static constexpr size_t entry_bytes = 80; ///< of memory, about

  enum class verdict { fresh, duplicate, malformed };

  /// Judges and remembers one object of a subscription.
  verdict object(const moq::object& o, const object_properties& p);
  /// Judges an object that came by a fetch: false if it contradicts what the subscription showed. Remembers nothing.
  bool agrees(const moq::object& o) const;
  /// A datagram says that its object is the last of the group. False: malformed.
  bool end_group(uint64_t group, uint64_t last);
  /// A subgroup stream ended with FIN behind object `last`. False: malformed.
  bool finish(uint64_t group, uint64_t subgroup, std::optional<uint64_t> last, bool end_of_group);

private:
  struct range {
    uint64_t from = 0;
    uint64_t to = 0; ///< inclusive
    bool holds(uint64_t v) const { return v >= from && v <= to; }
  };
  struct subgroup_state {
    uint8_t priority = 128;
    std::optional<uint64_t> final;
  };
  struct group_state {
    std::map<uint64_t, uint64_t> objects; ///< id to fingerprint
    std::map<uint64_t, subgroup_state> subgroups;
    std::optional<uint64_t> end; ///< first id that does not exist
    std::optional<uint64_t> group_gap;
    std::vector<range> gaps;
  };

  bool close_group(group_state& g, uint64_t end);
  bool note_gaps(uint64_t group, group_state& g, const moq::object& o, const object_properties& p);
  group_state* group(uint64_t id);
  void forget_lowest();
  /// True if one more may be remembered of `group`.
  bool room(uint64_t group);

  std::shared_ptr<seen_budget> budget_;
  size_t entries_ = 0;

  std::map<uint64_t, group_state> groups_;
  std::vector<range> group_gaps_;
  std::optional<location> end_; ///< first location that does not exist
};

} // namespace ec::moq
