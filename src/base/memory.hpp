#pragma once

namespace ec::base {

/// Lets the process keep up to 64 MiB of freed memory in each of its heaps for what comes next. By default the C library gives a
/// chunk's memory back to the system as soon as it is freed, and every page of the next chunk is a fault and a page of zeros:
/// half of the time that receiving takes (tests/bench/object.bench.cpp). Call it once, before any thread.
void keep_freed_memory();

} // namespace ec::base
