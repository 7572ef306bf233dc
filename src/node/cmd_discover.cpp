#include <algorithm>
#include <cstdio>

#include "actors/topology/common.hpp"
#include "base/json.hpp"
#include "net/url.hpp"
#include "node/command.hpp"
#include "node/commands.hpp"
#include "tuner/discover.hpp"

namespace ec::node {
namespace {

namespace json = base::json;

struct discover_config {
  std::string host;
  std::string device_id;
  std::chrono::milliseconds wait{1000};
  bool json = false;
};

constexpr std::chrono::milliseconds wait_max{60'000};

base::result<tuner::discover_question> question_of(const discover_config& config) {
  tuner::discover_question out;
  if (!config.host.empty()) {
    const auto at = net::parse_url("http://" + config.host + "/");
    if (!at || at.value().path != "/" || !at.value().query.empty() || at.value().ipv6())
      return base::fail(base::errc::config, "expected HOST or HOST:PORT, by IPv4, found '" + config.host + "'", "--host");
    out.host = at.value().host;
    out.port = at.value().port;
  }
  if (!config.device_id.empty() && !tuner::device_id_valid(config.device_id))
    return base::fail(base::errc::config, "expected eight hexadecimal digits with a right check digit, found '" + config.device_id + "'", "--device-id");
  out.device_id = config.device_id;
  if (config.wait.count() < 0 || config.wait > wait_max) return base::fail(base::errc::config, "expected 0 to 60000", "--wait-ms");
  out.wait = config.wait;
  return out;
}

void print_json(const std::vector<tuner::discovered_device>& devices) {
  json::array all;
  for (const auto& d : devices) {
    json::object device{{"device_id", d.device_id}, {"address", d.address}, {"base_url", d.base_url}, {"found_by", d.by_protocol ? "discovery" : "documents"}};
    if (d.tuners != 0) device.emplace_back("tuners", d.tuners);
    if (d.legacy) device.emplace_back("legacy", true);
    if (d.document) {
      device.emplace_back("name", d.document->friendly_name);
      device.emplace_back("model", d.document->model_number);
      device.emplace_back("firmware", d.document->firmware_version);
      if (d.document->conditional_access) device.emplace_back("conditional_access", *d.document->conditional_access);
    }
    all.emplace_back(std::move(device));
  }
  std::printf("%s", json::pretty(json::object{{"devices", std::move(all)}}).c_str()); // ends its last line itself
}

void print_table(const std::vector<tuner::discovered_device>& devices) {
  size_t width = 0;
  for (const auto& d : devices) width = std::max(width, d.base_url.size());
  for (const auto& d : devices) {
    std::printf("%-8s  %-*s  ", d.device_id.empty() ? "?" : printable(d.device_id).c_str(), static_cast<int>(width), d.base_url.c_str());
    if (d.tuners != 0) std::printf("%u tuner%s", d.tuners, d.tuners == 1 ? "" : "s");
    else std::printf("? tuners");
    if (d.document) {
      std::printf("  %s, %s, firmware %s", printable(d.document->friendly_name).c_str(), printable(d.document->model_number).c_str(),
        printable(d.document->firmware_version).c_str());
    } else {
      std::printf("  its discover.json does not come");
    }
    std::printf("%s%s\n", d.legacy ? ", legacy: it has no lineup" : "", d.by_protocol ? "" : ", by its documents only");
  }
  std::printf("\nec-node lineup --host HOST lists the channels of one\n");
}

std::string nobody(const discover_config& config) {
  const auto within = " within " + std::to_string(config.wait.count()) + " ms";
  const auto whom = config.device_id.empty() ? std::string("no tuner") : "no tuner with the id " + config.device_id;
  if (!config.host.empty()) return config.host + ": " + whom + " answers there" + within + ", neither on UDP port 65001 nor with a discover.json";
  return whom + " answered a broadcast on UDP port 65001" + within +
         ": is it in this network, and does a firewall let its answers in? If its address is known, try --host";
}

} // namespace

int cmd_discover(const std::vector<std::string>& args) {
  static const command_help help{"discover",
    "Looks for HDHomeRun tuners: in the networks of this host by broadcast, at one host, or by device id.",
    {"ec-node discover", "ec-node discover --device-id 10A1B2C7 --json", "ec-node discover --host hdhomerun.local"}};
  static const std::vector<setting<discover_config>> settings = {
    make_setting("host", "HOST[:PORT]", "ask only there, by name or IPv4 address; PORT: of its documents (80)", &discover_config::host),
    make_setting("device-id", "ID", "only the tuner with this id", &discover_config::device_id),
    make_setting("wait-ms", "MS", "how long to wait for answers (1000)", &discover_config::wait),
    make_setting("json", "", "print one JSON document (false)", &discover_config::json),
  };
  discover_config config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  const auto question = question_of(config);
  if (!question) {
    print_error(help.name, question.error().message());
    return exit_usage;
  }
  const auto found = tuner::discover(question.value());
  if (!found) {
    print_error(help.name, found.error().message());
    return exit_failed;
  }
  if (config.json) print_json(found.value());
  else if (!found.value().empty()) print_table(found.value());
  if (!found.value().empty()) return exit_ok;
  print_error(help.name, nobody(config));
  return exit_failed;
}

} // namespace ec::node
