#include "node/started.hpp"

#include <cstdio>

#include "actors/topology/common.hpp"
#include "base/file.hpp"

namespace ec::node {

void print_started(const actors::running_topology& topology) {
  if (!topology.stream_id.empty()) std::printf("stream-id  %s\n", topology.stream_id.c_str());
  if (topology.naming.rule == "broadcast") std::printf("broadcast  %s\n", topology.naming.reason.c_str());
  else if (topology.naming.rule == "source") std::printf("source     named by the input, as no broadcast is known: %s\n", topology.naming.reason.c_str());
  for (const auto& alias : topology.naming.aliases) std::printf("alias      %s\n", alias.c_str());
  if (!topology.signer.empty()) std::printf("signer     %s\n", topology.signer.c_str());
  if (!topology.address.empty()) std::printf("listening  %s\n", topology.address.c_str());
  if (!topology.http_address.empty()) std::printf("http       %s\n", topology.http_address.c_str());
  std::fflush(stdout);
}

base::result<void> try_address_out(const std::filesystem::path& file) {
  if (file.empty()) return base::ok();
  auto done = base::write_file_atomic(file.string(), {}, 0644, base::durability::process);
  if (!done) return base::fail(actors::about_setting(done.error(), "--endpoint-addr-out"));
  return done;
}

base::result<void> write_address_out(const std::filesystem::path& file, const std::string& address) {
  if (file.empty()) return base::ok();
  return base::write_file_atomic(file.string(), base::as_span(address + "\n"), 0644, base::durability::process);
}

} // namespace ec::node
