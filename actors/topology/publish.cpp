#include "actors/chunk_publisher.hpp"
#include "actors/chunker.hpp"
#include "actors/clock_keeper.hpp"
#include "actors/endpoint_reporter.hpp"
#include "actors/manifest_publisher.hpp"
#include "actors/moq_link.hpp"
#include "actors/relay_uplink.hpp"
#include "actors/second_source.hpp"
#include "actors/signer.hpp"
#include "actors/source_finder.hpp"
#include "actors/supervisor.hpp"
#include "actors/topology/access.hpp"
#include "actors/topology/announcing.hpp"
#include "actors/topology/common.hpp"
#include "actors/topology/listening.hpp"
#include "actors/topology/naming.hpp"
#include "actors/topology/topology.hpp"
#include "actors/tuner_reader.hpp"

#include <algorithm>
#include <system_error>

#include "base/file.hpp"
#include "base/limits_repair.hpp"
#include "base/log.hpp"
#include "identity/stream_id.hpp"

namespace ec::actors {
namespace {

using base::errc, base::fail;

/// What is done with other publishers of the stream that discovery finds.
enum class found_use { ignore, compare, repair };

base::result<found_use> found_use_of(const publish_config& config) {
  if (config.discovered_sources == "ignore" || (config.discovered_sources == "compare" && !config.announce)) return found_use::ignore;
  if (config.discovered_sources == "compare") return found_use::compare;
  if (config.discovered_sources != "repair") return fail(errc::config, "expected ignore, compare or repair, found '" + config.discovered_sources + "'", "--discovered-sources");
  if (!config.announce) return fail(errc::config, "nobody is found: give --announce too", "--discovered-sources");
  return found_use::repair;
}

/// Everything that was read and checked before the first actor is spawned.
struct publish_plan {
  publish_config config;
  machine on;
  std::string stream_id;
  std::optional<identity::stream_names> names; ///< always set
  naming_report naming;
  ts::cutter_config cutter;
  std::shared_ptr<const std::vector<uint8_t>> network_secret;
  std::optional<crypto::verifying_key> signer; ///< unset: nothing is signed
  std::vector<manifest::key_statement> statements; ///< about keys, genuine
  std::vector<session_peer> second_sources;
  std::vector<session_peer> relays;
  std::vector<std::string> versions; ///< of MoQ, the best first
  std::shared_ptr<const crypto::certificate_pair> shown; ///< to relays that ask; null: nothing
  found_use found = found_use::ignore;
  manifest::trust_set counts; ///< whose count of chunks is taken
  tuner::source_kind source = tuner::source_kind::file;
  bool live = false;                              ///< of the source: real time decides the pace
};

base::result<ts::program_choice> choice_of(const publish_config& config) {
  ts::program_choice choice;
  if (config.program && *config.program == 0) return fail(errc::config, "expected 1 to 65535", "--program"); // 0 is the NIT [13818-1 2.4.4.5]
  choice.program_number = config.program;
  if (config.channel) {
    unsigned major = 0, minor = 0;
    char end = 0;
    if (std::sscanf(config.channel->c_str(), "%u.%u%c", &major, &minor, &end) != 2 || major > 1023 || minor > 1023)
      return fail(errc::config, "expected MAJOR.MINOR, such as 5.1, found '" + *config.channel + "'", "--channel");
    choice.channel = ts::virtual_channel{static_cast<uint16_t>(major), static_cast<uint16_t>(minor)};
  }
  return choice;
}

/// Says once how the stream was named. A tuner's channel that is nobody else's is worth a warning: the operator may have counted on others.
void tell_naming(const publish_plan& plan, const observer_actor& observer) {
  const auto& n = plan.naming;
  const bool tuned = plan.source == tuner::source_kind::hdhomerun && n.rule == name(naming_rule::source);
  base::log::write(tuned ? base::log::level::warn : base::log::level::info, "publisher", "stream-named",
    {{"stream_id", plan.stream_id}, {"rule", n.rule}, {"reason", n.reason}});
  base::json::array aliases(n.aliases.begin(), n.aliases.end());
  if (observer) caf::anon_send(observer, report{"stream-named", {{"stream_id", plan.stream_id}, {"rule", n.rule}, {"reason", n.reason}, {"aliases", std::move(aliases)}}});
}

/// How others reach what this node offers at a relay; nothing if they could not know the relay. A secret in its path's query stays here.
std::optional<discovery::relay_transport> by_relay(const session_peer& relay, const publish_config& config, const std::string& stream_id) {
  if (!relay.address.pin && config.tls_insecure) return std::nullopt;
  auto address = relay.address;
  address.pin.reset();
  address.path = address.path.substr(0, address.path.find('?'));
  discovery::relay_transport out{address.to_string(), stream_id, {}, relay.address.pin};
  if (config.publish_chunks) out.tracks.emplace_back("chunks");
  if (config.publish_manifests) out.tracks.emplace_back("manifests");
  return out;
}

/// What this node announces of its stream, but for sequence and times.
base::result<discovery::announcement> announcement_of(const publish_plan& plan, const identity::stream_names& names,
  const quic::endpoint_address& where, const crypto::verifying_key& node) {
  const auto& config = plan.config;
  discovery::announcement a{.stream_id = names.id(), .aliases = {}, .transports = {}, .source_node = node_name(node), .signer = node, .sequence = 1};
  for (const auto& alias : names.aliases()) a.aliases.emplace_back(alias.key());
  std::ranges::sort(a.aliases);
  a.chunks = config.publish_chunks;
  a.manifests = config.publish_manifests;
  a.ttl_ms = static_cast<uint64_t>(config.announce_ttl.count());
  auto addresses = config.announce_address;
  if (addresses.empty()) addresses.push_back(where.authority());
  for (const auto& address : addresses) a.transports.emplace_back(discovery::direct_transport{address, plan.versions.front(), where.pin.value_or(quic::spki_digest{})});
  for (const auto& relay : plan.relays) {
    if (auto way = by_relay(relay, config, names.id().text())) a.transports.emplace_back(*std::move(way));
    else base::log::warn("publisher", "relay-not-announced", {{"relay", relay.address.authority()}, {"reason", "any certificate is taken for it here: give its #spki="}});
  }
  if (auto why = discovery::fault(a); !why.empty()) return fail(errc::config, "this cannot be announced: " + why, "--announce");
  return a;
}

/// Before anything runs; the rest of it is start_discovery's.
base::result<void> check_announcing(const publish_config& config) {
  EC_TRY(auto id, identity::source_stream_id("file", "x", "1", "ts-v1")); // any: it is the addresses that are in question
  for (const auto& address : config.announce_address) {
    const auto key = crypto::signing_key::from_seed({}).public_key();
    const discovery::announcement trial{.stream_id = id, .aliases = {}, .chunks = true, .transports = {discovery::direct_transport{address, moq_protocol, {}}},
      .source_node = "x", .signer = key, .sequence = 1, .ttl_ms = base::limits::announcement_ttl_ms_min};
    if (auto why = discovery::fault(trial); !why.empty()) return fail(errc::config, why, "--announce-address");
  }
  if (std::max<size_t>(config.announce_address.size(), 1) + config.relay.size() > base::limits::announcement_transports_max)
    return fail(errc::config, "at most " + std::to_string(base::limits::announcement_transports_max) + " may be given, with the relays",
      config.relay.empty() ? "--announce-address" : "--relay");
  if (const auto peers = gossip_peers(config.gossip); !peers) return fail(peers.error());
  if (const auto dht = dht_choice(wishes_of(config).dht); !dht) return fail(dht.error());
  return base::ok();
}

base::result<publish_plan> plan_of(const publish_config& config, const machine& on) {
  publish_plan plan;
  plan.config = config;
  plan.on = on;
  if (config.input.empty()) return fail(errc::config, "needed: an HDHomeRun, HTTP, UDP or RTP URL, a DVB adapter, a TS file, or - for standard input", "--input");
  if (config.epoch_chunks == 0 || config.epoch_chunks > base::limits::manifest_chunks_max)
    return fail(errc::config, "expected 1 to " + std::to_string(base::limits::manifest_chunks_max), "--epoch-chunks");
  if (config.announce) {
    EC_TRYV(check_announcing(config));
  } else if (const auto given = first_carrier(wishes_of(config)); !given.empty()) {
    return fail(errc::config, "nothing is announced: give --announce too", given);
  }
  if (!config.publish_manifests && !config.publish_chunks)
    return fail(errc::config, "nothing to publish: --publish-manifests and --publish-chunks are both off");
  EC_TRY(plan.relays, dialled_relays(config.relay, "--relay", config.connect_to, {config.tls_insecure, config.tls_ca}));
  std::vector<quic::endpoint_address*> dialled;
  for (auto& relay : plan.relays) dialled.push_back(&relay.address);
  EC_TRYV(show_token(dialled, config.token, config.token_file, "--relay"));
  EC_TRY(plan.versions, chosen_versions(config.moq_version));
  EC_TRY(plan.shown, client_identity_of(config.client_cert, config.client_key, !dialled.empty(), "--relay"));
  let_move(plan.relays, verification_of({}, {config.tls_insecure, config.tls_ca}));
  if (!(config.pace >= 0 && config.pace <= tuner::pace_max))
    return fail(errc::config, "expected 0 to " + std::to_string(static_cast<int>(tuner::pace_max)), "--pace");
  if (config.tls_cert.empty() != config.tls_key.empty())
    return fail(errc::config, "--tls-cert and --tls-key go together", config.tls_cert.empty() ? "--tls-cert" : "--tls-key");
  const bool believes = !config.trust_signer.empty() || !config.trust_file.empty();
  EC_TRY(plan.found, found_use_of(config));
  if (!config.publish_manifests && ((!config.second_source.empty() && !believes) || plan.found == found_use::repair))
    return fail(errc::config, "who takes chunks from others says so in its manifests: --publish-manifests is off. Only to count as others do, name with "
      "--trust-signer whom to believe", plan.found == found_use::repair ? "--discovered-sources" : "--second-source");
  EC_TRY(plan.second_sources, peers_of(config.second_source, base::limits::second_sources_max, "--second-source"));
  if (config.second_source.empty() && plan.found == found_use::ignore && believes)
    return fail(errc::config, "nobody's count is heard: give --second-source or --announce too", config.trust_signer.empty() ? "--trust-file" : "--trust-signer");
  if (config.repair_share_max > base::limits::repair_share_percent_max)
    return fail(errc::config, "expected 0 to " + std::to_string(base::limits::repair_share_percent_max), "--repair-share-max");
  if (config.repair_wait.count() < 1 || static_cast<uint64_t>(config.repair_wait.count()) > base::limits::repair_wait_ms_max)
    return fail(errc::config, "expected 1 to " + std::to_string(base::limits::repair_wait_ms_max), "--repair-wait-ms");
  const auto profile = ts::find_profile(config.profile);
  if (!profile) return fail(about_setting(profile.error(), "--profile"));
  plan.cutter.profile = profile.value();
  EC_TRY(plan.cutter.program, choice_of(config));
  const auto input = on.locate_input(config.input);
  if (!input) return fail(about_setting(input.error(), "--input"));
  plan.config.input = input.value();
  const auto source = on.open_source(plan.config.input, {.pace = config.pace});
  if (!source) return fail(about_setting(source.error(), "--input"));
  plan.live = source.value()->facts().live;
  plan.source = source.value()->facts().kind;
  EC_TRY(const auto named, name_stream({config.stream_id, config.profile, config.program, config.channel}, source.value()->facts(), on.ask_device));
  plan.stream_id = named.id.text();
  EC_TRY(plan.counts, named_trust(config.trust_signer, "--trust-signer", config.trust_file, plan.stream_id));
  plan.naming = {std::string(name(named.rule)), named.reason, {}};
  for (const auto& alias : named.aliases) plan.naming.aliases.push_back(alias.text());
  plan.names.emplace(named.id, named.aliases);
  EC_TRY(auto secret, read_network_secret(config.network_secret_file));
  plan.network_secret = std::make_shared<const std::vector<uint8_t>>(std::move(secret));
  if (config.publish_manifests) {
    if (config.key.empty()) return fail(errc::config, "manifests need a signing key; make one with: ec-node keygen --out FILE", "--key");
    auto key = crypto::signing_key::load(config.key.string());
    if (!key) return fail(about_setting(key.error(), "--key"));
    plan.signer = key.value().public_key();
    for (const auto& file : config.key_statement) {
      auto statement = manifest::load_key_statement(file.string());
      if (!statement) return fail(about_setting(statement.error(), "--key-statement"));
      plan.statements.push_back(std::move(statement).value());
    }
    // The rules for them are the signer's: asked here, before anything runs.
    EC_TRY(auto trial, manifest::signer::make(std::move(key).value(), manifest::signer_state::fresh(*plan.signer, plan.stream_id, base::wall_now())));
    if (const auto carried = trial.carry(plan.statements); !carried) return fail(about_setting(carried.error(), "--key-statement"));
  } else if (!config.key_statement.empty()) {
    return fail(errc::config, "only manifests carry key statements: --publish-manifests is off", "--key-statement");
  }
  return plan;
}

/// Between two actors of one process: enough to ride out a moment, little enough to stay small.
constexpr size_t edge_window = 16;

/// Publisher and signer of the stream under one of its names; `keep` takes each actor.
template <class Keep>
base::result<chunk_outlet> spawn_outlet(caf::actor_system& sys, const publish_plan& plan, const std::string& stream_id, const edge_config& edge,
  const quic_endpoint_actor& endpoint, const std::filesystem::path& state, const observer_actor& observer, Keep&& keep) {
  const auto& config = plan.config;
  EC_TRY(auto cipher, object::stream_cipher::make(stream_id, *plan.network_secret));
  chunk_outlet out{std::move(cipher), std::nullopt, std::nullopt};
  const auto stream = namespace_of(stream_id);
  if (config.publish_chunks) {
    out.publisher = spawn_chunk_publisher(sys, stream, edge, endpoint, observer);
    keep(*out.publisher);
  }
  if (plan.signer) {
    const auto manifests = spawn_manifest_publisher(sys, stream, edge, endpoint, observer);
    keep(manifests);
    signer_config s;
    s.stream_id = stream_id;
    s.profile_id = config.profile;
    s.chunk_duration_ms = plan.cutter.profile.duration_ms;
    s.epoch_chunks = config.epoch_chunks;
    s.sign_damaged = config.sign_damaged;
    s.key_file = config.key;
    s.statements = plan.statements;
    s.state_dir = state;
    s.edge = edge;
    s.disk = plan.on.disk;
    s.wall = plan.on.wall;
    out.signer = spawn_signer(sys, std::move(s), manifests, observer, plan.on.blocking);
    keep(*out.signer);
  }
  return out;
}

/// The node's discovery, and what it says there of the stream that it publishes.
struct announced_stream {
  discovery_actor to;
  std::shared_ptr<const discovery::announcement> what;

  /// Who knows the broadcast by any of its names is to find it: it is announced under each that it is published under, all others as aliases.
  void rename(const identity::stream_names& names, const std::optional<identity::stream_id>& second) const {
    std::vector<identity::stream_id> all{names.id()};
    all.insert(all.end(), names.aliases().begin(), names.aliases().end());
    say(names.id(), all);
    if (second) say(*second, all);
  }

private:
  void say(const identity::stream_id& id, const std::vector<identity::stream_id>& names) const {
    auto a = *what;
    a.stream_id = id;
    for (auto& t : a.transports)
      if (auto* relay = std::get_if<discovery::relay_transport>(&t)) relay->broadcast = id.text();
    a.aliases.clear();
    for (const auto& n : names)
      if (n != id && a.aliases.size() < base::limits::announcement_aliases_max) a.aliases.emplace_back(n.key());
    std::ranges::sort(a.aliases);
    if (const auto why = discovery::fault(a); !why.empty()) base::log::error("publisher", "not-announced", {{"stream_id", id.text()}, {"reason", why}});
    else caf::anon_send(to, own_stream{std::make_shared<const discovery::announcement>(std::move(a))});
  }
};

/// Namespaces of streams, and nothing else of this node, are offered to relays.
const moq::track_namespace streams_offered{{"ec", "stream"}};

/// How long the first chunk of a live stream waits for the count of those who are trusted.
constexpr std::chrono::milliseconds clock_wait{2500};

/// Who is found and only heard, not asked, makes room for the next after this, so that all counts are compared in time.
constexpr std::chrono::milliseconds compare_turn{60'000};

/// Other publishers that discovery finds, but this node itself and those that were named.
source_finder_config found_sources_of(const publish_plan& plan, const running_endpoint& endpoint, const announced_stream& announced, session_sink_actor sink,
  const observer_actor& observer) {
  source_finder_config out{.stream_id = plan.stream_id, .first = static_cast<uint32_t>(plan.second_sources.size()), .places = base::limits::second_sources_found_max, .link = {}};
  if (plan.found == found_use::compare) out.turn = compare_turn;
  out.except.self = announced.what->signer;
  for (const auto& t : announced.what->transports)
    if (const auto* own = std::get_if<discovery::direct_transport>(&t)) out.except.pins.push_back(own->spki);
  for (const auto& relay : plan.relays) out.except.addresses.push_back(relay.address.authority()); // it would give back what it has from here
  for (const auto& named : plan.second_sources) {
    out.except.addresses.push_back(named.address.authority());
    if (named.address.pin) out.except.pins.push_back(*named.address.pin);
  }
  out.link = [on = plan.on, endpoint, sink, observer](caf::actor_system& sys, uint32_t id, const quic::endpoint_address& address) {
    session_peer peer{address, {}};
    if (address.pin) peer.verification = quic::client_verification::pinned(*address.pin);
    return spawn_session_link(sys, id, peer, on, endpoint, sink, observer);
  };
  return out;
}

/// Whoever else publishes the stream, asked for what is damaged here; `listens` hears their manifests. They are dialled from the endpoint that
/// serves.
base::result<second_source_actor> spawn_second_sources(caf::actor_system& sys, const publish_plan& plan, const running_endpoint& endpoint,
  manifest_listener_actor listens, const std::optional<announced_stream>& announced, const observer_actor& observer) {
  EC_TRY(auto cipher, object::stream_cipher::make(plan.stream_id, *plan.network_secret));
  second_source_config config{namespace_of(plan.stream_id), std::move(cipher), plan.config.profile, {}, {}, std::move(listens), 0, {}};
  for (const auto& peer : plan.second_sources) config.addresses.push_back(peer.address.authority());
  config.link = [peers = plan.second_sources, on = plan.on, endpoint, observer](caf::actor_system& s, uint32_t source, session_sink_actor sink) {
    return spawn_session_link(s, source, peers[source], on, endpoint, std::move(sink), observer);
  };
  if (announced && plan.found != found_use::ignore) {
    config.found_max = base::limits::second_sources_found_max;
    config.find = [plan, endpoint, announced, observer](caf::actor_system& s, session_sink_actor sink) {
      return spawn_source_finder(s, found_sources_of(plan, endpoint, *announced, std::move(sink), observer), announced->to, observer);
    };
  }
  return spawn_second_source(sys, std::move(config), observer);
}

/// The branch that carries the data: from the source to the endpoint. Read from the bottom: sinks first.
base::result<std::vector<caf::actor>> spawn_pipeline(caf::actor_system& sys, const publish_plan& plan, const running_endpoint& serving,
  const std::filesystem::path& state, const std::optional<announced_stream>& announced, const observer_actor& observer, caf::actor& source) {
  const auto& config = plan.config;
  const auto& endpoint = serving.actor;
  const auto policy = plan.live ? edge_policy::live : edge_policy::lossless;
  const edge_config edge{.window = edge_window, .waiting = 1024, .policy = policy};
  std::vector<caf::actor> branch;
  const auto keep = [&](const auto& a) { branch.push_back(caf::actor_cast<caf::actor>(a)); };

  EC_TRY(auto named, spawn_outlet(sys, plan, plan.stream_id, edge, endpoint, state, observer, keep));
  // Without a key there is no name: no manifest could list this node's damaged versions (docs/formats/object.md).
  object::sealer_config sealer{.profile = config.profile, .publisher = {}};
  if (plan.signer) sealer.publisher = plan.signer->to_string();
  chunker_config cutting{plan.cutter, std::move(named.cipher), sealer, edge, plan.names};
  if (announced) cutting.on_names = [announced](const auto& names, const auto& second) { announced->rename(names, second); };
  std::optional<clock_keeper_actor> counts;
  std::optional<second_source_actor> others;
  if (!plan.second_sources.empty() || plan.found != found_use::ignore) {
    counts = spawn_clock_keeper(sys, {.judge = manifest::verifier(plan.stream_id, plan.counts, manifest::live_rules()), .self = sealer.publisher,
      .agreement = {.duration_ticks = int64_t{plan.cutter.profile.duration_ms} * 90}, .wall = plan.on.wall}, observer);
    keep(*counts);
    EC_TRY(others, spawn_second_sources(sys, plan, serving, caf::actor_cast<manifest_listener_actor>(*counts), announced, observer));
    keep(*others);
    // Who takes from others signs that it did.
    if (plan.signer && (!plan.second_sources.empty() || plan.found == found_use::repair))
      cutting.repair = repair_config{*others, config.repair_share_max, config.repair_wait, plan.found == found_use::repair};
    // A file waits for nobody: it would be over.
    cutting.cutter.hold = plan.live && plan.counts.size() > 0;
    cutting.clock_wait = clock_wait;
  }
  // Under an operator's own choice alone it is published. Of its outlets the chunker is the only holder.
  if (plan.naming.rule != name(naming_rule::explicit_id))
    cutting.outlet_for = [plan, edge, endpoint, state, observer](caf::actor_system& s, const identity::stream_id& id) {
      return spawn_outlet(s, plan, id.text(), edge, endpoint, state, observer, [](const auto&) {});
    };
  const auto chunker = spawn_chunker(sys, std::move(cutting), std::move(named.publisher), std::move(named.signer), observer);
  if (counts) caf::anon_send(*counts, clock_parties{*others, chunker});
  keep(chunker);

  branch_spec tuner;
  tuner.name = "source " + config.input;
  tuner.start = [config, on = plan.on, chunker, policy, observer, history = std::make_shared<input_history>()](caf::actor_system& s) -> base::result<std::vector<caf::actor>> {
    tuner_reader_config reader;
    reader.input = config.input;
    reader.source.pace = config.pace;
    reader.startup_delay = config.startup_delay;
    reader.duration = config.duration;
    reader.edge = {.window = edge_window, .waiting = 256, .policy = policy};
    reader.open = on.open_source;
    reader.idle = on.source_idle;
    reader.history = history;
    return std::vector{caf::actor_cast<caf::actor>(spawn_tuner_reader(s, std::move(reader), chunker, observer, on.blocking))};
  };
  tuner.stop = [chunker](const std::vector<caf::actor>& running) {
    for (const auto& a : running) caf::anon_send(a, stop_atom::value);
    if (running.empty()) caf::anon_send(chunker, ts_burst{{}, false, true}); // the source is down: end what it would have ended
  };
  source = caf::actor_cast<caf::actor>(spawn_supervisor(sys, std::move(tuner), observer, plan.on.blocking));
  branch.push_back(source);
  return branch;
}

base::result<announced_stream> announce(caf::actor_system& sys, const publish_plan& plan, const std::filesystem::path& state,
  const started_endpoint& endpoint, const observer_actor& observer) {
  auto key = node_key(state);
  if (!key) return fail(about_setting(key.error(), "--state-dir"));
  EC_TRY(auto own, announcement_of(plan, *plan.names, endpoint.where, key.value()->public_key()));
  auto wishes = wishes_of(plan.config);
  wishes.directory_token_file = plan.config.directory_token_file;
  wishes.ttl = plan.config.announce_ttl;
  wishes.endpoint = endpoint.running;
  wishes.offer = true;
  wishes.spki = endpoint.where.pin;
  wishes.dht_state_dir = state;
  EC_TRY(auto discovery, start_discovery(sys, wishes, std::move(key).value(), observer, plan.on));
  announced_stream out{std::move(discovery), std::make_shared<const discovery::announcement>(std::move(own))};
  caf::anon_send(out.to, own_stream{out.what});
  return out;
}

base::result<running_topology> publisher(caf::actor_system& sys, const publish_config& config, observer_actor observer, const machine& on) {
  EC_TRY(auto plan, plan_of(config, on));
  const auto state = state_dir(config.state_dir);
  if (plan.signer)
    if (const auto why = on.disk->make_folders(state.string()); why < 0)
      return fail(errc::config, state.string() + ": " + std::generic_category().message(-why), "--state-dir");
  EC_TRY(auto endpoint, start_endpoint(sys,
    {.listen = config.listen, .state = state, .tls_cert = config.tls_cert, .tls_key = config.tls_key, .linger = config.linger, .client_identity = plan.shown, .protocols = plan.versions, .early_data = !config.no_early_data}, on));
  tell_naming(plan, observer);
  running_topology out;
  out.stream_id = plan.stream_id;
  out.naming = plan.naming;
  out.address = endpoint.where.to_string();
  if (plan.signer) out.signer = plan.signer->to_string();

  std::optional<announced_stream> announced;
  if (config.announce) {
    auto announcing = announce(sys, plan, state, endpoint, observer);
    if (!announcing) {
      out.stages.push_back({caf::actor_cast<caf::actor>(endpoint.running.actor)});
      out.loops.push_back(endpoint.running.loop);
      end_topology(sys, std::move(out));
      return fail(announcing.error());
    }
    announced = std::move(announcing).value();
  }

  branch_spec pipeline;
  pipeline.name = "publisher";
  const auto source = std::make_shared<caf::actor>();
  pipeline.start = [plan, to = endpoint.running, state, announced, observer, source](caf::actor_system& s) {
    return spawn_pipeline(s, plan, to, state, announced, observer, *source);
  };
  pipeline.stop = [source](const std::vector<caf::actor>&) {
    if (*source) caf::anon_send(*source, stop_atom::value);
  };
  out.stages.push_back({caf::actor_cast<caf::actor>(spawn_supervisor(sys, std::move(pipeline), observer, on.blocking))});
  // Withdrawn when nothing new comes, before the endpoint goes.
  if (announced) out.stages.push_back({caf::actor_cast<caf::actor>(announced->to)});
  // Relays take the rest of it, and the ends of its tracks.
  if (!plan.relays.empty()) {
    out.stages.emplace_back();
    for (const auto& relay : plan.relays) out.stages.back().push_back(spawn_publisher_uplink(sys, relay, on, endpoint.running, streams_offered, config.linger, observer));
    out.stages.push_back({caf::actor_cast<caf::actor>(spawn_endpoint_reporter(sys, endpoint.running.actor, std::chrono::milliseconds{0}, observer))});
  }
  return behind_endpoint(sys, std::move(out), endpoint, config.endpoint_addr_out);
}

} // namespace

base::result<running_topology> leader(caf::actor_system& sys, const publish_config& config, observer_actor observer, const machine& on) {
  auto signing = config;
  signing.publish_manifests = true;
  return publisher(sys, signing, std::move(observer), on);
}

base::result<running_topology> relay(caf::actor_system& sys, const publish_config& config, observer_actor observer, const machine& on) {
  auto plain = config;
  plain.publish_manifests = false;
  return publisher(sys, plain, std::move(observer), on);
}

} // namespace ec::actors
