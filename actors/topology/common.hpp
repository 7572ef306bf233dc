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

/// Peers by their addresses: known by their pins, else by a certificate authority of the system. Errors (config) name `setting`: more than
/// `count_max`, or no address.
base::result<std::vector<session_peer>> peers_of(const std::vector<std::string>& addresses, size_t count_max, const std::string& setting);

/// The keys that an operator trusts for a stream, one by one under `setting` and in a trust file; none if he names none. Errors (config)
/// say which, and that a file has none for this stream.
base::result<manifest::trust_set> named_trust(const std::vector<std::string>& keys, const std::string& setting, const std::filesystem::path& file,
                                              const std::string& stream_id);

/// The track namespace of a stream: the path elements of its id, which must be valid.
moq::track_namespace namespace_of(const std::string& stream_id);

/// `error` as one about a setting, so that the command line says which.
base::error about_setting(const base::error& why, const std::string& setting);

} // namespace ec::actors
