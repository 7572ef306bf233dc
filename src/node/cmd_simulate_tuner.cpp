#include <cstdio>

#include <arpa/inet.h>

#include "actors/topology/common.hpp"
#include "base/clock.hpp"
#include "media/test_broadcast.hpp"
#include "net/url.hpp"
#include "node/command.hpp"
#include "node/commands.hpp"
#include "node/signals.hpp"
#include "node/started.hpp"
#include "tuner/loop.hpp"
#include "tuner/lossy_broadcast.hpp"
#include "tuner/simulator.hpp"

namespace ec::node {
namespace {

struct simulate_config {
  std::string file;
  std::string listen = "127.0.0.1:5004";
  std::string codec = "mpeg2";
  std::string channel = "5.1";
  std::string callsign = "EC-DT";
  double speed = 1.0;
  unsigned tuners = 4;
  std::vector<std::string> fault;
  std::string control;
  std::string device_id = tuner::simulator_config().device_id;
  double loss = 0;
  uint64_t seed = 0;
  std::filesystem::path endpoint_addr_out;
};

/// "127.0.0.1:65001": the control protocol has no IPv6.
bool is_ipv4_address(const std::string& text) {
  const auto at = net::parse_host_port(text);
  in_addr ignored{};
  return at && (at.value().host == "localhost" || inet_pton(AF_INET, at.value().host.c_str(), &ignored) == 1);
}

base::result<tuner::simulated_channel> channel_of(const simulate_config& config) {
  tuner::simulated_channel channel;
  channel.number = config.channel;
  channel.name = config.callsign;
  if (!config.file.empty()) {
    auto opened = tuner::loop::open_file(config.file);
    if (!opened) return base::fail(actors::about_setting(opened.error(), "--file"));
    auto& loop = opened.value();
    const auto& f = loop.facts();
    std::printf("capture    %s: program %u, %.1f s a round, %.2f Mbit/s\n", config.file.c_str(), f.program_number,
      static_cast<double>(f.round_pts) / 90000, static_cast<double>(f.bit_rate) / 1e6);
    channel.program_number = f.program_number;
    channel.broadcast = tuner::loop::as_broadcast(std::move(loop));
    return channel;
  }
  media::test_broadcast_config broadcast;
  if (config.codec == "h264") broadcast.codec = media::test_codec::h264;
  else if (config.codec != "mpeg2") return base::fail(base::errc::config, "expected mpeg2 or h264, found '" + config.codec + "'", "--codec");
  unsigned major = 0, minor = 0;
  char end = 0;
  if (std::sscanf(config.channel.c_str(), "%u.%u%c", &major, &minor, &end) != 2 || major == 0 || major > 1023 || minor > 999)
    return base::fail(base::errc::config, "expected MAJOR.MINOR, such as 5.1, found '" + config.channel + "'", "--channel");
  broadcast.major = static_cast<uint16_t>(major);
  broadcast.minor = static_cast<uint16_t>(minor);
  broadcast.callsign = config.callsign;
  broadcast.start = base::wall_now();
  auto created = media::test_broadcast::create(broadcast);
  if (!created) {
    const bool name = created.error().code == base::errc::invalid_argument; // all else is in range by now
    return base::fail(name ? actors::about_setting(created.error(), "--callsign") : created.error());
  }
  auto& made = created.value();
  if (config.codec == "h264") {
    channel.video_codec = "H264";
    channel.audio_codec = "AAC";
  }
  channel.transport_stream_id = made.config().transport_stream_id;
  channel.program_number = made.config().program_number;
  const auto rate = made.bit_rate();
  auto shared = std::make_shared<media::test_broadcast>(std::move(made));
  channel.broadcast = tuner::constant_rate([shared] { return shared->next(); }, rate);
  return channel;
}

} // namespace

int cmd_simulate_tuner(const std::vector<std::string>& args) {
  static const command_help help{"simulate-tuner",
    "Is an HDHomeRun tuner: its documents and its streams over HTTP, with a test broadcast or a capture that is looped with continuous "
    "timestamps. Two clients of one channel get the same broadcast, each from the moment it tuned in.",
    {"ec-node simulate-tuner", "ec-node simulate-tuner --file capture.ts --listen 127.0.0.1:5004 --speed 2",
      "ec-node simulate-tuner --fault stall@10s:3s --fault encoder-restart@20s",
      "ec-node simulate-tuner --control 127.0.0.1:65001",
      "curl http://127.0.0.1:5004/lineup.json", "curl -o five-seconds.ts 'http://127.0.0.1:5004/auto/v5.1?duration=5'"}};
  static const std::vector<setting<simulate_config>> settings = {
    make_setting("file", "FILE", "loop this capture (default: a test broadcast)", &simulate_config::file),
    make_setting("listen", "ADDR", "TCP address; port 0: any free one (127.0.0.1:5004)", &simulate_config::listen),
    make_setting("codec", "mpeg2|h264", "of the test broadcast: MPEG-2 and AC-3, or H.264 and AAC (mpeg2)", &simulate_config::codec),
    make_setting("channel", "MAJOR.MINOR", "the virtual channel (5.1)", &simulate_config::channel),
    make_setting("callsign", "NAME", "its name (EC-DT)", &simulate_config::callsign),
    make_setting("speed", "X", "times real time (1)", &simulate_config::speed),
    make_setting("tuners", "N", "streams at the same time (4)", &simulate_config::tuners),
    make_setting("fault", "SPEC", "play a fault: NAME@START[:AMOUNT], such as stall@10s:3s; docs/simulator.md lists them (repeatable)", &simulate_config::fault),
    make_setting("control", "ADDR", "answer HDHomeRun discovery and control here too, UDP and TCP; clients expect port 65001 (default: no)", &simulate_config::control),
    make_setting("device-id", "ID", "its id, for several in one network (10A1B2C7)", &simulate_config::device_id),
    make_setting("loss", "SHARE", "lose this share of the packets by chance, such as 0.0001 (0)", &simulate_config::loss),
    make_setting("seed", "N", "which packets are lost (0)", &simulate_config::seed),
    make_setting("endpoint-addr-out", "FILE", "write the base URL here", &simulate_config::endpoint_addr_out),
  };
  simulate_config config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  stop_signals signals; // before any thread
  const auto refuse = [&](const base::error& why) {
    print_error(help.name, why.message());
    return why.code == base::errc::io ? exit_failed : exit_usage;
  };
  auto channel = channel_of(config);
  if (!channel) return refuse(channel.error());
  if (!(config.speed > 0 && config.speed <= 1000)) return refuse({base::errc::config, "expected a number over 0 and at most 1000", "--speed"});
  if (config.tuners < 1 || config.tuners > 64) return refuse({base::errc::config, "expected 1 to 64", "--tuners"});
  if (!tuner::device_id_valid(config.device_id))
    return refuse({base::errc::config, "expected eight hexadecimal digits with a right check digit, found '" + config.device_id + "'", "--device-id"});
  if (!config.control.empty() && !is_ipv4_address(config.control))
    return refuse({base::errc::config, "expected ADDRESS:PORT, such as 127.0.0.1:65001, found '" + config.control + "'", "--control"});
  if (!(config.loss >= 0 && config.loss < 1)) return refuse({base::errc::config, "expected a share of 0 to below 1, such as 0.0001", "--loss"});
  if (config.loss > 0) channel.value().broadcast = tuner::lossy(std::move(channel.value().broadcast), config.loss, config.seed);
  std::vector<tuner::planned_fault> faults;
  for (const auto& text : config.fault) {
    auto fault = tuner::parse_fault(text);
    if (!fault) return refuse(actors::about_setting(fault.error(), "--fault"));
    faults.push_back(fault.value());
  }
  if (const auto writable = try_address_out(config.endpoint_addr_out); !writable) return refuse(writable.error());
  tuner::simulator_config device;
  device.listen = config.listen;
  device.speed = config.speed;
  device.tuners = config.tuners;
  device.faults = tuner::fault_plan(std::move(faults));
  device.control = config.control;
  device.device_id = config.device_id;
  device.channels.push_back(std::move(channel).value());
  auto simulator = tuner::simulator::start(std::move(device));
  if (!simulator) {
    auto why = simulator.error();
    if (why.code != base::errc::io) why = actors::about_setting(why, "--listen");
    return refuse(why);
  }
  const auto url = "http://" + simulator.value()->address();
  std::printf("tuner      %s\nlineup     %s/lineup.json\nchannel    %s/auto/v%s\n", url.c_str(), url.c_str(), url.c_str(), config.channel.c_str());
  if (!config.control.empty()) std::printf("control    %s\n", simulator.value()->control_address().c_str());
  std::fflush(stdout);
  if (const auto written = write_address_out(config.endpoint_addr_out, url); !written) return refuse(written.error());
  signals.wait();
  simulator.value()->stop();
  return exit_ok;
}

} // namespace ec::node
