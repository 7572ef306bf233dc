#pragma once

#include <string>
#include <vector>

/// The commands of `ec-node`, each in its own file. `args` come without the program's and the command's name; the result is the
/// exit code (command.hpp).
namespace ec::node {

int cmd_bench(const std::vector<std::string>& args);
int cmd_keygen(const std::vector<std::string>& args);
int cmd_key(const std::vector<std::string>& args);
int cmd_control_announce(const std::vector<std::string>& args);
int cmd_control_bridge(const std::vector<std::string>& args);
int cmd_control_listen(const std::vector<std::string>& args);
int cmd_control_resolve(const std::vector<std::string>& args);
int cmd_directory(const std::vector<std::string>& args);
int cmd_find(const std::vector<std::string>& args);
int cmd_publish(const std::vector<std::string>& args);
int cmd_subscribe(const std::vector<std::string>& args);
int cmd_token(const std::vector<std::string>& args);
int cmd_verify(const std::vector<std::string>& args);
int cmd_simulate_tuner(const std::vector<std::string>& args);
int cmd_discover(const std::vector<std::string>& args);
int cmd_interop_client(const std::vector<std::string>& args);
int cmd_lineup(const std::vector<std::string>& args);
int cmd_relay(const std::vector<std::string>& args);
int cmd_run(const std::vector<std::string>& args);

} // namespace ec::node
