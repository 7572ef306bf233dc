#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/clock.hpp"

namespace ec::ts {

/// That somebody published a chunk of the stream, and signed for it.
struct foreign_chunk {
  std::string signer;
  bool trusted = false; ///< by this node, to count for it
  uint64_t index = 0;   ///< of a chunk that was just made
};

/// Whether others count the chunks of a stream as this node does [docs/adr/0002-broadcast-clock.md, rules 5 and 6]. Two counts differ by whole
/// quanta of the clock; what is less is that one is late. Decides whose count is looked at, and what is told; the look itself costs the
/// transfer of a chunk, and its first PTS then decides. Pure.
class clock_agreement {
public:
  struct settings {
    int64_t duration_ticks = 180'000;          ///< of a chunk, 90 kHz
    std::chrono::milliseconds liveness{60'000};///< the newest chunks of two nodes that are alive lie no further apart
    std::chrono::milliseconds again{15'000};   ///< between two looks at the count of one signer; twice as long after each that shows one that cannot be taken,
    std::chrono::milliseconds again_max{900'000}; ///< up to this
    size_t signers_max = 64;                   ///< that are followed, of those who are trusted and of those who are not
    size_t strangers_told_max = 8;             ///< of those who are not trusted, within
    std::chrono::milliseconds strangers_window{600'000}; ///< so long: anybody may make keys
  };
  explicit clock_agreement(const settings& s) : settings_(s) {}

  enum class step {
    none,
    look, ///< fetch the chunk: its first PTS says which count is meant
    tell, ///< this signer counts otherwise, and it is told once: nobody takes its count
  };
  /// A chunk was heard of. `own`: this node's newest chunk; nothing before its first.
  step on_chunk(const foreign_chunk& heard, std::optional<uint64_t> own, base::mono_time now);
  /// A look at the count of a trusted signer showed one that cannot be taken: the next look waits longer. True if it has not been told yet.
  bool misfits(const std::string& signer);
  /// A look at it showed this node's own, or one that was taken.
  void fits(const std::string& signer);
  /// Strangers with another count of which nothing was told, because there were too many.
  uint64_t untold() const { return untold_; }

  /// How many quanta the other's count is ahead of this node's; 0 if they may be one, nothing if no whole number fits.
  std::optional<int64_t> quanta_between(uint64_t own, uint64_t other) const;

private:
  struct known {
    std::optional<base::mono_time> look_at; ///< its count, not before
    std::chrono::milliseconds wait{0};      ///< after the last look
    base::mono_time heard{};
    bool told = false;
  };
  known* find(const std::string& signer, bool trusted, base::mono_time now);
  bool may_tell_of_stranger(base::mono_time now);
  int64_t slack_chunks() const;

  settings settings_;
  std::map<std::string, known> trusted_, strangers_;
  std::optional<base::mono_time> window_; ///< in which `told_` strangers were told of
  uint64_t told_ = 0;
  uint64_t untold_ = 0;
};

} // namespace ec::ts
