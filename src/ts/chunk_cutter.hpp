#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.hpp"
#include "base/limits.hpp"
#include "ts/chunk.hpp"
#include "ts/packet_reader.hpp"
#include "ts/program.hpp"

namespace ec::ts {

/// A chunk of the stream as others publish it: fixes the lift of the broadcast clock.
struct clock_reference {
  uint64_t index = 0;
  uint64_t first_pts = 0; ///< raw, 33 bits
};

/// What became of a count that others have.
enum class adoption {
  same,    ///< it is this node's
  taken,   ///< this node's was behind it, or was none yet: what was open is damaged, and a new era begins
  behind,  ///< this node's is greater, and stays: the others go up
  refused, ///< it fits no lift of this clock: of another stream or profile, or false
};

struct cutter_config {
  chunk_profile profile;
  program_choice program;
  /// Opens no chunk before STT, TDT or TOT was read (or a reference adopted). Set it for streams whose ids are to converge.
  bool require_broadcast_time = false;
  /// Otherwise: how long to look for broadcast time, in stream time, before chunks are numbered by the bare PTS.
  uint32_t time_wait_ms = 1500;
  /// The same where PSIP was seen, whose STT comes each second.
  uint32_t psip_wait_ms = 5000;
  /// Known before start, from a manifest or an announcement.
  std::optional<clock_reference> clock;
  /// Opens no chunk before a reference is adopted or let_open() is called: somebody may be about to say how the stream is counted.
  bool hold = false;
  size_t chunk_bytes_max = base::limits::chunk_bytes_max;
};

/// Counts since the cutter was made.
struct cutter_counters {
  reader_counters reader;
  uint64_t packets = 0;
  uint64_t null_packets = 0;
  uint64_t transport_errors = 0;         ///< packets with transport_error_indicator, any PID
  uint64_t continuity_errors = 0;        ///< counters that were neither next nor repeated, any PID; a gap counts once
  uint64_t discontinuity_indicators = 0; ///< packets that announce one
  uint64_t repeats = 0;                  ///< packets whose counter repeats the last one's, any PID
  uint64_t scrambled = 0;                ///< packets with scrambling bits, any PID
  uint64_t pcrs = 0;                     ///< packets with a PCR, any PID
  uint64_t carried = 0;                  ///< packets of the program that chunks are made of
  uint64_t payload_less = 0;             ///< packets of the program without payload, left out
  uint64_t pes_malformed = 0;
  uint64_t check_failures = 0;           ///< stream checks that failed with intact counters
  uint64_t random_access_points = 0;
  uint64_t written_pcrs = 0;
  uint64_t pmt_versions = 0;             ///< new versions of the program's PMT that changed nothing
  uint64_t nit_conflicts = 0;            ///< versions of NIT and SDT that name different networks for the multiplex
  uint64_t station_clock_steps = 0;      ///< times that the station set its clock (STT, TDT, TOT)
  uint64_t chunks_whole = 0;
  uint64_t chunks_damaged = 0;
  std::array<uint64_t, damage_count> damaged_by{}; ///< by damage
  uint64_t pieces = 0;                   ///< released
  uint64_t late_damage = 0;              ///< gaps that reach into chunks already called whole (PIDs that pause)
};

/// Turns transport stream bytes into canonical chunks: the same bytes under the same index at every receiver of the
/// broadcast, whenever it tuned in; and what is not certain to be so is never called whole. docs/formats/chunk.md.
/// Pure: time comes in, events go out. Holds at most two chunks (config.chunk_bytes_max each).
class chunk_cutter {
public:
  explicit chunk_cutter(cutter_config config);
  ~chunk_cutter();
  chunk_cutter(chunk_cutter&&) noexcept;
  chunk_cutter& operator=(chunk_cutter&&) noexcept;

  /// Bytes in arrival order, split anywhere. Events are appended to `out`.
  void push(std::span<const uint8_t> ts, base::mono_time now, std::vector<cut_event>& out);
  /// The source was interrupted: what is open is damaged, what follows carries a discontinuity.
  void source_gap(base::mono_time now, std::vector<cut_event>& out);
  /// End of input. The open chunk cannot be known whole: it ends damaged.
  void finish(base::mono_time now, std::vector<cut_event>& out);
  /// Takes the stream's own count from a chunk that others publish, if it is ahead of this node's. Ends a hold, unless it is refused.
  adoption adopt(const clock_reference& reference, base::mono_time now, std::vector<cut_event>& out);

  /// Ends a hold.
  void let_open();

  const cutter_counters& counters() const;
  const program_facts& program() const;
  /// Rises whenever a table changed program().
  uint64_t program_changes() const;
  /// Sections seen by (PID, table_id) and bad section CRCs, of the tables that the node reads.
  const std::map<std::pair<uint16_t, uint8_t>, uint64_t>& tables() const;
  uint64_t section_crc_errors() const;
  /// Packets by PID, of the PIDs that were seen.
  std::map<uint16_t, uint64_t> pid_packets() const;
  /// Bytes of chunks held now.
  size_t bytes_held() const;

private:
  struct state;
  std::unique_ptr<state> s_;
};

} // namespace ec::ts
