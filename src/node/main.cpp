#include <csignal>
#include <cstdio>
#include <iostream>

#include "base/memory.hpp"
#include "node/command.hpp"
#include "node/commands.hpp"

namespace {

using ec::node::exit_ok;
using ec::node::exit_usage;

struct command {
  const char* name;
  int (*run)(const std::vector<std::string>&);
  const char* summary;
};

constexpr command commands[] = {
  {"moq-publish", ec::node::cmd_publish, "read a broadcast; publish its chunks and, with a key, signed manifests"},
  {"moq-subscribe", ec::node::cmd_subscribe, "take manifests and objects from peers, verify, write HLS"},
  {"relay", ec::node::cmd_relay, "be a MoQ relay: pass tracks on from publishers to subscribers"},
  {"run", ec::node::cmd_run, "run the role that a config file describes"},
  {"keygen", ec::node::cmd_keygen, "make a signing key"},
  {"key", ec::node::cmd_key, "show a signing key, rotate it to a new one, revoke it"},
  {"token", ec::node::cmd_token, "make a key for access tokens, make tokens, explain one"},
  {"verify", ec::node::cmd_verify, "check an HLS directory, a file of objects or a manifest against keys"},
  {"discover", ec::node::cmd_discover, "look for tuners in the network"},
  {"lineup", ec::node::cmd_lineup, "list a tuner's channels, and the stream id that each would get"},
  {"directory", ec::node::cmd_directory, "be a stream directory: who has which stream"},
  {"find", ec::node::cmd_find, "list the streams that directories know, and who has them"},
  {"control-announce", ec::node::cmd_control_announce, "announce that a stream is to be had somewhere"},
  {"control-listen", ec::node::cmd_control_listen, "print which sources come and go"},
  {"control-bridge", ec::node::cmd_control_bridge, "post to directories what gossip tells"},
  {"control-resolve", ec::node::cmd_control_resolve, "find one way to a stream, as JSON"},
  {"interop-client", ec::node::cmd_interop_client, "judge a MoQ relay by the interop runner's cases"},
  {"bench", ec::node::cmd_bench, "load a MoQ relay, and measure what arrives"},
  {"simulate-tuner", ec::node::cmd_simulate_tuner, "be an HDHomeRun tuner with a test broadcast or a capture"},
};

int usage(std::ostream& out, int code) {
  out << "ec-node " EC_VERSION ": live TV from local antennas as one mesh that nobody has to trust blindly\n\n"
         "Usage: ec-node COMMAND [options]\n\nCommands:\n";
  for (const auto& c : commands) {
    std::string left = std::string("  ") + c.name;
    left.resize(20, ' ');
    out << left << c.summary << "\n";
  }
  out << "\n'ec-node COMMAND --help' shows the options of a command, with examples.\n"
         "To see all of it run on this machine: ./deploy/demo.sh\n";
  return code;
}

} // namespace

int main(int argc, char** argv) {
  // A peer or a pipe that goes away is an error of one write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  // Nor is a file that may not grow any more.
  std::signal(SIGXFSZ, SIG_IGN);
  ec::base::keep_freed_memory();
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (args.empty()) return usage(std::cout, exit_ok);
  if (args[0] == "--help" || args[0] == "help") return usage(std::cout, exit_ok);
  if (args[0] == "--version") {
    std::cout << "ec-node " EC_VERSION "\n";
    return exit_ok;
  }
  for (const auto& c : commands)
    if (args[0] == c.name) return c.run({args.begin() + 1, args.end()});
  std::cerr << "ec-node: there is no command '" << args[0] << "': ec-node --help lists them\n";
  return exit_usage;
}
