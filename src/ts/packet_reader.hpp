#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "ts/packet.hpp"

namespace ec::ts {

/// What a packet reader saw; all counts since it was made.
struct reader_counters {
  uint64_t bytes = 0;         ///< pushed
  uint64_t packets = 0;       ///< handed on
  uint64_t resyncs = 0;       ///< times that lock was lost
  uint64_t bad_sync = 0;      ///< packets dropped for their sync byte alone, lock kept
  uint64_t skipped_bytes = 0; ///< bytes that belonged to no packet
};

/// Finds packets in bytes that arrive in any split. Recognises 188 byte packets, 192 (M2TS: four bytes of time stamp in
/// front) and 204 (16 bytes of parity behind); hands on the 188 bytes. Holds at most one search window (1,224 bytes).
class packet_reader {
public:
  /// Calls `sink(const uint8_t* packet)` for each packet and `lost(bool aligned)` where input was missed: aligned if one
  /// packet was dropped for its sync byte, otherwise an unknown number of bytes. Pointers are valid during the call.
  template <class Sink, class Lost>
  void push(std::span<const uint8_t> in, Sink&& sink, Lost&& lost) {
    if (in.empty()) return;
    counters_.bytes += in.size();
    if (held_ > 0) {
      // Finish what straddles two pushes through the window, then go on in place.
      while (!in.empty()) {
        const size_t take = std::min(in.size(), window_.size() - held_);
        std::memcpy(window_.data() + held_, in.data(), take);
        const size_t before = held_;
        held_ += take;
        const size_t used = scan({window_.data(), held_}, false, sink, lost);
        if (used >= before) { // everything held before is done with: the rest is contiguous in `in`
          in = in.subspan(used - before);
          held_ = 0;
          break;
        }
        std::memmove(window_.data(), window_.data() + used, held_ - used);
        held_ -= used;
        in = in.subspan(take);
        if (in.empty()) return;
      }
    }
    const size_t used = scan(in, false, sink, lost);
    hold(in.subspan(used));
  }

  /// End of input: hands on what can only be decided now (fewer packets than a search wants), drops the rest.
  template <class Sink, class Lost>
  void finish(Sink&& sink, Lost&& lost) {
    const size_t used = scan({window_.data(), held_}, true, sink, lost);
    counters_.skipped_bytes += held_ - used;
    reset();
  }

  /// Forgets lock and held bytes, not the counters.
  void reset() { held_ = 0; stride_ = 0; }

  const reader_counters& counters() const { return counters_; }
  /// Bytes from packet to packet: 188, 192 or 204; 0 while searching.
  size_t stride() const { return stride_; }

private:
  static constexpr size_t search_packets = 5;
  static constexpr size_t window_bytes = 204 * (search_packets + 1);

  /// Finds stride and first packet in `in`. Sets stride_ and answers the offset of the first packet; without a lock
  /// answers how many bytes can be dropped.
  size_t search(std::span<const uint8_t> in, bool last);
  void hold(std::span<const uint8_t> rest);

  template <class Sink, class Lost>
  size_t scan(std::span<const uint8_t> in, bool last, Sink& sink, Lost& lost) {
    size_t at = 0;
    for (;;) {
      if (stride_ == 0) {
        const size_t skipped = search(in.subspan(at), last);
        counters_.skipped_bytes += skipped;
        at += skipped;
        if (stride_ == 0) return at;
      }
      const size_t stride = stride_;
      const uint8_t* p = in.data() + at;
      const uint8_t* const end = in.data() + in.size();
      const uint8_t* const begin = p;
      // A packet is handed on when its 188 bytes are there; the bytes between packets may follow later.
      while (static_cast<size_t>(end - p) >= stride && *p == sync_byte) {
        sink(p);
        p += stride;
      }
      counters_.packets += static_cast<uint64_t>(p - begin) / stride;
      at += static_cast<size_t>(p - begin);
      const size_t left = in.size() - at;
      if (last && left >= packet_bytes && in[at] == sync_byte) {
        sink(in.data() + at);
        ++counters_.packets;
        return std::min(in.size(), at + stride);
      }
      if (left == 0 || in[at] == sync_byte) return at;
      // The sync byte is wrong. If the next one stands where it belongs, one packet is broken; else lock is lost.
      if (left <= stride && !last) return at;
      if (left > stride && in[at + stride] == sync_byte) {
        ++counters_.bad_sync;
        at += stride;
        lost(true);
        continue;
      }
      ++counters_.resyncs;
      stride_ = 0;
      lost(false);
    }
  }

  reader_counters counters_;
  size_t stride_ = 0;
  size_t held_ = 0;
  std::array<uint8_t, window_bytes> window_{};
};

} // namespace ec::ts
