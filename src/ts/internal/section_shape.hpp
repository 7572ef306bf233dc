#pragma once

#include <cstdint>
#include <span>

/// Sections whose inner lengths lie.
namespace ec::ts::internal {

/// True if all that a section of a table that the node decodes says of its own lengths fits in it, by table_id. A right CRC
/// says nothing of that: it is the sender's. libdvbpsi 1.3 trusts some of these lengths, and reads past its buffers.
bool lengths_fit(std::span<const uint8_t> section);

} // namespace ec::ts::internal
