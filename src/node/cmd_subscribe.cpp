#include "node/command.hpp"
#include "node/commands.hpp"
#include "node/role_settings.hpp"
#include "node/run_topology.hpp"
#include "node/started.hpp"

namespace ec::node {

int cmd_subscribe(const std::vector<std::string>& args) {
  static const command_help help{"moq-subscribe",
    "Takes signed manifests from one peer and chunk objects from others, accepts nothing that a trusted manifest does not list, and "
    "writes HLS.",
    {"ec-node moq-subscribe --remote-manifests moqt://leader:4443#spki=... --remote moqt://relay:4443#spki=... \\\n"
     "      --stream-id ec/stream/v1/... --require-manifest --trust ed25519:... --hls-dir live",
      "ec-node moq-subscribe --remote 127.0.0.1:4443 --tls-insecure --stream-id ec/stream/v1/... --stop-after 10 --json"}};
  actors::subscribe_config config;
  const auto line = read_line(args, help, subscribe_settings(), config);
  if (!line.go_on) return line.code;
  return run_topology(
    help.name, config.json ? console_mode::json : console_mode::human,
    [&](caf::actor_system& sys, actors::observer_actor observer) { return actors::subscriber(sys, config, std::move(observer)); },
    [&](const actors::running_topology& t) {
      if (!config.json) print_started(t);
    });
}

} // namespace ec::node
