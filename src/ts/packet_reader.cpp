#include "ts/packet_reader.hpp"

namespace ec::ts {

size_t packet_reader::search(std::span<const uint8_t> in, bool last) {
  // Short input at the end still counts if every sync byte that can be there is there.
  for (size_t at = 0; at < in.size(); ++at) {
    if (in[at] != sync_byte) continue;
    for (const size_t stride : {size_t{188}, size_t{192}, size_t{204}}) {
      size_t seen = 0;
      while (seen < search_packets && at + seen * stride < in.size() && in[at + seen * stride] == sync_byte) ++seen;
      const bool out_of_bytes = at + seen * stride >= in.size();
      if (seen == search_packets || (last && out_of_bytes && in.size() - at >= packet_bytes && (seen > 1 || at == 0))) {
        stride_ = stride;
        return at;
      }
      if (out_of_bytes && !last) return at; // may still turn out right
    }
  }
  return in.size();
}

void packet_reader::hold(std::span<const uint8_t> rest) {
  // scan() leaves less than a window: at most a partial packet, or the span of one search.
  if (rest.size() > window_.size()) {
    counters_.skipped_bytes += rest.size() - window_.size();
    rest = rest.last(window_.size());
  }
  if (!rest.empty()) std::memmove(window_.data(), rest.data(), rest.size());
  held_ = rest.size();
}

} // namespace ec::ts
