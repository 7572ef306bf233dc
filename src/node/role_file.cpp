#include "node/role_file.hpp"

#include <algorithm>
#include <vector>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/limits.hpp"
#include "node/role_settings.hpp"

namespace ec::node {
namespace {

using base::errc, base::fail;

base::result<void> read_section(const base::json::value& root, const std::string& file, const char* key, const auto& settings, auto& out) {
  const auto* section = root.find(key);
  const auto where = file + ": key \"" + key + "\"";
  if (section == nullptr) return fail(errc::config, "missing: this role needs it", where);
  if (section->as_object() == nullptr) return fail(errc::config, std::string("expected an object, found ") + std::string(section->kind()), where);
  return read_settings(*section->as_object(), settings, file, std::string(key) + ".", out);
}

} // namespace

base::result<role_config> parse_role(std::string_view text, const std::string& file) {
  const auto parsed = base::json::parse(text);
  if (!parsed) return fail(errc::config, parsed.error().text, file);
  const auto& root = parsed.value();
  if (root.as_object() == nullptr) return fail(errc::config, "expected an object with the key \"role\"", file);
  static const std::vector<std::string> keys = {"role", "publish", "subscribe", "relay"};
  for (const auto& [key, value] : *root.as_object()) {
    if (std::ranges::find(keys, key) != keys.end()) continue;
    const auto near = nearest_key(key, keys);
    return fail(errc::config, near.empty() ? "unknown key" : "unknown key; did you mean \"" + near + "\"?", file + ": key \"" + key + "\"");
  }
  const auto* role = root.find("role");
  if (role == nullptr || role->as_string() == nullptr)
    return fail(errc::config, "expected one of \"leader\", \"relay\", \"subscriber\", \"all-in-one\", \"moq-relay\"", file + ": key \"role\"");
  role_config out;
  out.role = *role->as_string();
  const bool publishes = out.role == "leader" || out.role == "relay" || out.role == "all-in-one";
  const bool subscribes = out.role == "subscriber" || out.role == "all-in-one";
  const bool relays = out.role == "moq-relay";
  if (!publishes && !subscribes && !relays)
    return fail(errc::config, "expected one of \"leader\", \"relay\", \"subscriber\", \"all-in-one\", \"moq-relay\", found \"" + out.role + "\"",
      file + ": key \"role\"");
  if (out.role == "leader") out.publish.publish_manifests = true;
  if (publishes) {
    EC_TRYV(read_section(root, file, "publish", publish_settings(), out.publish));
  }
  if (subscribes) {
    EC_TRYV(read_section(root, file, "subscribe", subscribe_settings(), out.subscribe));
  }
  if (relays) {
    EC_TRYV(read_section(root, file, "relay", relay_settings(), out.relay));
  }
  if (!publishes && root.find("publish") != nullptr) return fail(errc::config, "role \"" + out.role + "\" does not publish", file + ": key \"publish\"");
  if (!subscribes && root.find("subscribe") != nullptr)
    return fail(errc::config, "role \"" + out.role + "\" does not subscribe", file + ": key \"subscribe\"");
  if (!relays && root.find("relay") != nullptr)
    return fail(errc::config, "role \"" + out.role + "\" is no MoQ relay: that is \"moq-relay\"", file + ": key \"relay\"");
  return out;
}

base::result<role_config> read_role_file(const std::string& file) {
  const auto text = base::read_file(file, base::limits::config_bytes_max);
  if (!text) return fail(errc::config, text.error().text + ": is the path right?", file);
  return parse_role(text.value().text(), file);
}

} // namespace ec::node
