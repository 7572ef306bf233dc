#pragma once

#include <vector>

#include "actors/topology/config.hpp"
#include "node/settings.hpp"

namespace ec::node {

/// The settings of `moq-publish` and of "publish" in a config file.
const std::vector<setting<actors::publish_config>>& publish_settings();

/// The settings of `moq-subscribe` and of "subscribe" in a config file.
const std::vector<setting<actors::subscribe_config>>& subscribe_settings();

/// The settings of `relay` and of "relay" in a config file.
const std::vector<setting<actors::relay_node_config>>& relay_settings();

} // namespace ec::node
