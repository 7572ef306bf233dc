#include "moq/group_reader.hpp"

#include <algorithm>

namespace ec::moq {
namespace {

constexpr uint64_t id_max = ~uint64_t{0};

std::string named(uint64_t group) {
  return "group " + std::to_string(group);
}

} // namespace

group_reader::group_reader(track_store& store, full_track_name track, std::optional<uint64_t> group, base::mono_time now) :
  store_(&store), name_(std::move(track)), wished_(group) {
  store_->observe(*this);
  std::optional<request_error> no;
  interest_ = store_->want(name_, now, no);
  if (auto* t = store_->find(name_)) on_track_added(*t, now);
  else if (no) fail(no->code, no->reason, no->retry_after_ms);
}

group_reader::~group_reader() {
  if (track_) track_->forget(*this);
  if (store_) store_->forget(*this);
}

bool group_reader::stirred() {
  return std::exchange(stirred_, false);
}

group_reader::step group_reader::fail(uint64_t code, std::string reason, std::optional<uint64_t> retry_after_ms) {
  if (failed_) return step::failed;
  failed_ = true;
  error_ = {.code = code, .retry_after_ms = retry_after_ms, .reason = std::move(reason), .to = {}};
  return step::failed;
}

group_reader::step group_reader::next(object& out, base::mono_time now) {
  if (failed_) return step::failed;
  if (!track_) return step::wait;
  while (!reading_) {
    if (!group_)
      if (const auto s = choose(now)) return *s;
    if (fill_ && fill_->is == fill::state::asked) return step::wait;
    if (const auto s = begin()) return *s;
  }
  return read(out, now);
}

/// Nothing: `group_` is set, and what is missing of it was asked for.
std::optional<group_reader::step> group_reader::choose(base::mono_time now) {
  const auto largest = track_->largest();
  const bool ended = track_->ended();
  if (wished_) {
    if (!largest) return fail(request_code::invalid_range, "nothing is published on this track yet");
    if (*wished_ > largest->group) return fail(request_code::invalid_range, named(*wished_) + " is not published yet: the newest is " + std::to_string(largest->group));
    group_ = *wished_;
  } else {
    if (!largest || largest->group < floor_) return ended ? fail(request_code::does_not_exist, "the track ended before a group could be had") : step::wait;
    group_ = largest->group;
  }
  const bool newest = *group_ == largest->group;
  filled_to_ = newest ? largest->object : id_max;
  fill_ = store_->bring(*track_, {*group_, 0}, {*group_, filled_to_}, now);
  return std::nullopt;
}

/// Nothing: it is being read, or another group is to be chosen.
std::optional<group_reader::step> group_reader::begin() {
  const auto& groups = track_->groups();
  const auto at = groups.find(*group_);
  const auto is = fill_ ? fill_->is : fill::state::whole;
  const bool held = at != groups.end() && !at->second.was_reset && !at->second.objects.empty() && at->second.objects.begin()->first == 0;
  if (held || (is == fill::state::whole && at != groups.end() && !at->second.was_reset)) {
    reading_ = true;
    return std::nullopt;
  }
  if (!wished_) { // somebody else saw its beginning; the next one is seen from there
    floor_ = *group_ + 1;
    group_.reset();
    fill_.reset();
    return std::nullopt;
  }
  if (is == fill::state::failed) return fail(fill_->error.code, named(*group_) + ": " + fill_->error.reason, fill_->error.retry_after_ms);
  if (is == fill::state::whole) return fail(request_code::does_not_exist, named(*group_) + " does not exist");
  return fail(request_code::does_not_exist, named(*group_) + " is not held here from its beginning, and nobody could be asked for it");
}

group_reader::step group_reader::read(object& out, base::mono_time now) {
  if (fill_ && fill_->is == fill::state::asked) return step::wait;
  const auto& groups = track_->groups();
  const auto at = groups.find(*group_);
  if (at == groups.end()) return fail(request_code::does_not_exist, named(*group_) + " left the cache while it was read");
  const auto& g = at->second;
  if (g.was_reset) return fail(request_code::does_not_exist, named(*group_) + " was given up by its publisher");
  const auto largest = track_->largest();
  const bool sure = !fill_ || fill_->is == fill::state::whole; // of all objects up to `filled_to_`
  const bool all_brought = sure && filled_to_ == id_max;
  const bool closed = std::ranges::all_of(g.subgroups, [](const auto& s) { return s.second.ended; });
  const bool complete = g.ended || track_->ended() || all_brought || (closed && largest && largest->group > *group_);
  for (;;) {
    const auto o = g.objects.lower_bound(next_);
    if (o == g.objects.end()) {
      if (!complete) return step::wait;
      if (!g.ended && !track_->ended() && filled_to_ != id_max) { // a newer group says that it is over, not that all of it came here
        filled_to_ = id_max;
        fill_ = store_->bring(*track_, {*group_, next_}, {*group_, id_max}, now);
        if (fill_ && fill_->is == fill::state::asked) return step::wait;
        return read(out, now);
      }
      const bool torn = std::ranges::any_of(g.subgroups, [](const auto& s) { return s.second.was_reset; });
      if (torn && !all_brought) return fail(request_code::does_not_exist, named(*group_) + " was given up by its publisher");
      if (fill_ && fill_->is == fill::state::failed) return fail(fill_->error.code, "the end of " + named(*group_) + " could not be had: " + fill_->error.reason);
      if (!sure && next_ <= filled_to_ && !(g.ended && next_ > g.largest)) return fail(request_code::does_not_exist, "a part of " + named(*group_) + " could not be had");
      return step::end;
    }
    if (o->first > next_) {
      if (g.trimmed && *g.trimmed >= next_) return fail(request_code::does_not_exist, "the beginning of " + named(*group_) + " left the cache while it was read");
      if (o->first <= filled_to_ && !sure) return fail(request_code::does_not_exist, "a part of " + named(*group_) + " could not be had");
      if (o->first > filled_to_ && !complete) return step::wait; // another subgroup may have it
    }
    next_ = o->first + 1;
    if (o->second.status != object_status::normal) continue;
    out = o->second;
    return step::object;
  }
}

void group_reader::on_end_track(track&, uint64_t, std::string_view, base::mono_time) {
  stirred_ = true;
}

void group_reader::on_track_added(track& t, base::mono_time) {
  if (track_ || t.name() != name_) return;
  track_ = &t;
  track_->observe(*this);
  stirred_ = true;
}

void group_reader::on_track_removed(track& t, base::mono_time) {
  if (&t != track_) return;
  track_ = nullptr;
  stirred_ = true;
  fail(request_code::does_not_exist, "the track is gone");
}

void group_reader::on_track_refused(const full_track_name& name, const request_error& why, base::mono_time) {
  if (track_ || name != name_) return;
  stirred_ = true;
  fail(why.code, why.reason, why.retry_after_ms);
}

void group_reader::on_filled(const fill& what, base::mono_time) {
  if (&what == fill_.get()) stirred_ = true;
}

void group_reader::on_store_gone() {
  store_ = nullptr;
  track_ = nullptr;
  stirred_ = true;
  fail(request_code::going_away, "the node is stopping");
}

} // namespace ec::moq
