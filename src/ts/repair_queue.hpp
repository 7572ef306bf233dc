#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/limits_repair.hpp"
#include "ts/chunk_repair.hpp"

namespace ec::ts {

/// What is to be done about a damaged chunk.
struct repair_step {
  enum class kind {
    ask,     ///< others for a copy
    give_up, ///< its own version is all that there will be
    refuse,  ///< the same, after others could have had it: that is told, with `why`
  };
  kind what = kind::give_up;
  uint64_t id = 0;
  std::chrono::milliseconds within{0}; ///< ask: what time is left
  std::string why;                     ///< refuse
};

/// The chunks of a publisher on their way to its signers, who take them in order: behind a damaged one, that may still be had whole from
/// another publisher, all wait. Decides who is asked, for how long, and what is given up. Pure: whoever uses it asks, and keeps what it
/// knows of each chunk by its id.
class repair_queue {
public:
  struct settings {
    bool repairs = false;                 ///< somebody can be asked
    unsigned share_percent_max = 5;       ///< of a chunk's packets that may be taken on another's word
    std::chrono::milliseconds wait{2000}; ///< for a damaged chunk
    bool drops = true;                    ///< the source does not wait: what would fill the memory behind one chunk gives that one up
    size_t repairs_max = base::limits::repairs_waiting_max;  ///< damaged chunks at a time
    size_t chunks_max = base::limits::summaries_waiting_max; ///< in it
  };
  /// A damaged chunk, and what became of it so far.
  struct wounded {
    chunk_damaged had;
    uint64_t first_pts = 0;
    base::mono_time until{};       ///< it is held back no longer
    std::vector<uint32_t> refused; ///< sources whose copies did not do
    std::string why;               ///< of the last of them
  };

  explicit repair_queue(const settings& s) : settings_(s) {}

  /// A chunk that lacks nothing. The answer is its id: they rise.
  uint64_t add();
  /// One that ended damaged.
  repair_step add(chunk_damaged had, uint64_t first_pts, base::mono_time now);
  /// It, while it is damaged and in the queue; else null.
  const wounded* find(uint64_t id) const;

  /// Judges a copy of it. Nothing changes: heal() or refuse_copy() follows.
  repair_verdict judge(const wounded& w, const offered_chunk& offered) const;
  /// The copy was taken.
  void heal(uint64_t id);
  /// The copy of this source did not do: the next is asked, while there is time.
  repair_step refuse_copy(uint64_t id, uint32_t source, std::string why, base::mono_time now);
  /// There is no copy, because of `why`. What was wrong with one that there was says more.
  repair_step no_copy(uint64_t id, std::string why) const;
  /// Takes what the chunk had: it goes on as it is.
  wounded give_up(uint64_t id);

  /// Chunks that nobody waits for any more, in order; they leave.
  std::vector<uint64_t> settle();
  /// After settle(): the chunk that has to be given up because too many wait behind it.
  std::optional<repair_step> overdue() const;
  /// A source that waits has to.
  bool full() const { return !settings_.drops && chunks_.size() >= settings_.chunks_max; }
  bool empty() const { return chunks_.empty(); }
  void clear() { chunks_.clear(); }

private:
  struct chunk {
    uint64_t id = 0;
    std::optional<wounded> damage;
  };
  chunk* at(uint64_t id);
  repair_step ask(const chunk& c, base::mono_time now) const;

  settings settings_;
  std::deque<chunk> chunks_; ///< in order
  uint64_t next_ = 0;
};

} // namespace ec::ts
