#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.hpp"
#include "ts/chunk.hpp"

/// May a chunk that this node did not receive whole be taken from another receiver of the broadcast? docs/formats/chunk.md, "Repair".
/// It stands here and not with the objects because every question is about packets; what a copy was sealed in is checked before.
namespace ec::ts {

/// A chunk that ended damaged, as this node has it.
struct received_chunk {
  uint64_t index = 0;
  uint64_t first_pts = 0;            ///< 90 kHz, of its chunk_opened
  int64_t duration_pts = 0;          ///< of its chunk_damaged
  damage why = damage::none;
  std::span<const base::bytes> pieces; ///< of its chunk_damaged; borrowed
};

/// The same chunk as another publisher calls it whole.
struct offered_chunk {
  uint64_t index = 0;
  uint64_t first_pts = 0;
  uint64_t duration_pts = 0;
  std::span<const uint8_t> data; ///< borrowed
};

/// Why an offer is not taken.
enum class repair_refusal : uint8_t {
  none,
  cause,          ///< damage that ends a chunk elsewhere than the broadcast does, or hides what was received: nothing can be compared
  malformed,      ///< the offer is no chunk: packets, counters, tables or PCRs are not as the format says
  tables_differ,  ///< it is a chunk of another program
  boundary,       ///< it begins or ends at another place than what was received
  packet_differs, ///< a packet that was received does not stand in it, in its order
  share,          ///< more would be taken on trust than is allowed
};
/// Stable lower-case name for events: "packet_differs".
std::string_view name(repair_refusal why);

struct repair_verdict {
  repair_refusal why = repair_refusal::none;
  uint32_t on_trust = 0; ///< packets of the offer that were not received here
  uint32_t packets = 0;  ///< carried packets of the offer, as far as it was read
  uint32_t matched = 0;  ///< packets that were received and stand in it, in order, up to the first that does not
  bool taken() const { return why == repair_refusal::none; }
};

/// True if a chunk that was damaged so can be compared with a copy at all.
bool repairable(damage why);

/// Judges `offered` by what was received. Taken: it is a chunk by every rule of the format that can be checked in it alone, it opens and
/// ends where this node saw the boundaries, every packet that was received stands in it in order, and at most `share_percent_max` of its
/// packets were not received. Then the offer is the chunk. Pure; holds a second copy of the chunk while it runs.
repair_verdict judge_repair(const received_chunk& received, const offered_chunk& offered, unsigned share_percent_max);

} // namespace ec::ts
