#pragma once

#include <string_view>

#include "quic/address.hpp"

namespace ec::quic {

/// Where the server of `current` sends its client with the New Session URI `uri` [MOQT 10.4]: `current` itself if that is empty. What the client
/// showed the old server in its address, a token say, goes along to the same host and port only: the path of another is the URI's own. Of the same,
/// a path that the URI names replaces the old one, but for the old one's query if it has none.
/// Errors, each with a sentence on what was wrong: unsupported (neither moqt:// nor https://), malformed (no address; a fragment that is no pin).
[[nodiscard]] base::result<endpoint_address> follow_redirect(const endpoint_address& current, std::string_view uri);

} // namespace ec::quic
