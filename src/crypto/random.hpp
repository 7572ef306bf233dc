#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ec::crypto {

/// Fills `out` from the system's random source, good enough for long-lived keys.
void fill_random(std::span<uint8_t> out);

/// `count` such bytes.
std::vector<uint8_t> random_bytes(size_t count);

/// Overwrites a secret in a way that the compiler does not remove.
void wipe(std::span<uint8_t> secret);

/// Compares in a time that depends on the sizes alone.
bool equal_constant_time(std::span<const uint8_t> a, std::span<const uint8_t> b);

} // namespace ec::crypto
