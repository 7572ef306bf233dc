#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/limits.hpp"
#include "ts/chunk.hpp"
#include "ts/packet.hpp"
#include "ts/program.hpp"

namespace ec::ts::internal {

/// What every chunk of a program begins with, and where its PCR goes.
struct layout {
  std::vector<uint8_t> tables;  ///< the canonical PAT and PMT, whole packets
  uint16_t pcr_pid = null_pid;
  uint16_t reference_pid = null_pid; ///< the PID that gives the boundaries
};
layout make_layout(const program_facts& program);

/// The bytes of one chunk as they grow. Positions are counts of carried packets since the cutter was made.
class chunk_builder {
public:
  // Facts, filled in by the cutter.
  uint64_t index = 0;
  uint64_t first_pts = 0;
  int64_t first_time = 0; ///< lifted
  uint64_t start = 0;     ///< position of its first carried packet
  std::optional<uint64_t> end; ///< position behind its last one, once known
  int64_t duration = 0;
  uint32_t era = 0;
  bool synced = false, discontinuity = false, certain = true;
  damage why = damage::none;
  bool opened_sent = false, doubted_sent = false;
  std::optional<int64_t> broadcast_unix_ms;
  size_t released = 0;

  /// Writes the canonical tables. Call once, first.
  void begin(const layout& l);
  /// A packet of the program. `decode_time`: of the PES packet of the reference PID that starts in it, if it does.
  /// True if a PCR was written in front.
  bool append(const layout& l, packet_view packet, uint64_t position, std::optional<uint64_t> decode_time);
  /// Ends the last piece.
  void close(uint64_t position);
  /// Takes back everything from packet number `from` on; what was carried of it (not what was written here) comes back.
  std::vector<uint8_t> cut_tail(size_t from);
  /// Drops all content; facts stay.
  void clear();

  size_t packets() const { return packets_; }
  size_t bytes() const { return packets_ * packet_bytes; }
  const std::vector<base::bytes>& pieces() const { return pieces_; }
  /// Position behind the last carried packet of a finished piece.
  uint64_t piece_end(size_t place) const { return ends_[place]; }

private:
  void put(const uint8_t* packet, uint64_t position_after);

  std::vector<base::bytes> pieces_;
  std::vector<uint64_t> ends_;
  std::shared_ptr<uint8_t[]> open_; ///< the piece under way: room for a whole one, or none yet
  size_t filled_ = 0;               ///< bytes of it
  std::vector<size_t> written_; ///< packet numbers of PCRs written here
  size_t packets_ = 0;
  std::optional<uint64_t> last_pcr_;
  std::optional<uint64_t> last_pcr_time_; ///< decoding time under way when it stood
  std::optional<uint64_t> time_;          ///< decoding time under way
  std::optional<uint8_t> pcr_counter_;    ///< continuity counter last seen on the PCR's PID in this chunk
};

} // namespace ec::ts::internal
