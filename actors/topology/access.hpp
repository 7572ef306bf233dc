#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "access/gatekeeper.hpp"
#include "actors/topology/config.hpp"
#include "base/result.hpp"
#include "quic/address.hpp"

/// What wiring needs of access to relays, on both sides.
namespace ec::actors {

/// Whom the relay lets in; nothing: everybody. Errors (config) name the setting: a key that cannot be read, a prefix that is none, what is public
/// where everything is.
[[nodiscard]] base::result<std::optional<access::access_rules>> access_rules_of(const relay_node_config& config);

/// Has each of `peers` be shown the token that `token` or `file` names, in the query of its address ("jwt"), which every version of MoQ
/// carries. Nothing happens if neither is given. Errors (config): both are given, no token is in it, an address says one already, there is
/// no peer under `dialled`.
[[nodiscard]] base::result<void> show_token(const std::vector<quic::endpoint_address*>& peers, const std::string& token, const std::filesystem::path& file, const std::string& dialled);

} // namespace ec::actors
