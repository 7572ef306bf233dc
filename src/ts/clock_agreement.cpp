#include "ts/clock_agreement.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "ts/broadcast_clock.hpp"

namespace ec::ts {

int64_t clock_agreement::slack_chunks() const {
  return settings_.liveness.count() * (pts_hz / 1000) / settings_.duration_ticks + 1;
}

clock_agreement::known* clock_agreement::find(const std::string& signer, bool trusted, base::mono_time now) {
  auto& of = trusted ? trusted_ : strangers_;
  if (!of.contains(signer) && of.size() >= settings_.signers_max) {
    if (trusted) return nullptr;
    of.erase(std::ranges::min_element(of, {}, [](const auto& s) { return s.second.heard; }));
  }
  auto& out = of[signer];
  out.heard = now;
  return &out;
}

bool clock_agreement::may_tell_of_stranger(base::mono_time now) {
  if (!window_ || now - *window_ >= settings_.strangers_window) {
    window_ = now;
    told_ = 0;
  }
  const bool room = told_ < settings_.strangers_told_max;
  ++(room ? told_ : untold_);
  return room;
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
  auto* of = find(heard.signer, heard.trusted, now);
  if (of == nullptr) return step::none;
  // Before a node has a count of its own, any that is trusted is the better one.
  if (!own && !heard.trusted) return step::none;
  const auto ahead = own ? quanta_between(*own, heard.index) : std::nullopt;
  if (ahead == 0) return step::none;
  const bool behind = own && heard.index < *own;
  if (!heard.trusted || behind) {
    // Late by some minutes is no other count. Who is behind goes up when it hears of this node.
    if (!ahead || std::exchange(of->told, true)) return step::none;
    return heard.trusted || may_tell_of_stranger(now) ? step::tell : step::none;
  }
  if (of->look_at && now < *of->look_at) return step::none;
  of->wait = std::max(of->wait, settings_.again);
  of->look_at = now + of->wait;
  return step::look;
}

bool clock_agreement::misfits(const std::string& signer) {
  const auto at = trusted_.find(signer);
  if (at == trusted_.end()) return false;
  auto& of = at->second;
  const auto longer = std::min(2 * of.wait, settings_.again_max);
  if (of.look_at) *of.look_at += longer - of.wait;
  of.wait = longer;
  return !std::exchange(of.told, true);
}

void clock_agreement::fits(const std::string& signer) {
  if (const auto at = trusted_.find(signer); at != trusted_.end()) at->second.wait = settings_.again;
}

} // namespace ec::ts
