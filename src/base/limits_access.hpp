#pragma once

#include <cstddef>

/// Bounds of what a relay takes from those who ask for access (docs/formats/token.md).
namespace ec::base::limits {

inline constexpr size_t token_bytes_max = 4096;        ///< of one token, in text
inline constexpr size_t token_key_bytes_max = 16u << 10; ///< of one key file
inline constexpr size_t token_keys_max = 32;           ///< that one relay believes
inline constexpr size_t token_prefixes_max = 64;       ///< that one claim names
inline constexpr size_t token_text_bytes_max = 256;    ///< of a token's or key's id, or subject
inline constexpr size_t session_tokens_max = 8;        ///< that one session or request shows
inline constexpr size_t session_token_cache_bytes = 16u << 10; ///< of tokens that a peer registers
inline constexpr size_t session_held_tokens_max = 1024; ///< requests of one session that live by tokens of their own

} // namespace ec::base::limits
