#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ec::base {

/// Lower-case hexadecimal, two digits a byte.
std::string to_hex(std::span<const uint8_t> in);

/// The bytes that `text` spells; nothing if the length is odd or a digit is none. Upper case is accepted.
std::optional<std::vector<uint8_t>> from_hex(std::string_view text);

/// Reads exactly `out.size()` bytes of lower-case hexadecimal: formats that are compared as text allow one spelling.
bool from_lower_hex(std::string_view text, std::span<uint8_t> out);

} // namespace ec::base
