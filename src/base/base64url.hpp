#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ec::base {

/// Base64 with the alphabet of URLs and file names, without padding [RFC 4648 5, RFC 7515 2].
std::string to_base64url(std::span<const uint8_t> in);

/// The bytes that `text` spells. Strict: nothing if it holds padding, white space or any other foreign character, has a length that no bytes
/// give, or has bits set behind the last byte. So each text has one meaning and each meaning one text.
std::optional<std::vector<uint8_t>> from_base64url(std::string_view text);

} // namespace ec::base
