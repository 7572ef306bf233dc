#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/discovery.hpp"
#include "actors/machine.hpp"
#include "actors/quic_endpoint.hpp"
#include "actors/report.hpp"
#include "actors/session_link.hpp"
#include "base/result.hpp"
#include "crypto/keys.hpp"
#include "discovery/dht.hpp"

/// What topologies and commands need to take part in discovery.
namespace ec::actors {

/// The bearer token of a directory: what `file` holds, which only its owner may read; else the environment's EC_DIRECTORY_TOKEN; else none.
/// Never an option: command lines are seen by all. Errors (config) name `setting`.
[[nodiscard]] base::result<std::string> read_directory_token(const std::filesystem::path& file, const std::string& setting);

/// The key by which a node signs its announcements: node.key in its state directory, made at the first call and kept. Errors: as
/// signing_key::load and save.
[[nodiscard]] base::result<std::shared_ptr<const crypto::signing_key>> node_key(const std::filesystem::path& state_dir);

/// How a node of this key is called among those of its signer: 16 digits of its key.
std::string node_name(const crypto::verifying_key& key);

/// What was said of the DHT on a command line or in a config.
struct dht_wishes {
  bool join = false;                  ///< the public one, if no bootstrap node is named
  std::vector<std::string> bootstrap; ///< HOST:PORT of nodes of a private one
  std::string listen;                 ///< ADDR:PORT; empty: any

  bool any() const { return join || !bootstrap.empty() || !listen.empty(); }
};

/// By which carriers, and how.
struct discovery_wishes {
  std::vector<std::string> directories;      ///< URLs
  std::filesystem::path directory_token_file;
  std::vector<std::string> gossip;           ///< addresses of peers, with their pins
  std::optional<running_endpoint> endpoint;  ///< for gossip and the DHT: from which peers are dialled; with it, they are carriers
  bool offer = false;                        ///< the endpoint listens: it publishes the tracks of gossip
  std::chrono::milliseconds ttl{60'000};     ///< of own announcements
  bool pass_on = false;                      ///< to directories, what was heard elsewhere
  bool tell_all = false;
  bool mdns = false;                         ///< the nodes of the local network are listened to; one that offers is found by them
  std::optional<quic::spki_digest> spki;     ///< of the endpoint, if it listens
  dht_wishes dht;
  std::filesystem::path dht_state_dir;       ///< the routing table of the public DHT is kept here; empty: nowhere
  std::vector<std::string> wanted;           ///< streams that carriers look for, beside those that are watched
};

/// What an operator's configuration says of them: publish_config, subscribe_config, or options with the same names.
template <class Config>
discovery_wishes wishes_of(const Config& config) {
  discovery_wishes out;
  out.directories = config.directory;
  out.gossip = config.gossip;
  out.mdns = config.mdns;
  out.dht = {config.dht, config.dht_bootstrap, config.dht_listen};
  return out;
}

/// The first option by which others are to be found; empty if there is none.
std::string first_carrier(const discovery_wishes& wishes);

/// Peers by their addresses: known by their pins, else by a certificate authority. Errors (config) name --gossip.
[[nodiscard]] base::result<std::vector<session_peer>> gossip_peers(const std::vector<std::string>& addresses);

/// How the DHT is joined; nothing if it is not. Errors (config) name --dht-bootstrap, --dht-listen.
[[nodiscard]] base::result<std::optional<discovery::dht_config>> dht_choice(const dht_wishes& wishes);

/// Checks the wishes, and starts the node's discovery with its carriers. `key` may be null if nothing is announced. Errors: config.
[[nodiscard]] base::result<discovery_actor> start_discovery(caf::actor_system& sys, const discovery_wishes& wishes,
                                                            std::shared_ptr<const crypto::signing_key> key, observer_actor observer, const machine& on = {});

} // namespace ec::actors
