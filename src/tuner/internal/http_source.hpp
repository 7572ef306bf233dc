#pragma once

#include "tuner/source.hpp"

namespace ec::tuner::internal {

std::unique_ptr<source> make_http_source(source_facts facts, net::url from, const source_options& options);

} // namespace ec::tuner::internal
