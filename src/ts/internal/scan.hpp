#pragma once

#include <cstdint>
#include <span>

/// The two loops that touch every byte of a program: all else reads headers.
namespace ec::ts::internal {

/// First place in [from, end) where 00 00 01 stands whole; `end` if nowhere. Reads nothing outside of the range.
const uint8_t* find_start_code(const uint8_t* from, const uint8_t* end);

/// CRC-16 of AC-3 [A/52 7.10.1], polynomial 0x8005, carried on from `crc`: over a frame behind its sync word, its own CRC words
/// included, the result is 0.
uint16_t crc16_ac3(uint16_t crc, std::span<const uint8_t> in);

} // namespace ec::ts::internal
