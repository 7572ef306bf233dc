#include "actors/topology/announcing.hpp"

#include <algorithm>
#include <cstdlib>
#include <system_error>

#include "actors/dht_carrier.hpp"
#include "actors/directory_carrier.hpp"
#include "actors/gossip_carrier.hpp"
#include "actors/mdns_carrier.hpp"
#include "actors/topology/common.hpp"
#include "base/file.hpp"
#include "base/hex.hpp"
#include "base/limits.hpp"
#include "base/limits_carriers.hpp"
#include "crypto/digest.hpp"

namespace ec::actors {

using base::errc, base::fail;
namespace limits = base::limits;

base::result<std::string> read_directory_token(const std::filesystem::path& file, const std::string& setting) {
  std::string token;
  std::string about = "EC_DIRECTORY_TOKEN";
  if (!file.empty()) {
    const auto read = base::read_secret_text(file.string(), limits::directory_token_bytes_max);
    if (!read) return fail(about_setting(read.error(), setting));
    token.assign(read.value().begin(), read.value().end());
    about = setting + " " + file.string();
    if (token.empty()) return fail(errc::config, "holds no token", about);
  } else if (const char* variable = std::getenv("EC_DIRECTORY_TOKEN")) {
    token = variable;
  }
  // It goes into a header field.
  if (token.size() > limits::directory_token_bytes_max || !std::ranges::all_of(token, [](char c) { return c > 0x20 && c < 0x7f; }))
    return fail(errc::config, "a token is up to 512 visible ASCII characters without spaces", about);
  return token;
}

base::result<std::shared_ptr<const crypto::signing_key>> node_key(const std::filesystem::path& state_dir) {
  const auto file = (state_dir / "node.key").string();
  auto key = crypto::signing_key::load(file);
  if (!key && key.error().code == errc::not_found) {
    if (const auto why = base::system_disk().make_folders(state_dir.string()); why < 0)
      return fail(errc::io, std::generic_category().message(-why), state_dir.string());
    auto made = crypto::signing_key::generate();
    const auto saved = made.save(file);
    // Another process of this node may have been first.
    if (saved) return std::make_shared<const crypto::signing_key>(std::move(made));
    if (saved.error().code != errc::exists) return fail(saved.error());
    key = crypto::signing_key::load(file);
  }
  if (!key) return fail(key.error());
  return std::make_shared<const crypto::signing_key>(std::move(key).value());
}

std::string node_name(const crypto::verifying_key& key) {
  return crypto::blake3(key.bytes()).hex().substr(0, 16);
}

std::string first_carrier(const discovery_wishes& wishes) {
  if (!wishes.directories.empty()) return "--directory";
  if (!wishes.gossip.empty()) return "--gossip";
  if (wishes.mdns) return "--mdns";
  return wishes.dht.any() ? "--dht" : "";
}

base::result<std::vector<session_peer>> gossip_peers(const std::vector<std::string>& addresses) {
  return peers_of(addresses, limits::gossip_peers_max, "--gossip");
}

base::result<std::optional<discovery::dht_config>> dht_choice(const dht_wishes& wishes) {
  if (!wishes.any()) return std::optional<discovery::dht_config>{};
  if (!wishes.join && wishes.bootstrap.empty()) return fail(errc::config, "no DHT is joined: give --dht or --dht-bootstrap too", "--dht-listen");
  if (wishes.bootstrap.size() > limits::dht_bootstrap_max)
    return fail(errc::config, "at most " + std::to_string(limits::dht_bootstrap_max) + " may be given", "--dht-bootstrap");
  discovery::dht_config out;
  for (const auto& text : wishes.bootstrap) {
    const auto node = discovery::parse_bootstrap(text);
    if (!node) return fail(about_setting(node.error(), "--dht-bootstrap"));
    out.bootstrap.push_back(node.value());
  }
  if (!wishes.listen.empty()) {
    const auto at = quic::socket_address::parse(wishes.listen); // no name: the library would take it for a network interface
    if (!at) return fail(about_setting(at.error(), "--dht-listen"));
    out.listen = wishes.listen;
  }
  return std::optional(std::move(out));
}

base::result<discovery_actor> start_discovery(caf::actor_system& sys, const discovery_wishes& wishes, std::shared_ptr<const crypto::signing_key> key,
  observer_actor observer, const machine& on) {
  EC_TRY(auto dht, dht_choice(wishes.dht));
  if (first_carrier(wishes).empty() && !wishes.offer)
    return fail(errc::config, "needed: where do announcements come from? Or --gossip, --dht, --mdns", "--directory");
  if (wishes.directories.size() > limits::directories_max)
    return fail(errc::config, "at most " + std::to_string(limits::directories_max) + " may be given", "--directory");
  EC_TRY(const auto token, read_directory_token(wishes.directory_token_file, "--directory-token-file"));
  const auto ttl_ms = static_cast<uint64_t>(std::max<int64_t>(wishes.ttl.count(), 0));
  if (ttl_ms < limits::announcement_ttl_ms_min || ttl_ms > limits::announcement_ttl_ms_max)
    return fail(errc::config, "expected " + std::to_string(limits::announcement_ttl_ms_min) + " to " + std::to_string(limits::announcement_ttl_ms_max), "--announce-ttl-ms");
  discovery_config config;
  config.key = std::move(key);
  config.ttl = wishes.ttl;
  config.wall = on.wall;
  config.tell_all = wishes.tell_all;
  config.wanted = wishes.wanted;
  for (const auto& text : wishes.directories) {
    const auto url = net::parse_url(text);
    if (!url) return fail(about_setting(url.error(), "--directory"));
    if (!url.value().query.empty()) return fail(errc::config, text + ": a directory's URL has no query", "--directory");
    config.carriers.push_back(directory_carrier({.directory = url.value(), .token = token, .pass_on = wishes.pass_on}, observer, on.blocking));
  }
  EC_TRY(auto peers, gossip_peers(wishes.gossip));
  if (wishes.endpoint && (wishes.offer || !peers.empty()))
    config.carriers.push_back(gossip_carrier({.endpoint = *wishes.endpoint, .offer = wishes.offer, .peers = std::move(peers), .on = on}, observer));
  if (wishes.endpoint && dht) {
    auto file = wishes.dht_state_dir.empty() ? std::filesystem::path{} : wishes.dht_state_dir / "dht.state";
    config.carriers.push_back(dht_carrier({.endpoint = *wishes.endpoint, .network = *std::move(dht), .state_file = std::move(file), .on = on}, observer));
  }
  if (wishes.endpoint && wishes.mdns) {
    discovery::mdns_config network{"looks", 0, {}};
    if (wishes.offer && wishes.spki) network = {base::to_hex(*wishes.spki).substr(0, 16), wishes.endpoint->local.port(), *wishes.spki};
    config.carriers.push_back(mdns_carrier({.endpoint = *wishes.endpoint, .network = std::move(network), .on = on}, observer));
  }
  return spawn_discovery(sys, std::move(config), std::move(observer));
}

} // namespace ec::actors
