#include "base/clock.hpp"

namespace ec::base {

mono_time mono_now() {
  return std::chrono::steady_clock::now();
}

wall_time wall_now() {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

int64_t unix_us_of(mono_time moment) {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch() - (mono_now() - moment)).count();
}

} // namespace ec::base
