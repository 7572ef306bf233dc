#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/result.hpp"
#include "moq/types.hpp"

/// Who may do what at a relay: tokens, what they claim, and what follows for a session (docs/formats/token.md).
namespace ec::access {

/// What a token allows, and when. Prefixes are whole: the token's "root" is in them. An empty prefix is every namespace.
struct token_claims {
  std::vector<moq::track_namespace> publish;   ///< "put"
  std::vector<moq::track_namespace> subscribe; ///< "get"
  std::optional<base::wall_time> issued;       ///< "iat"
  std::optional<base::wall_time> not_before;   ///< "nbf"
  std::optional<base::wall_time> expires;      ///< "exp"; unset: never
  std::string subject;                         ///< "sub": whose it is, for people and logs
  std::string id;                              ///< "jti"

  bool operator==(const token_claims&) const = default;
};

/// Reads claims [RFC 7519 4.1, and "root", "put" and "get" as of moq-token]. Other members are passed over. Errors: malformed, too_large.
[[nodiscard]] base::result<token_claims> read_claims(const base::json::value& v);
/// What read_claims() reads; members that are empty are left out.
base::json::object write_claims(const token_claims& c);

/// The prefix that a person writes as a path, "every.channel/us"; empty or "/" is every namespace. Errors: malformed (too long, too many segments).
[[nodiscard]] base::result<moq::track_namespace> parse_prefix(std::string_view path);
/// As a person reads it: segments joined by '/'.
std::string prefix_path(const moq::track_namespace& ns);

/// True if one of `prefixes` is a prefix of `ns`, field by field.
bool covers(const std::vector<moq::track_namespace>& prefixes, const moq::track_namespace& ns);

enum class token_time { valid, not_yet, expired };
/// At `now`: expired from "exp" on; not yet valid before "nbf", or more than a minute before it was issued.
token_time time_of(const token_claims& c, base::wall_time now);

} // namespace ec::access
