#include "ts/clock_agreement.hpp"

#include <cstdint>
#include <cstdlib>
#include <utility>

#include "ts/broadcast_clock.hpp"

namespace ec::ts {

int64_t clock_agreement::slack_chunks() const {
  return settings_.liveness.count() * (pts_hz / 1000) / settings_.duration_ticks + 1;
}

clock_agreement::known* clock_agreement::find(const std::string& signer, bool trusted) {
  auto& of = trusted ? trusted_ : strangers_;
  if (const auto at = of.find(signer); at != of.end()) return &at->second;
  return of.size() < settings_.signers_max ? &of[signer] : nullptr;
}

std::optional<int64_t> clock_agreement::quanta_between(uint64_t own, uint64_t other) const {
  constexpr auto q = broadcast_clock::quantum;
  const auto apart = static_cast<int64_t>(other) - static_cast<int64_t>(own);
  if (std::abs(apart) <= slack_chunks()) return 0;
  if (std::abs(apart) > INT64_MAX / 4 / settings_.duration_ticks) return std::nullopt;
  const auto ticks = apart * settings_.duration_ticks;
  const auto n = floor_div(ticks + q / 2, q);
  const auto rest = ticks - n * q;
  if (n == 0 || std::abs(rest) > slack_chunks() * settings_.duration_ticks) return std::nullopt;
  return n;
}

clock_agreement::step clock_agreement::on_chunk(const foreign_chunk& heard, std::optional<uint64_t> own, base::mono_time now) {
  auto* of = find(heard.signer, heard.trusted);
  if (of == nullptr) return step::none;
  // Before a node has a count of its own, any that is trusted is the better one.
  if (!own && !heard.trusted) return step::none;
  const auto ahead = own ? quanta_between(*own, heard.index) : std::nullopt;
  if (ahead == 0) return step::none;
  const bool behind = own && heard.index < *own;
  if (!heard.trusted || behind) {
    // Late by some minutes is no other count. Who is behind goes up when it hears of this node.
    if (!ahead || of->told) return step::none;
    of->told = true;
    return step::tell;
  }
  if (of->looked && now - *of->looked < settings_.again) return step::none;
  of->looked = now;
  return step::look;
}

bool clock_agreement::tell_once(const std::string& signer) {
  auto* of = find(signer, true);
  return of != nullptr && !std::exchange(of->told, true);
}

} // namespace ec::ts
