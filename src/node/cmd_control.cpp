#include <algorithm>
#include <cstdio>

#include "actors/moq_link.hpp"
#include "actors/topology/announcing.hpp"
#include "actors/topology/common.hpp"
#include "actors/topology/listening.hpp"
#include "base/limits.hpp"
#include "node/command.hpp"
#include "node/commands.hpp"
#include "node/run_topology.hpp"
#include "node/started.hpp"
#include "quic/address.hpp"

namespace ec::node {
namespace {

using base::errc, base::fail;

struct control_options {
  std::vector<std::string> directory;
  std::filesystem::path directory_token_file;
  std::string stream_id;
  std::vector<std::string> alias;
  std::vector<std::string> endpoint;
  std::string relay;
  std::string relay_broadcast;
  std::vector<std::string> relay_track;
  std::vector<std::string> gossip;
  bool mdns = false;
  bool dht = false;
  std::vector<std::string> dht_bootstrap;
  std::string dht_listen;
  std::vector<std::string> look_for;
  bool chunks = true;
  bool manifests = true;
  std::string source_node;
  std::filesystem::path key;
  std::filesystem::path state_dir;
  std::string listen; ///< empty: it only dials
  std::filesystem::path endpoint_addr_out;
  std::chrono::milliseconds announce_ttl{60'000};
  bool json = false;
};

base::result<discovery::announcement> announcement_of(const control_options& o, const crypto::verifying_key& signer) {
  if (o.stream_id.empty()) return fail(errc::config, "needed: which stream?", "--stream-id");
  auto id = identity::stream_id::parse(o.stream_id);
  if (!id) return fail(actors::about_setting(id.error(), "--stream-id"));
  discovery::announcement a{.stream_id = std::move(id).value(), .aliases = {}, .chunks = o.chunks, .manifests = o.manifests, .transports = {},
    .source_node = o.source_node.empty() ? actors::node_name(signer) : o.source_node, .signer = signer, .sequence = 1};
  for (const auto& text : o.alias) {
    const auto other = identity::stream_id::parse(text);
    if (!other) return fail(actors::about_setting(other.error(), "--alias"));
    a.aliases.emplace_back(other.value().key());
  }
  std::ranges::sort(a.aliases);
  for (const auto& text : o.endpoint) {
    const auto where = quic::endpoint_address::parse(text);
    if (!where) return fail(actors::about_setting(where.error(), "--endpoint"));
    if (where.value().by == quic::endpoint_address::scheme::https) return fail(errc::config, text + ": a node itself is moqt://; what is at https:// goes by --relay", "--endpoint");
    if (!where.value().pin) return fail(errc::config, text + ": without '#spki=' nobody could know it again", "--endpoint");
    a.transports.emplace_back(discovery::direct_transport{where.value().authority(), actors::moq_protocol, *where.value().pin});
  }
  if (!o.relay.empty()) {
    auto tracks = o.relay_track;
    std::ranges::sort(tracks);
    a.transports.emplace_back(discovery::relay_transport{o.relay, o.relay_broadcast.empty() ? o.stream_id : o.relay_broadcast, std::move(tracks), {}});
  }
  if (a.transports.empty()) return fail(errc::config, "needed: where is it to be had? Or --relay", "--endpoint");
  a.ttl_ms = static_cast<uint64_t>(std::max<int64_t>(o.announce_ttl.count(), 0));
  if (auto why = discovery::fault(a); !why.empty()) return fail(errc::config, "this cannot be announced: " + why);
  return a;
}

enum class part { announce, listen, bridge };

/// Discovery alone.
base::result<actors::running_topology> wire(caf::actor_system& sys, const control_options& o, part does, actors::observer_actor observer) {
  const bool announces = does == part::announce;
  actors::running_topology out;
  auto wishes = actors::wishes_of(o);
  wishes.directory_token_file = o.directory_token_file;
  wishes.ttl = o.announce_ttl;
  wishes.tell_all = !announces;
  wishes.pass_on = does == part::bridge;
  for (const auto& text : o.look_for) {
    const auto id = identity::stream_id::parse(text);
    if (!id) return fail(actors::about_setting(id.error(), "--stream-id"));
    wishes.wanted.push_back(text);
  }
  if (wishes.dht.any() && wishes.wanted.empty()) return fail(errc::config, "needed with --dht: it has no list of all streams", "--stream-id");
  // Who listens joins all that dial it. The DHT and the local network are told nothing of others' streams: they are no second end.
  const bool hears_more = o.mdns || wishes.dht.any();
  if (does == part::bridge && o.listen.empty() && (o.gossip.empty() + o.directory.empty() > (hears_more ? 1 : 0)))
    return fail(errc::config, "needed: a bridge has two ends", o.gossip.empty() && !hears_more ? "--gossip" : "--directory");
  EC_TRYV(try_address_out(o.endpoint_addr_out));
  std::shared_ptr<const crypto::signing_key> key;
  std::shared_ptr<const discovery::announcement> own;
  if (announces) {
    if (o.key.empty()) {
      auto kept = actors::node_key(actors::state_dir(o.state_dir));
      if (!kept) return fail(actors::about_setting(kept.error(), "--state-dir"));
      key = std::move(kept).value();
    } else {
      auto loaded = crypto::signing_key::load(o.key.string());
      if (!loaded) return fail(actors::about_setting(loaded.error(), "--key"));
      key = std::make_shared<const crypto::signing_key>(std::move(loaded).value());
    }
    EC_TRY(auto a, announcement_of(o, key->public_key()));
    own = std::make_shared<const discovery::announcement>(std::move(a));
  }
  EC_TRYV(actors::gossip_peers(o.gossip));
  EC_TRY(const auto dht, actors::dht_choice(wishes.dht));
  wishes.offer = !o.listen.empty() || (announces && !o.gossip.empty());
  if (!o.listen.empty()) {
    const auto here = this_machine();
    EC_TRY(auto listening, actors::start_endpoint(sys, {o.listen, actors::state_dir(o.state_dir), {}, {}, std::chrono::seconds{1}}, here));
    out.address = listening.where.to_string();
    wishes.spki = listening.where.pin;
    out.stages.push_back({caf::actor_cast<caf::actor>(listening.running.actor), caf::actor_cast<caf::actor>(*listening.keeper)});
    out.loops.push_back(listening.running.loop);
    wishes.endpoint = std::move(listening.running);
  } else if (!o.gossip.empty() || dht || o.mdns) {
    actors::quic_endpoint_config dials;
    dials.implementation = "ec-node/" EC_VERSION;
    dials.linger = std::chrono::seconds{announces ? 1 : 0}; // for what is said at the end
    EC_TRY(auto endpoint, actors::start_quic_endpoint(sys, std::move(dials), this_machine()));
    out.stages.push_back({caf::actor_cast<caf::actor>(endpoint.actor)});
    out.loops.push_back(endpoint.loop);
    wishes.endpoint = std::move(endpoint);
  }
  auto discovery = actors::start_discovery(sys, wishes, key, observer);
  if (!discovery) {
    actors::end_topology(sys, std::move(out)); // the endpoint's actors run on the loop that it keeps
    return fail(discovery.error());
  }
  if (own) caf::anon_send(discovery.value(), actors::own_stream{own});
  out.stages.insert(out.stages.begin(), {caf::actor_cast<caf::actor>(discovery.value())});
  if (auto written = write_address_out(o.endpoint_addr_out, out.address); !written) {
    actors::end_topology(sys, std::move(out));
    return fail(written.error());
  }
  return out;
}

} // namespace

int cmd_control_announce(const std::vector<std::string>& args) {
  static const command_help help{"control-announce",
    "Announces that a stream is to be had somewhere, for as long as it runs: what moq-publish --announce does for its own stream. At its end it "
    "says that the stream is there no more.",
    {"ec-node control-announce --directory http://127.0.0.1:8080 --stream-id ec/stream/v1/... --endpoint moqt://192.0.2.7:4443#spki=...",
      "ec-node control-announce --directory http://127.0.0.1:8080 --stream-id ec/stream/v1/... --relay https://relay.example/moq --relay-broadcast kulx"}};
  using c = control_options;
  static const std::vector<setting<c>> settings = {
    make_setting("directory", "URL", "stream directory to announce to; several may be given", &c::directory),
    make_setting("directory-token-file", "FILE", "token that the directories want (default: the environment's EC_DIRECTORY_TOKEN)", &c::directory_token_file),
    make_setting("gossip", "ADDR", "peer to tell: moqt://host:port#spki=...; several may be given", &c::gossip),
    make_setting("stream-id", "ID", "name of the stream", &c::stream_id),
    make_setting("alias", "ID", "another name of the same broadcast; several may be given", &c::alias),
    make_setting("endpoint", "ADDR", "a node that has it: moqt://host:port#spki=..., as moq-publish prints it; several may be given", &c::endpoint),
    make_setting("relay", "URL", "a relay that has it: moqt://host:port/path or https://...", &c::relay),
    make_setting("relay-broadcast", "NAME", "what it is called there (the stream id)", &c::relay_broadcast),
    make_setting("relay-track", "NAME", "a track that is there; several may be given", &c::relay_track),
    make_setting("chunks", "", "chunk objects are to be had (true)", &c::chunks),
    make_setting("manifests", "", "manifests are to be had (true)", &c::manifests),
    make_setting("source-node", "NAME", "which of this key's nodes has it (made from the key)", &c::source_node),
    make_setting("key", "FILE", "key that signs (default: the node's own, made and kept in the state directory)", &c::key),
    make_setting("state-dir", "DIR", "where the node's own key is kept (~/.local/state/ec-node)", &c::state_dir),
    make_setting("announce-ttl-ms", "N", "how long an announcement counts; it is said again each third of it (60000)", &c::announce_ttl),
    make_setting("json", "", "print events as JSON lines (false)", &c::json),
  };
  c options;
  const auto line = read_line(args, help, settings, options);
  if (!line.go_on) return line.code;
  return run_topology(help.name, options.json ? console_mode::json : console_mode::human,
    [&](caf::actor_system& sys, actors::observer_actor observer) { return wire(sys, options, part::announce, std::move(observer)); }, [](const auto&) {});
}

int cmd_control_listen(const std::vector<std::string>& args) {
  static const command_help help{"control-listen", "Prints who comes and goes: each source of each stream that is announced, as it is found, and when it is gone.",
    {"ec-node control-listen --directory http://127.0.0.1:8080 --json", "ec-node control-listen --gossip moqt://192.0.2.7:4443#spki=...",
      "ec-node control-listen --dht --stream-id ec/stream/v1/..."}};
  using c = control_options;
  static const std::vector<setting<c>> settings = {
    make_setting("directory", "URL", "stream directory to listen to; several may be given", &c::directory),
    make_setting("gossip", "ADDR", "peer to listen to: moqt://host:port#spki=...; several may be given", &c::gossip),
    make_setting("mdns", "", "listen to the nodes of the local network (false)", &c::mdns),
    make_setting("dht", "", "look in the public mainline DHT (false)", &c::dht),
    make_setting("dht-bootstrap", "HOST:PORT", "look in a private DHT instead, joined by this node of it; several may be given", &c::dht_bootstrap),
    make_setting("dht-listen", "ADDR", "UDP address of this node of the DHT (default: any free port)", &c::dht_listen),
    make_setting("stream-id", "ID", "stream to look for in the DHT, which has no list of them; several may be given", &c::look_for),
    make_setting("json", "", "print events as JSON lines (false)", &c::json),
  };
  c options;
  const auto line = read_line(args, help, settings, options);
  if (!line.go_on) return line.code;
  return run_topology(help.name, options.json ? console_mode::json : console_mode::human,
    [&](caf::actor_system& sys, actors::observer_actor observer) { return wire(sys, options, part::listen, std::move(observer)); }, [](const auto&) {});
}

int cmd_control_bridge(const std::vector<std::string>& args) {
  static const command_help help{"control-bridge", "Joins those who do not reach each other: with --listen, nodes that dial it hear of each other, also those that nobody can dial; with "
    "--directory it posts what gossip tells, for those who read directories only. What it passes on is signed by who said it, and not by the bridge.",
    {"ec-node control-bridge --listen 0.0.0.0:4443", "ec-node control-bridge --gossip moqt://192.0.2.7:4443#spki=... --directory http://127.0.0.1:8080",
      "ec-node control-bridge --dht --stream-id ec/stream/v1/... --directory http://127.0.0.1:8080"}};
  using c = control_options;
  static const std::vector<setting<c>> settings = {
    make_setting("listen", "ADDR", "UDP address at which nodes dial it; port 0: any free one (it only dials)", &c::listen),
    make_setting("endpoint-addr-out", "FILE", "write the full address here", &c::endpoint_addr_out),
    make_setting("mdns", "", "be found by the nodes of the local network, and listen to them (false)", &c::mdns),
    make_setting("dht", "", "look in the public mainline DHT, and pass on what it gives (false)", &c::dht),
    make_setting("dht-bootstrap", "HOST:PORT", "look in a private DHT instead, joined by this node of it; several may be given", &c::dht_bootstrap),
    make_setting("dht-listen", "ADDR", "UDP address of this node of the DHT (default: any free port)", &c::dht_listen),
    make_setting("stream-id", "ID", "stream to look for in the DHT, which has no list of them; several may be given", &c::look_for),
    make_setting("state-dir", "DIR", "where its certificate is kept (~/.local/state/ec-node)", &c::state_dir),
    make_setting("gossip", "ADDR", "peer to listen to: moqt://host:port#spki=...; several may be given", &c::gossip),
    make_setting("directory", "URL", "stream directory to post to; several may be given", &c::directory),
    make_setting("directory-token-file", "FILE", "token that the directories want (default: the environment's EC_DIRECTORY_TOKEN)", &c::directory_token_file),
    make_setting("json", "", "print events as JSON lines (false)", &c::json),
  };
  c options;
  const auto line = read_line(args, help, settings, options);
  if (!line.go_on) return line.code;
  return run_topology(help.name, options.json ? console_mode::json : console_mode::human,
    [&](caf::actor_system& sys, actors::observer_actor observer) { return wire(sys, options, part::bridge, std::move(observer)); }, [&](const auto& t) {
      if (!options.json && !t.address.empty()) std::printf("listening  %s\n", t.address.c_str());
      std::fflush(stdout);
    });
}

} // namespace ec::node
