#include "actors/endpoint_core.hpp"
#include "actors/endpoint_reporter.hpp"
#include "actors/relay_http.hpp"
#include "actors/relay_leaver.hpp"
#include "actors/relay_uplink.hpp"
#include "actors/token_key_keeper.hpp"
#include "actors/topology/access.hpp"
#include "actors/topology/common.hpp"
#include "actors/topology/listening.hpp"
#include "actors/topology/topology.hpp"
#include "actors/verified_relaying.hpp"
#include "base/file.hpp"
#include "base/limits.hpp"
#include "base/limits_tls.hpp"
#include "base/log.hpp"

namespace ec::actors {

using base::errc, base::fail;

namespace {

/// What stands between publishers and subscribers; null: nothing.
base::result<std::shared_ptr<moq::relay_gate>> gate_of(const relay_node_config& config, const machine& on) {
  if (!config.require_manifest) {
    const auto given = !config.trust_signer.empty() ? "--trust-signer" : !config.trust_file.empty() ? "--trust-file" : !config.network_secret_file.empty() ? "--network-secret-file" : "";
    if (*given != 0) return fail(errc::config, "nothing is verified: give --require-manifest too", given);
    if (config.relay_unverified) return fail(errc::config, "everything is passed on without --require-manifest", "--relay-unverified");
    return std::shared_ptr<moq::relay_gate>{};
  }
  if (config.trust_signer.empty() && config.trust_file.empty()) return fail(errc::config, "whose manifests count? Give --trust-signer or --trust-file", "--require-manifest");
  EC_TRY(auto secret, read_network_secret(config.network_secret_file));
  return verified_relaying({config.trust_signer, config.trust_file, std::move(secret), config.relay_unverified, on.wall});
}

/// The HTTP side, at the TCP port of the QUIC side's number unless the operator names another place; nothing if he wants none, or that port is taken.
base::result<std::optional<running_relay_http>> http_side(caf::actor_system& sys, const relay_node_config& config, const std::vector<std::string>& origins, const started_endpoint& endpoint,
  const observer_actor& observer, const machine& on) {
  if (config.http_listen == "off") return std::optional<running_relay_http>{};
  // Its server has sockets and threads of this machine's: one that has a network and a scheduler of its own in their place gets none unasked.
  if (config.http_listen.empty() && on.blocking == placement::shared) return std::optional<running_relay_http>{};
  const auto& core = *endpoint.running.core;
  const auto& local = endpoint.running.local;
  const relay_http_config wanted{.listen = config.http_listen.empty() ? local.to_string() : config.http_listen, .quic_port = local.port(), .identity = core.identity(), .counters = core.http(), .origins = origins};
  auto started = start_relay_http(sys, wanted, endpoint.running.actor, on.blocking);
  if (started) return std::optional(std::move(started).value());
  if (!config.http_listen.empty()) {
    const auto& why = started.error();
    return fail(why.code, why.about + ": " + why.text, "--http-listen"); // a taken port is no wrong setting
  }
  base::log::warn("relay_http", "not-listening", {{"address", wanted.listen}, {"reason", started.error().message()}});
  if (observer) caf::anon_send(observer, report{"http-off", {{"address", wanted.listen}, {"reason", started.error().message()}}});
  return std::optional<running_relay_http>{};
}

/// What its peers are told when it ends.
base::result<leave_wish> leave_wish_of(const relay_node_config& config) {
  leave_wish out{config.handover, config.handover_timeout.value_or(std::chrono::seconds(config.handover.empty() ? 2 : 30))};
  if (!config.handover.empty()) {
    if (config.handover.find("://") == std::string::npos) return fail(errc::config, "expected moqt://host:port or https://host:port, found '" + config.handover + "'", "--handover");
    if (const auto next = quic::endpoint_address::parse(config.handover); !next) return fail(about_setting(next.error(), "--handover"));
  }
  if (out.timeout < std::chrono::seconds(1) || out.timeout > std::chrono::hours(1)) return fail(errc::config, "expected 1 to 3600", "--handover-timeout");
  return out;
}

} // namespace

base::result<running_topology> moq_relay(caf::actor_system& sys, const relay_node_config& config, observer_actor observer, const machine& on) {
  EC_TRY(auto upstream, dialled_relays(config.upstream, "--upstream", config.connect_to, {config.tls_insecure, config.tls_ca}));
  if (upstream.empty() && !config.upstream_cost.empty()) return fail(errc::config, "no relay is used: give --upstream too", "--upstream-cost");
  EC_TRYV(weigh_relays(upstream, config.upstream_cost, "--upstream-cost"));
  std::vector<quic::endpoint_address*> dialled;
  for (auto& peer : upstream) dialled.push_back(&peer.address);
  EC_TRYV(show_token(dialled, config.token, config.token_file, "--upstream"));
  let_move(upstream, verification_of({}, {config.tls_insecure, config.tls_ca}));
  EC_TRY(const auto leaving, leave_wish_of(config));
  EC_TRY(const auto rules, access_rules_of(config));
  std::string authorities;
  if (!config.client_ca.empty()) {
    auto read = base::read_file(config.client_ca.string(), base::limits::client_ca_bytes_max);
    if (!read) return fail(about_setting(read.error(), "--client-ca"));
    authorities = read.value().text();
    if (const auto good = quic::check_authorities(authorities); !good) return fail(errc::config, config.client_ca.string() + ": " + good.error().text, "--client-ca");
  }
  EC_TRY(const auto shown, client_identity_of(config.client_cert, config.client_key, !upstream.empty(), "--upstream"));
  EC_TRY(const auto origins, origins_of(config.origin, "--origin"));
  if (config.tls_cert.empty() != config.tls_key.empty())
    return fail(errc::config, "--tls-cert and --tls-key go together", config.tls_cert.empty() ? "--tls-cert" : "--tls-key");
  if (config.cache_mb < 1 || config.cache_mb > 1u << 20) return fail(errc::config, "expected 1 to 1048576", "--cache-mb");
  if (config.cache_age.count() < 1 || config.cache_age > std::chrono::hours(24)) return fail(errc::config, "expected 1 to 86400", "--cache-age");
  if (config.publisher_linger > std::chrono::minutes(10)) return fail(errc::config, "expected 0 to 600000", "--publisher-linger-ms");
  EC_TRY(const auto versions, chosen_versions(config.moq_version));
  if (config.status_every > std::chrono::hours(24)) return fail(errc::config, "expected 0 to 86400", "--status-seconds");
  moq::relay_config relaying;
  EC_TRY(relaying.gate, gate_of(config, on));
  relaying.cache_bytes_max = size_t{config.cache_mb} << 20;
  relaying.cache_age_max = config.cache_age;
  relaying.publisher_linger = config.publisher_linger;
  EC_TRY(auto endpoint, start_endpoint(sys,
    {.listen = config.listen, .state = state_dir(config.state_dir), .tls_cert = config.tls_cert, .tls_key = config.tls_key, .linger = config.linger,
      .relays = relay_choice{relaying, observer, rules, origins}, .client_ca_pem = authorities, .client_identity = shown, .protocols = versions, .early_data = !config.no_early_data}, on));
  running_topology out;
  std::vector<caf::actor> uplinks;
  for (const auto& peer : upstream) uplinks.push_back(spawn_relay_uplink(sys, peer, on, endpoint.running, observer));
  if (!uplinks.empty()) out.stages.push_back(std::move(uplinks));
  const auto beside = out.stages.emplace(out.stages.begin());
  if (rules && !config.token_key.empty()) {
    std::vector<std::string> files;
    for (const auto& file : config.token_key) files.push_back(file.string());
    beside->push_back(caf::actor_cast<caf::actor>(spawn_token_key_keeper(sys, {.files = std::move(files), .keys = rules->keys}, endpoint.running.actor, observer, on.blocking)));
  }
  auto http = http_side(sys, config, origins, endpoint, observer, on);
  if (http && http.value()) {
    out.http_address = "http://" + http.value()->address + "/";
    beside->push_back(caf::actor_cast<caf::actor>(http.value()->actor));
  }
  EC_TRY(auto running, behind_endpoint(sys, std::move(out), endpoint, config.endpoint_addr_out));
  if (!http) {
    end_topology(sys, std::move(running));
    return fail(http.error());
  }
  // Only a relay that ran tells how it ends.
  running.stages.insert(running.stages.begin(), {caf::actor_cast<caf::actor>(spawn_endpoint_reporter(sys, endpoint.running.actor, config.status_every, observer))});
  running.stages.insert(running.stages.begin(), {caf::actor_cast<caf::actor>(spawn_relay_leaver(sys, endpoint.running.actor, leaving, observer))});
  return running;
}

} // namespace ec::actors
