#include "node/started.hpp"

#include <cstdio>

namespace ec::node {

void print_started(const actors::running_topology& topology) {
  std::printf("stream-id  %s\n", topology.stream_id.c_str());
  if (topology.naming.rule == "broadcast") std::printf("broadcast  %s\n", topology.naming.reason.c_str());
  else if (topology.naming.rule == "source") std::printf("source     named by the input, as no broadcast is known: %s\n", topology.naming.reason.c_str());
  for (const auto& alias : topology.naming.aliases) std::printf("alias      %s\n", alias.c_str());
  if (!topology.signer.empty()) std::printf("signer     %s\n", topology.signer.c_str());
  if (!topology.address.empty()) std::printf("listening  %s\n", topology.address.c_str());
  std::fflush(stdout);
}

} // namespace ec::node
