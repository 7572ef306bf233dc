#include <system_error>

#include "actors/hls_writer.hpp"
#include "actors/moving.hpp"
#include "actors/object_recorder.hpp"
#include "actors/session_link.hpp"
#include "actors/source_finder.hpp"
#include "actors/subscriber_verifier.hpp"
#include "actors/supervisor.hpp"
#include "actors/topology/access.hpp"
#include "actors/topology/announcing.hpp"
#include "actors/topology/common.hpp"
#include "actors/topology/topology.hpp"

#include "base/file.hpp"
#include "hls/segment_writer.hpp"
#include "identity/stream_id.hpp"
#include "object/object_file_writer.hpp"
#include "ts/chunk.hpp"

namespace ec::actors {
namespace {

using base::errc, base::fail;

/// One peer: where it is, how it is known, and what it is asked for.
struct peer_plan {
  quic::endpoint_address address;
  quic::client_verification verification;
  subscriber_source wanted;
};

struct subscribe_plan {
  subscribe_config config;
  machine on;
  std::string stream_id;
  std::string profile;
  uint32_t chunk_duration_ms = 2000;
  std::vector<uint8_t> network_secret;
  manifest::trust_set trust;
  std::filesystem::path state_file; ///< empty: manifests are not asked for
  std::vector<peer_plan> peers;
  std::vector<std::string> versions; ///< of MoQ, the best first
  std::shared_ptr<const crypto::certificate_pair> shown; ///< to peers that ask; null: nothing
  std::optional<hls::writer_config> hls;
  discovery::policy policy = discovery::policy::direct_first; ///< by which discovered sources are dialled
};

/// Discovered sources that are dialled at a time.
constexpr uint32_t discovered_max = 16;

tls_wishes tls_of(const subscribe_config& config) {
  return {config.tls_insecure, config.tls_ca};
}

base::result<peer_plan*> peer_of(subscribe_plan& plan, const std::string& text, const std::string& setting) {
  const auto address = quic::endpoint_address::parse(text);
  if (!address) return fail(about_setting(address.error(), setting));
  for (auto& known : plan.peers)
    if (known.address == address.value()) return &known;
  auto& made = plan.peers.emplace_back();
  made.address = address.value();
  made.wanted = {.manifests = false, .objects = false, .address = made.address.authority()};
  made.verification = verification_of(made.address, tls_of(plan.config));
  return &made;
}

/// Trusts as a subscriber of this stream did before it was restarted.
base::result<manifest::subscriber_state> recall(subscribe_plan& plan) {
  if (plan.state_file.empty()) return manifest::subscriber_state{plan.stream_id};
  auto known = manifest::load_subscriber_state(plan.state_file.string(), plan.stream_id, *plan.on.disk);
  if (!known && known.error().code == errc::not_found) return manifest::subscriber_state{plan.stream_id};
  if (known) plan.trust.recall(known.value().statements);
  return known;
}

base::result<subscribe_plan> plan_of(const subscribe_config& config, const machine& on) {
  subscribe_plan plan;
  plan.config = config;
  plan.on = on;
  if (!config.tls_ca.empty())
    if (const auto ca = base::input_file::open(config.tls_ca.string()); !ca)
      return fail(about_setting(ca.error(), "--tls-ca"));
  if (config.remote.empty() && !config.discover) return fail(errc::config, "needed: where do the objects come from? Or --discover", "--remote");
  if (config.discover) {
    if (first_carrier(wishes_of(config)).empty())
      return fail(errc::config, "needed with --discover: whom to ask? Or --gossip, --dht, --mdns", "--directory");
    if (const auto peers = gossip_peers(config.gossip); !peers) return fail(peers.error());
    if (const auto dht = dht_choice(wishes_of(config).dht); !dht) return fail(dht.error());
    const auto policy = discovery::parse_policy(config.discover_policy);
    if (!policy) return fail(errc::config, "expected direct-first, relay-first, direct or relay, found '" + config.discover_policy + "'", "--discover-policy");
    plan.policy = *policy;
  } else if (const auto given = first_carrier(wishes_of(config)); !given.empty()) {
    return fail(errc::config, "nobody is asked: give --discover too", given);
  }
  if (config.stream_id.empty()) return fail(errc::config, "needed: the publisher prints it at its start", "--stream-id");
  const auto id = identity::stream_id::parse(config.stream_id);
  if (!id) return fail(about_setting(id.error(), "--stream-id"));
  plan.stream_id = id.value().text();
  const auto profile = ts::find_profile(id.value().profile());
  if (!profile) return fail(about_setting(profile.error(), "--stream-id"));
  plan.profile = id.value().profile();
  plan.chunk_duration_ms = profile.value().duration_ms;
  EC_TRY(plan.network_secret, read_network_secret(config.network_secret_file));
  EC_TRY(plan.trust, named_trust(config.trust, "--trust", config.trust_file, plan.stream_id));
  if (config.trust.empty() && config.trust_file.empty()) plan.trust = manifest::trust_set::first_use();
  const bool manifests = config.require_manifest || config.subscribe_manifests || !config.remote_manifests.empty();
  if (manifests) {
    const auto dir = state_dir(config.state_dir);
    if (const auto why = on.disk->make_folders(dir.string()); why < 0)
      return fail(errc::config, dir.string() + ": " + std::generic_category().message(-why), "--state-dir");
    plan.state_file = dir / manifest::subscriber_state_file_name(plan.stream_id);
    const auto known = recall(plan);
    if (!known) return fail(about_setting(known.error(), "--state-dir"));
    // What cannot be kept is an error of the command; what the disk refuses later is tried again.
    if (const auto probe = manifest::subscriber_state_file(plan.state_file.string(), *plan.on.disk).save(known.value()); !probe)
      return fail(about_setting(probe.error(), "--state-dir"));
    if (plan.trust.size() == 0 && !plan.trust.awaits_first())
      return fail(errc::config, "each of them was revoked, says " + plan.state_file.string() + ": name the new key", config.trust_file.empty() ? "--trust" : "--trust-file");
  }
  if (config.min_signers == 0) return fail(errc::config, "expected 1 or more", "--min-signers");
  if (config.min_signers > 1 && !manifests)
    return fail(errc::config, "manifests are not asked for: give --require-manifest or --subscribe-manifests too", "--min-signers");
  if (config.min_signers > 1 && plan.trust.owners() < config.min_signers)
    return fail(errc::config, std::to_string(config.min_signers) + " signers cannot be had of " + std::to_string(plan.trust.owners()) +
                                " trusted keys: name each with --trust or --trust-file", "--min-signers");
  for (const auto& remote : config.remote) {
    EC_TRY(auto* peer, peer_of(plan, remote, "--remote"));
    peer->wanted.objects = true;
    peer->wanted.manifests = manifests && config.remote_manifests.empty();
  }
  for (const auto& remote : config.remote_manifests) {
    EC_TRY(auto* peer, peer_of(plan, remote, "--remote-manifests"));
    peer->wanted.manifests = true;
  }
  EC_TRY(plan.versions, chosen_versions(config.moq_version));
  std::vector<quic::endpoint_address*> dialled;
  for (auto& peer : plan.peers) dialled.push_back(&peer.address);
  EC_TRYV(show_token(dialled, config.token, config.token_file, "--remote"));
  EC_TRY(plan.shown, client_identity_of(config.client_cert, config.client_key, !dialled.empty() || config.discover, "--remote"));
  if (!config.evidence_dir.empty()) {
    if (!manifests) return fail(errc::config, "manifests are not asked for: give --require-manifest or --subscribe-manifests too", "--evidence-dir");
    if (const auto why = on.disk->make_folders(config.evidence_dir.string()); why < 0)
      return fail(errc::config, config.evidence_dir.string() + ": " + std::generic_category().message(-why), "--evidence-dir");
  }
  if (!config.objects_out.empty()) {
    // A file that cannot be kept is an error of the command; what the disk refuses later is not.
    const auto probe = object::object_file_writer::open(config.objects_out.string(), plan.stream_id);
    if (!probe) return fail(about_setting(probe.error(), "--objects-out"));
  }
  if (!config.hls_dir.empty()) {
    plan.hls.emplace();
    plan.hls->dir = config.hls_dir.string();
    plan.hls->disk = on.disk;
    if (config.hls_mode == "event") plan.hls->kind = hls::playlist_kind::event;
    else if (config.hls_mode != "window") return fail(errc::config, "expected window or event, found '" + config.hls_mode + "'", "--hls-mode");
    if (config.hls_window < 3) return fail(errc::config, "expected 3 or more segments", "--hls-window");
    plan.hls->window_segments = config.hls_window;
    // Headroom for chunks that had to wait for their random access point: it never changes within a playlist.
    plan.hls->target_duration_s = 3 * static_cast<int64_t>((plan.chunk_duration_ms + 999) / 1000);
    // A directory that cannot be written is an error of the command; one that is lost later is waited for.
    if (const auto probe = hls::segment_writer::open(*plan.hls); !probe) return fail(about_setting(probe.error(), "--hls-dir"));
  }
  return plan;
}

bool asks_manifests(const subscribe_plan& plan) {
  return !plan.state_file.empty();
}

subscriber_verifier_actor spawn_verifier(caf::actor_system& sys, const subscribe_plan& plan, const manifest::subscriber_state& known,
  object::stream_cipher cipher, subscriber_outputs outputs, const observer_actor& observer) {
  object::receiver_config receive;
  receive.require_manifest = plan.config.require_manifest;
  receive.use_manifests = asks_manifests(plan);
  receive.allow_damaged = plan.config.allow_damaged;
  receive.chunks_invalid_max = plan.config.max_invalid_chunks;
  receive.stop_after = plan.config.stop_after;
  receive.patience = plan.config.patience;
  receive.profile = plan.profile;
  receive.chunk_duration = std::chrono::milliseconds(plan.chunk_duration_ms);
  auto rules = manifest::live_rules();
  rules.signers_required = plan.config.min_signers;
  manifest::verifier verifier(plan.stream_id, plan.trust, rules);
  verifier.recall(known);
  subscriber_config config{namespace_of(plan.stream_id), std::move(cipher), std::move(verifier), receive, {},
    plan.config.drain, hls_edge, {.window = 2, .waiting = 16, .policy = edge_policy::live}};
  config.wall = plan.on.wall;
  for (const auto& p : plan.peers) config.sources.push_back(p.wanted);
  // Who is found may give both, and says so only when it is asked.
  if (plan.config.discover) config.sources.resize(plan.peers.size() + discovered_max, {.manifests = receive.use_manifests, .objects = true, .address = {}});
  return spawn_subscriber_verifier(sys, std::move(config), std::move(outputs), observer);
}

} // namespace

base::result<running_topology> subscriber(caf::actor_system& sys, const subscribe_config& config, observer_actor observer, const machine& on) {
  EC_TRY(auto plan, plan_of(config, on));
  quic_endpoint_config endpoint_config;
  endpoint_config.implementation = "ec-node/" EC_VERSION;
  endpoint_config.linger = std::chrono::milliseconds{0};
  endpoint_config.quic.alpns = plan.versions;
  endpoint_config.quic.client_identity = plan.shown;
  EC_TRY(auto endpoint, start_quic_endpoint(sys, std::move(endpoint_config), on));
  std::optional<discovery_actor> discovery;
  if (config.discover) {
    auto wishes = wishes_of(config);
    wishes.endpoint = endpoint;
    auto started = start_discovery(sys, wishes, nullptr, observer, on);
    if (!started) {
      running_topology begun;
      begun.stages.push_back({caf::actor_cast<caf::actor>(endpoint.actor)});
      begun.loops.push_back(endpoint.loop);
      end_topology(sys, std::move(begun));
      return fail(started.error());
    }
    discovery = std::move(started).value();
  }

  branch_spec branch;
  branch.name = "subscriber";
  branch.ends_with_first = true;
  const auto verifier = std::make_shared<caf::actor>();
  branch.start = [plan, endpoint, observer, verifier, discovery](caf::actor_system& s) -> base::result<std::vector<caf::actor>> {
    std::vector<caf::actor> out;
    EC_TRY(auto cipher, object::stream_cipher::make(plan.stream_id, plan.network_secret));
    subscriber_outputs outputs;
    if (plan.hls) {
      outputs.hls = spawn_hls_writer(s, *plan.hls, observer, plan.on.blocking);
      out.push_back(caf::actor_cast<caf::actor>(*outputs.hls)); // the last to end: the branch is over with it
    }
    if (!plan.config.objects_out.empty()) {
      EC_TRY(auto again, object::stream_cipher::make(plan.stream_id, plan.network_secret));
      outputs.objects = spawn_object_recorder(s, {plan.config.objects_out.string(), plan.profile}, std::move(again), observer);
    }
    auto now = plan;
    EC_TRY(const auto known, recall(now)); // this branch may have run before, and followed more
    if (!plan.config.evidence_dir.empty())
      outputs.evidence = spawn_evidence_keeper(s, {.dir = plan.config.evidence_dir.string(), .disk = plan.on.disk}, observer, plan.on.blocking);
    if (!plan.state_file.empty()) outputs.trust = spawn_trust_keeper(s, {.file = plan.state_file.string(), .disk = plan.on.disk}, observer, plan.on.blocking);
    const auto sink = spawn_verifier(s, now, known, std::move(cipher), outputs, observer);
    *verifier = caf::actor_cast<caf::actor>(sink);
    out.push_back(*verifier);
    if (outputs.objects) out.push_back(caf::actor_cast<caf::actor>(*outputs.objects));
    if (outputs.evidence) out.push_back(caf::actor_cast<caf::actor>(*outputs.evidence));
    if (outputs.trust) out.push_back(caf::actor_cast<caf::actor>(*outputs.trust));
    std::vector<session_peer> peers;
    for (const auto& p : plan.peers) peers.push_back({p.address, p.verification});
    let_move(peers, verification_of({}, tls_of(plan.config)));
    for (uint32_t i = 0; i < peers.size(); ++i) out.push_back(spawn_session_link(s, i, peers[i], plan.on, endpoint, sink, observer));
    if (discovery) {
      source_finder_config finder{.stream_id = plan.stream_id, .policy = plan.policy, .first = static_cast<uint32_t>(plan.peers.size()), .places = discovered_max, .link = {}};
      finder.link = [plan, endpoint, sink, observer](caf::actor_system& on_sys, uint32_t id, const quic::endpoint_address& address) {
        return spawn_session_link(on_sys, id, {address, verification_of(address, tls_of(plan.config))}, plan.on, endpoint, sink, observer);
      };
      out.push_back(caf::actor_cast<caf::actor>(spawn_source_finder(s, std::move(finder), *discovery, observer)));
    }
    return out;
  };
  branch.stop = [verifier](const std::vector<caf::actor>&) {
    if (*verifier) caf::anon_send(*verifier, stop_atom::value);
  };
  running_topology out;
  out.stream_id = plan.stream_id;
  out.stages.push_back({caf::actor_cast<caf::actor>(spawn_supervisor(sys, std::move(branch), observer, on.blocking))});
  out.stages.push_back({caf::actor_cast<caf::actor>(endpoint.actor)});
  if (discovery) out.stages.back().push_back(caf::actor_cast<caf::actor>(*discovery));
  out.loops.push_back(endpoint.loop);
  return out;
}

base::result<running_topology> all_in_one(caf::actor_system& sys, publish_config publish, subscribe_config subscribe,
  observer_actor observer) {
  // A file that is read as fast as it can be would be over before the subscriber is there.
  if (publish.pace == 0) publish.startup_delay = std::max<std::chrono::milliseconds>(publish.startup_delay, std::chrono::seconds{1});
  EC_TRY(auto out, leader(sys, publish, observer));
  subscribe.drain = publish.linger;
  subscribe.remote = {out.address};
  subscribe.remote_manifests.clear();
  subscribe.stream_id = out.stream_id;
  subscribe.require_manifest = true;
  subscribe.trust = {out.signer};
  subscribe.trust_file.clear();
  if (subscribe.state_dir.empty()) subscribe.state_dir = publish.state_dir;
  auto taken = subscriber(sys, subscribe, observer);
  if (!taken) {
    end_topology(sys, std::move(out));
    return fail(taken.error());
  }
  // The broadcast ends first, then the subscriber has all of it, then the sockets close.
  auto& s = taken.value();
  out.stages.insert(out.stages.begin() + 1, s.stages.begin(), s.stages.end());
  out.loops.insert(out.loops.end(), s.loops.begin(), s.loops.end());
  return out;
}

} // namespace ec::actors
