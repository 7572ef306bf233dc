#pragma once

#include "actors/topology/topology.hpp"

namespace ec::node {

/// Prints what a topology is, as soon as it runs: stream id, signer, address.
void print_started(const actors::running_topology& topology);

} // namespace ec::node
