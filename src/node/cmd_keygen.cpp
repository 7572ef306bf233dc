#include <cstdio>

#include "crypto/keys.hpp"
#include "node/command.hpp"
#include "node/commands.hpp"

namespace ec::node {
namespace {

struct keygen_config {
  std::filesystem::path out;
};

} // namespace

int cmd_keygen(const std::vector<std::string>& args) {
  static const command_help help{"keygen",
    "Makes a signing key. The file is for its owner only (mode 0600) and an existing one is never written over; the public key is "
    "printed in the form that --trust takes.",
    {"ec-node keygen --out leader.key"}};
  static const std::vector<setting<keygen_config>> settings = {
    make_setting("out", "FILE", "where the key is written; must not exist", &keygen_config::out)};
  keygen_config config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  if (config.out.empty()) {
    print_error(help.name, "--out FILE is needed: where should the key go?");
    return exit_usage;
  }
  const auto key = crypto::signing_key::generate();
  if (const auto saved = key.save(config.out.string()); !saved) {
    const auto there = saved.error().code == base::errc::exists;
    print_error(help.name, there ? config.out.string() + ": is there already and a key is never written over: choose another name, or move that "
                                                         "file away if nobody trusts its key any more"
                                 : saved.error().message());
    return saved.error().code == base::errc::exists ? exit_usage : exit_failed;
  }
  std::printf("%s\n", key.public_key().to_string().c_str());
  return exit_ok;
}

} // namespace ec::node
