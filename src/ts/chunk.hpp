#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

/// What a chunk cutter says. The format itself is docs/formats/chunk.md, the clock docs/adr/0002-broadcast-clock.md.
namespace ec::ts {

/// A named way to cut. The bytes that a released name stands for never change.
struct chunk_profile {
  std::string name = "ts-v1";
  uint32_t duration_ms = 2000; ///< nominal: a boundary is the first random access point past a multiple of it
};

/// "ts-v1" cuts at 2 s; "ts-v1-<N>ms" at N ms, 100..60000. Errors: not_found.
[[nodiscard]] base::result<chunk_profile> find_profile(std::string_view name);

/// What a viewer picks: "5.1".
struct virtual_channel {
  uint16_t major = 0;
  uint16_t minor = 0;
  friend bool operator==(const virtual_channel&, const virtual_channel&) = default;
};

/// Which program to cut; with neither set the only one of the multiplex. If there are several, none is guessed.
struct program_choice {
  std::optional<uint16_t> program_number;
  std::optional<virtual_channel> channel;
};

/// Why a chunk is not whole at this node. The first cause found stands.
enum class damage : uint8_t {
  none,
  continuity,         ///< a continuity counter skipped, or a packet came twice with different bytes
  transport_error,    ///< the demodulator marked a packet of the program
  resync,             ///< bytes were lost between packets
  stream_check,       ///< counters are right but the streams are not: time stamps, lengths, slice order, checksums
  uncertain_boundary, ///< something was missed since the random access point before its first packet
  source_gap,         ///< the source was interrupted
  scrambled,          ///< a packet of the program is scrambled
  too_large,          ///< over limits::chunk_bytes_max
  clock_jump,         ///< PTS jumped, or the broadcast time was found: its end is no canonical boundary
  program_change,     ///< the streams of the program changed
  neighbour_loss,     ///< another PID lost so much at once that 16 packets of the program may be gone, which its counter hides
  stalled,            ///< the stream that gives the boundaries stopped
  end_of_input,       ///< the input ended before the chunk was seen whole
};
/// Stable lower-case name for logs and metrics: "uncertain-boundary".
std::string_view name(damage why);
inline constexpr size_t damage_count = 14;

/// Comes right before the first other event of its index: everything here is a fact of the broadcast but the last three.
struct chunk_opened {
  uint64_t index = 0;     ///< the group id; rises strictly within an era
  uint64_t first_pts = 0; ///< 90 kHz, raw 33 bits, of the random access point that opens the chunk
  uint32_t era = 0;       ///< how often this node's clock was lifted anew; local, never published
  bool synced = false;    ///< false: no broadcast time, the index is the PTS's and holds for this source only
  bool discontinuity = false; ///< does not continue the chunk before it
  bool certain = true;    ///< false: the boundary is in doubt, the chunk can only end damaged; nothing of it is released
};

/// A piece that is known to be the same at every receiver. Places rise from 0 without a hole.
struct piece_released {
  uint64_t index = 0;
  uint32_t place = 0;
  base::bytes data; ///< N x 188 bytes; N is limits::piece_packets but in the last piece of a chunk
};

/// Damage has shown in a chunk that was opened: nothing more of it will be released; chunk_damaged follows at its end.
struct chunk_doubted {
  uint64_t index = 0;
  damage why = damage::none;
};

/// Every piece was released and this is all of it.
struct chunk_whole {
  uint64_t index = 0;
  uint32_t pieces = 0;
  uint64_t size = 0;        ///< bytes
  int64_t duration_pts = 0; ///< 90 kHz, from its first PTS to the next chunk's
  std::optional<int64_t> broadcast_unix_ms; ///< STT/TDT brought to the first PTS; a reading, not part of the bytes
  base::mono_time shown_whole_at; ///< `now` of the push whose packet showed it
};

/// The chunk ended and is not whole here.
struct chunk_damaged {
  uint64_t index = 0;
  damage why = damage::none;
  uint32_t pieces_released = 0;    ///< how many were released before the damage showed
  std::vector<base::bytes> pieces; ///< all that this node has, place 0 on: its own version; empty if too large
  int64_t duration_pts = 0;        ///< 90 kHz; to the last access unit seen if no chunk follows
  std::optional<int64_t> broadcast_unix_ms;
};

/// For logs. `event` is stable: program-selected, program-changed, no-choice, channel-unknown, clock-locked,
/// clock-unsynced, clock-jump, station-clock, pmt-version, resync, source-gap, stalled, scrambled, damage.
struct note {
  std::string_view event;
  std::string text; ///< fields in the form "key=value ..."
};

/// For one index: chunk_opened; piece_released 0, 1, ...; at most one chunk_doubted; then exactly one of chunk_whole and
/// chunk_damaged. All events of an index come before those of the next.
using cut_event = std::variant<chunk_opened, piece_released, chunk_doubted, chunk_whole, chunk_damaged, note>;

} // namespace ec::ts
