#include "object/source_score.hpp"

#include <algorithm>

namespace ec::object {
namespace {

using std::chrono::milliseconds;

constexpr int64_t point = 1000;
constexpr int64_t bar_at = int64_t{source_score::points_max} * point;
constexpr int64_t ranks = 4;
constexpr milliseconds penalty_first = std::chrono::seconds(30);
constexpr milliseconds penalty_max = std::chrono::minutes(10);
/// Without a relapse for this long the next penalty is the first one again.
constexpr milliseconds good_conduct = std::chrono::minutes(10);

/// A reception that once in a while passes a lost packet off as whole stays far below the bar, a liar reaches it with his third chunk.
constexpr int64_t weight_of(source_score::fault f) {
  switch (f) {
  case source_score::fault::doubtful: return point;
  case source_score::fault::bad_object: return 8 * point;
  case source_score::fault::bad_chunk: return 96 * point;
  }
  return 0;
}

} // namespace

int64_t source_score::points_at(base::mono_time now) const {
  // A point has a thousand parts, a second as many milliseconds.
  const auto passed = std::chrono::duration_cast<milliseconds>(std::max(now - since_, base::mono_duration{0})).count();
  const auto worn = std::min<int64_t>(passed, 2 * bar_at) * int64_t{source_score::points_worn_per_second};
  return std::max<int64_t>(points_ - worn, 0);
}

void source_score::wear_off(base::mono_time now) {
  if (now < since_) return;
  points_ = points_at(now);
  since_ = now;
}

void source_score::add(fault what, base::mono_time now) {
  wear_off(now);
  points_ = std::min(points_ + weight_of(what), 2 * bar_at); // of one that cannot be spared: it is no debt for ever
}

bool source_score::over(base::mono_time now) const {
  return points_at(now) > bar_at;
}

void source_score::bar(base::mono_time now) {
  const bool relapse = penalty_.count() > 0 && now < barred_until_ + good_conduct;
  penalty_ = relapse ? std::min(penalty_ * 2, penalty_max) : penalty_first;
  barred_until_ = now + penalty_;
  // It comes back on probation: with half of what bars it, whatever wears off meanwhile.
  points_ = bar_at / 2;
  since_ = barred_until_;
}

uint32_t source_score::rank(base::mono_time now) const {
  return static_cast<uint32_t>(std::min((points_at(now) * ranks + bar_at - 1) / bar_at, ranks));
}

bool source_score::clean(base::mono_time now) const {
  return points_at(now) == 0 && (penalty_.count() == 0 || now >= barred_until_ + good_conduct);
}

} // namespace ec::object
