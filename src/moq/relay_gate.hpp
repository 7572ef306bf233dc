#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "moq/message.hpp"
#include "moq/types.hpp"

namespace ec::moq {

/// Decides what a relay passes on. Called by it, on its thread; no I/O.
class relay_gate {
public:
  enum class verdict : uint8_t {
    pass,
    hold,   ///< a decision about its group from this source follows
    drop,   ///< not to be passed on, and no fault of who gave it
    refuse, ///< not to be passed on, and who gave it is to answer for it
  };
  struct answer {
    verdict is = verdict::pass;
    std::string why{}; ///< for a person, of drop and refuse
  };
  /// About all of a group that was held.
  struct decision {
    uint64_t source = 0;
    full_track_name track;
    uint64_t group = 0;
    answer what; ///< never hold
  };
  /// How a track goes through.
  enum class passage : uint8_t {
    open,    ///< unjudged
    judged,  ///< each object by itself
    groups,  ///< whole groups: what is held of one waits
    closed,  ///< not at all
  };

  virtual ~relay_gate() = default;
  virtual passage passage_of(const full_track_name& name) = 0;
  /// The track that tells what is right in `name`: it is taken along. Nothing: none.
  virtual std::optional<full_track_name> taken_along(const full_track_name& name) = 0;
  /// An object of a subscription. `source`: who gives it, a number for each subscription that is never used again.
  virtual answer on_object(uint64_t source, const full_track_name& name, const object& o, base::mono_time now) = 0;
  /// An object that was fetched. Never hold.
  virtual answer on_fetched(const full_track_name& name, const object& o) = 0;
  /// The subscription is over.
  virtual void on_gone(uint64_t source, const full_track_name& name) = 0;
  /// What became known of held groups; groups that were held for too long at `now` are among them.
  virtual std::vector<decision> decide(base::mono_time now) = 0;
};

} // namespace ec::moq
