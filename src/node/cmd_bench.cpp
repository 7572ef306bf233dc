#include <algorithm>
#include <cstdio>

#include "actors/load_generator.hpp"
#include "actors/moq_link.hpp"
#include "actors/topology/common.hpp"
#include "base/clock.hpp"
#include "base/json.hpp"
#include "node/command.hpp"
#include "node/commands.hpp"
#include "node/process_usage.hpp"
#include "node/relay_client.hpp"

namespace ec::node {
namespace {

namespace json = base::json;

constexpr size_t sessions_max = 20'000;

struct bench_options {
  std::string relay;
  std::string moq_version = actors::moq_protocol;
  size_t publishers = 1;
  size_t subscribers = 50;
  size_t object_bytes = 4096;
  double rate = 60;
  uint64_t group_objects = 60;
  std::chrono::milliseconds warm_up{2000};
  std::chrono::milliseconds duration{10'000};
  std::chrono::milliseconds late{1000};
  std::optional<int> relay_pid;
  bool tls_disable_verify = false;
  bool json = false;
};

base::result<void> check(const bench_options& o) {
  using base::errc, base::fail;
  if (o.relay.empty()) return fail(errc::config, "needed: which relay?", "--relay");
  const auto within = [](const char* what, uint64_t v, uint64_t least, uint64_t most) -> base::result<void> {
    if (v < least || v > most) return fail(errc::config, "expected " + std::to_string(least) + " to " + std::to_string(most), what);
    return base::ok();
  };
  EC_TRYV(within("--publishers", o.publishers, 1, sessions_max));
  EC_TRYV(within("--subscribers", o.subscribers, 1, sessions_max));
  EC_TRYV(within("--object-bytes", o.object_bytes, moq::load_stamp_bytes, base::limits::moq_object_bytes_max));
  EC_TRYV(within("--group-objects", o.group_objects, 1, 100'000));
  EC_TRYV(within("--duration-ms", static_cast<uint64_t>(o.duration.count()), 100, 86'400'000));
  if (!(o.rate >= 0.1 && o.rate <= 10'000)) return fail(errc::config, "expected 0.1 to 10000 objects a second", "--rate");
  EC_TRYV(actors::chosen_versions({o.moq_version}));
  if (o.relay_pid)
    if (const auto there = usage_of(*o.relay_pid); !there) return fail(actors::about_setting(there.error(), "--relay-pid"));
  return base::ok();
}

/// What the relay used while it was measured.
struct relay_cost {
  process_usage begin, end;
};

json::object described(const bench_options& o, const actors::load_report& r, const std::optional<relay_cost>& cost) {
  const auto& f = r.figures;
  const double seconds = std::chrono::duration<double>(r.measured).count();
  const double gbit = static_cast<double>(f.payload_bytes) * 8 / 1e9;
  json::object out{{"moq_version", o.moq_version}, {"publishers", uint64_t{o.publishers}}, {"subscribers", uint64_t{r.subscribers}}, {"object_bytes", uint64_t{o.object_bytes}},
    {"objects_per_second", o.rate}, {"group_objects", o.group_objects}, {"seconds", seconds}, {"delivered_gbit_per_second", gbit / seconds},
    {"objects_delivered", f.objects}, {"groups_whole", f.groups_whole}, {"groups_late", f.groups_late}, {"groups_lost", f.groups_lost},
    {"sessions_lost", f.sessions_lost}, {"subscriptions_refused", f.refused}, {"delay_p50_us", uint64_t{f.delay_us(0.5)}}, {"delay_p99_us", uint64_t{f.delay_us(0.99)}},
    {"delay_max_us", uint64_t{f.delay_us(1)}}};
  if (cost) {
    const double cpu = std::chrono::duration<double>(cost->end.cpu - cost->begin.cpu).count();
    out.emplace_back("relay_cores", cpu / seconds);
    out.emplace_back("relay_cpu_seconds_per_gbit", gbit > 0 ? cpu / gbit : 0.0);
    out.emplace_back("relay_resident_bytes", cost->end.resident_bytes);
  }
  return out;
}

void print_figures(const bench_options& o, const actors::load_report& r, const std::optional<relay_cost>& cost) {
  const auto& f = r.figures;
  const double seconds = std::chrono::duration<double>(r.measured).count();
  const double gbit = static_cast<double>(f.payload_bytes) * 8 / 1e9;
  std::printf("subscribers   %zu of %zu publishers, %.1f objects/s of %zu bytes, groups of %llu, %s\n", r.subscribers, o.publishers, o.rate, o.object_bytes,
    static_cast<unsigned long long>(o.group_objects), o.moq_version.c_str());
  std::printf("delivered     %.3f Gbit/s, %llu objects in %.1f s\n", gbit / seconds, static_cast<unsigned long long>(f.objects), seconds);
  std::printf("groups        %llu whole (%llu of them late), %llu lost; %llu sessions lost\n", static_cast<unsigned long long>(f.groups_whole),
    static_cast<unsigned long long>(f.groups_late), static_cast<unsigned long long>(f.groups_lost), static_cast<unsigned long long>(f.sessions_lost));
  std::printf("delay         p50 %.2f ms, p99 %.2f ms, most %.2f ms\n", f.delay_us(0.5) / 1e3, f.delay_us(0.99) / 1e3, f.delay_us(1) / 1e3);
  if (!cost) return;
  const double cpu = std::chrono::duration<double>(cost->end.cpu - cost->begin.cpu).count();
  std::printf("relay         %.3f cores, %.3f core-s per Gbit, %.1f MB resident\n", cpu / seconds, gbit > 0 ? cpu / gbit : 0.0,
    static_cast<double>(cost->end.resident_bytes) / 1e6);
}

} // namespace

int cmd_bench(const std::vector<std::string>& args) {
  static const command_help help{"bench",
    "Loads a MoQ relay: publishes test tracks through it, subscribes to them, and measures what arrives. With --relay-pid it reads that process's CPU and "
    "memory from /proc. Delays are those of one machine's clock: both ends run here.",
    {"ec-node bench --relay moqt://127.0.0.1:4443 --tls-disable-verify --subscribers 200",
      "ec-node bench --relay https://127.0.0.1:4443 --tls-disable-verify --moq-version moq-lite-05",
      "ec-node bench --relay moqt://127.0.0.1:4443#spki=... --subscribers 50 --object-bytes 83000 --rate 30 --relay-pid 1234 --json"}};
  static const std::vector<setting<bench_options>> settings = {
    make_setting("relay", "URL", "moqt://host:port[/path][#spki=...]", &bench_options::relay),
    make_setting("moq-version", "NAME", "version of MoQ that is spoken: moqt-18, moqt-16, moq-lite-05, moq-lite-04 or moq-lite-03 (moqt-18)", &bench_options::moq_version),
    make_setting("publishers", "N", "tracks, each in a session of its own (1)", &bench_options::publishers),
    make_setting("subscribers", "N", "sessions that each take one track (50)", &bench_options::subscribers),
    make_setting("object-bytes", "N", "payload of an object (4096)", &bench_options::object_bytes),
    make_setting("rate", "X", "objects a second of each track (60)", &bench_options::rate),
    make_setting("group-objects", "N", "objects of a group (60)", &bench_options::group_objects),
    make_setting("warm-up-ms", "N", "wait when every subscriber is served, milliseconds (2000)", &bench_options::warm_up),
    make_setting("duration-ms", "N", "measure for so long, milliseconds (10000)", &bench_options::duration),
    make_setting("late-ms", "N", "a group with an object that took longer is late (1000)", &bench_options::late),
    make_setting("relay-pid", "PID", "process of the relay, whose CPU and memory are read", &bench_options::relay_pid),
    make_setting("tls-disable-verify", "", "accept any certificate (false)", &bench_options::tls_disable_verify),
    make_setting("json", "", "print one JSON document (false)", &bench_options::json),
  };
  bench_options options;
  const auto line = read_line(args, help, settings, options);
  if (!line.go_on) return line.code;
  const auto refuse = [&](const base::error& why, int code) {
    print_error(help.name, why.message());
    return code;
  };
  if (const auto good = check(options); !good) return refuse(good.error(), exit_usage);
  const auto relay = relay_of(options.relay, options.tls_disable_verify);
  if (!relay) return refuse(relay.error(), exit_usage);
  actors::load_plan plan;
  plan.address = relay.value().address;
  plan.verification = relay.value().verification;
  plan.shape = {options.object_bytes, options.rate, options.group_objects};
  plan.publishers = options.publishers;
  plan.subscribers = options.subscribers;
  plan.warm_up = options.warm_up;
  plan.duration = options.duration;
  plan.late = options.late;
  const auto found = quic::resolve(plan.address.host, plan.address.port);
  if (!found) return refuse(found.error(), exit_failed);
  plan.peer = found.value().front();

  actors::quic_endpoint_config endpoint_config;
  endpoint_config.quic.alpns = {options.moq_version};
  endpoint_config.quic.connections_max = sessions_max * 2;
  endpoint_config.quic.connections_per_address_max = sessions_max * 2;
  std::optional<relay_cost> cost;
  if (options.relay_pid) cost.emplace();
  const auto look = [&cost, pid = options.relay_pid](actors::load_step step) {
    if (!cost) return;
    if (const auto now = usage_of(*pid); now) (step == actors::load_step::begin ? cost->begin : cost->end) = now.value();
  };
  actors::load_report report;
  const auto ran = as_client(std::move(endpoint_config), [&](caf::scoped_actor& self, const actors::running_endpoint& endpoint) {
    auto& sys = self->system();
    self->request(actors::spawn_load_generator(sys, endpoint, std::move(plan), look), caf::infinite, actors::start_atom::value)
      .receive([&](const actors::load_report& r) { report = r; }, [&](const caf::error& e) { report.fault = sys.render(e); });
  });
  if (!ran) return refuse(ran.error(), exit_failed);
  if (!report.fault.empty()) {
    print_error(help.name, options.relay + ": " + printable(report.fault));
    return exit_failed;
  }
  if (options.json) std::printf("%s", json::pretty(described(options, report, cost)).c_str());
  else print_figures(options, report, cost);
  return report.figures.groups_lost + report.figures.sessions_lost == 0 ? exit_ok : exit_not_verified;
}

} // namespace ec::node
