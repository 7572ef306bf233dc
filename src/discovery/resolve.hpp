#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/announcement_table.hpp"

namespace ec::discovery {

/// Which transports are wanted, and which rather.
enum class policy { direct_first, relay_first, direct, relay };
/// "direct-first", "relay-first", "direct", "relay"; nothing for another text.
std::optional<policy> parse_policy(std::string_view text);
std::string_view name(policy p);

/// One way to one source.
struct way {
  source to;
  discovery::transport by;
};

/// All ways that the policy allows, best first, each address once: by the policy; then who offers both chunks and manifests; then by the
/// order in which the source names them; then the newest word. `sources` as announcement_table::find() gives them; who calls the stream by
/// another name than those before comes behind them.
std::vector<way> ways(const std::vector<source>& sources, policy p);

/// Whom a node does not dial though it is announced: itself, and who is dialled already.
struct acquaintances {
  std::optional<crypto::verifying_key> self; ///< signs this node's announcements
  std::vector<spki_digest> pins;             ///< of the node itself, and of others
  std::vector<std::string> addresses;        ///< "host:port" of others
};

/// Takes the ways to them away.
void leave_out(std::vector<way>& found, const acquaintances& known);

} // namespace ec::discovery
