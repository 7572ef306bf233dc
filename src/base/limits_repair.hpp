#pragma once

#include <cstddef>
#include <cstdint>

/// Bounds of what a publisher takes from second sources of its stream (docs/formats/manifest.md, "Repaired chunks").
namespace ec::base::limits {

inline constexpr size_t second_sources_max = 8;            ///< that one publisher asks
inline constexpr size_t second_sources_found_max = 4;      ///< that it takes from its discovery, beside them
inline constexpr unsigned second_source_in_vain_max = 8;   ///< requests in a row of which nothing was taken: a found one gives its place to who waits
inline constexpr unsigned source_manifests_burst_max = 16; ///< of one source that are read at once,
inline constexpr unsigned source_manifests_per_second_max = 4; ///< and then: each costs the check of a signature
inline constexpr size_t second_source_fetches_max = 4;     ///< chunks that it fetches from them at a time
inline constexpr unsigned repair_share_percent_max = 50;   ///< the highest bound that may be set for what is taken on trust of a chunk
inline constexpr uint64_t repair_wait_ms_max = 60'000;     ///< the longest that a damaged chunk may be held back
inline constexpr size_t repairs_waiting_max = 4;           ///< damaged chunks that are held back at a time
inline constexpr size_t summaries_waiting_max = 64;        ///< chunks whose signing waits behind them
inline constexpr size_t repairs_stated_max = 16;           ///< repaired chunks that one attestation names

} // namespace ec::base::limits
