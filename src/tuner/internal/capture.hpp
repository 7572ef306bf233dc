#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "tuner/internal/grid.hpp"
#include "tuner/internal/sections.hpp"
#include "tuner/loop.hpp"

namespace ec::tuner::internal {

/// Where a PES packet or a section begins.
struct unit_place {
  uint64_t packet = 0;
  std::optional<int64_t> pts; ///< 90 kHz, unwrapped along its PID
  int64_t dts = 0;            ///< as pts; equal to it when the PES has none
  bool random_access = false; ///< of video
  bool clean = true;          ///< a section begins right here, with no rest of another before it
};

/// A PCR of the reference PID, unwrapped, in 27 MHz ticks.
struct pcr_place {
  uint64_t packet = 0;
  int64_t pcr = 0;
};

/// How one PID is cut: its packets of [from, to) make a round, and those of `tail` lie behind the end of the round.
struct pid_cut {
  uint64_t from = 0;
  uint64_t to = 0;
  std::vector<uint64_t> tail;
};

/// A section with a time in it.
struct timed_section {
  std::vector<uint8_t> bytes;
  std::vector<section_piece> pieces;
};

/// The plan of a loop: found once by reading the capture through.
struct loop_plan {
  loop_facts facts;
  uint64_t begin = 0; ///< first packet of a round
  uint64_t end = 0;   ///< the packet after its last
  std::map<uint16_t, pid_cut> cuts;
  std::vector<uint64_t> preamble; ///< packets of PAT and PMT that stand only before `begin`
  std::vector<pcr_place> clock;   ///< at least two
  double ticks_per_packet = 0;    ///< where the clock does not reach
  int64_t begin_pcr = 0;          ///< the clock at `begin`
  double stretch = 1;             ///< by which a round's clock is stretched to be as long as its video
  int64_t pcr_shift = 0;          ///< added to every PCR, <= 0, so that no picture comes too late
  std::vector<timed_section> times;

  /// The capture's clock at a packet, between and beyond its PCRs.
  int64_t clock_at(uint64_t packet) const;
  /// The loop's clock at a moment of the capture's, for the first round.
  int64_t mapped(int64_t pcr) const { return begin_pcr + static_cast<int64_t>(static_cast<double>(pcr - begin_pcr) * stretch); }
};

/// Errors: malformed (no program), unsupported (no PCR, no random access point, too short).
[[nodiscard]] base::result<loop_plan> plan_loop(const grid& packets);

} // namespace ec::tuner::internal
