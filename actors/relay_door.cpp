#include "actors/relay_door.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace ec::actors {
namespace {

constexpr uint32_t tells_a_minute = 60;
constexpr std::chrono::seconds look_every{10};

} // namespace

void relay_door::tell(base::mono_time now, const std::string& peer, const char* what, const std::string& who, const std::string& reason) {
  if (now >= minute_ + std::chrono::minutes(1)) {
    minute_ = now;
    told_ = 0;
  }
  if (told_ >= tells_a_minute) {
    ++untold_;
    return;
  }
  ++told_;
  base::log::warn("relay_door", "access-refused", {{"peer", peer}, {"what", what}, {"who", who}, {"reason", reason}});
  if (observer_) caf::anon_send(observer_, report{"access-refused", {{"peer", peer}, {"what", what}, {"who", who}, {"reason", reason}}});
}

void relay_door::note(const access::admission& a, base::mono_time now) {
  const auto at = a.due();
  if (!at && !a.holds()) return;
  // Clamped in milliseconds: nanoseconds do not reach the year 10000, which a token may name.
  const base::mono_duration left = at ? std::clamp<std::chrono::milliseconds>(*at - keeper_.now(), std::chrono::milliseconds::zero(), look_every) : std::chrono::milliseconds(look_every);
  if (!look_at_ || now + left < *look_at_) look_at_ = now + left;
}

} // namespace ec::actors
