#pragma once

#include <cstdint>
#include <span>

namespace ec::crypto::internal {

/// True if these 32 bytes may stand for a point in a strict verification [RFC 8032 5.1.3, 5.1.7]: y below the field's
/// prime, and not one of the eight points of small order, under which one signature fits many messages.
bool acceptable_point(std::span<const uint8_t, 32> encoded);

/// True if the scalar S of a signature is below the group's order, so that it has one spelling.
bool reduced_scalar(std::span<const uint8_t, 32> encoded);

} // namespace ec::crypto::internal
