#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <initializer_list>
#include <vector>

#include <poll.h>
#include <time.h>

#include "base/clock.hpp"
#include "quic/endpoint.hpp"

namespace ec::test {

/// Drives endpoints over real sockets until `done` or the limit; waits for events, never sleeps beyond a deadline.
inline bool poll_endpoints(std::initializer_list<quic::endpoint*> endpoints, const std::function<bool()>& done,
                           base::mono_duration limit = std::chrono::seconds(3)) {
  const auto end = base::mono_now() + limit;
  for (auto* e : endpoints) e->flush(base::mono_now());
  while (!done()) {
    auto now = base::mono_now();
    if (now >= end) return false;
    auto until = end;
    std::vector<pollfd> fds;
    for (auto* e : endpoints) {
      if (const auto due = e->deadline()) until = std::min(until, *due);
      fds.push_back({e->fd(), static_cast<short>(POLLIN | (e->blocked() ? POLLOUT : 0)), 0});
    }
    const auto wait = std::max<int64_t>(0, (until - now).count());
    const timespec patience{wait / 1'000'000'000, wait % 1'000'000'000};
    if (::ppoll(fds.data(), fds.size(), &patience, nullptr) < 0) continue;
    now = base::mono_now();
    size_t i = 0;
    for (auto* e : endpoints) {
      if (fds[i++].revents != 0) e->on_readable(now);
      if (const auto due = e->deadline(); due && *due <= now) e->on_timer(now);
    }
  }
  return true;
}

} // namespace ec::test
