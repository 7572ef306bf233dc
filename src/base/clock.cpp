#include "base/clock.hpp"

namespace ec::base {

mono_time mono_now() {
  return std::chrono::steady_clock::now();
}

wall_time wall_now() {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

} // namespace ec::base
