#include "ts/internal/chunk_queue.hpp"

#include <utility>

namespace ec::ts::internal {

size_t chunk_queue::bytes() const {
  size_t n = 0;
  for (const auto& c : chunks_) n += c.bytes();
  return n;
}

void chunk_queue::end(uint64_t position) {
  if (open_) {
    chunks_.back().close(position);
    chunks_.emplace_back();
  } else {
    chunks_.back() = chunk_builder();
  }
  open_ = false;
}

bool chunk_queue::doubt(uint64_t from, uint64_t to, damage why, std::vector<cut_event>& out) {
  constexpr uint64_t nowhere = ~uint64_t{0};
  for (auto& c : chunks_) {
    if (!open_ && &c == &chunks_.back()) break;
    if (c.end.value_or(nowhere) > from && c.start < to) mark(c, why, out);
  }
  return from < oldest();
}

void chunk_queue::mark(chunk_builder& c, damage why, std::vector<cut_event>& out) {
  if (c.why != damage::none) return;
  c.why = why;
  if (c.opened_sent && !c.doubted_sent) {
    c.doubted_sent = true;
    out.push_back(chunk_doubted{c.index, why});
  }
}

void chunk_queue::announce(chunk_builder& c, std::vector<cut_event>& out) {
  if (std::exchange(c.opened_sent, true)) return;
  out.push_back(chunk_opened{c.index, c.first_pts, c.era, c.synced, c.discontinuity, c.certain});
}

void chunk_queue::settle(uint64_t safe, base::mono_time now, std::vector<cut_event>& out) {
  for (;;) {
    auto& c = chunks_.front();
    const bool under_way = chunks_.size() == 1;
    if (under_way && !open_) return;
    if (c.why == damage::none) {
      while (c.released < c.pieces().size() && c.piece_end(c.released) <= safe) {
        announce(c, out);
        ++counters_.pieces;
        out.push_back(piece_released{c.index, static_cast<uint32_t>(c.released), c.pieces()[c.released]});
        ++c.released;
      }
    }
    if (under_way || !c.end) return;
    if (c.why == damage::none && *c.end > safe) return;
    announce(c, out);
    if (c.why == damage::none) {
      ++counters_.chunks_whole;
      out.push_back(chunk_whole{c.index, static_cast<uint32_t>(c.pieces().size()), c.bytes(), c.duration, c.broadcast_unix_ms, now});
    } else {
      ++counters_.chunks_damaged;
      ++counters_.damaged_by[static_cast<size_t>(c.why)];
      out.push_back(chunk_damaged{c.index, c.why, static_cast<uint32_t>(c.released), c.pieces(), c.duration, c.broadcast_unix_ms});
    }
    chunks_.pop_front();
  }
}

} // namespace ec::ts::internal
