#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"
#include "manifest/attestation.hpp"
#include "manifest/content.hpp"

/// What a signer says of whole chunks that it did not receive whole. docs/formats/manifest.md, "Repaired chunks".
namespace ec::manifest {

/// A chunk that its signer took from another source: every packet that it had received stands in it.
struct repaired_chunk {
  uint64_t index = 0;
  uint64_t packets = 0; ///< taken on the other source's word; 0: nothing but where the chunk begins
  uint64_t of = 0;      ///< packets of the program in the chunk

  friend bool operator==(const repaired_chunk&, const repaired_chunk&) = default;
};

/// The member of an attestation that says it: one that a reader may ignore.
inline constexpr std::string_view repaired_member = "x-repaired";

/// True if an attestation of `c` may say so: 1 to repairs_stated_max chunks, rising, each whole in `c`, each with packets <= of.
bool valid(std::span<const repaired_chunk> list, const content& c);

/// The member's value.
base::json::value to_json(std::span<const repaired_chunk> list);

/// What `a` says of the chunks of `c`; empty if it says nothing. Whether `a` is genuine is not looked at. Errors: malformed, too_large.
[[nodiscard]] base::result<std::vector<repaired_chunk>> repaired_in(const attestation& a, const content& c);

} // namespace ec::manifest
