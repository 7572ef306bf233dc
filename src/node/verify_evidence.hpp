#pragma once

#include <string>

#include "node/verify_objects.hpp"

namespace ec::node {

/// True if the file at `path` is JSON that calls itself evidence.
bool is_evidence_file(const std::string& path);

/// Explains the evidence at `path` and checks that it shows what it says.
void verify_evidence_file(const std::string& path, const say_wrong& wrong);

} // namespace ec::node
