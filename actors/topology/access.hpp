#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/gatekeeper.hpp"
#include "actors/topology/config.hpp"
#include "base/result.hpp"
#include "crypto/certificate.hpp"
#include "quic/address.hpp"

/// What wiring needs of access to relays, on both sides.
namespace ec::actors {

/// Whom the relay lets in; nothing: everybody. Errors (config) name the setting: a key that cannot be read, a prefix that is none, what is public
/// where everything is.
[[nodiscard]] base::result<std::optional<access::access_rules>> access_rules_of(const relay_node_config& config);

/// The origins of pages as they send them, from what an operator writes: "https://tv.example:8443", or a host with or without port, which stands for
/// https. Errors (config) name `setting`: it is none.
[[nodiscard]] base::result<std::vector<std::string>> origins_of(const std::vector<std::string>& given, const char* setting);

/// What is shown to peers that are dialled and ask for a certificate; null if none is named. Errors (config) name the setting: one of the two files is
/// missing or cannot be read, there is no peer under `dialled`.
[[nodiscard]] base::result<std::shared_ptr<const crypto::certificate_pair>> client_identity_of(const std::filesystem::path& cert, const std::filesystem::path& key, bool dials,
                                                                                              const std::string& dialled);

/// Has each of `peers` be shown the token that `token` or `file` names, in the query of its address ("jwt"), which every version of MoQ
/// carries. Nothing happens if neither is given. Errors (config): both are given, no token is in it, an address says one already, there is
/// no peer under `dialled`.
[[nodiscard]] base::result<void> show_token(const std::vector<quic::endpoint_address*>& peers, const std::string& token, const std::filesystem::path& file, const std::string& dialled);

} // namespace ec::actors
