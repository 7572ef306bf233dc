#include "node/command.hpp"
#include "node/commands.hpp"
#include "node/role_file.hpp"
#include "node/run_topology.hpp"
#include "node/started.hpp"

namespace ec::node {
namespace {

struct run_config {
  std::string config;
};

} // namespace

int cmd_run(const std::vector<std::string>& args) {
  static const command_help help{"run", "Runs the role that a config file describes: leader, relay, subscriber, all-in-one or moq-relay.",
    {"ec-node run --config deploy/config/leader.json"}};
  static const std::vector<setting<run_config>> settings = {
    make_setting("config", "FILE", "JSON; its keys are the options of moq-publish, moq-subscribe and relay with underscores", &run_config::config)};
  run_config config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  if (config.config.empty()) {
    print_error(help.name, "--config FILE is needed; samples are in deploy/config/");
    return exit_usage;
  }
  const auto role = read_role_file(config.config);
  if (!role) {
    print_error(help.name, role.error().message());
    return exit_usage;
  }
  const auto& r = role.value();
  const bool json = r.publish.json || r.subscribe.json || r.relay.json;
  return run_topology(
    help.name, json ? console_mode::json : console_mode::human,
    [&](caf::actor_system& sys, actors::observer_actor observer) {
      if (r.role == "leader") return actors::leader(sys, r.publish, std::move(observer), this_machine());
      if (r.role == "relay") return actors::relay(sys, r.publish, std::move(observer), this_machine());
      if (r.role == "moq-relay") return actors::moq_relay(sys, r.relay, std::move(observer), this_machine());
      if (r.role == "subscriber") return actors::subscriber(sys, r.subscribe, std::move(observer));
      return actors::all_in_one(sys, r.publish, r.subscribe, std::move(observer));
    },
    [&](const actors::running_topology& t) {
      if (!json) print_started(t);
    });
}

} // namespace ec::node
