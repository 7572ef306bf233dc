#pragma once

#include <chrono>
#include <cstddef>

/// When the beginning of a large object is told of before its end (docs/adr/0017-parts.md).
namespace ec::base::limits {

/// Bytes that came of an object since it was told of last, before it is told of again; as many must be left at the first time. Every subscriber pays for
/// each time, so that smaller objects always go on whole.
inline constexpr size_t moq_part_bytes_min = 16u << 10;
/// Of an object whose bytes come faster than this nothing is told before its end: its publisher sent it at once.
inline constexpr std::chrono::milliseconds moq_part_wait{2};

} // namespace ec::base::limits
