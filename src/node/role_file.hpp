#pragma once

#include <string>
#include <string_view>

#include "actors/topology/config.hpp"
#include "base/result.hpp"

namespace ec::node {

/// A config file: one role with its settings (docs/formats/config.md).
struct role_config {
  std::string role; ///< "leader", "relay", "subscriber", "all-in-one" or "moq-relay"
  actors::publish_config publish;
  actors::subscribe_config subscribe;
  actors::relay_node_config relay; ///< of "moq-relay"
};

/// Reads the text of a config file; `file` is its name for errors. Errors: config, with file, key, and what was expected.
[[nodiscard]] base::result<role_config> parse_role(std::string_view text, const std::string& file);

/// The same from the file itself, of at most limits::config_bytes_max. Errors: config.
[[nodiscard]] base::result<role_config> read_role_file(const std::string& file);

} // namespace ec::node
