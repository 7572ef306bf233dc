#pragma once

#include <functional>
#include <string>

#include <caf/scoped_actor.hpp>

#include "actors/quic_endpoint.hpp"
#include "actors/session_link.hpp"
#include "base/result.hpp"

/// Commands that dial one relay to judge it, and serve nothing themselves.
namespace ec::node {

/// The relay that --relay names; `any_certificate`: whatever certificate it shows is accepted. Errors: config.
base::result<actors::session_peer> relay_of(const std::string& url, bool any_certificate);

/// Starts an endpoint that accepts nothing, in an actor system of its own, has `work` done beside it, and ends both. Errors: those of
/// start_quic_endpoint.
base::result<void> as_client(actors::quic_endpoint_config config, const std::function<void(caf::scoped_actor&, const actors::running_endpoint&)>& work);

} // namespace ec::node
