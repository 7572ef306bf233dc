#pragma once

#include "tuner/source.hpp"

namespace ec::tuner::internal {

/// The segments that the media playlist at `from` lists, one behind the other. Of a playlist that goes on it begins three segments before the end; it is
/// read again after half a target duration.
std::unique_ptr<source> make_origin_source(source_facts facts, net::url from, const source_options& options);

} // namespace ec::tuner::internal
