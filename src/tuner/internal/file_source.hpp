#pragma once

#include "tuner/source.hpp"

namespace ec::tuner::internal {

/// Standard input where `path` is empty. Of a DVB adapter its recorder device, which may be silent and loses what is not read in time.
std::unique_ptr<source> make_file_source(source_facts facts, std::string path, const source_options& options);

} // namespace ec::tuner::internal
