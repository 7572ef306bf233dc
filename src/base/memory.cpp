#include "base/memory.hpp"

#include <malloc.h>

namespace ec::base {

void keep_freed_memory() {
  // The largest that is allowed: what is above it comes from the system each time, whatever is kept.
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

} // namespace ec::base
