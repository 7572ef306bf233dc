#include "moq/load.hpp"

#include <algorithm>
#include <cmath>

#include "base/byte_io.hpp"

namespace ec::moq {
namespace {

/// Groups of one track may overtake each other; one is lost when so many newer ones have begun.
constexpr uint64_t groups_in_flight = 3;

} // namespace

base::mono_time load_source::next() const {
  return start_ + std::chrono::nanoseconds(std::llround(1e9 * static_cast<double>(count_) / shape_.objects_per_second));
}

object load_source::take(base::mono_time now) {
  object o;
  o.group = group();
  o.id = count_ % shape_.objects_per_group;
  const auto bytes = std::max(shape_.object_bytes, load_stamp_bytes);
  base::byte_writer stamp(bytes);
  stamp.u64(static_cast<uint64_t>(now.time_since_epoch().count()));
  auto payload = stamp.take();
  payload.resize(bytes, static_cast<uint8_t>(count_));
  o.payload = base::bytes::adopt(std::move(payload));
  ++count_;
  return o;
}

void load_figures::add(const load_figures& more) {
  objects += more.objects;
  payload_bytes += more.payload_bytes;
  groups_whole += more.groups_whole;
  groups_lost += more.groups_lost;
  groups_late += more.groups_late;
  sessions_lost += more.sessions_lost;
  refused += more.refused;
  delays_us.insert(delays_us.end(), more.delays_us.begin(), more.delays_us.end());
}

uint32_t load_figures::delay_us(double share) const {
  if (delays_us.empty()) return 0;
  auto sorted = delays_us;
  const auto last = static_cast<double>(sorted.size() - 1);
  const auto at = static_cast<std::ptrdiff_t>(std::clamp(std::ceil(share * static_cast<double>(sorted.size())) - 1, 0.0, last));
  std::nth_element(sorted.begin(), sorted.begin() + at, sorted.end());
  return sorted[static_cast<size_t>(at)];
}

void load_meter::begin() {
  measuring_ = true;
  // The group that is under way began before.
  count_from_ = settled_to_ = objects_seen_ == 0 ? 0 : newest_ + 1;
}

void load_meter::settle_before(uint64_t group) {
  for (; settled_to_ < group; ++settled_to_) {
    const auto it = groups_.find(settled_to_);
    if (it == groups_.end() || it->second.objects < shape_.objects_per_group) ++figures_.groups_lost;
    else if (it->second.late) ++figures_.groups_late;
    if (it == groups_.end()) continue;
    if (it->second.objects == shape_.objects_per_group) ++figures_.groups_whole;
    groups_.erase(it);
  }
}

void load_meter::on_object(request_id, const object& o) {
  ++objects_seen_;
  newest_ = std::max(newest_, o.group);
  if (!measuring_ || o.payload.size() < load_stamp_bytes) return;
  const auto stamp = base::byte_reader(o.payload.span()).u64();
  const auto took = clock_().time_since_epoch().count() - static_cast<int64_t>(stamp.value());
  ++figures_.objects;
  figures_.payload_bytes += o.payload.size();
  figures_.delays_us.push_back(static_cast<uint32_t>(std::clamp<int64_t>(took / 1000, 0, UINT32_MAX)));
  if (o.group < settled_to_) return; // the rest of a group that began before
  auto& g = groups_[o.group];
  ++g.objects;
  if (took > late_.count()) g.late = true;
  if (o.group >= groups_in_flight) settle_before(o.group - groups_in_flight + 1);
}

void load_meter::end() {
  if (!measuring_) return;
  measuring_ = false;
  // The newest may rightly be unfinished.
  if (newest_ >= count_from_) settle_before(newest_);
  groups_.clear();
}

void load_meter::on_closed(uint64_t, std::string_view) {
  ++figures_.sessions_lost;
  up_ = subscribed_ = false;
}

} // namespace ec::moq
