#include "manifest/trust_file.hpp"

#include <algorithm>
#include <initializer_list>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/limits.hpp"
#include "identity/stream_id.hpp"

namespace ec::manifest {
namespace {

using base::errc, base::fail;
namespace json = base::json;
namespace limits = base::limits;

constexpr int64_t version = 1;
constexpr std::string_view prefix = "ec/stream/v1/";

/// Reads the parts of one file; every error names the file and the key.
class reader {
public:
  explicit reader(std::string about) : about_(std::move(about)) {}

  auto expected(const std::string& key, std::string_view what, const json::value& found) const {
    return fail(errc::config, "expected " + std::string(what) + ", found " + json::dump(found).substr(0, 100), where(key));
  }

  /// Errors if `v` is no object, has a member that is not in `allowed`, or not all of `needed`.
  base::result<void> check_members(const json::value& v, const std::string& key, std::initializer_list<std::string_view> allowed,
                                   std::initializer_list<std::string_view> needed) const {
    const auto* o = v.as_object();
    if (o == nullptr) return expected(key, "an object", v);
    for (const auto& [name, unused] : *o)
      if (std::ranges::find(allowed, name) == allowed.end()) {
        std::string known;
        for (const auto& a : allowed) known += (known.empty() ? "\"" : ", \"") + std::string(a) + "\"";
        return fail(errc::config, "unknown key; expected " + known, where(key.empty() ? name : key + "." + name));
      }
    for (const auto& name : needed)
      if (v.find(name) == nullptr) return fail(errc::config, "missing", where(key.empty() ? std::string(name) : key + "." + std::string(name)));
    return base::ok();
  }

  base::result<const json::array*> list(const json::value& v, const std::string& key, size_t max) const {
    const auto* a = v.as_array();
    if (a == nullptr || a->empty()) return expected(key, "an array that is not empty", v);
    if (a->size() > max) return fail(errc::config, std::to_string(a->size()) + " entries, " + std::to_string(max) + " are allowed", where(key));
    return a;
  }

  base::result<std::string> pattern(const json::value& v, const std::string& key) const {
    static constexpr std::string_view what = "a stream id, or the beginning of one and '*' at its end";
    const auto* s = v.as_string();
    if (s == nullptr || s->empty() || s->size() > limits::stream_id_bytes_max) return expected(key, what, v);
    if (s->find('*') == std::string::npos) {
      if (!identity::stream_id::parse(*s)) return expected(key, what, v);
      return *s;
    }
    const auto front = std::string_view(*s).substr(0, s->find('*'));
    if (front.size() + 1 != s->size()) return expected(key, what, v);
    if (!prefix.starts_with(front) && !front.starts_with(prefix)) return expected(key, what, v); // matches no stream that could be
    return *s;
  }

  base::result<trust_file::named_key> named(const json::value& v, const std::string& key) const {
    static constexpr std::string_view what = "ed25519:<64 hexadecimal digits> or NAME=ed25519:<64 hexadecimal digits>";
    const auto* s = v.as_string();
    if (s == nullptr) return expected(key, what, v);
    const auto equals = s->find('=');
    auto read = crypto::verifying_key::parse(equals == std::string::npos ? std::string_view(*s) : std::string_view(*s).substr(equals + 1));
    if (!read) return expected(key, what, v);
    return trust_file::named_key{read.value(), equals == std::string::npos ? std::string{} : s->substr(0, equals)};
  }

private:
  std::string where(const std::string& key) const { return key.empty() ? about_ : about_ + ": key \"" + key + "\""; }

  std::string about_;
};

std::string at(const std::string& list, size_t place) {
  return list + "[" + std::to_string(place) + "]";
}

base::result<trust_file::rule> rule_from(const reader& in, const json::value& v, const std::string& key) {
  EC_TRYV(in.check_members(v, key, {"streams", "keys"}, {"streams", "keys"}));
  trust_file::rule out;
  EC_TRY(out.streams, in.pattern(*v.find("streams"), key + ".streams"));
  EC_TRY(const auto* keys, in.list(*v.find("keys"), key + ".keys", limits::trusted_keys_max));
  for (size_t i = 0; i < keys->size(); ++i) {
    EC_TRY(auto one, in.named((*keys)[i], at(key + ".keys", i)));
    if (std::ranges::any_of(out.keys, [&](const auto& other) { return other.key == one.key; }))
      return in.expected(at(key + ".keys", i), "each key once", (*keys)[i]);
    out.keys.push_back(std::move(one));
  }
  return out;
}

} // namespace

bool matches(std::string_view pattern, std::string_view stream_id) {
  if (pattern.ends_with('*')) return stream_id.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == stream_id;
}

base::result<trust_file> parse_trust_file(std::string_view text, const std::string& about) {
  const auto parsed = json::parse(text);
  if (!parsed) return fail(errc::config, parsed.error().text, about);
  const auto& root = parsed.value();
  const reader in(about);
  EC_TRYV(in.check_members(root, {}, {"version", "trust", "revoked"}, {"version", "trust"}));
  const auto* stated = root.find("version")->as_int();
  if (stated == nullptr || *stated != version) return in.expected("version", "1", *root.find("version"));
  trust_file out;
  EC_TRY(const auto* rules, in.list(*root.find("trust"), "trust", limits::trust_rules_max));
  for (size_t i = 0; i < rules->size(); ++i) {
    EC_TRY(auto one, rule_from(in, (*rules)[i], at("trust", i)));
    out.rules.push_back(std::move(one));
  }
  if (const auto* revoked = root.find("revoked")) {
    const auto* keys = revoked->as_array();
    if (keys == nullptr || keys->size() > limits::trust_file_revoked_max)
      return in.expected("revoked", "an array of up to " + std::to_string(limits::trust_file_revoked_max) + " keys", *revoked);
    for (size_t i = 0; i < keys->size(); ++i) {
      EC_TRY(const auto one, in.named((*keys)[i], at("revoked", i)));
      out.revoked.push_back(one.key);
    }
  }
  return out;
}

base::result<trust_file> load_trust_file(const std::string& path) {
  EC_TRY(const auto text, base::read_file(path, limits::config_bytes_max));
  return parse_trust_file(text.text(), path);
}

base::result<void> apply(const trust_file& file, const std::string& stream_id, trust_set& to) {
  for (const auto& key : file.revoked) {
    EC_TRYV(to.revoke(key));
  }
  for (const auto& rule : file.rules) {
    if (!matches(rule.streams, stream_id)) continue;
    for (const auto& [key, name] : rule.keys) {
      EC_TRYV(to.add(key, name));
    }
  }
  return base::ok();
}

} // namespace ec::manifest
