#pragma once

#include <cstddef>

#include <ngtcp2/ngtcp2.h>

namespace ec::quic::internal {

/// What all connections of an endpoint hold beyond what each may for nothing.
struct memory_pool {
  size_t free_share = 0; ///< of each connection, bytes
  size_t over = 0;       ///< bytes, of all connections
};

/// Allocates for ngtcp2, and counts what one connection holds: packets that came out of order, frames to send and sent, streams, ids and
/// paths. Neither movable nor copyable: the library keeps a pointer. The pool outlives it.
class memory_account {
public:
  explicit memory_account(memory_pool& pool);
  memory_account(const memory_account&) = delete;
  memory_account& operator=(const memory_account&) = delete;

  const ngtcp2_mem* allocator() const { return &mem_; }
  /// Bytes, as the system's allocator rounds them.
  size_t held() const { return held_; }
  /// Of them, those that count in the pool.
  size_t over() const { return held_ > pool_.free_share ? held_ - pool_.free_share : 0; }

private:
  struct calls;
  void take(void* block);
  void give(void* block);

  memory_pool& pool_;
  ngtcp2_mem mem_;
  size_t held_ = 0;
};

} // namespace ec::quic::internal
