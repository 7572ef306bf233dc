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

/// By which carriers, and how.
struct discovery_wishes {
  std::vector<std::string> directories;      ///< URLs
  std::filesystem::path directory_token_file;
  std::vector<std::string> gossip;           ///< addresses of peers, with their pins
  std::optional<running_endpoint> endpoint;  ///< for gossip: from which peers are dialled; with it, gossip is a carrier
  bool offer = false;                        ///< the endpoint listens: it publishes the tracks of gossip
  std::chrono::milliseconds ttl{60'000};     ///< of own announcements
  bool pass_on = false;                      ///< to directories, what was heard elsewhere
  bool tell_all = false;
};

/// Peers by their addresses: known by their pins, else by a certificate authority. Errors (config) name --gossip.
[[nodiscard]] base::result<std::vector<session_peer>> gossip_peers(const std::vector<std::string>& addresses);

/// Checks the wishes, and starts the node's discovery with its carriers. `key` may be null if nothing is announced. Errors: config.
[[nodiscard]] base::result<discovery_actor> start_discovery(caf::actor_system& sys, const discovery_wishes& wishes,
                                                            std::shared_ptr<const crypto::signing_key> key, observer_actor observer, const machine& on = {});

} // namespace ec::actors
