#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "actors/edge.hpp"
#include "actors/report.hpp"
#include "actors/session_link.hpp"
#include "base/result.hpp"
#include "manifest/trust_set.hpp"
#include "moq/types.hpp"
#include "object/cipher.hpp"

/// What several wiring functions need before anything is spawned.
namespace ec::actors {

/// In front of the HLS writer: a disk may stand still for two minutes of chunks of 2 s before one is lost. At most 68 chunks are held.
inline constexpr edge_config hls_edge{.window = 4, .waiting = 64, .policy = edge_policy::live};

/// The bytes of a network secret file, without a final line end; empty if `file` is. Errors name the file.
base::result<std::vector<uint8_t>> read_network_secret(const std::filesystem::path& file);

/// Where this user's node keeps its state: `configured`, else $STATE_DIRECTORY, $XDG_STATE_HOME/ec-node or ~/.local/state/ec-node.
std::filesystem::path state_dir(const std::filesystem::path& configured);

/// How peers that no pin names are known.
struct tls_wishes {
  bool insecure = false;      ///< any certificate
  std::filesystem::path ca{}; ///< PEM; empty: the system's certificate authorities
};

/// A peer with a pin is known by that, else as `wishes` say.
quic::client_verification verification_of(const quic::endpoint_address& address, const tls_wishes& wishes);

/// Peers by their addresses. Errors (config) name `setting`: more than `count_max`, or no address; --tls-ca if it cannot be read.
base::result<std::vector<session_peer>> peers_of(const std::vector<std::string>& addresses, size_t count_max, const std::string& setting,
                                                 const tls_wishes& wishes = {});

/// Has peers be dialled elsewhere than at the names by which they are known: "HOST:PORT" of the only peer, or "NAME:PORT=HOST:PORT" of the one
/// with this authority. Errors (config) name `setting`: no address, no such peer, a second place for one.
[[nodiscard]] base::result<void> connect_elsewhere(std::vector<session_peer>& peers, const std::vector<std::string>& places, const std::string& setting);

/// Gives peers their costs: "N" for the only peer, or "NAME:PORT=N", 0 to 1000. Errors (config) name `setting`: no such number or peer, a second one.
[[nodiscard]] base::result<void> weigh_relays(std::vector<session_peer>& peers, const std::vector<std::string>& costs, const std::string& setting);

/// The relays that a node dials, `setting` by `setting`: at `connect_to` (connect_elsewhere) where that is given. Errors: those of the two; config:
/// one that is given twice, and how to dial while there is none.
base::result<std::vector<session_peer>> dialled_relays(const std::vector<std::string>& relays, const std::string& setting, const std::vector<std::string>& connect_to,
                                                       const tls_wishes& wishes);

/// The keys that an operator trusts for a stream, one by one under `setting` and in a trust file; none if he names none. Errors (config)
/// say which, and that a file has none for this stream.
base::result<manifest::trust_set> named_trust(const std::vector<std::string>& keys, const std::string& setting, const std::filesystem::path& file,
                                              const std::string& stream_id);

/// The versions of MoQ that an operator chose, the best first; all if none. Errors (config) name --moq-version: one that is not spoken, or twice.
[[nodiscard]] base::result<std::vector<std::string>> chosen_versions(const std::vector<std::string>& names);

/// The track namespace of a stream: the path elements of its id, which must be valid.
moq::track_namespace namespace_of(const std::string& stream_id);

/// `error` as one about a setting, so that the command line says which.
base::error about_setting(const base::error& why, const std::string& setting);

} // namespace ec::actors
