#pragma once

#include "tuner/source.hpp"

namespace ec::tuner::internal {

std::unique_ptr<source> make_file_source(source_facts facts, const source_options& options);

} // namespace ec::tuner::internal
