#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "discovery/announcement_table.hpp"

/// What streams there are, for people. Anybody may announce anything, so that what joins two names here has a rule of its own:
/// docs/formats/announcement.md, "What is one stream".
namespace ec::discovery {

/// A stream and who has it.
struct stream_sources {
  std::vector<std::string> names; ///< ids of the one broadcast, rising; of each id that is announced there is one stream that has it
  std::vector<source> sources;    ///< by stream id, signer and node; a node that announces it under several of its names stands once
  size_t nodes = 0;               ///< how many they are, by node_of()
};

/// Everything that counts, by streams, in the order of their first names. `sources` as announcement_table::all() gives them. No word of a
/// stranger joins two streams that others announce.
std::vector<stream_sources> list_streams(const std::vector<source>& sources);

} // namespace ec::discovery
