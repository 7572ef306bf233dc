#pragma once

#include <span>
#include <vector>

#include "identity/stream_id.hpp"

namespace ec::identity {

/// How much a name says: a source's is one node's only; of two that are a broadcast's, the stronger is the one that more nodes can
/// give ([stream-id.md], "Key and aliases").
enum class name_strength { source, number, station };

name_strength strength(const stream_id& id);

/// A further name of a stream that runs under another already.
struct stream_alias {
  stream_id id;
  bool stronger = false; ///< than the name that the stream runs under: who starts now takes this one
};

/// The names of one stream, as a node learns them. The id that the stream was started under stays as long as it runs; what is learnt
/// later becomes an alias, once. A name that contradicts one that is known is another broadcast's and becomes none. Pure.
class stream_names {
public:
  explicit stream_names(stream_id id, std::vector<stream_id> aliases = {});

  /// What one reading says: names of one broadcast.
  struct learnt {
    std::vector<stream_alias> fresh;     ///< not known before, strongest first
    std::vector<stream_id> contradicting; ///< names of the reading that cannot be this stream's: then nothing is fresh
  };
  learnt learn(std::span<const stream_id> names);

  const stream_id& id() const { return id_; }
  const std::vector<stream_id>& aliases() const { return aliases_; }

private:
  stream_id id_;
  std::vector<stream_id> aliases_;
};

/// True if both are names by the same fields of a broadcast, with other values: no broadcast has both.
bool contradict(const stream_id& a, const stream_id& b);

/// True if both are names of one standard with one virtual channel, in the same profile and variant, and do not contradict each other:
/// they may be one broadcast's. More two names alone do not say.
bool alike(const stream_id& a, const stream_id& b);

} // namespace ec::identity
