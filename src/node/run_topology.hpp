#pragma once

#include <functional>

#include "actors/topology/topology.hpp"
#include "node/console.hpp"

namespace ec::node {

/// This machine, on which all that reads one live input in this process shares one reading of it.
actors::machine this_machine();

/// Starts what `wire` wires, prints its reports, and waits until it has ended by itself or by SIGINT or SIGTERM (a second
/// signal ends the process at once). The answer is the exit code.
int run_topology(const std::string& command, console_mode mode,
  const std::function<base::result<actors::running_topology>(caf::actor_system&, actors::observer_actor)>& wire,
  const std::function<void(const actors::running_topology&)>& started);

} // namespace ec::node
