#include "access/claims.hpp"

#include <algorithm>
#include <cmath>

#include "base/limits_access.hpp"
#include "moq/lite_wire.hpp"

namespace ec::access {
namespace {

using base::errc, base::fail;
namespace json = base::json;
namespace limits = base::limits;

constexpr std::chrono::minutes clock_skew{1};
constexpr double seconds_max = 253'402'300'800; // the year 10000: what a calendar still names

base::result<std::string> text_of(const json::value& v, std::string_view key) {
  const auto* found = v.find(key);
  if (found == nullptr) return std::string{};
  const auto* text = found->as_string();
  if (text == nullptr) return fail(errc::malformed, "the claim \"" + std::string(key) + "\" is no string");
  if (text->size() > limits::token_text_bytes_max && key != "root") return fail(errc::too_large, "the claim \"" + std::string(key) + "\" is too long");
  return *text;
}

/// A NumericDate [RFC 7519 2]; parts of a second are cut off.
base::result<std::optional<base::wall_time>> time_at(const json::value& v, std::string_view key) {
  const auto* found = v.find(key);
  if (found == nullptr) return std::optional<base::wall_time>{};
  const auto seconds = found->as_number();
  if (!seconds || !(*seconds >= 0 && *seconds < seconds_max)) return fail(errc::malformed, "the claim \"" + std::string(key) + "\" is no time in seconds since 1970");
  return std::optional<base::wall_time>{base::wall_time(std::chrono::seconds(static_cast<int64_t>(std::floor(*seconds))))};
}

/// One path or several, behind `root`.
base::result<std::vector<moq::track_namespace>> prefixes_at(const json::value& v, std::string_view key, const moq::track_namespace& root) {
  std::vector<moq::track_namespace> out;
  const auto* found = v.find(key);
  if (found == nullptr) return out;
  const json::array one{*found};
  const auto* list = found->as_array();
  if (list == nullptr) list = &one;
  if (list->size() > limits::token_prefixes_max) return fail(errc::too_large, "the claim \"" + std::string(key) + "\" names too many prefixes");
  for (const auto& item : *list) {
    const auto* path = item.as_string();
    if (path == nullptr) return fail(errc::malformed, "the claim \"" + std::string(key) + "\" is neither a path nor a list of paths");
    EC_TRY(const auto suffix, parse_prefix(*path));
    auto whole = root.joined(suffix);
    if (!whole.fields.empty() && !moq::is_valid(whole)) return fail(errc::malformed, "the claim \"" + std::string(key) + "\" names a prefix that no namespace can have");
    out.push_back(std::move(whole));
  }
  return out;
}

json::value paths_of(const std::vector<moq::track_namespace>& prefixes) {
  json::array out;
  for (const auto& p : prefixes) out.emplace_back(prefix_path(p));
  return out;
}

} // namespace

base::result<moq::track_namespace> parse_prefix(std::string_view path) {
  if (path.find_first_not_of('/') == path.npos) return moq::track_namespace{};
  auto ns = moq::lite::to_namespace(path);
  if (!ns) return fail(errc::malformed, "no namespace has this prefix: too long, or too many segments", std::string(path.substr(0, 80)));
  return std::move(*ns);
}

std::string prefix_path(const moq::track_namespace& ns) {
  std::string out;
  for (const auto& field : ns.fields) out += (out.empty() ? "" : "/") + field;
  return out;
}

bool covers(const std::vector<moq::track_namespace>& prefixes, const moq::track_namespace& ns) {
  return std::ranges::any_of(prefixes, [&](const auto& p) { return p.is_prefix_of(ns); });
}

base::result<token_claims> read_claims(const json::value& v) {
  if (v.as_object() == nullptr) return fail(errc::malformed, "the claims of a token are no object");
  token_claims out;
  EC_TRY(const auto root_path, text_of(v, "root"));
  EC_TRY(const auto root, parse_prefix(root_path));
  EC_TRY(out.publish, prefixes_at(v, "put", root));
  EC_TRY(out.subscribe, prefixes_at(v, "get", root));
  EC_TRY(out.issued, time_at(v, "iat"));
  EC_TRY(out.not_before, time_at(v, "nbf"));
  EC_TRY(out.expires, time_at(v, "exp"));
  EC_TRY(out.subject, text_of(v, "sub"));
  EC_TRY(out.id, text_of(v, "jti"));
  return out;
}

json::object write_claims(const token_claims& c) {
  json::object out;
  const auto add_time = [&](const char* key, const std::optional<base::wall_time>& t) {
    if (t) out.emplace_back(key, std::chrono::floor<std::chrono::seconds>(*t).time_since_epoch().count());
  };
  if (!c.publish.empty()) out.emplace_back("put", paths_of(c.publish));
  if (!c.subscribe.empty()) out.emplace_back("get", paths_of(c.subscribe));
  if (!c.subject.empty()) out.emplace_back("sub", c.subject);
  if (!c.id.empty()) out.emplace_back("jti", c.id);
  add_time("iat", c.issued);
  add_time("nbf", c.not_before);
  add_time("exp", c.expires);
  return out;
}

token_time time_of(const token_claims& c, base::wall_time now) {
  if (c.expires && now >= *c.expires) return token_time::expired;
  if (c.not_before && now < *c.not_before) return token_time::not_yet;
  if (c.issued && now + clock_skew < *c.issued) return token_time::not_yet;
  return token_time::valid;
}

} // namespace ec::access
