#include <cstdio>

#include "node/command.hpp"
#include "node/commands.hpp"
#include "node/role_settings.hpp"
#include "node/run_topology.hpp"
#include "node/started.hpp"

namespace ec::node {

int cmd_publish(const std::vector<std::string>& args) {
  static const command_help help{"moq-publish",
    "Reads a broadcast, cuts it into chunks that are byte-identical wherever it is received, and publishes the chunks and, with "
    "--publish-manifests, signed manifests over Media over QUIC.",
    {"ec-node moq-publish --input http://192.0.2.7:5004/auto/v5.1 --publish-manifests --key leader.key --publish-chunks=false",
      "ec-node moq-publish --input http://192.0.2.7:5004/auto/v5.1 --listen 0.0.0.0:4444",
      "ec-node moq-publish --input http://192.0.2.7:5004/auto/v5.1 --publish-manifests --key leader.key --relay moqt://relay.example:4443#spki=...",
      "ec-node moq-publish --input capture.ts --publish-manifests --key leader.key --duration 60"}};
  actors::publish_config config;
  const auto line = read_line(args, help, publish_settings(), config);
  if (!line.go_on) return line.code;
  return run_topology(
    help.name, config.json ? console_mode::json : console_mode::human,
    [&](caf::actor_system& sys, actors::observer_actor observer) {
      return config.publish_manifests ? actors::leader(sys, config, std::move(observer), this_machine())
                                      : actors::relay(sys, config, std::move(observer), this_machine());
    },
    [&](const actors::running_topology& t) {
      if (!config.json) print_started(t);
    });
}

} // namespace ec::node
