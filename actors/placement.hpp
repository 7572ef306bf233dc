#pragma once

#include <utility>

#include "actors/caf.hpp"

namespace ec::actors {

/// Where an actor runs whose work may block (device, disk, DNS).
enum class placement {
  own_thread, ///< the rule: it holds nobody up but itself
  shared,     ///< on the scheduler: where its work cannot block, or the scheduler is a test's
};

/// Spawns `Class` at its place.
template <class Class, class... Ts>
auto spawn_at(caf::actor_system& sys, placement where, Ts&&... xs) {
  return where == placement::own_thread ? sys.spawn<Class, caf::detached>(std::forward<Ts>(xs)...)
                                        : sys.spawn<Class>(std::forward<Ts>(xs)...);
}

} // namespace ec::actors
