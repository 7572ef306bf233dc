#pragma once

#include <string>
#include <string_view>

#include "base/json_fields.hpp"
#include "crypto/digest.hpp"

/// Reading members of a manifest's formats.
namespace ec::manifest::internal {

using namespace base::json::fields;

inline base::result<crypto::digest> digest(const base::json::value& v, std::string_view key) {
  EC_TRY(const auto hex, text(v, key));
  const auto d = crypto::digest::from_hex(hex);
  if (!d) return malformed("\"" + std::string(key) + "\" is no digest of 64 lower-case hexadecimal digits");
  return *d;
}

} // namespace ec::manifest::internal
