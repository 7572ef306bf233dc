#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <vector>

#include "base/bytes.hpp"

namespace ec::quic::internal {

/// The bytes of one stream from `write` until the peer has acknowledged them, held by reference.
class send_queue {
public:
  /// Appends; nothing may be appended after `fin`.
  void push(base::bytes data, bool fin);
  /// The unsent bytes, in order, as parts of at most `parts.size()`; returns how many parts. `last` tells whether they
  /// reach the stream's end, so that FIN may ride along.
  size_t gather(std::span<std::span<const uint8_t>> parts, bool& last) const;
  /// `count` bytes were put into a packet, with FIN if `fin`.
  void sent(size_t count, bool fin);
  /// Everything below `offset` is acknowledged: whole buffers below it are released. Returns the bytes newly acknowledged.
  size_t acked(uint64_t offset);
  /// Forgets what is not sent; returns how much that was. Sent bytes stay until acknowledged.
  size_t drop_unsent();
  /// All that was sent is to be sent again; nothing of it was acknowledged. Returns the bytes.
  size_t rewind();

  bool fin_queued() const { return fin_queued_; }
  bool fin_sent() const { return fin_sent_; }
  /// True if a packet could carry something of this stream: bytes, or FIN alone.
  bool sendable() const { return next_ < end_ || (fin_queued_ && !fin_sent_); }
  size_t unsent() const { return static_cast<size_t>(end_ - next_); }
  size_t unacked() const { return static_cast<size_t>(next_ - base_); }
  uint64_t sent_offset() const { return next_; }

private:
  struct part {
    base::bytes data;
    uint64_t end = 0; ///< stream offset behind it
  };
  std::vector<part> parts_; ///< from head_ on; what is before is released
  size_t head_ = 0;
  size_t cursor_ = 0; ///< the part that holds next_
  uint64_t base_ = 0; ///< acknowledged below
  uint64_t next_ = 0; ///< sent below
  uint64_t end_ = 0;  ///< queued below
  bool fin_queued_ = false;
  bool fin_sent_ = false;
};

/// A stream's place among those that have something to send.
struct send_turn {
  uint64_t urgency = uint64_t{1} << 32;
  uint64_t turn = 0;
  uint64_t id = 0;
  bool ready = false;
};

/// Which stream goes next: the lowest urgency strictly first, equals in turn.
class send_schedule {
public:
  void add(send_turn& stream);
  void remove(send_turn& stream);
  /// Behind its equals: it has had its packet.
  void rotate(send_turn& stream);
  void set_urgency(send_turn& stream, uint64_t urgency);
  bool empty() const { return ready_.empty(); }
  /// True if one stream has something to send, and only one.
  bool one() const { return ready_.size() == 1; }
  /// Null when nothing is ready.
  send_turn* front() const { return ready_.empty() ? nullptr : *ready_.begin(); }

private:
  struct before {
    bool operator()(const send_turn* a, const send_turn* b) const {
      if (a->urgency != b->urgency) return a->urgency < b->urgency;
      if (a->turn != b->turn) return a->turn < b->turn;
      return a->id < b->id;
    }
  };
  std::set<send_turn*, before> ready_;
  uint64_t turns_ = 0;
};

} // namespace ec::quic::internal
