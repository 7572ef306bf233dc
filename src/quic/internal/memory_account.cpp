#include "quic/internal/memory_account.hpp"

#include <cstdlib>

#include <malloc.h>

namespace ec::quic::internal {

struct memory_account::calls {
  static memory_account& self(void* user) { return *static_cast<memory_account*>(user); }

  static void* allocate(size_t size, void* user) {
    void* block = std::malloc(size);
    self(user).take(block);
    return block;
  }
  static void release(void* block, void* user) {
    self(user).give(block);
    std::free(block);
  }
  static void* zeroed(size_t count, size_t size, void* user) {
    void* block = std::calloc(count, size);
    self(user).take(block);
    return block;
  }
  static void* resize(void* block, size_t size, void* user) {
    auto& account = self(user);
    account.give(block);
    void* moved = std::realloc(block, size);
    account.take(moved != nullptr ? moved : block);
    return moved;
  }
};

memory_account::memory_account(memory_pool& pool)
  : pool_(pool), mem_{this, calls::allocate, calls::release, calls::zeroed, calls::resize} {}

void memory_account::take(void* block) {
  const size_t before = over();
  held_ += malloc_usable_size(block);
  pool_.over += over() - before;
}

void memory_account::give(void* block) {
  const size_t before = over();
  held_ -= malloc_usable_size(block);
  pool_.over -= before - over();
}

} // namespace ec::quic::internal
