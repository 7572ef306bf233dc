#pragma once

#include <filesystem>
#include <string>

#include "actors/topology/topology.hpp"
#include "base/result.hpp"

namespace ec::node {

/// Prints what a topology is, as soon as it runs: stream id, signer, address.
void print_started(const actors::running_topology& topology);

/// The file of --endpoint-addr-out, before anybody is told that the command runs: what is written now is written again with the
/// address. Without a name nothing is done. Errors: those of base::write_file_atomic, as a setting's.
[[nodiscard]] base::result<void> try_address_out(const std::filesystem::path& file);
/// Writes the address into it, with a line feed. Errors: those of base::write_file_atomic.
[[nodiscard]] base::result<void> write_address_out(const std::filesystem::path& file, const std::string& address);

} // namespace ec::node
