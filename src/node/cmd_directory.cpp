#include <cstdio>
#include <mutex>

#include "actors/topology/announcing.hpp"
#include "actors/topology/common.hpp"
#include "base/clock.hpp"
#include "base/hex.hpp"
#include "base/limits.hpp"
#include "crypto/random.hpp"
#include "discovery/directory.hpp"
#include "net/http_server.hpp"
#include "node/command.hpp"
#include "node/commands.hpp"
#include "node/signals.hpp"
#include "node/started.hpp"

namespace ec::node {
namespace {

struct directory_options {
  std::string listen = "127.0.0.1:8080";
  std::filesystem::path token_file;
  std::filesystem::path endpoint_addr_out;
};

} // namespace

int cmd_directory(const std::vector<std::string>& args) {
  static const command_help help{"directory",
    "Is a stream directory: nodes post signed announcements of the streams that they have, and whoever looks for a stream reads them. It is "
    "trusted with nothing: readers check each signature themselves.",
    {"ec-node directory --listen 0.0.0.0:8080", "ec-node directory --token-file directory.token",
      "curl http://127.0.0.1:8080/api/public-streams"}};
  static const std::vector<setting<directory_options>> settings = {
    make_setting("listen", "ADDR", "TCP address; port 0: any free one (127.0.0.1:8080)", &directory_options::listen),
    make_setting("token-file", "FILE", "who posts must say the token in it; else that in the environment's EC_DIRECTORY_TOKEN (default: anybody may post)", &directory_options::token_file),
    make_setting("endpoint-addr-out", "FILE", "write the base URL here", &directory_options::endpoint_addr_out),
  };
  directory_options config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  stop_signals signals; // before any thread
  const auto refuse = [&](const base::error& why) {
    print_error(help.name, why.message());
    return why.code == base::errc::io ? exit_failed : exit_usage;
  };
  const auto token = actors::read_directory_token(config.token_file, "--token-file");
  if (!token) return refuse(token.error());
  if (const auto writable = try_address_out(config.endpoint_addr_out); !writable) return refuse(writable.error());
  discovery::directory directory({.token = token.value(), .instance = base::to_hex(crypto::random_bytes(8))});
  std::mutex lock; // the server answers on many threads
  auto server = net::http_server::start(
    {.listen = config.listen, .post_bytes_max = base::limits::announcement_bytes_max, .connections_per_address_max = 64}, [&](const net::http_request& request) {
      const std::scoped_lock alone(lock);
      return directory.answer(request, base::wall_now(), base::mono_now());
    });
  if (!server) return refuse(server.error().code == base::errc::io ? server.error() : actors::about_setting(server.error(), "--listen"));
  const auto url = "http://" + server.value()->address();
  std::printf("directory  %s\nstreams    %s/api/public-streams\n", url.c_str(), url.c_str());
  if (token.value().empty()) std::printf("posts      by anybody\n");
  else std::printf("posts      with the token\n");
  std::fflush(stdout);
  if (const auto written = write_address_out(config.endpoint_addr_out, url); !written) return refuse(written.error());
  signals.wait();
  server.value()->stop();
  return exit_ok;
}

} // namespace ec::node
