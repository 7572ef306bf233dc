#include "node/command.hpp"
#include "node/commands.hpp"
#include "node/role_settings.hpp"
#include "node/run_topology.hpp"
#include "node/started.hpp"

namespace ec::node {

int cmd_relay(const std::vector<std::string>& args) {
  static const command_help help{"relay",
    "Is a MoQ relay: takes tracks from publishers that offer them here, or from --upstream, once each, and gives them to all who subscribe. Without "
    "--require-manifest it verifies nothing of what it passes on; subscribers do.",
    {"ec-node relay --listen 0.0.0.0:4443", "ec-node relay --listen 0.0.0.0:4445 --upstream moqt://198.51.100.7:4443#spki=..."}};
  actors::relay_node_config config;
  const auto line = read_line(args, help, relay_settings(), config);
  if (!line.go_on) return line.code;
  return run_topology(
    help.name, config.json ? console_mode::json : console_mode::human,
    [&](caf::actor_system& sys, actors::observer_actor observer) { return actors::moq_relay(sys, config, std::move(observer), this_machine()); },
    [&](const actors::running_topology& t) {
      if (!config.json) print_started(t);
    });
}

} // namespace ec::node
