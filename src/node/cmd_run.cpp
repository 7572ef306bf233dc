#include <cstdio>
#include <fstream>
#include <sstream>

#include "node/command.hpp"
#include "node/commands.hpp"
#include "node/role_settings.hpp"
#include "node/run_topology.hpp"
#include "node/started.hpp"

namespace ec::node {
namespace {

using base::errc, base::fail;

struct run_config {
  std::string config;
};

/// A config file: one role with its settings.
struct role_config {
  std::string role;
  actors::publish_config publish;
  actors::subscribe_config subscribe;
};

base::result<void> read_section(const base::json::value& root, const std::string& file, const char* key, const auto& settings, auto& out) {
  const auto* section = root.find(key);
  const auto where = file + ": key \"" + key + "\"";
  if (section == nullptr) return fail(errc::config, "missing: this role needs it", where);
  if (section->as_object() == nullptr) return fail(errc::config, std::string("expected an object, found ") + std::string(section->kind()), where);
  return read_settings(*section->as_object(), settings, file, std::string(key) + ".", out);
}

base::result<role_config> read_role(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(errc::config, "cannot be read: is the path right?", file);
  std::ostringstream text;
  text << in.rdbuf();
  auto parsed = base::json::parse(text.str());
  if (!parsed) return fail(errc::config, parsed.error().text, file);
  const auto& root = parsed.value();
  if (root.as_object() == nullptr) return fail(errc::config, "expected an object with the key \"role\"", file);
  static const std::vector<std::string> keys = {"role", "publish", "subscribe"};
  for (const auto& [key, value] : *root.as_object()) {
    if (std::ranges::find(keys, key) != keys.end()) continue;
    const auto near = nearest_key(key, keys);
    return fail(errc::config, near.empty() ? "unknown key" : "unknown key; did you mean \"" + near + "\"?", file + ": key \"" + key + "\"");
  }
  const auto* role = root.find("role");
  if (role == nullptr || role->as_string() == nullptr)
    return fail(errc::config, "expected one of \"leader\", \"relay\", \"subscriber\", \"all-in-one\"", file + ": key \"role\"");
  role_config out;
  out.role = *role->as_string();
  const bool publishes = out.role == "leader" || out.role == "relay" || out.role == "all-in-one";
  const bool subscribes = out.role == "subscriber" || out.role == "all-in-one";
  if (!publishes && !subscribes)
    return fail(errc::config, "expected one of \"leader\", \"relay\", \"subscriber\", \"all-in-one\", found \"" + out.role + "\"",
      file + ": key \"role\"");
  if (out.role == "leader") out.publish.publish_manifests = true;
  if (publishes) {
    EC_TRYV(read_section(root, file, "publish", publish_settings(), out.publish));
  }
  if (subscribes) {
    EC_TRYV(read_section(root, file, "subscribe", subscribe_settings(), out.subscribe));
  }
  if (!publishes && root.find("publish") != nullptr) return fail(errc::config, "role \"" + out.role + "\" does not publish", file + ": key \"publish\"");
  if (!subscribes && root.find("subscribe") != nullptr)
    return fail(errc::config, "role \"" + out.role + "\" does not subscribe", file + ": key \"subscribe\"");
  return out;
}

} // namespace

int cmd_run(const std::vector<std::string>& args) {
  static const command_help help{"run", "Runs the role that a config file describes: leader, relay, subscriber or all-in-one.",
    {"ec-node run --config deploy/config/leader.json"}};
  static const std::vector<setting<run_config>> settings = {
    make_setting("config", "FILE", "JSON; its keys are the options of moq-publish and moq-subscribe with underscores", &run_config::config)};
  run_config config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  if (config.config.empty()) {
    print_error(help.name, "--config FILE is needed; samples are in deploy/config/");
    return exit_usage;
  }
  const auto role = read_role(config.config);
  if (!role) {
    print_error(help.name, role.error().message());
    return exit_usage;
  }
  const auto& r = role.value();
  const bool json = r.publish.json || r.subscribe.json;
  return run_topology(
    help.name, json ? console_mode::json : console_mode::human,
    [&](caf::actor_system& sys, actors::observer_actor observer) {
      if (r.role == "leader") return actors::leader(sys, r.publish, std::move(observer));
      if (r.role == "relay") return actors::relay(sys, r.publish, std::move(observer));
      if (r.role == "subscriber") return actors::subscriber(sys, r.subscribe, std::move(observer));
      return actors::all_in_one(sys, r.publish, r.subscribe, std::move(observer));
    },
    [&](const actors::running_topology& t) {
      if (!json) print_started(t);
    });
}

} // namespace ec::node
