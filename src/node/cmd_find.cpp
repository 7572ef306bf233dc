#include <chrono>
#include <cstdio>
#include <thread>

#include "actors/directory_carrier.hpp"
#include "actors/source_picker.hpp"
#include "actors/topology/announcing.hpp"
#include "actors/topology/common.hpp"
#include "base/clock.hpp"
#include "base/limits.hpp"
#include "discovery/directory.hpp"
#include "discovery/resolve.hpp"
#include "discovery/stream_listing.hpp"
#include "net/http_client.hpp"
#include "node/command.hpp"
#include "node/commands.hpp"
#include "node/run_topology.hpp"

namespace ec::node {
namespace {

namespace json = base::json;

struct find_options {
  std::vector<std::string> directory;
  std::vector<std::string> gossip;
  bool mdns = false;
  bool dht = false;
  std::vector<std::string> dht_bootstrap;
  std::string dht_listen;
  std::string stream_id;
  std::string name;
  std::string policy = "direct-first";
  std::chrono::milliseconds wait{5000};
  bool json = false;
};

base::result<std::vector<net::url>> directories_of(const find_options& options) {
  if (options.directory.empty()) return base::fail(base::errc::config, "needed: whom to ask?", "--directory");
  if (options.directory.size() > base::limits::directories_max)
    return base::fail(base::errc::config, "at most " + std::to_string(base::limits::directories_max) + " may be given", "--directory");
  std::vector<net::url> out;
  for (const auto& text : options.directory) {
    const auto url = net::parse_url(text);
    if (!url) return base::fail(actors::about_setting(url.error(), "--directory"));
    out.push_back(url.value());
  }
  return out;
}

/// All of what a directory lists, judged. Errors: those of HTTP, and of a listing that is none.
base::result<void> read_all(const net::url& from, discovery::announcement_table& into) {
  discovery::directory_place place;
  for (size_t pages = 0; pages < 64; ++pages) {
    EC_TRY(const auto answer, actors::ask_directory(discovery::listing_url(from, place), {}));
    if (answer.status != 200) return base::fail(base::errc::refused, "it answered " + std::to_string(answer.status), from.text());
    EC_TRY(const auto listing, discovery::read_listing(answer.body.text()));
    for (const auto& encoded : listing.encoded) into.push(encoded, {discovery::carrier_kind::directory, from.authority()}, base::wall_now(), base::mono_now());
    if (!listing.more) return base::ok();
    place = listing.place;
  }
  return base::ok();
}

/// Asks all directories; an error only if none answers.
base::result<void> ask_all(const std::vector<net::url>& directories, discovery::announcement_table& into, const std::string& command) {
  base::error last;
  size_t answers = 0;
  for (const auto& d : directories) {
    const auto read = read_all(d, into);
    if (read) {
      ++answers;
      continue;
    }
    last = read.error();
    if (directories.size() > 1) print_error(command, last.message());
  }
  if (answers == 0) return base::fail(last);
  return base::ok();
}

int refuse(const std::string& command, const base::error& why) {
  print_error(command, why.message());
  return why.code == base::errc::config ? exit_usage : exit_failed;
}

json::object described(const discovery::source& s) {
  const auto& a = *s.what;
  json::array transports;
  for (const auto& t : a.transports) transports.emplace_back(json::object{{"kind", discovery::kind(t)}, {"address", discovery::full_address(t)}});
  return {{"stream_id", a.stream_id.text()}, {"source_node", a.source_node}, {"signer", a.signer.to_string()}, {"chunks", a.chunks},
          {"manifests", a.manifests}, {"transports", std::move(transports)}, {"updated_unix_ms", a.updated_unix_ms}, {"ttl_ms", a.ttl_ms}};
}

/// The answer of control-resolve, or why there is none. `reason`: of the carriers, where they gave nothing.
int print_way(const std::string& command, const find_options& options, const actors::picked_source& got, const base::error& reason) {
  if (!got.best) {
    if (!reason.text.empty()) return refuse(command, reason);
    return refuse(command, {base::errc::not_found, got.sources == 0 ? "nobody announces it" : std::to_string(got.sources) + " sources, and none of them by this policy", options.stream_id});
  }
  auto out = described(got.best->to);
  std::erase_if(out, [](const json::member& m) { return m.first == "transports"; });
  out.insert(out.begin(), {{"address", discovery::full_address(got.best->by)}, {"kind", discovery::kind(got.best->by)}});
  out.emplace_back("sources", uint64_t{got.sources});
  std::fputs(json::pretty(out).c_str(), stdout);
  return exit_ok;
}

/// Directories are asked and answer; whoever else may know is listened to for a while, by a node that has no stream of its own.
int resolve_as_node(const std::string& command, const find_options& options, discovery::policy policy) {
  actors::picked_source got;
  const auto wire = [&](caf::actor_system& sys, actors::observer_actor observer) -> base::result<actors::running_topology> {
    const auto wishes_by = [&](actors::running_endpoint endpoint) {
      auto wishes = actors::wishes_of(options);
      wishes.endpoint = std::move(endpoint);
      return wishes;
    };
    EC_TRYV(actors::gossip_peers(options.gossip));
    EC_TRYV(actors::dht_choice(actors::wishes_of(options).dht));
    actors::quic_endpoint_config dials;
    dials.implementation = "ec-node/" EC_VERSION;
    dials.linger = std::chrono::milliseconds{0};
    EC_TRY(auto endpoint, actors::start_quic_endpoint(sys, std::move(dials), this_machine()));
    actors::running_topology out;
    out.stages.push_back({caf::actor_cast<caf::actor>(endpoint.actor)});
    out.loops.push_back(endpoint.loop);
    auto discovery = actors::start_discovery(sys, wishes_by(endpoint), nullptr, observer);
    if (!discovery) {
      actors::end_topology(sys, std::move(out));
      return base::fail(discovery.error());
    }
    const auto picker = actors::spawn_source_picker(sys, {options.stream_id, policy, options.wait, [&got](const auto& p) { got = p; }}, discovery.value());
    out.stages.insert(out.stages.begin(), {{caf::actor_cast<caf::actor>(picker)}, {caf::actor_cast<caf::actor>(discovery.value())}});
    return out;
  };
  const auto code = run_topology(command, console_mode::quiet, wire, [](const auto&) {});
  return code == exit_ok ? print_way(command, options, got, {}) : code;
}

bool has_name(const discovery::stream_sources& s, const std::string& part) {
  for (const auto& n : s.names)
    if (n.find(part) != n.npos) return true;
  return false;
}

} // namespace

int cmd_find(const std::vector<std::string>& args) {
  static const command_help help{"find", "Lists the streams that directories know, and who has them. Every announcement's signature is checked here.",
    {"ec-node find --directory http://127.0.0.1:8080", "ec-node find --directory http://127.0.0.1:8080 --name callsign-wptv --json"}};
  static const std::vector<setting<find_options>> settings = {
    make_setting("directory", "URL", "stream directory to ask; several may be given", &find_options::directory),
    make_setting("name", "TEXT", "only streams with this in one of their ids", &find_options::name),
    make_setting("json", "", "print one JSON document (false)", &find_options::json),
  };
  find_options options;
  const auto line = read_line(args, help, settings, options);
  if (!line.go_on) return line.code;
  const auto directories = directories_of(options);
  if (!directories) return refuse(help.name, directories.error());
  discovery::announcement_table table;
  if (const auto asked = ask_all(directories.value(), table, help.name); !asked) return refuse(help.name, asked.error());
  json::array streams;
  for (const auto& s : discovery::list_streams(table.all())) {
    if (!has_name(s, options.name)) continue;
    json::array sources;
    for (const auto& one : s.sources) sources.emplace_back(described(one));
    if (!options.json) {
      for (const auto& n : s.names) std::printf("%s\n", n.c_str());
      for (const auto& one : s.sources) {
        const auto& a = *one.what;
        std::printf("    %-16s %s%s%s", a.source_node.c_str(), a.chunks ? "chunks" : "", a.chunks && a.manifests ? "+" : "", a.manifests ? "manifests" : "");
        for (const auto& t : a.transports) std::printf("  %s", discovery::full_address(t).c_str());
        std::printf("\n");
      }
    }
    streams.emplace_back(json::object{{"names", json::array(s.names.begin(), s.names.end())}, {"sources", std::move(sources)}});
  }
  if (options.json) std::fputs(json::pretty(json::object{{"streams", std::move(streams)}}).c_str(), stdout);
  else if (streams.empty()) std::printf("no stream\n");
  return exit_ok;
}

int cmd_control_resolve(const std::vector<std::string>& args) {
  static const command_help help{"control-resolve", "Finds one way to a stream and prints it as JSON; waits a while for somebody to have it.",
    {"ec-node control-resolve --directory http://127.0.0.1:8080 --stream-id ec/stream/v1/...",
      "ec-node control-resolve --directory http://127.0.0.1:8080 --stream-id ec/stream/v1/... --policy relay-first --wait-ms 0",
      "ec-node control-resolve --mdns --stream-id ec/stream/v1/..."}};
  static const std::vector<setting<find_options>> settings = {
    make_setting("directory", "URL", "stream directory to ask; several may be given", &find_options::directory),
    make_setting("gossip", "ADDR", "peer to listen to: moqt://host:port#spki=...; several may be given", &find_options::gossip),
    make_setting("mdns", "", "listen to the nodes of the local network (false)", &find_options::mdns),
    make_setting("dht", "", "look in the public mainline DHT (false)", &find_options::dht),
    make_setting("dht-bootstrap", "HOST:PORT", "look in a private DHT instead, joined by this node of it; several may be given", &find_options::dht_bootstrap),
    make_setting("dht-listen", "ADDR", "UDP address of this node of the DHT (default: any free port)", &find_options::dht_listen),
    make_setting("stream-id", "ID", "name of the stream, or another name of the same broadcast", &find_options::stream_id),
    make_setting("policy", "POLICY", "direct-first, relay-first, direct or relay (direct-first)", &find_options::policy),
    make_setting("wait-ms", "N", "how long to wait for a source (5000)", &find_options::wait),
  };
  find_options options;
  const auto line = read_line(args, help, settings, options);
  if (!line.go_on) return line.code;
  if (first_carrier(actors::wishes_of(options)).empty()) return refuse(help.name, {base::errc::config, "needed: whom to ask? Or --gossip, --dht, --mdns", "--directory"});
  base::result<std::vector<net::url>> directories = std::vector<net::url>{};
  if (!options.directory.empty()) directories = directories_of(options);
  if (!directories) return refuse(help.name, directories.error());
  if (options.stream_id.empty()) return refuse(help.name, {base::errc::config, "needed: which stream?", "--stream-id"});
  const auto id = identity::stream_id::parse(options.stream_id);
  if (!id) return refuse(help.name, actors::about_setting(id.error(), "--stream-id"));
  const auto policy = discovery::parse_policy(options.policy);
  if (!policy) return refuse(help.name, {base::errc::config, "expected direct-first, relay-first, direct or relay, found '" + options.policy + "'", "--policy"});
  auto others = actors::wishes_of(options);
  others.directories.clear();
  if (!first_carrier(others).empty()) return resolve_as_node(help.name, options, *policy);
  const auto until = base::mono_now() + options.wait;
  while (true) {
    discovery::announcement_table table;
    const auto asked = ask_all(directories.value(), table, help.name);
    const auto sources = table.find(id.value());
    const auto ways = discovery::ways(sources, *policy);
    if (!ways.empty()) return print_way(help.name, options, {ways.front(), sources.size()}, {});
    if (base::mono_now() >= until) return print_way(help.name, options, {std::nullopt, sources.size()}, asked ? base::error{} : asked.error());
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }
}

} // namespace ec::node
